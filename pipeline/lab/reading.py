"""Read a study's files: words, tables some whole cells at a time, whose clock, and the loss that runs are judged by."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.lab.config.cell import WORDS_VERSION
from pipeline.lab.errors import MAKE_AGAIN, UserError
from pipeline.lab.facts import json_object
from pipeline.lab.tables import CURVES, RUNS, read_batches, read_table, to_frame


def whole_cells(folder: Path, rows: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Read both tables some whole cells at a time; see :meth:`pipeline.lab.results.StudyResults.pieces`."""
    paths = {RUNS: folder / "runs.parquet", CURVES: folder / "curves.parquet"}
    runs, curves = (_blocks(path, schema) for schema, path in paths.items())
    readings = dict(curves)
    in_order = [cell_id for cell_id, _ in runs if cell_id in readings] == [cell_id for cell_id, _ in curves]
    if len(dict(runs)) < len(runs) or not in_order:
        yield read_table(paths[RUNS], RUNS), read_table(paths[CURVES], CURVES)
        return
    lengths = _piece_lengths([(count, readings.get(cell_id, 0)) for cell_id, count in runs], rows)
    pieces = (_cut(paths[s], s, [piece[i] for piece in lengths]) for i, s in enumerate((RUNS, CURVES)))
    yield from zip(*pieces, strict=True)


def _blocks(path: Path, schema: pa.Schema) -> list[tuple[str, int]]:
    """Count the rows of each cell, in the order of the table; a cell whose rows are scattered comes up again."""
    ids = (str(i) for batch in read_batches(path, schema, ["cell_id"]) for i in batch["cell_id"].to_pylist())
    return [(cell_id, sum(1 for _ in block)) for cell_id, block in groupby(ids)]


def _piece_lengths(cells: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Put cells together, each with so many runs and readings, up to ``most`` of either.

    Examples
    --------
    >>> _piece_lengths([(1, 4), (1, 4), (1, 4)], 8)
    [(2, 8), (1, 4)]
    """
    pieces = [(0, 0)]
    for runs, readings in cells:
        together = pieces[-1][0] + runs, pieces[-1][1] + readings
        if pieces[-1] == (0, 0) or max(together) <= most:
            pieces[-1] = together
        else:
            pieces.append((runs, readings))
    return pieces


def _cut(path: Path, schema: pa.Schema, lengths: Sequence[int]) -> Iterator[pd.DataFrame]:
    """Read a table in consecutive pieces of so many rows."""
    batches = read_batches(path, schema)
    rest = schema.empty_table()
    for length in lengths:
        held = [rest]
        while sum(map(len, held)) < length:
            held.append(pa.Table.from_batches([next(batches)], schema))
        rest = pa.concat_tables(held)
        yield to_frame(rest.slice(0, length), schema)
        rest = rest.slice(length)


def clocks_of(path: Path) -> dict[str, int]:
    """Count the runs that have seconds, machine by machine; the machine with the most runs is the first.

    Where there are several, it is said whose seconds are used: see :func:`of_one_clock`.
    """
    counts = Counter(
        str(machine)
        for batch in read_batches(path, RUNS, ["machine", "train_seconds"])
        for machine, seconds in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        if seconds is not None
    )
    (first, *others) = counts.most_common() or [("", 0)]
    if others:
        left_out = ", ".join(f"{machine} ({n:,} runs)" for machine, n in others)
        print(
            f"{path.parent}: seconds are those of {first[0]} ({first[1]:,} runs); those of {left_out} are left out, "
            "because a median over two machines is the time of neither",
            file=sys.stderr,
        )
    return dict([first, *others])


def of_one_clock(
    runs: pd.DataFrame, curves: pd.DataFrame, clocks: Mapping[str, int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leave out the seconds of all machines but the first of :func:`clocks_of`."""
    if len(clocks) < 2:
        return runs, curves
    others = runs["machine"] != next(iter(clocks))
    names, key = ("train_seconds", "seconds_per_epoch"), ["cell_id", "seed"]
    theirs = pd.MultiIndex.from_frame(curves[key]).isin(pd.MultiIndex.from_frame(runs.loc[others, key]))
    runs = runs.assign(**{name: runs[name].mask(others) for name in names})
    return runs, curves.assign(seconds=curves["seconds"].mask(theirs))


def metric_of(runs: pd.DataFrame, words: Mapping[str, Any], folder: Path | None) -> str:
    """What the runs of a study are judged by."""
    known = runs.loc[runs["status"] != "error", "final_validation_loss"].notna()
    wanted = words.get("target", {}).get("metric", "auto")
    if wanted == "validation_loss" and not known.all():
        raise UserError(
            f"{folder}: target.metric=validation_loss is not allowed: {(~known).sum():,} of {len(known):,} runs have "
            "no examples held out; set data.validation, or target.metric=loss"
        )
    return str(wanted) if wanted != "auto" else "validation_loss" if len(known) and known.all() else "loss"


def judged_by_validation(runs: pd.DataFrame, curves: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put validation losses in the place of the training losses."""
    curves = curves.assign(loss=curves["validation_loss"])
    first = curves.loc[curves["step"] == 0, ["cell_id", "seed", "loss"]].rename(columns={"loss": "initial_loss"})
    runs = runs.drop(columns="initial_loss").merge(first, how="left", on=["cell_id", "seed"], validate="one_to_one")
    judged = {f"{name}_loss": runs[f"{name}_validation_loss"] for name in ("final", "best")}
    return runs.assign(**judged)[RUNS.names], curves


def study_words(path: Path) -> dict[str, Any]:
    """Read ``study.json``; empty where there is none."""
    if not path.exists():
        return {}
    words = json_object(path, MAKE_AGAIN)
    if words.get("version") != WORDS_VERSION:
        raise UserError(f"{path} has version {words.get('version')}, not {WORDS_VERSION}: {MAKE_AGAIN}")
    kinds: dict[str, type] = dict.fromkeys(("target", "labels", "data", "answer"), dict)
    kinds |= {"name": str, "title": str, "kind": str, "order": int}
    wrong = [key for key, kind in kinds.items() if not isinstance(words.get(key, kind()), kind)]
    if not wrong and not all(isinstance(one, dict) for one in words.get("data", {}).values()):
        wrong = ["data"]
    if wrong:
        raise UserError(f"{path} has a wrong {wrong[0]}: {MAKE_AGAIN}")
    return words
