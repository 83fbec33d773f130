"""A report in each language, made of real runs with hostile names, and a browser without a network to open it in."""

import json
from pathlib import Path

import pytest
from conftest import ROOT
from tables_for_tests import analysed

from pipeline.claims.decide import decide_all
from pipeline.claims.evidence import Evidence
from pipeline.claims.ledger import read_ledger
from pipeline.claims.repeats import read_repeats
from pipeline.lab.config import load_study
from pipeline.report.assets import InlinedFigure
from pipeline.report.language import language
from pipeline.report.page import render
from pipeline.report.verdicts import verdicts_of
from pipeline.train.cells import train_cells

EVIL = "<script>alert(1)</script>"
#: Verdicts as of a whole run, on top of those of no measurement at all.
_POINTS = [{"at": {"target": 0.3}, "verdict": "holds"}, {"at": {"target": 0.25}, "verdict": "does not hold"}]
VERDICTS = {
    "A10a": {"verdict": "does not hold", "effect": 0.0172, "interval": [0.0133, 0.0193], "n": 20, "of": "seeds"},
    "A13b": {"verdict": "does not hold", "effect": 2.44, "interval": [1.48, 4.01], "n": 38, "of": "repeats"},
    "A16a": {"verdict": "depends", "reason": "holds at target 0.3, does not hold at target 0.25"},
    "F6": {"verdict": "does not hold", "effect": 0.833, "interval": [0.727, 0.983], "n": 100, "of": "seeds"},
}
_DRAWING = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 6'><rect width='9' height='6'/></svg>"


def _trained(dataset, name, wanted, overrides):
    study = load_study(name, ["data=airfoil_twin", *overrides])
    cells = [cell for number, cell in enumerate(study.cells) if wanted(number, cell)]
    runs, curves = train_cells(cells, {"airfoil_twin": dataset})
    kind = "sweep" if name == "sweep" else "curves"
    return analysed(runs, curves, 0.2416880, kind=kind, name=name, title=study.config.title)


@pytest.fixture(scope="session")
def studies(dataset):
    """Real runs: the chapter's with a clock, and a grid without one; a cell and the data have hostile names."""
    textbook = _trained(dataset, "textbook", lambda _, cell: cell.config.batch_size > 1, ["seeds=6"])
    for number, config in textbook.runs["config"].items():
        values = json.loads(config)
        values["data"]["title"] = EVIL
        values["label"] = EVIL if values["label"] == "minibatch 10" else values["label"]
        textbook.runs.loc[number, "config"] = json.dumps(values)
    grid = _trained(
        dataset,
        "sweep",
        lambda number, cell: (
            cell.config.optimizer.name in ("sgd", "adam") and cell.config.batch_size > 1 and not number % 3
        ),
        ["seeds=6"],
    )
    return {"textbook": textbook, "sweep": grid}


def write_report(studies, code, folder):
    """Write the report of some studies in a language."""
    lang = language(code)
    ledger = read_ledger(ROOT / "conf" / "claims.yaml")
    decided = decide_all(ledger, Evidence(Path("nowhere")))
    decided["claims"][0] |= {"setting": EVIL, "why": EVIL}
    for claim in decided["claims"]:
        claim |= VERDICTS.get(claim["id"], {})
        if claim["verdict"] == "depends":
            claim["tests"] = [test | {"verdict": "depends", "points": _POINTS} for test in claim["tests"]]
    uri = "data:image/svg+xml," + _DRAWING.replace("<", "%3C").replace(">", "%3E")
    figures = [
        InlinedFigure("loss_by_epoch", "Loss", "what to see", "textbook", uri),
        InlinedFigure("memory", "Memory", "what to see", "", uri),
    ]
    path = folder / f"{code}.html"
    path.write_text(
        render(list(studies.values()), figures, verdicts_of(decided, lang, read_repeats()), lang), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="session")
def reports(studies, tmp_path_factory):
    """A language to its report."""
    folder = tmp_path_factory.mktemp("reports")
    return {code: write_report(studies, code, folder) for code in ("en", "pt")}


class Opened:
    """A page, with everything it said and asked for on the way."""

    def __init__(self, page, path: Path, unfolded: bool):
        self.page, self.said, self.asked = page, [], []
        page.on("console", lambda message: self.said.append((message.type, message.text)))
        page.on("pageerror", lambda error: self.said.append(("error", str(error))))
        page.on("dialog", lambda dialog: (self.said.append(("dialog", dialog.message)), dialog.dismiss()))

        def answer(route):
            url = route.request.url
            if url == path.as_uri():
                return route.continue_()
            self.asked.append(url)
            return route.abort()

        page.route("**/*", answer)
        page.goto(path.as_uri())
        self.drawn("epochs")
        if unfolded:
            self.unfold()

    def unfold(self):
        """Open everything that is folded."""
        self.page.evaluate("document.querySelectorAll('details').forEach((element) => (element.open = true))")

    def drawn(self, clock):
        """Wait until the curves are drawn on a clock."""
        self.page.wait_for_selector(f"#curves-chart[data-clock={clock}] svg", timeout=120_000)


@pytest.fixture
def opened(chromium, reports):
    """Open the report in a language, of a width, in a theme."""
    contexts = []

    def open_report(lang="en", width=1440, theme="light", touch=False, path=None, unfolded=True):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, offline=True, has_touch=touch
        )
        context.set_default_timeout(120_000)  # a busy machine is no error
        contexts.append(context)
        return Opened(context.new_page(), path or reports[lang], unfolded)

    yield open_report
    for context in contexts:
        context.close()
