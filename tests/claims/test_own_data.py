"""A study on other data than the chapter's is tested on its own: its table, its facts, its minimum, its claims."""

import hashlib
import sys

import numpy as np
import pytest
from conftest import ROOT
from omegaconf import OmegaConf
from sklearn.datasets import load_diabetes

from pipeline import parts
from pipeline.claims.decide import decide_all
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.ledger import parse_ledger
from pipeline.claims.statistics import statistics
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.errors import UserError
from pipeline.lab.results import StudyResults
from pipeline.lab.tables import CURVES, RUNS, write_table
from pipeline.train.cells import train_cells
from pipeline.train.data import prepared

from .synthetic import measurement, run_rows, study

ROWS, FEATURES = 442, 10


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder of results with a study on scikit-learn's diabetes data, trained here."""
    folder = tmp_path_factory.mktemp("diabetes")
    X, y = load_diabetes(return_X_y=True)
    raw = folder / "diabetes.tsv"
    np.savetxt(raw, np.column_stack([X, y]), delimiter="\t", fmt="%.9g")
    columns = [{"name": f"x{i}", "unit": "1"} for i in range(FEATURES)] + [{"name": "progression", "unit": "1"}]
    own = {
        **{"name": "diabetes", "title": "Diabetes", "credit": "Efron et al. (2004)", "licence": "BSD-3-Clause"},
        **{"sources": [str(raw)], "sha1": hashlib.sha1(raw.read_bytes()).hexdigest(), "columns": columns},
        **{"rows_total": ROWS, "rows": ROWS, "on_unreachable": "fail"},
    }
    given = [f"data.{key}={value}".replace("'", '"') for key, value in own.items() if key not in ("columns", "credit")]
    given += [f"data.columns={columns}".replace("'", ""), f"data.credit='{own['credit']}'"]
    given += ["seeds=4", "engine=stacked", "batch_size=10"]
    cells = [Cell(compose_cell([*given, f"lr={lr}"]), "mine", f"b 10, lr {lr}") for lr in (0.003, 0.01, 0.03)]
    data = prepared(cells[0].config.data, folder / "results" / "data")
    runs, curves = train_cells(cells, {"diabetes": data})
    write_table(runs, RUNS, folder / "results" / "mine" / "runs.parquet")
    write_table(curves, CURVES, folder / "results" / "mine" / "curves.parquet")
    return folder / "results", own


def claim(name, statistic, rule, data=None, **arguments):
    test = {"name": name, "statistic": statistic, "arguments": arguments, "rule": rule}
    about = {} if data is None else {"data": data}
    return {"id": name, "source": "me", "text": name, "setting": "", "why": "", "tests": [test], **about}


def test_facts_and_minimum_are_those_of_the_studys_data(results):
    folder, own = results
    read = StudyResults.read(folder / "mine")
    (facts,) = read.data
    assert (facts.name, facts.title, facts.credit, facts.sha1) == tuple(
        own[key] for key in ("name", "title", "credit", "sha1")
    )
    X, y = load_diabetes(return_X_y=True)
    design = np.column_stack([X, np.ones(ROWS)])
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    assert read.minimum == pytest.approx(np.mean(left**2) / np.var(y) / 2, rel=1e-4)
    assert not read.offline_twin


def test_claims_are_tested_on_the_studys_table_and_those_about_other_data_are_not_tested(results):
    folder, _ = results
    labels = {"study": "mine", "cell": "b 10, lr 0.01", "over": "b 10, lr 0.03"}
    ends = {"study": "mine", "cell": "b 10, lr 0.01", "epoch": 2, "over": 0}
    content = {
        "sources": {"me": "A study of my own"},
        "claims": [
            claim("updates", "run_ratio", {"within": [1, 1]}, **labels, column="steps"),
            claim("excess", "excess_ratio", {"below": 1}, data="diabetes", **ends),
            claim("chapter", "excess_ratio", {"below": 1}, data="airfoil", **ends),
        ],
    }
    decided = decide_all(parse_ledger(content), Evidence(folder))
    assert [one["id"] for one in decided["claims"]] == ["updates", "excess"]
    assert {one["verdict"] for one in decided["claims"]} == {"holds"}
    assert [one["data"] for one in decided["claims"]] == [["diabetes"]] * 2
    losses = StudyResults.read(folder / "mine")
    own = losses.runs[losses.runs["lr"] == 0.01]
    left = (own["final_loss"].median() - losses.minimum) / (own["initial_loss"].median() - losses.minimum)
    assert decided["claims"][1]["effect"] == pytest.approx(left, rel=1e-6)
    assert [one["reason"] for one in decided["not_applicable"]] == ["it is about airfoil, and study mine used diabetes"]
    assert sum(decided["counts"].values()) == 2


