"""The table of cells: what each was, how its runs ended, and what others have published."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.cell import examples_in, taxonomy, updates
from pipeline.figures import formats
from pipeline.figures.cells import CellSummary, quantiles
from pipeline.published import published_for
from pipeline.published.values import Published


@dataclass(frozen=True)
class Comparison:
    """Whether a cell's mean final loss is where a thousand seeds say it should be.

    Parameters
    ----------
    inside : bool or None
        None where the two cannot be compared.
    text : str
        The verdict with its numbers, or why there is none.
    z : str
        The difference in standard errors.
    """

    inside: bool | None
    text: str
    z: str = "–"


@dataclass(frozen=True)
class Row:
    """One line of the table, as text for people."""

    label: str
    optimizer: str
    implementation: str
    batch_size: str
    taxonomy: str
    lr: str
    epochs: str
    updates: str
    seeds: str
    statuses: dict[str, int]
    median: str
    mean: str
    accuracy: str
    seconds: str
    published: Published | None
    comparison: Comparison


def table_rows(cells: list[CellSummary]) -> list[Row]:
    """Make a line for each cell of a study.

    Parameters
    ----------
    cells : list of CellSummary
        The study's.

    Returns
    -------
    list of Row
        In their order; every cell and every run is in it, however it ended.
    """
    return [_row(cell) for cell in cells]


def _row(cell: CellSummary) -> Row:
    first = cell.runs.iloc[0]
    examples = examples_in(cell.config)
    seconds = cell.seconds_per_epoch
    published = published_for(cell.config)
    return Row(
        label=cell.label,
        optimizer=cell.optimizer,
        implementation=cell.implementation,
        batch_size=f"{cell.batch_size:,}",
        taxonomy=taxonomy(cell.batch_size, examples) if examples else "–",
        lr=f"{first['lr']:g}",
        epochs=f"{first['epochs']:,}",
        # Of a whole run: those that diverged or failed made fewer.
        updates=f"{updates(examples, cell.batch_size, int(first['epochs'])):,}" if examples else "–",
        seeds=str(len(cell.runs)),
        statuses=cell.statuses,
        median=median_text(cell.losses),
        mean=mean_text(cell.losses),
        accuracy=accuracy_text(cell.runs["accuracy"].to_numpy(dtype=float, na_value=np.nan)),
        seconds=formats.seconds(float(np.median(seconds))) if seconds.size else "no clock",
        published=published,
        comparison=compare(cell, published),
    )


def median_text(losses: NDArray[np.float64]) -> str:
    """Write median and quartiles, ``∞`` among them where that many runs diverged."""
    if not losses.size:
        return "–"
    low, middle, high = (formats.loss(float(value)) for value in quantiles(losses, [0.25, 0.5, 0.75]))
    return middle if losses.size == 1 else f"{middle} [{low},\N{NO-BREAK SPACE}{high}]"


def mean_text(losses: NDArray[np.float64]) -> str:
    """Write mean and standard deviation; one infinite loss makes the mean infinite."""
    if not losses.size:
        return "–"
    if not np.isfinite(losses).all():
        return formats.loss(math.inf)
    mean = formats.loss(float(losses.mean()))
    return (
        mean
        if losses.size == 1
        else f"{mean}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{formats.loss(float(losses.std(ddof=1)))}"
    )


def accuracy_text(accuracies: NDArray[np.float64]) -> str:
    """Write the median and the range of accuracies on held-out examples; empty where there are none."""
    known = accuracies[~np.isnan(accuracies)]
    if not known.size:
        return ""
    low, middle, high = (f"{value:.1%}" for value in (known.min(), np.median(known), known.max()))
    return middle if known.size == 1 else f"{middle} [{low},\N{NO-BREAK SPACE}{high}]"


def compare(cell: CellSummary, published: Published | None) -> Comparison:
    """Hold a cell's mean final loss against three standard errors around the expected mean.

    Parameters
    ----------
    cell : CellSummary
        The cell.
    published : Published or None
        What was published for it.

    Returns
    -------
    Comparison
        No verdict on generated data, whose minibatches are others, nor where runs did not end well.
    """
    if published is None or published.expected is None:
        return Comparison(None, "–")
    if cell.runs["data"].str.endswith("_twin").any():
        return Comparison(None, "not compared: offline twin")
    if set(cell.statuses) != {"ok"}:
        return Comparison(None, "not compared: not every run ended well")
    expected, losses = published.expected, cell.losses
    width = expected.interval(losses)
    inside = bool(abs(losses.mean() - expected.mean) <= width)
    verdict, word = ("yes", "inside") if inside else ("no", "outside")
    return Comparison(
        inside,
        f"{verdict}: {formats.loss(float(losses.mean()))}, {word} "
        f"{formats.loss(expected.mean)}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{formats.loss(width)}",
        f"{expected.z(losses):+.1f}".replace("-", "−"),
    )
