"""``python -m pipeline.figures --out DIR [--measured TABLE]... STUDY...``: draw every figure that fits."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import parts
from pipeline.lab.errors import exit_on_user_error

if TYPE_CHECKING:
    from pipeline.analysis.study import AnalysedStudy
    from pipeline.measure.table import Measured

#: The folder of the figures of measurements, among the folders of the studies.
MEASUREMENTS = "measure"


def draw_all(
    studies: "Sequence[AnalysedStudy]", out: Path, measured: "Sequence[Measured]" = ()
) -> list[dict[str, Any]]:
    """Draw every figure that fits, and write ``captions.json``.

    Parameters
    ----------
    studies : sequence of AnalysedStudy
        Studies to draw.
    out : Path
        The folder for ``STUDY/FIGURE.svg``, ``STUDY/FIGURE.png``, those of ``measure`` and ``captions.json``.
    measured : sequence of Measured
        Measurements to draw.

    Returns
    -------
    list of dict
        What ``captions.json`` holds: ``name``, ``title``, ``study`` (or ``measurement``, the other one is
        empty), ``caption``, ``svg``, ``png`` (paths in the folder), ``offline_twin`` of each figure.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    from pipeline.figures import style
    from pipeline.figures.registry import figures_of
    from pipeline.lab.files import written_whole

    captions = []
    sources: list[tuple[str, Any]] = [(study.name, study) for study in studies] + [("", one) for one in measured]
    for study, source in sources:
        (out / (study or MEASUREMENTS)).mkdir(parents=True, exist_ok=True)  # even where no figure fits
        for entry in figures_of(source):
            paths = style.save(entry.draw(source), out / (study or MEASUREMENTS) / entry.name)
            captions.append(
                {
                    "name": entry.name,
                    "title": entry.title,
                    "study": study,
                    "measurement": "" if study else entry.name,
                    "caption": entry.caption(source),
                    **{path.suffix[1:]: path.relative_to(out).as_posix() for path in paths},
                    "offline_twin": source.offline_twin,
                }
            )
    with written_whole(out / "captions.json") as temporary:
        temporary.write_text(json.dumps(captions, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return captions


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
    parser = argparse.ArgumentParser(prog="python -m pipeline.figures", description="Draw every figure that fits.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the figures go")
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
    parser.add_argument("--config-dir", metavar="DIR", help="a folder with figures of your own")
    options = parser.parse_args(arguments)
    parts.use(options.config_dir)
    # Here, so that --help answers at once.
    from pipeline.analysis.study import read_studies
    from pipeline.measure.table import read_measured

    if not options.studies and not options.measured:
        parser.error("nothing to draw: name a study's folder or a measurement's table")
    studies = read_studies(options.studies, options.step_cost)
    for figure in draw_all(studies, options.out, [read_measured(path) for path in options.measured]):
        print(options.out / figure["svg"])


if __name__ == "__main__":
    main()
