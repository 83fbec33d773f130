"""``python -m pipeline.figures --out DIR [--data TABLE] [--step-cost TABLE] STUDY...``: draw every registered figure."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import exit_on_user_error

if TYPE_CHECKING:
    from pipeline.figures.registry import Tables


def draw_all(studies: "dict[str, Tables]", out: Path) -> list[dict[str, Any]]:
    """Draw every registered figure whose study is given, and write ``captions.json``.

    Parameters
    ----------
    studies : dict
        A study's name to its tables.
    out : Path
        The folder for ``NAME.svg``, ``NAME.png`` and ``captions.json``.

    Returns
    -------
    list of dict
        What ``captions.json`` holds: ``name``, ``title``, ``study``, ``caption``, ``svg``, ``png``,
        ``offline_twin`` of each figure.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    from pipeline.figures import style
    from pipeline.figures.registry import registered
    from pipeline.files import written_whole

    captions = []
    for entry in registered():
        if entry.study not in studies:
            continue
        tables = studies[entry.study]
        svg, png = style.save(entry.draw(tables), out / entry.name)
        captions.append(
            {
                "name": entry.name,
                "title": entry.title,
                "study": entry.study,
                "caption": entry.caption(tables),
                "svg": svg.name,
                "png": png.name,
                "offline_twin": tables.offline_twin,
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
    parser = argparse.ArgumentParser(prog="python -m pipeline.figures", description="Draw every registered figure.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the figures go")
    parser.add_argument("--data", type=Path, metavar="FILE.parquet", help="the whitened table: draws the least loss")
    parser.add_argument("--step-cost", type=Path, metavar="FILE.parquet", help="the measured time of a step")
    parser.add_argument("studies", type=Path, nargs="+", metavar="STUDY", help="folders such as results/textbook")
    options = parser.parse_args(arguments)
    # Here, so that --help answers at once.
    from pipeline.figures.studies import read_studies

    studies = read_studies(options.studies, options.data, options.step_cost)
    for figure in draw_all(studies, options.out):
        print(options.out / figure["svg"])


if __name__ == "__main__":
    main()
