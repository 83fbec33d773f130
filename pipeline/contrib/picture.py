"""``python -m pipeline.contrib.picture``: draw the README's picture, theory against experiment and every verdict."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.lab.errors import exit_on_user_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.analysis.study import AnalysedStudy

_INK = "#222222"
#: Cell to colour, marker, words, and where they stand: epochs, factor above the curve there.
_CELLS: dict[str, tuple[str, str, str, tuple[float, float]]] = {
    "gd, 100 epochs": ("#D55E00", "^", "full batch, lr 1: diverges", (3.3, 3e3)),
    "gd lr 0.88, 100 epochs": ("#0072B2", "o", "full batch, lr 0.88", (3.2, 8e-4)),
    "minibatch 10": ("#009E73", "s", "minibatches of 10", (0.13, 4e-3)),
}
#: Verdict to fill, ink and sign: told apart in grey by lightness and by sign.
_VERDICTS: dict[str, tuple[str, str, str]] = {
    "holds": ("#0072B2", "#ffffff", "✓"),
    "does not hold": ("#F0B27A", "#000000", "✗"),
    "depends": ("#A08CC0", "#000000", "±"),
    "inconclusive": ("#ECECEC", "#000000", "?"),
    "by construction": ("#ffffff", "#555555", "="),
}
#: First letter of a claim's id to where the claim comes from.
_GROUPS = {"A": "the chapter", "B": "a page on batches", "F": "the field", "H": "what the lab found"}
_ACROSS = 6


def picture(study: "AnalysedStudy", claims: Mapping[str, Any]) -> "Figure":
    """Draw what the lab is about: runs on top of what theory expects of them, and the verdicts on all claims.

    Parameters
    ----------
    study : AnalysedStudy
        The chapter's, with its least squares problem.
    claims : mapping
        The content of ``claims.json``.

    Returns
    -------
    Figure
    """
    from pipeline.figures import style

    with style.context():
        figure = style.new_figure(height=3.7)
        figure.set_figwidth(9.0)
        left, right = figure.subplots(1, 2, width_ratios=[1.45, 1])
        _draw_curves(left, study)
        _draw_verdicts(right, claims)
    return figure


def _draw_curves(axes: "Axes", study: "AnalysedStudy") -> None:
    import numpy as np

    from pipeline.analysis.agreement import LIMIT
    from pipeline.figures import style
    from pipeline.lab import formats

    found = {cell.name: one for cell, _, one in study.agreements if one is not None}
    for label, (colour, marker, words, (x, factor)) in _CELLS.items():
        one = found[label]
        kept = one.epochs > 0
        epochs = one.epochs[kept]
        reach = LIMIT * one.error
        low, high, expected, measured = (
            study.excess(values[kept], 1e-7)
            for values in (one.expected - reach, one.expected + reach, one.expected, one.measured)
        )
        axes.fill_between(epochs, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(epochs, expected, color=_INK, linewidth=1.2)
        shown = np.unique(np.geomspace(1, len(epochs), 16).astype(int)) - 1
        axes.plot(epochs[shown], measured[shown], marker, color=colour, markersize=5, markeredgecolor="white")
        place = float(np.interp(np.log(x), np.log(epochs), np.log(expected)))
        verdict = f"max |z| {formats.number(one.largest_z, 2)}: {'pass' if one.agrees else 'FAIL'}"
        axes.text(x, float(np.exp(place)) * factor, f"{words}\n{verdict}", color=colour, fontsize=8.5, va="center")
    style.log(axes.xaxis)
    style.log(axes.yaxis, formats.power_of_ten)
    axes.set_xlim(0.11, 130)
    axes.set_xlabel("epochs (log scale)")
    axes.set_ylabel("loss − minimum (log scale)")
    axes.set_title("Mean of 20 runs (dots) on theory (line, ± 4 s.e.)", fontsize=10)


def _draw_verdicts(axes: "Axes", claims: Mapping[str, Any]) -> None:
    from matplotlib.patches import FancyBboxPatch

    entries = claims["claims"]
    groups = dict.fromkeys(entry["id"][0] for entry in entries)
    row = 0.0
    for group in groups:
        own = [entry for entry in entries if entry["id"][0] == group]
        axes.text(0.06, row + 0.28, _GROUPS.get(group, group), va="center", fontsize=7.5)
        row += 0.5
        for i, entry in enumerate(own):
            fill, ink, sign = _VERDICTS[entry["verdict"]]
            x, y = i % _ACROSS, row + i // _ACROSS
            box = FancyBboxPatch((x + 0.06, y + 0.1), 0.88, 0.8, boxstyle="round,pad=0,rounding_size=0.1")
            box.set(facecolor=fill, edgecolor="#888888", linewidth=0.5)
            axes.add_patch(box)
            words = f"{entry['id']} {sign}"
            axes.text(x + 0.5, y + 0.5, words, ha="center", va="center", fontsize=7, color=ink)
        row += (len(own) - 1) // _ACROSS + 1
    axes.set_xlim(0, _ACROSS)
    axes.axis("off")
    counts = claims["counts"]
    legend = [f"{sign} {verdict} {counts[verdict]}" for verdict, (_, _, sign) in _VERDICTS.items()]
    for line, some in enumerate((legend[:3], legend[3:])):
        axes.text(0.06, row + 0.4 + 0.55 * line, "    ".join(some), va="center", fontsize=8)
    axes.set_ylim(row + 1.25, -0.1)
    axes.set_title(f"{len(entries)} claims, each decided by a rule", fontsize=10)


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture from finished results.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.contrib.picture", description="Draw the README's picture."
    )
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="of a finished run")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png", help="where the picture goes")
    options = parser.parse_args(arguments)
    # Here, so that --help answers at once.
    from pipeline.analysis.study import AnalysedStudy
    from pipeline.contrib.verdicts import read_decided
    from pipeline.figures import style
    from pipeline.lab.files import written_whole

    claims = read_decided(options.results / "claims.json")
    figure = picture(AnalysedStudy.read(options.results / "textbook"), claims)
    figure.dpi = 144
    with style.context(), written_whole(options.out) as temporary:
        figure.canvas.print_png(temporary, metadata={"Software": None})  # type: ignore[attr-defined]
    print(options.out)


if __name__ == "__main__":
    main()
