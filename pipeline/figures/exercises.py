"""The chapter's exercises 2 to 4, one figure each: what a variant does to the final loss, beside the chapter's own run.

Exercise 1, batch size against learning rate, is the sweep.
"""

from collections.abc import Callable

from matplotlib.figure import Figure

from pipeline.figures.cells import CellSummary
from pipeline.figures.final_losses import agreement, draw_final_losses
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats

_SEEDS = (
    "Bars: where the seeds end; dot: their mean, with three standard errors; diamond: the mean that others' seeds gave."
)


def _decays(cell: CellSummary) -> bool:
    return bool(cell.config["schedule"]["name"] == "step_per_epoch")


def _replaces(cell: CellSummary) -> bool:
    return bool(cell.config["sampling"]["name"] == "with_replacement")


def _copies(cell: CellSummary) -> bool:
    return int(cell.config["data"].get("copies", 1)) > 1


def _is_plain(cell: CellSummary) -> bool:
    """Whether the cell is a run as the chapter has it: constant rate, each row once, without replacement."""
    return cell.config["schedule"]["name"] == "constant" and not _replaces(cell) and not _copies(cell)


def _beside(
    tables: Tables, is_variant: Callable[[CellSummary], bool], is_base: Callable[[CellSummary, CellSummary], bool]
) -> list[list[CellSummary]]:
    """Groups of a cell and its variants: those of one learning rate, in the order of the study."""
    variants = [cell for cell in tables.cells if is_variant(cell)]
    groups: dict[float, list[CellSummary]] = {}
    for cell in tables.cells:
        if cell in variants or any(is_base(cell, variant) for variant in variants):
            groups.setdefault(float(cell.config["lr"]), []).append(cell)
    return list(groups.values())


def _alike(*fields: str) -> Callable[[CellSummary, CellSummary], bool]:
    """Whether two cells agree in fields of their configuration."""
    return lambda one, other: all(one.config[name] == other.config[name] for name in fields)


def decayed(tables: Tables) -> list[list[CellSummary]]:
    """Cells with a tenth of the rate after each epoch, each beside the same one without."""
    same = _alike("lr", "batch_size", "epochs")
    return _beside(
        tables,
        _decays,
        lambda cell, variant: _is_plain(cell) and same(cell, variant),
    )


def replaced(tables: Tables) -> list[list[CellSummary]]:
    """Cells that draw with replacement, each beside the same one that draws without."""
    same = _alike("lr", "batch_size", "epochs", "schedule", "data")
    return _beside(
        tables,
        _replaces,
        lambda cell, variant: not _replaces(cell) and same(cell, variant),
    )


def doubled(tables: Tables) -> list[list[CellSummary]]:
    """Cells that have every row twice, beside the chapter's own run at the same rate."""
    same = _alike("lr", "epochs")
    return _beside(
        tables,
        _copies,
        lambda cell, variant: _is_plain(cell) and same(cell, variant),
    )


def _changes(groups: list[list[CellSummary]], is_variant: Callable[[CellSummary], bool], word: str) -> str:
    """Say by how much the first variant of each group changes the mean final loss of the first plain cell."""
    parts = []
    for group in groups:
        base = next(cell for cell in group if not is_variant(cell))
        variant = next((cell for cell in group if is_variant(cell)), None)
        if variant is not None:
            change = float(variant.losses.mean() - base.losses.mean())
            parts.append(f"{formats.quoted(base.label)} {'+' if change > 0 else '−'}{formats.number(abs(change), 2)}")
    return f"{word} the mean final loss: {', '.join(parts)}." if parts else ""


def decay_caption(tables: Tables) -> str:
    """Say what the decay does to mean and spread."""
    groups = decayed(tables)
    change = _changes(groups, _decays, "A tenth of the rate changes")
    return (
        f"Exercise 2, a tenth of the learning rate after each epoch. {_SEEDS} {change} Lower and closer together: the "
        f"smaller rate lets the noise of the minibatches die down. {_agreement(tables, groups)}"
    )


def replacement_caption(tables: Tables) -> str:
    """Say what replacement does to the mean."""
    groups = replaced(tables)
    change = _changes(groups, _replaces, "Replacement changes")
    return (
        f"Exercise 3, minibatches drawn with replacement. {_SEEDS} {change} Rows that come twice and rows that do not "
        f"come at all add noise, most visibly where the rate decays. {_agreement(tables, groups)}"
    )


def duplicates_caption(tables: Tables) -> str:
    """Say what a second copy of every row does."""
    groups = doubled(tables)
    return (
        f"Exercise 4, every row twice. {_SEEDS} Twice the updates gain nothing where the loss has reached its noise "
        "floor, and as many updates in one epoch end where the single rows do. Minibatches of twice the size end lower "
        "because half the rate per example is half the noise. The full batch of both copies is the full batch; one "
        f"that stays at 1500 is half a batch, and unstable at this rate. {_agreement(tables, groups)}"
    )


def _agreement(tables: Tables, groups: list[list[CellSummary]]) -> str:
    return agreement([cell for group in groups for cell in group], offline_twin=tables.offline_twin)


@register(title="Exercise 2: a decaying learning rate", study="exercises", caption=decay_caption, place=2)
def exercise_decay(tables: Tables) -> Figure:
    """Draw the cells of exercise 2.

    Parameters
    ----------
    tables : Tables
        The exercises.

    Returns
    -------
    Figure
    """
    return draw_final_losses(tables, decayed(tables))


@register(title="Exercise 3: sampling with replacement", study="exercises", caption=replacement_caption, place=3)
def exercise_replacement(tables: Tables) -> Figure:
    """Draw the cells of exercise 3.

    Parameters
    ----------
    tables : Tables
        The exercises.

    Returns
    -------
    Figure
    """
    return draw_final_losses(tables, replaced(tables))


@register(title="Exercise 4: every row twice", study="exercises", caption=duplicates_caption, place=4)
def exercise_duplicates(tables: Tables) -> Figure:
    """Draw the cells of exercise 4.

    Parameters
    ----------
    tables : Tables
        The exercises.

    Returns
    -------
    Figure
    """
    return draw_final_losses(tables, doubled(tables))
