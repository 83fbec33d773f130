"""Opens a door for each test, and counts what went through it."""

import pytest

from tests.inputs.door import Door


@pytest.fixture
def door(tmp_path, monkeypatch, request):
    """The commands, called in this process, in an empty folder; what became of each case is counted."""
    monkeypatch.delenv("AIRFOIL_DATA", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    door = Door(tmp_path / "cwd")
    yield door
    request.node.user_properties.append(("cases", dict(door.counts)))
