"""``python -m pipeline.report --out FILE --figures DIR [--claims FILE] [--lang pt] STUDY...``: write the report."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.lab.errors import exit_on_user_error


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Write the report and print its path.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline.report", description="Write one self-contained page.")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="where the report goes")
    parser.add_argument("--figures", type=Path, required=True, metavar="DIR", help="as drawn by pipeline.figures")
    parser.add_argument("--step-cost", type=Path, metavar="FILE.parquet", help="the measured time of a step")
    parser.add_argument("--claims", type=Path, metavar="FILE.json", help="the verdicts, as of pipeline.claims")
    parser.add_argument("--lang", default="en", metavar="en|pt", help="the report's language; en where nothing is said")
    parser.add_argument("studies", type=Path, nargs="+", metavar="STUDY", help="folders such as results/textbook")
    options = parser.parse_args(arguments)
    # Here, so that --help answers at once.
    from pipeline.analysis.study import read_studies
    from pipeline.lab.files import written_whole
    from pipeline.report.language import language
    from pipeline.report.page import render
    from pipeline.report.pictures import read_figures
    from pipeline.report.verdicts import read_verdicts

    lang = language(options.lang)
    studies = read_studies(options.studies, options.step_cost)
    verdicts = read_verdicts(options.claims, lang) if options.claims else None
    page = render(studies, read_figures(options.figures), verdicts, lang)
    with written_whole(options.out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    print(options.out)


if __name__ == "__main__":
    main()
