"""A model of the user's trains in a stack as alone, or is refused before training."""

import sys

import numpy as np
import pytest

from pipeline import parts
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.errors import UserError
from pipeline.train.cells import train_cells

HEAD = """import torch
from torch import nn

def drawn(layer, generator):
    nn.init.normal_(layer.weight, std=0.3, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer

class Residual(nn.Sequential):
    def forward(self, x):
        return super().forward(x) + x[:, :1]

class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)

class Features(nn.Module):
    def __init__(self, n, generator):
        super().__init__()
        self.register_buffer("features", torch.randn(n, 4, generator=generator))
        self.last = drawn(nn.Linear(4, 1), generator)

    def forward(self, x):
        return self.last(torch.tanh(x @ self.features))

class Flat(nn.Linear):
    def forward(self, x):
        return super().forward(x).squeeze(-1)

def mine(config, n, g):
"""

#: Models that can be trained, and by which engine where a stack is asked for.
USABLE = {
    "its own forward": ("return Residual(drawn(nn.Linear(n, 1), g))", "stacked"),
    "a layer of its own": ("return drawn(Doubled(n, 1), g)", "stacked"),
    "a weight norm": ("return nn.utils.parametrizations.weight_norm(drawn(nn.Linear(n, 1), g))", "stacked"),
    "a hook": ("net = drawn(nn.Linear(n, 1), g); net.register_forward_hook(lambda *a: 3 * a[-1]); return net", "solo"),
    "a buffer for each seed": ("return Features(n, g)", "solo"),
    "batch normalisation": ("return nn.Sequential(nn.BatchNorm1d(n), drawn(nn.Linear(n, 1), g))", "solo"),
    "dropout": ("return nn.Sequential(nn.Dropout(0.5), drawn(nn.Linear(n, 1), g))", "solo"),
    "a frozen layer": (
        "return nn.Sequential(drawn(nn.Linear(n, 4), g).requires_grad_(False), drawn(nn.Linear(4, 1), g))",
        "solo",
    ),
    "a layer that is used twice": (
        "layer = drawn(nn.Linear(n, n), g); return nn.Sequential(layer, layer, drawn(nn.Linear(n, 1), g))",
        "solo",
    ),
    "draws from torch's generator": ("return nn.Linear(n, 1)", "solo"),
}

#: Models that cannot be trained, and what is said.
UNUSABLE = {
    "no axis of outputs": ("return drawn(Flat(n, 1), g)", r"it predicts \(2,\) for targets of shape \(2, 1\)"),
    "two outputs": ("return drawn(nn.Linear(n, 2), g)", r"it predicts \(2, 2\) for targets of shape \(2, 1\)"),
    "no parameter": ("return nn.AdaptiveAvgPool1d(1)", "it has no parameter"),
    "a parameter without use": (
        "net = drawn(nn.Linear(n, 1), g); net.spare = nn.Linear(2, 2); return net",
        "spare.weight, spare.bias take no part in the loss",
    ),
    "another dtype": ("return drawn(nn.Linear(n, 1), g).double()", "same dtype"),
    "an error": ("raise ValueError('so what')", r"ValueError: so what \(mine.py, line"),
    "no module": ("return lambda x: x[:, :1]", "must return a torch.nn.Module, and returned function"),
}


@pytest.fixture
def own_model(tmp_path, monkeypatch):
    """Write a model's file as a user does; give a cell of it."""
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("name: mine\n")

    def write(body, engine):
        (tmp_path / "model" / "mine.py").write_text(f"{HEAD}    {body}\n")
        sys.modules.pop("pipeline.parts.user.model.mine", None)
        keys = ["data=airfoil_twin", "model=mine", "batch_size=300", "lr=0.1", "epochs=1", "seeds=2"]
        return Cell(compose_cell([*keys, f"engine={engine}"]))

    return write


@pytest.mark.parametrize("kind", USABLE)
def test_a_model_trains_in_a_stack_as_alone_or_says_why_it_is_trained_alone(own_model, dataset, caplog, kind):
    body, engine = USABLE[kind]
    alone, together = (train_cells([own_model(body, one)], {"airfoil_twin": dataset}) for one in ("solo", "stacked"))
    assert set(together[0].engine) == {engine}
    assert [("model=mine is trained solo" in line) for line in caplog.messages] == [True] * (engine == "solo")
    np.testing.assert_allclose(together[1].loss, alone[1].loss, rtol=1e-5)
    assert set(alone[0].status) == {"ok"}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_model_that_cannot_be_trained_is_refused_before_anything_is_trained(own_model, dataset, kind):
    body, why = UNUSABLE[kind]
    trained = []
    for engine in ("solo", "stacked"):
        cells = [Cell(compose_cell(["data=airfoil_twin"])), own_model(body, engine)]
        with pytest.raises(UserError, match=f"model=mine is not allowed with data.task=regression: .*{why}") as refusal:
            train_cells(cells, {"airfoil_twin": dataset}, lambda steps, loss: trained.append(steps))
        assert "\n" not in str(refusal.value)
    assert trained == []


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (
            "    def __post_init__(self):\n        assert self.depth > 3, 'deeper'\n",
            "its Config: AssertionError: deeper$",
        ),
        ("class Config:\n    depth = 1\n", "Config in .*broken.py must be a dataclass$"),
    ],
)
def test_keys_that_cannot_be_made_are_refused_in_one_sentence(tmp_path, monkeypatch, config, why):
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))
    head = "from dataclasses import dataclass\nfrom pipeline.parts.base import ModelConfig\n"
    if not config.startswith("class"):
        head += "@dataclass\nclass Config(ModelConfig):\n    depth: int = 0\n"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "broken.py").write_text(f"{head}{config}def broken(config, n, g):\n    pass\n")
    (tmp_path / "model" / "broken.yaml").write_text("name: broken\ndepth: 1\n")
    with pytest.raises(UserError, match=f"model=broken is not allowed: {why}") as refusal:
        compose_cell(["model=broken"])
    assert "\n" not in str(refusal.value)


def test_the_loss_is_that_of_the_network_without_dropout(own_model, dataset):
    _, often = train_cells([own_model(USABLE["dropout"][0], "solo")], {"airfoil_twin": dataset})
    once = own_model("return drawn(nn.Linear(n, 1), g)", "solo")
    _, plain = train_cells([once], {"airfoil_twin": dataset})
    starts = [curves[curves.step == 0].loss.tolist() for curves in (often, plain)]
    assert starts[0] == pytest.approx(starts[1])


def test_a_task_of_the_users_is_never_replaced_by_the_stacks_own_loss(tmp_path, monkeypatch, dataset):
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "regression.py").write_text(
        "import torch\nfrom pipeline.parts.tasks import Task\n"
        "def regression():\n"
        "    return Task(torch.nn.functional.l1_loss, targets=lambda y: torch.from_numpy(y).unsqueeze(1))\n"
    )
    cells = [Cell(compose_cell(["data=airfoil_twin", "batch_size=300", f"engine={e}"])) for e in ("solo", "stacked")]
    alone, together = (train_cells([cell], {"airfoil_twin": dataset})[1] for cell in cells)
    np.testing.assert_allclose(together.loss, alone.loss, rtol=1e-5)
