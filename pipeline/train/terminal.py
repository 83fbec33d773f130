"""What ``python -m pipeline.train`` says besides the chapter's lines: what it trains, and in the end how it turned out.

Results go to stdout, all else to stderr; the progress bar of :mod:`pipeline.train.app` is drawn on a terminal alone.
"""

import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict

from hydra._internal.utils import get_args_parser

from pipeline.lab import formats
from pipeline.lab.config.cell import NOT_IDENTITY
from pipeline.lab.config.schema import CELL_FIELDS
from pipeline.lab.variation import told_apart
from pipeline.parts.own import short
from pipeline.train.app import PAGES, UPDATES, Job, losses_of

#: The jobs that the command has announced.
announced: list[Job] = []
#: Cells of a product that its ranking shows.
SHOWN = 10


def announce(jobs: Sequence[Job], searched: bool = False) -> None:
    """Print what will be trained; before torch is imported, which takes seconds.

    Parameters
    ----------
    jobs : sequence of Job
        What was asked for.
    searched : bool
        Whether these are only the ends of what a sweeper searches, and says itself what it finds.
    """
    announced[:] = [] if searched else jobs
    cells = [cell for job in jobs for cell in job.cells]
    UPDATES.update(planned=sum(cell.steps * cell.config.seeds for job in announced for cell in job.cells), done=0)
    rules, models, data = (
        formats.listed(list(dict.fromkeys(short(getattr(cell.config, group).name) for cell in cells)))
        for group in ("optimizer", "model", "data")
    )
    runs, updates = formats.count(sum(cell.config.seeds for cell in cells), "run"), UPDATES["planned"]
    what = "batch size {0.batch_size}, lr {0.lr:g}, epochs {0.epochs}".format(cells[0].config)
    what = f"{what if len(cells) == 1 else f'{len(cells):,} cells'}: {runs}, {formats.count(updates, 'update')}"
    what = "cells that the sweeper chooses" if searched else what
    print(f"training: {rules} on {data}, {models} model, {what}", file=sys.stderr, flush=True)


def close(given: Sequence[str]) -> None:
    """Print a product's ranking, how good the loss of a single cell is, where all is written, and what to do next.

    Parameters
    ----------
    given : sequence of str
        The command line.
    """
    jobs = [job for job in announced if (job.out / "runs.parquet").is_file() and not job.of_study]
    if len(jobs) > 1 and (ranking := _ranking(jobs)):
        print("", *ranking, _race(given), sep="\n")
    for job in jobs[:1]:
        more = f" and {formats.count(len(jobs) - 1, 'more folder')}" if len(jobs) > 1 else ""
        advise = shlex.join(["python", "-m", "pipeline.analysis.advise", "--study", str(job.out)])
        notes = {
            "found": _found(job) if len(jobs) == len(job.cells) == 1 else "",
            "written": f"runs.parquet and curves.parquet in {job.out}{more}",
            "next": advise if len(job.cells) > 1 else "",
            "browse": "" if job.store is None else job.store.browse(PAGES.get(job.out, "") if len(jobs) == 1 else ""),
        }
        print(*(f"{what}: {words}" for what, words in notes.items() if words), sep="\n", file=sys.stderr)


def _found(job: Job) -> str:
    """The loss of a single cell against the least one that there is, or the one that it began with."""
    from pipeline.lab.results import StudyResults

    study = StudyResults.read(job.out, job.data_dir)
    (cell,) = study.cells.values()
    losses, least = losses_of(cell.runs, "loss"), study.minimum
    median, low, high = losses.median(), losses.min(), losses.max()
    if not math.isfinite(median):
        return "no loss, because half of the runs or more diverged or failed; a smaller lr may help"
    seeds = f" (median of {len(losses)} seeds, {formats.loss(low)} to {formats.loss(high)})" if len(losses) > 1 else ""
    against = f"{formats.loss(cell.runs.initial_loss.median())} before the first update"
    if least:
        above = formats.number(max(100 * (median / least - 1), 0.0), 2)
        against = f"{above} % above {formats.loss(least)}, the least that a linear model can reach on these data"
    more = "" if seeds else "; one seed does not say how much it varies: add seeds=10"
    return f"{study.metric.replace('_', ' ')} {formats.loss(median)}{seeds}, {against}{more}"


def _ranking(jobs: Sequence[Job]) -> list[str]:
    """The cells of a product by their median final loss, and how often the first is better than the second."""
    from pyarrow import dataset

    columns = ["seed", "cell_id", "status", "final_loss", "final_validation_loss"]
    table = dataset.dataset([str(job.out / "runs.parquet") for job in jobs]).to_table(columns=columns).to_pandas()
    runs = table.drop_duplicates(["seed", "cell_id"]).set_index(["seed", "cell_id"])
    losses = losses_of(runs, jobs[0].metric).unstack()
    if losses.shape[1] < 2:  # of cells that did not fail
        return []
    found = losses.agg(["median", "count", "min", "max"]).T.sort_values("median")
    configs = {cell.id: asdict(cell.config) for job in jobs for cell in job.cells}
    apart = told_apart([configs[key] for key in found.index], ("optimizer",))
    rows: list[tuple[str, ...]] = [("optimizer", "batch size", "lr", "median final loss", "seeds", "lowest", "highest")]
    for key, more, (median, seeds, *ends) in zip(found.index, apart, found.to_numpy(), strict=True):
        config = configs[key]
        name = ", ".join(filter(None, (short(config["optimizer"]["name"]), more)))
        point = (name, str(config["batch_size"]), f"{config['lr']:g}")
        rows.append((*point, formats.loss(median), f"{seeds:.0f}", *map(formats.loss, ends)))
    rest = [f"and {len(found) - SHOWN:,} more cells"] if len(found) > SHOWN else []
    both = losses[found.index[:2]].dropna()
    won, of = int((both.iloc[:, 0] < both.iloc[:, 1]).sum()), formats.count(len(both), "seed")
    alone = ", which decides nothing" if len(both) == 1 else ""
    words = f"The first is better than the second with {won} of {of}{alone}."
    return [*formats.aligned(rows[: SHOWN + 1]), *rest, words]


def _race(given: Sequence[str]) -> str:
    """The command that races the cells of a product, where the same words can say them."""
    options = get_args_parser().parse_intermixed_args(list(given))
    said = {text.partition("=")[0]: text for text in options.overrides}
    if any(key.startswith(("+", "study")) for key in said):
        return "The same command with more seeds says better what is best."
    config = announced[0].cells[0].config
    # What is not given is the same in all cells, and might be another thing in a race.
    words = {"optimizer": f"optimizer={config.optimizer.name}"}
    words |= {key: f"{key}={getattr(config, key)}" for key in ("batch_size", "lr", "epochs")}
    words |= {key: text for key, text in said.items() if key.partition(".")[0] in {*CELL_FIELDS, "target", "data_dir"}}
    folder = [f"--config-dir={options.config_dir}"] if options.config_dir else []
    shown = [text for key, text in words.items() if key not in NOT_IDENTITY]
    return f"What is best, and how certain that is: {shlex.join(['python', '-m', 'pipeline.answer', *folder, *shown])}"
