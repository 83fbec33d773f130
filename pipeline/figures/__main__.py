"""``python -m pipeline.figures --out DIR [--data TABLE] [--measured TABLE]... STUDY...``: draw every figure."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.lab.errors import exit_on_user_error

if TYPE_CHECKING:
    from pipeline.figures.entry import FigureEntry, Source
    from pipeline.figures.registry import Tables
    from pipeline.measure.table import Measured


def draw_all(studies: "dict[str, Tables]", out: Path, measurements: "Sequence[Measured]" = ()) -> list[dict[str, Any]]:
    """Draw every registered figure whose study or measurement is given, and write ``captions.json``.

    Parameters
    ----------
    studies : dict
        A study's name to its tables.
    out : Path
        The folder for ``NAME.svg``, ``NAME.png`` and ``captions.json``.
    measurements : sequence of Measured
        Measurements to draw.

    Returns
    -------
    list of dict
        What ``captions.json`` holds: ``name``, ``title``, ``study`` (or ``measurement``, the other one is
        empty), ``caption``, ``svg``, ``png``, ``offline_twin`` of each figure.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    from pipeline.figures.measured import registry as measured_registry
    from pipeline.figures.registry import registered
    from pipeline.lab.files import written_whole

    captions = [_drawn(entry, studies[entry.study], out) for entry in registered() if entry.study in studies]
    given = {measured.name: measured for measured in measurements}
    captions += [
        _drawn(entry, given[entry.measurement], out)
        for entry in measured_registry.registered()
        if entry.measurement in given
    ]
    with written_whole(out / "captions.json") as temporary:
        temporary.write_text(json.dumps(captions, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return captions


def _drawn(entry: "FigureEntry[Source]", source: "Source", out: Path) -> dict[str, Any]:
    """Draw one figure; what ``captions.json`` says of it."""
    from pipeline.figures import style

    svg, png = style.save(entry.draw(source), out / entry.name)
    return {
        "name": entry.name,
        "title": entry.title,
        "study": entry.study,
        "measurement": entry.measurement,
        "caption": entry.caption(source),
        "svg": svg.name,
        "png": png.name,
        "offline_twin": source.offline_twin,
    }


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the figures and print their paths.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline.figures", description="Draw every registered figure.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the figures go")
    parser.add_argument("--data", type=Path, metavar="FILE.parquet", help="the whitened table: draws the least loss")
    parser.add_argument("--step-cost", type=Path, metavar="FILE.parquet", help="the measured time of a step")
    parser.add_argument(
        "--measured",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.parquet",
        help="a measurement to draw; may be given several times",
    )
    parser.add_argument("studies", type=Path, nargs="*", metavar="STUDY", help="folders such as results/textbook")
    options = parser.parse_args(arguments)
    # Here, so that --help answers at once.
    from pipeline.figures.studies import read_studies
    from pipeline.measure.table import read_measured

    if not options.studies and not options.measured:
        parser.error("nothing to draw: name a study's folder or a measurement's table")
    studies = read_studies(options.studies, options.data, options.step_cost) if options.studies else {}
    for figure in draw_all(studies, options.out, [read_measured(path) for path in options.measured]):
        print(options.out / figure["svg"])


if __name__ == "__main__":
    main()
