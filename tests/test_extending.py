"""docs/extending.md does what it says: its files are written where it says, and found and trained from there."""

import dataclasses
import re

import numpy as np
import pytest
from conftest import ROOT
from tables_for_tests import cell, study

from pipeline import parts
from pipeline.figures import registry
from pipeline.lab.config import Cell, compose_cell, load_study
from pipeline.train.cells import train_cells

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```(?:python|yaml)\n# mine/(\S+)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.search(r"```bash\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()


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
        kind, file = name.split("/")
        assert len(text.splitlines()) < 20
        if file.endswith(".py"):
            assert parts.find(kind, file.removesuffix(".py")) == mine / name
    assert {name.split("/")[0] for name in FILES} == {"optimizer", "model", "schedule", "task", "figure", "study"}


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


@pytest.mark.slow
def test_the_commands_of_the_page_run(mine, run, tmp_path, monkeypatch):
    monkeypatch.delenv(parts.VARIABLE)
    for command in COMMANDS:
        done = run(*command.split(), cwd=tmp_path, PYTHONPATH=str(ROOT))
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "own" / "runs.parquet").is_file()
