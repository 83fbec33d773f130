"""What tuning costs: the loss to expect after k random trials."""

from matplotlib.figure import Figure

from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences

_SMALLEST = 1e-6
#: The budgets that title and caption compare.
_BUDGETS = (4, 16)


def _ranked(study: AnalysedStudy, k: int) -> list[tuple[float, str]]:
    """The optimizers with so many trials, the lowest expected loss first; ties keep the study's order."""
    found = [(float(curve.loss[k - 1]), curve.optimizer) for curve in study.sweep.tuning if len(curve.loss) >= k]
    return sorted(found, key=lambda one: one[0])


def title(study: AnalysedStudy) -> str:
    """Say who is ahead at small and at larger budgets."""
    few, many = (next((name for _, name in _ranked(study, k)), "") for k in _BUDGETS)
    if len(study.sweep.tuning) < 2 or not few:
        return lang().say("What tuning costs: the loss to expect after k random trials")
    if few == (many or few):
        return lang().say("{name} is best after {k} random trials, and stays so", name=few, k=_BUDGETS[0])
    return lang().say(
        "{few} is best after {k} random trials, {many} after {n}", few=few, many=many, k=_BUDGETS[0], n=_BUDGETS[1]
    )


def caption(study: AnalysedStudy) -> str:
    """Say who is best at small and at larger budgets."""
    orders = {k: [f"{name} {lang().loss(loss)}" for loss, name in _ranked(study, k)] for k in _BUDGETS}
    return sentences(
        lang().say(
            "Expected best final loss of a random search over an optimizer's {most} cells (batch size and learning "
            "rate together, drawn without replacement), the median over seeds. A trial that diverges or ends above the "
            "initial loss counts as the initial loss. The order depends on the ranges that were searched.",
            most=max(len(curve.trials) for curve in study.sweep.tuning),
        ),
        *(
            lang().say(
                "After {k} trials: {first}, then {second}; last {last}.",
                **{"k": k, "first": order[0], "second": order[1], "last": order[-1]},
            )
            for k, order in orders.items()
            if len(order) > 1
        ),
    )


@register(kind="sweep", title=title, caption=caption, place=8)
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
    figure = style.new_figure(height=4.4 + 0.2 * ((len(found) + 1) // 2))
    axes = figure.subplots()
    for i, curve in enumerate(found):
        excess = study.excess(curve.loss, _SMALLEST)
        axes.plot(curve.trials, excess, markevery=(0.02 * i, 0.2), **looks[curve.optimizer])
    axes.set_xscale("log", base=2)
    most = max(len(curve.trials) for curve in found)
    style.ticks(axes.xaxis, [2**i for i in range(most.bit_length())], lambda value: f"{value:g}")
    style.log(axes.yaxis)
    axes.set(
        xlabel=lang().say("random trials (log scale)"),
        ylabel=lang().say("expected best {loss} (log scale)", loss=lang().word(study.final_loss_name)),
    )
    style.add_legend(figure, [style.key(curve.optimizer, **looks[curve.optimizer]) for curve in found], columns=3)
    return figure
