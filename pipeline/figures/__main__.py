"""``python -m pipeline.figures --out DIR [--lang pt] [--measured TABLE]... STUDY...``: draw every figure that fits."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.lab.stage import CONFIG_DIR, STEP_COST, Options, argument, command

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
    from pipeline.lab.files import write_whole

    captions = []
    sources: list[tuple[str, Any]] = [(study.name, study) for study in studies] + [("", one) for one in measured]
    for study, source in sources:
        (out / (study or MEASUREMENTS)).mkdir(parents=True, exist_ok=True)  # even where no figure fits
        for entry in figures_of(source):
            paths = style.save(entry.draw(source), out / (study or MEASUREMENTS) / entry.name)
            captions.append(
                {
                    "name": entry.name,
                    "title": entry.title(source),
                    "study": study,
                    "measurement": "" if study else entry.name,
                    "caption": entry.caption(source),
                    **{path.suffix[1:]: path.relative_to(out).as_posix() for path in paths},
                    "offline_twin": source.offline_twin,
                }
            )
    write_whole(out / "captions.json", json.dumps(captions, indent=2, ensure_ascii=False) + "\n")
    return captions


@command(
    "pipeline.figures",
    "Draw every figure that fits.",
    argument("--out", type=Path, required=True, metavar="DIR", help="where the figures go"),
    STEP_COST,
    argument("--lang", default="en", metavar="en|pt", help="the figures' language; en where nothing is said"),
    argument(
        "--measured",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.parquet",
        help="a measurement to draw; may be given several times",
    ),
    argument("studies", type=Path, nargs="*", metavar="STUDY", help="folders such as results/textbook"),
    CONFIG_DIR,
)
def main(options: Options) -> None:
    """Draw the figures and print their paths."""
    from pipeline.analysis.study import read_studies
    from pipeline.figures.words import spoken
    from pipeline.measure.table import read_measured

    if not options.studies and not options.measured:
        options.misuse("nothing to draw: name a study's folder or a measurement's table")
    studies = read_studies(options.studies, options.step_cost)
    with spoken(options.lang):
        drawn = draw_all(studies, options.out, [read_measured(path) for path in options.measured])
    print(*(options.out / figure["svg"] for figure in drawn), sep="\n")


if __name__ == "__main__":
    main()
