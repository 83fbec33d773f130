"""Performance profile: on how many batch sizes an optimizer is within a factor of the best one."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from pipeline.analysis.profile import TAU_MAX
from pipeline.figures import style
from pipeline.figures.cost_to_target import target_briefly
from pipeline.figures.optimizer_lines import optimizer_looks
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats


def caption(tables: Tables) -> str:
    """Say who leads, and how many problems nobody solves."""
    found, sizes = tables.sweep.profiles, tables.sweep.grid.batch_sizes
    text = (
        f"{target_briefly(tables)} A problem is a batch size, the cost is the examples (or steps: the ratios are "
        f"the same), each "
        "optimizer at its best learning rate. A line says on what share of the problems an optimizer needs at most "
        "τ times "
        "what the best one needs; a miss counts as infinite. In brackets: mean height from 1 to "
        f"{TAU_MAX:g}, as AlgoPerf scores."
    )
    best = [p for p in found if p.score == found[0].score and p.score > 0]
    if best:
        firsts = sum(int(p.ratios[i] == 1) for p in best[:1] for i in range(len(sizes)))
        text += (
            f" Highest score: {formats.listed([p.optimizer for p in best])}, {formats.number(best[0].score, 2)}"
            f" (first on {firsts} of {formats.count(len(sizes), 'batch size')})."
        )
    unsolved = [f"b = {b}" for i, b in enumerate(sizes) if all(np.isinf(p.ratios[i]) for p in found)]
    if unsolved:
        text += f" No optimizer reaches the target at {formats.listed(unsolved)}."
    return text


@register(title="Performance profile", study="sweep", caption=caption, place=6)
def sweep_performance_profile(tables: Tables) -> Figure:
    """Draw the share of batch sizes on which each optimizer is within a factor of the best one.

    Parameters
    ----------
    tables : Tables
        A sweep.

    Returns
    -------
    Figure
    """
    found = tables.sweep.profiles
    looks = optimizer_looks(tables.sweep.grid.optimizers)
    figure = style.new_figure(height=4.0 + 0.2 * ((len(found) + 1) // 2))
    axes = figure.subplots()
    for i, profile in enumerate(found):
        tau = np.unique(np.concatenate([[1.0, TAU_MAX], profile.ratios[profile.ratios <= TAU_MAX]]))
        # Many lie on each other: shifted by less than a line's width, all of them can be seen.
        share = profile.share(tau) + 0.006 * (i - (len(found) - 1) / 2)
        axes.plot(tau, share, drawstyle="steps-post", **looks[profile.optimizer])
    axes.set_xscale("log", base=2)
    axes.set_xlim(0.97, TAU_MAX)
    axes.set_ylim(-0.04, 1.04)
    axes.xaxis.set_major_locator(FixedLocator([1, 1.5, 2, 3, 4]))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    axes.set_xlabel("τ: cost of reaching the target, as a multiple of the least (log scale)")
    axes.set_ylabel("share of the batch sizes")
    handles = [Line2D([], [], **looks[profile.optimizer]) for profile in found]
    style.add_legend(figure, handles, [f"{p.optimizer} ({p.score:.2f})" for p in found])
    return figure
