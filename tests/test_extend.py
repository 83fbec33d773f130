"""Ranges whose best rate is on the border are widened; what was trained is not trained again."""

import json

import pandas as pd
import pytest

from pipeline.analysis.extend import extensions, main
from pipeline.lab.config import Cell, compose_cell, load_study
from pipeline.lab.config.extension import read_rounds, widened
from pipeline.lab.errors import UserError
from pipeline.lab.results import StudyResults
from pipeline.lab.tables import RUNS, read_table

STUDY = """\
defaults: [base_study, _self_]
name: sweep
engine: stacked
seeds: 2
lr_points: 3
common: {epochs: 1, optimizer.lr_range: [1.0e-4, 1.0e-2]}
grid: {optimizer: [sgd, adam], batch_size: [10, 100]}
"""


def runs_of(**lines):
    """A study of one optimizer and batch size each; ``name={lr: loss}``, None for a rate that diverged."""
    runs = pd.DataFrame(
        [
            {
                "cell_id": f"{name}-{lr}",
                "optimizer": name,
                "batch_size": 10,
                "lr": lr,
                "seed": seed,
                "status": "diverged" if loss is None else "ok",
                "final_loss": float("nan") if loss is None else loss,
                "steps": 300,
                "config": json.dumps({"optimizer": {"name": name}, "lr": lr, "batch_size": 10}),
            }
            for name, losses in lines.items()
            for lr, loss in losses.items()
            for seed in (0, 1)
        ]
    )
    return StudyResults(runs, pd.DataFrame())


def test_a_range_grows_by_a_decade_with_its_own_spacing():
    points = extensions(
        runs_of(
            low={0.01: 0.1, 0.1: 0.2, 1.0: 0.3},
            high={0.01: 0.3, 0.0316: 0.2, 0.1: 0.1},
            inside={0.01: 0.3, 0.1: 0.1, 1.0: 0.3},
            wide={0.001: 0.1, 1.0: 0.3},
            hot={1.0: None, 10.0: None},
        )
    )
    assert [(point["optimizer"], point["side"], point["lrs"]) for point in points] == [
        ("low", "low", [0.001]),
        ("high", "high", [0.3162, 1.0]),
        ("wide", "low", [1e-6]),
        ("hot", "low", [0.1]),
    ]
    assert points[0]["like"] == "low-0.01"
    assert points[0]["best_lr"] == 0.01 and points[-1]["best_lr"] is None


def write_round(folder, number, *points):
    folder.mkdir(parents=True, exist_ok=True)
    names = ("optimizer", "batch_size", "lrs", "like")
    text = json.dumps({"points": [dict(zip(names, point, strict=False)) for point in points]})
    (folder / f"round{number}.json").write_text(text)


def test_a_round_is_a_job_of_its_own(tmp_path):
    write_round(tmp_path, 1, ("sgd", 10, [7.0, 8.0]))
    write_round(tmp_path, 2, ("sgd", 10, [8.0, 9.0]), ("none such", 10, [1.0]), ("adam", 7, [1.0]))
    plain, extended = load_study("sweep"), load_study("sweep", extension=tmp_path)
    assert list(extended.jobs) == ["all", "ext1", "ext2"]
    assert [cell.id for cell in extended.jobs["all"]] == [cell.id for cell in plain.cells]
    assert [cell.config.lr for cell in extended.jobs["ext1"]] == [7.0, 8.0]
    (last,) = extended.jobs["ext2"]  # 8 is there already
    assert (last.config.lr, last.config.optimizer.name, last.config.batch_size) == (9.0, "sgd", 10)
    assert last.config.seeds == plain.cells[0].config.seeds
    assert len(extended.cells) == len(plain.cells) + 3
    assert list(load_study("sweep", ["lr=0.1"], tmp_path).jobs) == ["all"]


def test_models_are_widened_apart(tmp_path):
    """The border is that of one model's rates: the other's range stays."""
    cells = [
        Cell(compose_cell([f"model={model}", f"lr={lr}"]), "mine")
        for model in ("linear", "mlp")
        for lr in (0.1, 0.2, 0.4)
    ]
    losses = dict(zip([cell.id for cell in cells], (0.3, 0.2, 0.3, 0.3, 0.2, 0.1), strict=True))
    rows = [
        {"cell_id": cell.id, "optimizer": "sgd", "batch_size": 10, "lr": cell.config.lr, "seed": 0, "status": "ok"}
        | {"final_loss": losses[cell.id], "steps": 300, "config": cell.config_json}
        for cell in cells
    ]
    (point,) = extensions(StudyResults(pd.DataFrame(rows), pd.DataFrame()))
    assert (point["optimizer"], point["side"], point["best_lr"], point["like"]) == ("sgd", "high", 0.4, cells[3].id)
    write_round(tmp_path, 1, ("sgd", 10, point["lrs"], point["like"]))
    ((added,),) = read_rounds(tmp_path)
    assert {cell.config.model.name for cell in widened(cells, [added])} == {"mlp"}


def test_rounds_end_at_the_first_empty_one(tmp_path):
    assert read_rounds(tmp_path / "none") == ()
    write_round(tmp_path, 1, ("sgd", 10, [7.0]))
    write_round(tmp_path, 2)
    assert len(read_rounds(tmp_path)) == 1
    (tmp_path / "round2.json").write_text("[]")
    with pytest.raises(UserError, match="round2.json cannot be read"):
        read_rounds(tmp_path)


def test_a_missing_table_is_told_without_a_traceback(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "runs.parquet"), "--out", str(tmp_path / "round1.json")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def lab(copy, run, *targets):
    done = run("snakemake", "--cores", "1", *targets, "--config", "overrides=[data=airfoil_twin]", cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_workflow_trains_only_the_new_cells(lab_copy, run):
    for path in (lab_copy / "conf" / "study").glob("*.yaml"):
        path.unlink()
    (lab_copy / "conf" / "study" / "sweep.yaml").write_text(STUDY)
    results = lab_copy / "results" / "sweep"
    lab(lab_copy, run, "sweep")
    first = results / "jobs" / "all" / "runs.parquet"
    before, trained = first.read_bytes(), first.stat().st_mtime_ns
    runs = read_table(results / "runs.parquet", RUNS)
    flagged = extensions(StudyResults.read(results))
    assert flagged, "the ranges are chosen so that some best rate is on the border"

    said = lab(lab_copy, run, "extend")
    assert f"adding {', '.join(f'{lr:g}' for lr in flagged[0]['lrs'])}" in said
    new = read_table(results / "jobs" / "ext1" / "runs.parquet", RUNS)
    expected = {(point["optimizer"], point["batch_size"], lr) for point in flagged for lr in point["lrs"]}
    assert set(zip(new.optimizer, new.batch_size, new.lr, strict=True)) == expected
    assert len(new) == 2 * len(expected)

    said = lab(lab_copy, run, "sweep", "report")
    assert "(Rule: train)" not in said and "(Rule: collect)" in said
    both = read_table(results / "runs.parquet", RUNS)
    assert len(both) == len(runs) + len(new)
    assert first.read_bytes() == before and first.stat().st_mtime_ns == trained
    assert "Nothing to be done" in lab(lab_copy, run, "sweep", "report")
