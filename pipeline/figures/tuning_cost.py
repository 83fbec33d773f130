"""What tuning costs: the loss to expect after k random trials."""

from matplotlib.figure import Figure

from pipeline.analysis.study import AnalysedStudy
from pipeline.analysis.tuning import TuningCurve
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.lab import formats

_SMALLEST = 1e-6
#: The budgets that the caption compares.
_BUDGETS = (4, 16)


def caption(study: AnalysedStudy) -> str:
    """Say who is best at small and at larger budgets."""
    found = study.sweep.tuning
    most = max(len(curve.trials) for curve in found)
    text = (
        f"Expected best final loss of a random search over an optimizer's {most} cells (batch size and learning rate "
        "together, drawn without replacement), the median over seeds. A trial that diverges or ends above the "
        "initial loss counts as the initial loss. The order depends on the ranges that were searched."
    )
    for k in _BUDGETS:
        values = {curve.optimizer: float(curve.loss[k - 1]) for curve in found if len(curve.loss) >= k}
        if len(values) > 1:
            first, second, *_, last = [
                *sorted(values, key=lambda name: values[name]),
                max(values, key=lambda n: values[n]),
            ]
            text += (
                f" After {k} trials: {first} {formats.loss(values[first])}, then {second} "
                f"{formats.loss(values[second])}; last {last} {formats.loss(values[last])}."
            )
    return text


@register(kind="sweep", title="What tuning costs", caption=caption, place=8)
def tuning_cost(study: AnalysedStudy) -> Figure:
    """Draw the expected best loss against the number of trials, a line for each optimizer.

    Parameters
    ----------
    study : AnalysedStudy
        A sweep.

    Returns
    -------
    Figure
    """
    found = study.sweep.tuning
    looks = style.name_looks(study.sweep.grid.optimizers)
    figure = style.new_figure(height=4.2 + 0.2 * ((len(found) + 1) // 2))
    axes = figure.subplots()
    for i, curve in enumerate(found):
        excess = study.excess(curve.loss, _SMALLEST)
        axes.plot(curve.trials, excess, markevery=_marked(curve, i), **looks[curve.optimizer])
    axes.set_xscale("log", base=2)
    most = max(len(curve.trials) for curve in found)
    style.ticks(axes.xaxis, [2**i for i in range(most.bit_length())], lambda value: f"{value:g}")
    style.log(axes.yaxis)
    axes.set(xlabel="random trials (log scale)", ylabel=f"expected best {study.final_loss_name} (log scale)")
    style.add_legend(figure, [style.key(curve.optimizer, **looks[curve.optimizer]) for curve in found])
    return figure


def _marked(curve: TuningCurve, position: int) -> list[int]:
    """Every power of two, and one point in between that is the optimizer's own, so that markers do not pile up."""
    n = len(curve.trials)
    places = {round(2 ** (i + (position % 5) / 5)) - 1 for i in range(12)}
    return sorted(place for place in places if place < n)
