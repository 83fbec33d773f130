"""Tasks: numbers, one of two classes and one of several are learnt by the same models, or refused in one sentence."""

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError
from pipeline.parts import models, tasks
from pipeline.parts.base import DataConfig
from pipeline.train.cells import train_cells
from pipeline.train.order import generator


@dataclass
class Rows(DataConfig):
    """Data in memory."""

    width: int = 3
    classes: int = 1

    @property
    def features(self):
        return self.width

    @property
    def outputs(self):
        return self.classes


def problem(task, n=60, d=3, classes=3):
    """Learnable examples of a task."""
    source = np.random.default_rng(1)
    X = source.standard_normal((n, d)).astype(np.float32)
    scores = X @ source.standard_normal((d, classes)) + 0.3 * source.standard_normal((n, classes))
    y = {
        "regression": scores[:, 0].astype(np.float32),
        "binary": (scores[:, 0] > 0).astype(np.int64),
        "classification": scores.argmax(axis=1),
    }[task]
    names = tuple("abcdefghijkl"[:classes]) if task != "regression" else ()
    return Dataset("mine", X, y, (), {}, offline_twin=False, classes=names)


def cell(task, data, *overrides, **values):
    """A cell of a task on examples in memory."""
    outputs = int(data.y.max()) + 1 if task == "classification" else 1
    rows = len(data.X)
    config = Rows("mine", "", "", "", task=task, rows_total=rows, rows=rows, width=data.X.shape[1], classes=outputs)
    base = compose_cell(["data=airfoil_twin", "batch_size=10", "lr=0.1", "read_every=20", *overrides])
    return Cell(replace(base, data=config, **values))


@pytest.mark.parametrize("task", ["regression", "binary", "classification"])
@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_every_model_learns_every_task(task, model):
    data = problem(task)
    runs, _ = train_cells([cell(task, data, f"model={model}", "epochs=20")], {"mine": data})
    assert runs.status.tolist() == ["ok"]
    assert runs.final_loss.item() < 0.6 * runs.initial_loss.item()


@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_a_model_of_one_output_starts_as_it_always_did(model):
    config = compose_cell([f"model={model}"]).model
    asked, plain = (models.build(config, 5, generator(0, "init"), *more) for more in ((1,), ()))
    assert all(torch.equal(a, b) for a, b in zip(asked.parameters(), plain.parameters(), strict=True))
    assert models.build(config, 5, generator(0, "init"), 4)(torch.zeros(2, 5)).shape == (2, 4)


def test_the_binary_loss_is_that_of_two_classes_whose_first_logit_is_zero():
    z, y = torch.linspace(-3, 3, 7), np.array([0, 1, 1, 0, 1, 0, 1])
    binary, several = tasks.load("binary"), tasks.load("classification")
    logits, zero = z.unsqueeze(1), torch.zeros(7, 1)
    one = binary.criterion(logits, binary.targets(y))
    two = several.criterion(torch.cat([zero, logits], dim=1), several.targets(y))
    torch.testing.assert_close(one, two)
    assert float(binary.accuracy(logits, binary.targets(y))) == pytest.approx(4 / 7)


@pytest.mark.parametrize(
    ("task", "of", "why"),
    [
        ("regression", "classification", "data.task=regression is not allowed: the targets are classes"),
        ("classification", "regression", "data.task=classification is not allowed: the targets are no classes"),
        ("binary", "classification", "data.task=binary is not allowed: a target is 2, and all must be 0 or 1"),
        ("binary", "regression", "data.task=binary is not allowed: a target is "),
    ],
)
def test_targets_of_another_task_are_refused_before_anything_is_trained(task, of, why):
    data = problem(of)
    with pytest.raises(UserError, match="^" + re.escape(why)):
        train_cells([cell(task, data)], {"mine": data})


def test_another_number_of_classes_than_the_data_have_is_refused():
    data = problem("classification")
    config = cell("classification", data).config
    with pytest.raises(UserError, match=r"it predicts \(2, 2\) for 2 examples of data=mine, which has 3 classes"):
        train_cells([Cell(replace(config, data=replace(config.data, classes=2)))], {"mine": data})
