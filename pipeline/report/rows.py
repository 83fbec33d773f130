"""The table of cells: configuration, final losses, and published values."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.analysis.cells import quantiles
from pipeline.lab.config.cell import taxonomy, updates
from pipeline.lab.published import Published, published_for
from pipeline.lab.results import CellResults, StudyResults
from pipeline.report.language import ENGLISH, Language, mark

#: The kinds of batches, which are looked up.
_KINDS = (mark("full-batch"), mark("mini-batch"), mark("stochastic"))


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
    distance : float, optional
        The same as a number.
    """

    inside: bool | None
    text: str
    z: str = "–"
    distance: float | None = None


@dataclass(frozen=True)
class Row:
    """One row of the table, as text for people."""

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
    #: What the columns are sorted by, where that is not their text.
    values: dict[str, float]


def table_rows(study: StudyResults, lang: Language = ENGLISH) -> list[Row]:
    """Make a row for each cell of a study.

    Parameters
    ----------
    study : StudyResults
        The study.
    lang : Language
        The report's.

    Returns
    -------
    list of Row
        In their order; every cell and every run is in it, however it ended.
    """
    return [_row(cell, lang) for cell in study.cells.values()]


def _row(cell: CellResults, lang: Language) -> Row:
    epochs, examples, seconds = int(cell.runs["epochs"].iloc[0]), cell.examples, cell.seconds_per_epoch
    published = published_for(cell.config)
    losses, accuracies = cell.losses, cell.runs["accuracy"].to_numpy(dtype=float, na_value=np.nan)
    steps = updates(examples, cell.batch_size, epochs) if examples else None
    comparison = compare(cell, published, lang)
    return Row(
        label=cell.name,
        optimizer=cell.optimizer,
        implementation=cell.implementation,
        batch_size=lang.whole(cell.batch_size),
        taxonomy=lang.word(taxonomy(cell.batch_size, examples)) if examples else "–",
        lr=lang.local(f"{cell.lr:g}"),
        epochs=lang.whole(epochs),
        # Of a whole run: those that diverged or failed made fewer.
        updates=lang.whole(steps) if steps is not None else "–",
        seeds=str(len(cell.runs)),
        statuses=cell.statuses,
        median=median_text(losses, lang),
        mean=mean_text(losses, lang),
        accuracy=accuracy_text(accuracies, lang),
        seconds=lang.seconds(float(np.median(seconds))) if seconds.size else lang.say("no clock"),
        published=published,
        comparison=comparison,
        values={
            "batch_size": cell.batch_size,
            "lr": cell.lr,
            "epochs": epochs,
            "updates": math.inf if steps is None else steps,
            "seeds": len(cell.runs),
            "median": float(quantiles(losses, 0.5)) if losses.size else math.nan,
            "mean": float(losses.mean()) if losses.size else math.nan,
            "accuracy": float(np.nanmedian(accuracies)) if np.isfinite(accuracies).any() else math.nan,
            "seconds": float(np.median(seconds)) if seconds.size else math.nan,
            "z": math.nan if comparison.distance is None else comparison.distance,
        },
    )


def median_text(losses: NDArray[np.float64], lang: Language = ENGLISH) -> str:
    """Write median and quartiles, ``∞`` among them where that many runs diverged."""
    if not losses.size:
        return "–"
    low, middle, high = (lang.loss(float(value)) for value in quantiles(losses, [0.25, 0.5, 0.75]))
    return middle if losses.size == 1 else f"{middle} {lang.between(low, high)}"


def mean_text(losses: NDArray[np.float64], lang: Language = ENGLISH) -> str:
    """Write mean and standard deviation; one infinite loss makes the mean infinite."""
    if not losses.size:
        return "–"
    if not np.isfinite(losses).all():
        return lang.loss(math.inf)
    mean = lang.loss(float(losses.mean()))
    return (
        mean
        if losses.size == 1
        else f"{mean}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{lang.loss(float(losses.std(ddof=1)))}"
    )


def accuracy_text(accuracies: NDArray[np.float64], lang: Language = ENGLISH) -> str:
    """Write the median and the range of accuracies on held-out examples; empty where there are none."""
    known = accuracies[~np.isnan(accuracies)]
    if not known.size:
        return ""
    low, middle, high = (lang.local(f"{value:.1%}") for value in (known.min(), np.median(known), known.max()))
    return middle if known.size == 1 else f"{middle} {lang.between(low, high)}"


def compare(cell: CellResults, published: Published | None, lang: Language = ENGLISH) -> Comparison:
    """Hold a cell's mean final loss against three standard errors around the expected mean.

    Parameters
    ----------
    cell : CellResults
        The cell.
    published : Published or None
        What was published for it.
    lang : Language
        The report's.

    Returns
    -------
    Comparison
        No verdict on generated data, whose minibatches are others, nor where runs did not end well.
    """
    if published is None or published.expected is None:
        return Comparison(None, "–")
    if cell.offline_twin:
        return Comparison(None, lang.say("not compared: offline twin"))
    if set(cell.statuses) != {"ok"}:
        return Comparison(None, lang.say("not compared: not every run ended well"))
    expected, losses = published.expected, cell.losses
    width = expected.interval(losses)
    inside = bool(abs(losses.mean() - expected.mean) <= width)
    span = f"{lang.loss(expected.mean)}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{lang.loss(width)}"
    mean, z = lang.loss(float(losses.mean())), expected.z(losses)
    text = (
        lang.say("yes: {mean}, inside {span}", mean=mean, span=span)
        if inside
        else lang.say("no: {mean}, outside {span}", mean=mean, span=span)
    )
    return Comparison(inside, text, lang.local(f"{z:+.1f}").replace("-", "−"), z)


SOURCES = {
    mark("Book"): mark(
        "The book's page for PyTorch (Dive into Deep Learning 1.x, section Minibatch Stochastic Gradient Descent, "
        "after its timer was mended): final loss and seconds per epoch. Read as others quote them."
    ),
    mark("Notebooks"): mark(
        "Readers' notebooks of the time of the 0.16 and 0.17 editions: final losses. Their seconds are left "
        "out, because the timer of those editions gave the time between two evaluations."
    ),
    mark("Authors"): mark(
        "30 runs stored by the authors in the history of the book's second edition (8 PyTorch, 7 MXNet, "
        "6 TensorFlow, 9 JAX): the mean final loss."
    ),
    mark("1000 seeds"): mark(
        "Mean and, where it is known, standard deviation of the final loss over 1000 seeds (4000 for exercise 3) of "
        "the textbook's protocol in plain PyTorch, on the measured table."
    ),
}
