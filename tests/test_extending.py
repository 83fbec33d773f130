"""docs/extending.md does what it says: its files are written where it says, and found and trained from there."""

import dataclasses
import json
import re

import numpy as np
import pytest
from conftest import ROOT
from omegaconf import OmegaConf
from tables_for_tests import cell, study

from pipeline import parts
from pipeline.figures import registry
from pipeline.lab.config import Cell, compose_cell, load_study
from pipeline.lab.config.compose import cell_config
from pipeline.lab.errors import UserError
from pipeline.measure import _read
from pipeline.measure.__main__ import main as measure
from pipeline.measure.table import read_measured
from pipeline.train.cells import train_cells
from pipeline.train.data import prepared
from pipeline.workflow.inputs import Inputs
from pipeline.workflow.settings import read_settings

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```(?:python|yaml)\n# mine/(\S+)\n(.*?)```", PAGE, re.DOTALL))
OWN_TABLE, MAKE_TABLE, COMMANDS = (block.splitlines() for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL))
KINDS = {"optimizer", "model", "schedule", "task", "data", "study", "measurement", "figure", "statistic"}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The user's folder of the page."""
    for name, text in FILES.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path / "mine"))
    return tmp_path / "mine"


def test_every_part_of_the_page_is_short_and_found_in_the_users_folder(mine):
    for name, text in FILES.items():
        assert len(text.splitlines()) < 20
        if name.endswith(".py"):
            kind, file = name.split("/")
            assert parts.find(kind, file.removesuffix(".py")) == mine / name
    assert {name.split("/")[0] for name in FILES} == {*KINDS, "claims.yaml"}


@pytest.mark.slow
def test_the_study_of_the_page_trains_in_a_stack_as_alone(mine, dataset):
    cells = load_study("own").cells
    assert {cell.config.optimizer.name for cell in cells} == {"sgd", "signed"}
    alone = [Cell(dataclasses.replace(cell.config, engine="solo")) for cell in cells]
    (runs, _), (solo, _) = (train_cells(some, {"airfoil_twin": dataset}) for some in (cells, alone))
    assert set(runs.status) == set(solo.status) == {"ok"}
    keys = ["cell_id", "seed"]
    np.testing.assert_allclose(
        runs.sort_values(keys).final_loss.to_numpy(), solo.sort_values(keys).final_loss.to_numpy(), rtol=1e-5
    )


@pytest.mark.slow
def test_a_task_of_the_users_is_learnt(mine, dataset):
    loss = {}
    for task in ("regression", "robust"):
        cell = Cell(compose_cell(["data=airfoil_twin", f"data.task={task}", "batch_size=100", "lr=0.1", "epochs=1"]))
        runs, _ = train_cells([cell], {"airfoil_twin": dataset})
        loss[task] = runs.final_loss.item()
    assert 0 < loss["robust"] < loss["regression"]


@pytest.fixture
def registered_for_one_test():
    """Forget the page's figure afterwards."""
    yield
    registry._REGISTRY.pop(("curves", "spread"))


def test_a_figure_of_the_users_is_drawn_with_the_others(mine, registered_for_one_test):
    one = study(cell("a", engine="stacked"), title="my study")
    entries = {entry.name: entry for entry in registry.figures_of(one)}
    assert list(entries) == ["loss_by_epoch", "spread"]
    assert entries["spread"].caption(one) == "Final losses of my study: one dot per seed."
    (axes,) = entries["spread"].draw(one).axes
    assert axes.get_xlabel() == "final loss (half mean squared error)"