def test_a_statistic_in_a_folder_of_ones_own_is_found(results, tmp_path, monkeypatch):
    """The one that docs/extending.md shows."""
    folder, _ = results
    code = (ROOT / "docs" / "extending.md").read_text().split("# mine/statistic/loss_left.py\n")[1].split("```")[0]
    (tmp_path / "statistic").mkdir()
    (tmp_path / "statistic" / "mine.py").write_text(code)
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))
    monkeypatch.setattr("pipeline.claims.statistics._FOUND", dict(statistics()))
    statistics.cache_clear()
    own = claim("own", "loss_left", {"below": 1}, study="mine", optimizer="sgd", lr=0.01)
    (decided,) = decide_all(parse_ledger({"sources": {"me": ""}, "claims": [own]}), Evidence(folder))["claims"]
    assert decided["verdict"] == "holds" and decided["rests_on"] == "seeds"
    (tmp_path / "statistic" / "mine.py").write_text("def broken(:")
    statistics.cache_clear()
    sys.modules.pop("pipeline.parts.user.statistic.mine")
    with pytest.raises(UserError, match="statistic=mine is not allowed: .*mine.py cannot be imported: SyntaxError"):
        statistics()
    monkeypatch.undo()
    statistics.cache_clear()


def test_a_table_that_was_made_anew_of_other_data_has_no_minimum(results, dataset, tmp_path):
    folder, _ = results
    for name in ("runs", "curves"):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / f"{name}.parquet").write_bytes((folder / "mine" / f"{name}.parquet").read_bytes())
    with pytest.raises(NoData, match="study mine has no least squares minimum"):
        Evidence(tmp_path).minimum("mine")
    twin = prepared(compose_cell(["data=airfoil_twin"]).data, tmp_path / "data")
    (tmp_path / "data" / "airfoil_twin-standardize.parquet").rename(tmp_path / "data" / "diabetes-standardize.parquet")
    assert twin.offline_twin
    with pytest.raises(NoData, match="study mine has no least squares minimum"):
        Evidence(tmp_path).minimum("mine")
    assert Evidence(folder).minimum("mine") > 0


@pytest.mark.slow
def test_a_measurement_of_other_data_does_not_decide_a_claim_about_the_airfoil_data(conf_claims):
    evidence = measurement("epoch_metric", [])
    evidence.measurements["epoch_metric"].facts["data"] = {"name": "diabetes", "offline_twin": False}
    decided = decide_all(conf_claims, evidence)
    reasons = {one["id"]: one["reason"] for one in decided["not_applicable"]}
    assert reasons["A9"] == "it is about airfoil, and measurement epoch_metric used diabetes"
    assert "A1a" not in reasons and "B4" not in reasons


@pytest.mark.slow
def test_the_offline_twin_stands_for_the_airfoil_data_and_images_are_no_table(conf_claims):
    twin = study("textbook", run_rows("gd, 100 epochs", data="airfoil_twin"))
    decided = {one["id"]: one for one in decide_all(conf_claims, twin)["claims"]}
    assert decided["H1"]["offline_twin"] and decided["H1"]["data"] == ["airfoil_twin"]
    with pytest.raises(NoData, match="study s has no least squares minimum"):
        study("s", run_rows("a")).minimum("s")


@pytest.fixture(scope="module")
def conf_claims():
    return parse_ledger(OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "claims.yaml")))
