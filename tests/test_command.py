"""The command beside a point trains this very cell, and no other."""

import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from repository import ROOT

from pipeline import parts
from pipeline.lab.command import command_of
from pipeline.lab.config import Cell, compose_cell, load_study
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF
from pipeline.lab.tables import CURVES, RUNS, read_table
from pipeline.train.cells import train_cells


@pytest.mark.parametrize(
    "name", ["textbook", "siblings", "exercises", "digits", pytest.param("sweep", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("overrides", [[], ["data=airfoil_twin", "read_every=500"]], ids=["defaults", "overridden"])
def test_a_studys_commands_compose_to_its_cells(name, overrides):
    if name == "digits" and overrides:
        pytest.skip("images are no table")
    for cell in load_study(name, overrides).cells[::3]:
        command = command_of(json.loads(cell.config_json), cell.id, 20, cell.config.engine)
        python, m, module, *given = shlex.split(command)
        composed = compose_cell(given)
        assert (python, m, module) == ("python", "-m", "pipeline.train")
        assert (Cell(composed).id, composed.seeds, composed.engine) == (cell.id, 20, cell.config.engine)


def test_defaults_are_left_out():
    cell = Cell(compose_cell(["optimizer=adam", "lr=0.01"]))
    assert command_of(json.loads(cell.config_json), cell.id, 1) == "python -m pipeline.train optimizer=adam lr=0.01"


def test_a_hyperparameter_of_the_other_implementation_is_left_out():
    cell = Cell(compose_cell(["optimizer=momentum", "implementation=torch", "optimizer.hyperparams.momentum=0.5"]))
    command = command_of(json.loads(cell.config_json), cell.id, 1)
    assert "optimizer.torch.momentum=0.5" in command and "hyperparams" not in command
    assert Cell(compose_cell(shlex.split(command)[3:])).id == cell.id


def test_no_command_is_made_up_where_none_composes_to_the_cell():
    cell = Cell(compose_cell())
    assert command_of(json.loads(cell.config_json), "another-id", 1) is None
    assert command_of({"data": 3}, cell.id, 1) is None
    assert command_of({"lr": 0.05, "made_up": 1}, cell.id, 1) is None


def test_a_part_of_ones_own_needs_its_folder(tmp_path, monkeypatch):
    text = (CONF / "data" / "airfoil_twin.yaml").read_text()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text(text.replace("name: airfoil_twin", "name: mine"))
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))
    cell = Cell(compose_cell(["data=mine"]))
    command = command_of(json.loads(cell.config_json), cell.id, 1)
    assert command == f"python -m pipeline.train --config-dir={tmp_path} data=mine"
    monkeypatch.delenv(parts.VARIABLE)
    assert command_of(json.loads(cell.config_json), cell.id, 1) is None


@pytest.mark.parametrize("first_seed", [0, 3])
@pytest.mark.parametrize("optimizer", ["adam", pytest.param("sgd", marks=pytest.mark.slow)])
def test_a_run_of_a_stack_is_repeated_to_the_last_bit(dataset, optimizer, first_seed):
    base = compose_cell(["data=airfoil_twin", f"optimizer={optimizer}", "batch_size=100", "seeds=2", "engine=stacked"])
    base = replace(base, first_seed=first_seed)
    cells = [Cell(replace(base, lr=lr)) for lr in np.geomspace(*base.optimizer.lr_range, 13).tolist()]
    runs, curves = train_cells(cells, {"airfoil_twin": dataset})
    for cell in cells[::6]:
        own = runs[runs.cell_id == cell.id].iloc[0]
        command = command_of(json.loads(own.config), cell.id, first_seed + 2, own.engine)
        assert f" stack={cells.index(cell) + 1}/13" in command
        again = Cell(compose_cell(shlex.split(command)[3:]))
        repeated, readings = train_cells([again], {"airfoil_twin": dataset})
        pd.testing.assert_frame_equal(repeated, runs[runs.cell_id == cell.id].reset_index(drop=True))
        expected = curves[curves.cell_id == cell.id].reset_index(drop=True)
        pd.testing.assert_frame_equal(readings.drop(columns="study"), expected.drop(columns="study"), check_exact=True)


@pytest.mark.parametrize("stack", ["0/3", "4/3", "3", "a/b", "1/100000", "-1/3"])
def test_a_place_that_no_stack_has_is_refused(stack):
    with pytest.raises(UserError, match=re.escape(f"stack={stack} is not allowed")):
        compose_cell(["engine=stacked", f"stack={stack}"])
    with pytest.raises(UserError, match=r"stack=1/2 is not allowed: with engine=stacked"):
        compose_cell(["stack=1/2"])


MODEL = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, in_features, out_features, hidden=5):
        super().__init__(nn.Linear(in_features, hidden), nn.Tanh(), nn.Linear(hidden, out_features))
