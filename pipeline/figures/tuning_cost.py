"""What tuning costs: the loss to expect after k random trials."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pipeline.analysis.tuning import TuningCurve
from pipeline.figures import style
from pipeline.figures.optimizer_lines import optimizer_looks
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats

_SMALLEST = 1e-6
#: The budgets that the caption compares.
_BUDGETS = (4, 16)


def caption(tables: Tables) -> str:
    """Say who is best at small and at larger budgets."""
    found = tables.sweep.tuning
    most = max(len(curve.trials) for curve in found)
    text = (
        f"Expected best final loss of a random search over an optimizer's {most} cells (batch size and learning rate "
        "together, drawn without replacement), the median over seeds. A trial that diverges or ends above the "
        "initial loss "
        "counts as the initial loss. The order depends on the ranges that were searched."
    )
    for k in _BUDGETS:
        values = {curve.optimizer: float(curve.loss[k - 1]) for curve in found if len(curve.loss) >= k}
        if len(values) > 1:
            ranked = sorted(values, key=lambda name: values[name])
            text += (
                f" After {k} trials: {ranked[0]} {formats.loss(values[ranked[0]])}, then {ranked[1]} "
                f"{formats.loss(values[ranked[1]])}; last {ranked[-1]} {formats.loss(values[ranked[-1]])}."
            )
    return text


@register(title="What tuning costs", study="sweep", caption=caption, place=8)
def sweep_tuning_cost(tables: Tables) -> Figure:
    """Draw the expected best loss against the number of trials, a line for each optimizer.

    Parameters
    ----------
    tables : Tables
        A sweep.

    Returns
    -------
    Figure
    """
    found = tables.sweep.tuning
    looks = optimizer_looks(tables.sweep.grid.optimizers)
    figure = style.new_figure(height=4.2 + 0.2 * ((len(found) + 1) // 2))
    axes = figure.subplots()
    for i, curve in enumerate(found):
        excess = np.maximum(curve.loss - (tables.minimum or 0.0), _SMALLEST)
        axes.plot(curve.trials, excess, markevery=_marked(curve, i), **looks[curve.optimizer])
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    most = max(len(curve.trials) for curve in found)
    axes.xaxis.set_major_locator(FixedLocator([2**i for i in range(12) if 2**i <= most]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    style.log_axis(axes.yaxis, lambda value: f"{value:g}")
    axes.set_xlabel("random trials (log scale)")
    words = "final loss" if tables.minimum is None else "final loss − minimum"
    axes.set_ylabel(f"expected best {words} (log scale)")
    handles = [Line2D([], [], **looks[curve.optimizer]) for curve in found]
    style.add_legend(figure, handles, [curve.optimizer for curve in found])
    return figure


def _marked(curve: TuningCurve, position: int) -> list[int]:
    """Every power of two, and one point in between that is the optimizer's own, so that markers do not pile up."""
    n = len(curve.trials)
    places = {round(2 ** (i + (position % 5) / 5)) - 1 for i in range(12)}
    return sorted(place for place in places if place < n)
