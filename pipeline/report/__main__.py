"""``python -m pipeline.report --out FILE --figures DIR [--claims FILE] [--lang pt] STUDY...``: write the report."""

from pathlib import Path

from pipeline.lab.stage import STEP_COST, Options, argument, command


@command(
    "pipeline.report",
    "Write one self-contained page.",
    argument("--out", type=Path, required=True, metavar="FILE.html", help="where the report goes"),
    argument("--figures", type=Path, required=True, metavar="DIR", help="as drawn by pipeline.figures"),
    STEP_COST,
    argument("--claims", type=Path, metavar="FILE.json", help="the verdicts, as of pipeline.claims"),
    argument("--lang", default="en", metavar="en|pt", help="the report's language; en where nothing is said"),
    argument(
        "--mlflow", metavar="FILE.html", help="a page beside the report that links to MLflow, as of pipeline.track"
    ),
    argument("studies", type=Path, nargs="+", metavar="STUDY", help="folders such as results/textbook"),
)
def main(options: Options) -> None:
    """Write the report; print its path, and the answer of each study."""
    from pipeline.analysis.study import read_studies
    from pipeline.lab.files import write_whole
    from pipeline.report.assets import read_figures
    from pipeline.report.language import language
    from pipeline.report.page import answers, render
    from pipeline.report.verdicts import read_verdicts

    lang = language(options.lang)
    studies = read_studies(options.studies, options.step_cost)
    verdicts = read_verdicts(options.claims, lang) if options.claims else None
    page = render(studies, read_figures(options.figures), verdicts, lang, options.mlflow)
    write_whole(options.out, page)
    print(options.out, *answers(studies), sep="\n")


if __name__ == "__main__":
    main()