"""
STUDY = """
name: mine
title: Mine
engine: stacked
pack_by: [optimizer]
seeds: 3
lr_points: 7
common: {epochs: 2, read_every: 0, COMMON}
grid: {optimizer: [sgd, adam], batch_size: [16, 100]}
"""
ANY = "data: table, data.path: mine.csv, data.target: y"
CASES = {
    "the airfoil data": ("data: airfoil_twin", []),
    "classes of digits": ("data: digits_table, model: mlp", []),
    "a table, its own model": (f"{ANY}, model: 'nets.py:Net', model.hidden: 6", []),
    "overrides": ("data: airfoil_twin", ["data=wine", "model=mlp", "schedule=cosine", "engine=solo"]),
    "a table and a model as overrides": (
        "data: airfoil_twin",
        ["data=table", "data.path=mine.csv", "data.target=y", "model=conf/nets.py:Net", "epochs=3"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("common, overrides", CASES.values(), ids=CASES)
def test_the_command_that_advise_prints_repeats_what_the_workflow_trained(
    tmp_path, run, monkeypatch, common, overrides
):
    from pipeline.analysis.study import AnalysedStudy
    from pipeline.report.curves import command as shown_by_the_report

    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "study").mkdir(parents=True)
    (tmp_path / "conf" / "nets.py").write_text(MODEL)
    (tmp_path / "conf" / "study" / "mine.yaml").write_text(STUDY.replace("COMMON", common))
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(300, 4)).round(3), columns=list("abcy")).assign(d=["u", "v", "w"] * 100)
    frame.assign(y=(frame.a - frame.b**2 + frame.y).round(3)).to_csv(tmp_path / "mine.csv", index=False)

    def do(*arguments):
        done = run(*arguments, cwd=tmp_path, PYTHONPATH=str(ROOT), AIRFOIL_DATA="")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    config = ["studies=[mine]", "measurements=[]", *([f"overrides=[{','.join(overrides)}]"] if overrides else [])]
    lab = ["snakemake", "--cores", "2", "-s", ROOT / "Snakefile", "--directory", tmp_path]
    do(*lab, "--config", *config, "--", "mine")
    printed = re.findall(
        r"^For .*?: (python .*)$", do("python", "-m", "pipeline.analysis.advise", "--study", "mine"), re.M
    )
    shown = map(shown_by_the_report, AnalysedStudy.read(tmp_path / "results" / "mine").cells.values())
    assert printed and set(printed) <= set(shown)
    tables = [read_table(tmp_path / "results" / "mine" / f"{name}.parquet", kind) for name, kind in TABLES]
    for number, command in enumerate(dict.fromkeys(printed)):
        said = do("bash", "-c", f"{command} track=false out=again/{number}")
        again = [read_table(tmp_path / "again" / str(number) / f"{name}.parquet", kind) for name, kind in TABLES]
        (cell_id,) = again[0].cell_id.unique()
        assert len(again[0]) == 3 and f"loss: {again[0].final_loss.median():.3f}" in said
        for before, after, untimed in zip(tables, again, (["study", "config"], ["study"]), strict=True):
            before = before[before.cell_id == cell_id].reset_index(drop=True)
            columns = [
                name for name in before if name not in (*untimed, "seconds", "train_seconds", "seconds_per_epoch")
            ]
            pd.testing.assert_frame_equal(after[columns], before[columns], check_exact=True)


TABLES = (("runs", RUNS), ("curves", CURVES))