def test_a_table_of_the_users_is_fetched_and_trained_on(mine, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in MAKE_TABLE:
        printed = run("bash", "-c", command, cwd=tmp_path).stdout
    cell = Cell(compose_cell(["data=squares", "batch_size=10", "lr=0.1", "epochs=1"]))
    assert printed.split() == [cell.config.data.sha1, "mine/squares.tsv"]
    runs, _ = train_cells([cell], {"squares": prepared(cell.config.data, tmp_path / "results")})
    assert (runs.status.item(), runs.steps.item()) == ("ok", 4)
    (mine / "squares.tsv").write_text("1\t2\n")
    with pytest.raises(UserError, match="its SHA-1 is"):
        prepared(cell.config.data, tmp_path / "again")


def test_a_measurement_of_the_users_is_made_and_its_columns_are_checked(mine, tmp_path, capsys):
    command = ["sorting", "--config-dir", str(mine), "--out", str(tmp_path / "out" / "sorting.parquet")]
    measure(command)
    table = read_measured(tmp_path / "out" / "sorting.parquet").table
    assert table.n.tolist() == [1_000, 10_000] and (table.seconds > 0).all()
    for columns, sentence in {
        "{n: whole}": "measurement=sorting returned the column seconds; its file has n",
        "{n: text, seconds: real}": "measurement=sorting returned another table than its file says",
        "{n: whole, seconds: real, cores: whole}": "measurement=sorting returned another table than its file says",
        "{n: number}": "columns.n=number is not allowed: choose one of flag, real, text, whole",
    }.items():
        (mine / "measurement" / "sorting.yaml").write_text(f"title: sorting\ndata: false\ncolumns: {columns}\n")
        _read.cache_clear()
        with pytest.raises(SystemExit) as ended:
            measure([*command[:-1], str(tmp_path / "refused" / "sorting.parquet")])
        assert ended.value.code == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()


def test_a_file_that_takes_the_place_of_the_labs_own_is_announced_once(mine, dataset, capsys):
    for suffix, folder in {".py": parts.PACKAGE / "parts" / "optimizers", ".yaml": parts.CONF / "optimizer"}.items():
        (mine / "optimizer" / f"sgd{suffix}").write_text((folder / f"sgd{suffix}").read_text())
    for lr in (0.1, 0.2):
        cell = Cell(compose_cell(["data=airfoil_twin", "optimizer=sgd", "batch_size=100", "epochs=1", f"lr={lr}"]))
        train_cells([cell], {"airfoil_twin": dataset})
    assert capsys.readouterr().err.splitlines() == [
        f"optimizer=sgd: {mine}/optimizer/sgd.{suffix} takes the place of the lab's own" for suffix in ("yaml", "py")
    ]


def test_an_edited_file_of_the_users_is_drawn_or_decided_anew(mine):
    inputs = Inputs(read_settings({}))
    for kind, name in {"figure": "spread", "statistic": "loss_left"}.items():
        before = inputs.own(kind)
        (mine / kind / f"{name}.py").write_text("pass\n")
        assert inputs.own(kind) != before


def test_a_configuration_that_hydra_read_from_the_users_folder_is_announced_too(mine, capsys):
    composed = OmegaConf.create(dataclasses.asdict(compose_cell()))
    (mine / "optimizer" / "sgd.yaml").write_text((parts.CONF / "optimizer" / "sgd.yaml").read_text())
    for _ in range(2):
        cell_config(composed)
    sentence = f"optimizer=sgd: {mine}/optimizer/sgd.yaml takes the place of the lab's own\n"
    assert capsys.readouterr().err == sentence


@pytest.mark.slow
def test_the_commands_of_the_page_run(mine, run, tmp_path, monkeypatch):
    monkeypatch.delenv(parts.VARIABLE)
    (tmp_path / "Snakefile").symlink_to(ROOT / "Snakefile")
    for command in (*OWN_TABLE, *MAKE_TABLE, *COMMANDS):
        done = run("bash", "-c", command, cwd=tmp_path, PYTHONPATH=str(ROOT))
        assert done.returncode == 0, done.stderr
    made = ("own/runs.parquet", "figures/own/spread.svg", "measure/sorting.parquet")
    assert all((tmp_path / "results" / name).is_file() for name in made)
    assert json.loads((tmp_path / "results" / "claims.json").read_text())["counts"]["holds"] == 1
