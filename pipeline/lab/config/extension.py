"""Extensions of a study: learning rates that were added after its results were seen.

``snakemake extend`` writes one file a round, ``results/STUDY/extension/round1.json`` and so on. They lie
with the results and not in ``conf/``, because they are a consequence of results. A round's cells
are jobs of their own, ``ext1``, ``ext2``, and so the jobs that were trained before stay as they are.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.errors import UserError
from pipeline.lab.grouping import grouped


@dataclass(frozen=True)
class Widening:
    """Learning rates to add for one optimizer and batch size.

    Parameters
    ----------
    optimizer : str
        Its name.
    batch_size : int
        The batch size.
    lrs : tuple of float
        The rates.
    like : str
        Id of a cell of theirs: only cells that differ from it in nothing but the rate get these. Empty: all do.
    """

    optimizer: str
    batch_size: int
    lrs: tuple[float, ...]
    like: str = ""


def round_file(folder: Path, number: int) -> Path:
    """The file of a round; rounds count from 1."""
    return folder / f"round{number}.json"


def read_rounds(folder: Path) -> tuple[tuple[Widening, ...], ...]:
    """Read the rounds of a study, up to the first that is missing or added nothing.

    Parameters
    ----------
    folder : Path
        ``results/STUDY/extension``; it need not exist.

    Returns
    -------
    tuple of tuple of Widening
        A round each.

    Raises
    ------
    UserError
        If a file is no such file.
    """
    rounds: list[tuple[Widening, ...]] = []
    while (path := round_file(folder, len(rounds) + 1)).is_file():
        try:
            points = json.loads(path.read_text(encoding="utf-8"))["points"]
            added = tuple(
                Widening(
                    optimizer=str(point["optimizer"]),
                    batch_size=int(point["batch_size"]),
                    lrs=tuple(map(float, point["lrs"])),
                    like=str(point.get("like", "")),
                )
                for point in points
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} cannot be read ({error}): delete it, and run snakemake extend") from None
        if not added:
            break
        rounds.append(added)
    return tuple(rounds)


def widened(cells: Sequence[Cell], added: Sequence[Widening]) -> list[Cell]:
    """Make the cells of a round.

    Parameters
    ----------
    cells : sequence of Cell
        The study's own.
    added : sequence of Widening
        The round.

    Returns
    -------
    list of Cell
        Each cell of that optimizer and batch size with the new rates in place of its own, each once. What the study
        no longer has adds nothing.
    """
    new: dict[str, Cell] = {}
    for point in added:
        series = grouped(
            (canonical_json(cell.identity | {"lr": None}), cell)
            for cell in cells
            if (cell.config.optimizer.name, cell.config.batch_size) == (point.optimizer, point.batch_size)
        )
        for template, *others in series.values():
            if point.like and point.like not in {cell.id for cell in (template, *others)}:
                continue
            for lr in point.lrs:
                cell = dataclasses.replace(template, config=dataclasses.replace(template.config, lr=lr))
                new.setdefault(cell.id, cell)
    return list(new.values())
