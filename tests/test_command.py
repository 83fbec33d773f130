"""The command beside a point trains this very cell, and no other."""

import json
import shlex

import pytest

from pipeline import parts
from pipeline.lab.command import command_of
from pipeline.lab.config import Cell, compose_cell, load_study
from pipeline.lab.paths import CONF


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
