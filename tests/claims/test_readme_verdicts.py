"""What the README quotes of the verdicts is written by a command, agrees with the ledger, and never of the twin."""

import json
import re
from pathlib import Path

import pytest
from conftest import ROOT
from tables_for_tests import analysed

from pipeline.claims.decide import VERDICTS, decide_all
from pipeline.claims.evidence import Evidence
from pipeline.claims.ledger import read_ledger
from pipeline.claims.statistics import BASES
from pipeline.contrib.picture import picture
from pipeline.contrib.verdicts import BEGIN, END, HEADLINES, main, replaced, summary

LEDGER = read_ledger(ROOT / "conf" / "claims.yaml")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def decided():
    """Every verdict once or more, and numbers of every kind."""
    claims = decide_all(LEDGER, Evidence(Path("nowhere")))
    for i, claim in enumerate(claims["claims"]):
        claim["verdict"] = VERDICTS[i % 5]
        claim["tests"] = [test | {"effect": (12.345, "infinite", None)[i % 3]} for test in claim["tests"]]
    claims["counts"] = {name: sum(claim["verdict"] == name for claim in claims["claims"]) for name in VERDICTS}
    return claims


def test_the_readmes_block_has_the_ledgers_headlines_and_counts_that_add_up():
    block = README.split(BEGIN)[1].split(END)[0]
    counts = [
        int(number)
        for number in re.search(
            r"Of (\d+) claims (\d+) hold, (\d+) do not, (\d+) depend .* and (\d+) (?:is|are) inconclusive; (\d+) more",
            block,
        ).groups()
    ]
    assert counts[0] == sum(counts[1:5]) and counts[0] + counts[5] == len(LEDGER.claims)
    lines = re.findall(r"^\| (\w\d+\w?) \| (.*?) \| [✓✗±?=] (.*?) \| (.*?) \| (.*) \|$", block, re.MULTILINE)
    by_id = {claim.id: claim for claim in LEDGER.claims}
    assert [name for name, *_ in lines] == list(HEADLINES) and HEADLINES.keys() <= by_id.keys()
    for name, text, verdict, rests_on, numbers in lines:
        assert text == by_id[name].text and verdict.split(" (2")[0] in VERDICTS and rests_on in BASES
        for i in HEADLINES[name]:
            assert re.search(rf"{re.escape(by_id[name].tests[i].name)}: [\d∞–]", numbers)


def test_the_command_writes_between_the_marks_and_nowhere_else(tmp_path, decided):
    (tmp_path / "claims.json").write_text(json.dumps(decided), encoding="utf-8")
    file = tmp_path / "README.md"
    file.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n", encoding="utf-8")
    for _ in range(2):  # a second time changes nothing
        main([str(file), "--claims", str(tmp_path / "claims.json")])
        text = file.read_text(encoding="utf-8")
        assert text == "\n".join(["before", BEGIN, *summary(decided), END, "after", ""])
    assert "stale" not in text and f"{decided['counts']['holds']} hold" in text and "∞" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "run snakemake first"),
        ("[]", "is no list of verdicts"),
        ('{"claims": []}', "no verdict on A10a, A13b, A16c, A9, F5, F6, H1, H3: run snakemake first"),
        (json.dumps({"claims": [{"id": name, "offline_twin": True} for name in HEADLINES]}), "twin"),
    ],
)
def test_verdicts_that_cannot_be_quoted_are_refused_and_the_file_is_left(tmp_path, capsys, content, words):
    file, claims = tmp_path / "README.md", tmp_path / "claims.json"
    file.write_text(f"{BEGIN}\nstale\n{END}\n", encoding="utf-8")
    if content:
        claims.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main([str(file), "--claims", str(claims)])
    assert ended.value.code == 2 and words in capsys.readouterr().err and "stale" in file.read_text(encoding="utf-8")


def test_a_file_without_the_marks_is_refused():
    with pytest.raises(Exception, match="once each"):
        replaced("no marks", [])


@pytest.mark.slow
def test_the_picture_is_small_and_has_every_verdict(dataset, decided):
    from pipeline.lab.config import load_study
    from pipeline.lab.config.cell import Cell
    from pipeline.lab.theory import Problem
    from pipeline.train.cells import train_cells

    image = ROOT / "docs" / "images" / "theory-and-verdicts.png"
    assert image.stat().st_size < 150_000 and f"]({image.relative_to(ROOT)})" in README
    wanted = ("gd, 100 epochs", "gd lr 0.88, 100 epochs", "minibatch 10")
    study = load_study("textbook", ["data=airfoil_twin", "engine=stacked", "seeds=4"])
    cells = [cell for cell in study.cells if cell.label in wanted]
    assert len(cells) == 3 and isinstance(cells[0], Cell)
    runs, curves = train_cells(cells, {dataset.name: dataset})
    problem = Problem.from_data(dataset.X, dataset.y)
    figure = picture(analysed(runs, curves, problem.minimum, problem), decided)
    left, right = figure.axes
    assert left.get_xlabel() and left.get_ylabel()
    assert sum("max |z|" in text.get_text() for text in left.texts) == 3
    words = {text.get_text() for text in right.texts}
    assert {claim["id"] for claim in decided["claims"]} <= {word.split()[0] for word in words}
