"""Stacks of every task and model take the steps of the same runs alone, or the runs are trained alone and say why."""

import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tasks import cell, problem
from torch import nn

from pipeline import parts
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.dataset import HeldOut
from pipeline.parts.tasks import Task
from pipeline.train.cells import train_cells
from pipeline.train.data import prepared
from pipeline.train.plan import can_stack
from pipeline.train.probe import stack_update
from pipeline.train.stack_update import Elementwise
from pipeline.train.stacked import StackedRun, train_stacked
from pipeline.train.stacked_net import StackedNet


def both_engines(data, task, *overrides, engine="stacked", lrs=(0.01, 0.03), **values):
    """Readings of the same cells by both engines, side by side; the second is the one that is meant."""
    tables = []
    values = {"epochs": 2, "seeds": 2} | values
    for asked in ("solo", "stacked"):
        cells = [cell(task, data, *overrides, engine=asked, **values, lr=lr) for lr in lrs]
        runs, curves = train_cells(cells, {data.name: data})
        assert set(runs.engine) == {engine if asked == "stacked" else "solo"}
        assert set(runs.status) == {"ok"}
        tables.append(curves)
    both = tables[0].merge(tables[1], on=["cell_id", "seed", "step"], suffixes=("", "_stacked"))
    assert len(both) == len(tables[0]) == len(tables[1]) > 0
    return both


def assert_alike(both):
    for column in ("loss", "validation_loss", "validation_accuracy"):
        np.testing.assert_allclose(both[f"{column}_stacked"], both[column], rtol=1e-5)


def split(task, d=3, classes=3):
    data = problem(task, n=80, d=d, classes=classes)
    return replace(data, X=data.X[:60], y=data.y[:60], held_out=HeldOut(data.X[60:], data.y[60:]))


# -- the lab's tasks


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "momentum", pytest.param("muon", marks=pytest.mark.slow)])
@pytest.mark.parametrize("model", ["linear", "mlp"])
@pytest.mark.parametrize("task", ["binary", "classification"])
def test_classes_are_learnt_in_a_stack_as_alone(task, model, optimizer):
    assert_alike(both_engines(split(task), task, f"model={model}", f"optimizer={optimizer}", "schedule=cosine"))


@pytest.mark.parametrize("overrides", [["batch_size=1"], ["batch_size=7"], ["batch_size=60"]])
def test_any_batch_size_and_draws_with_replacement(overrides):
    assert_alike(both_engines(split("classification"), "classification", *overrides, "sampling=with_replacement"))


def test_digits_in_ten_classes_as_rows():
    data = split("classification", d=64, classes=10)
    assert_alike(both_engines(data, "classification", "model=mlp", "model.widths=[32]", "batch_size=32"))


@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_a_diverging_neighbour_changes_no_other_run_by_one_bit(model):
    data = split("classification")
    update = stack_update(compose_cell(["optimizer=sgd"]))
    quiet, wild = (
        train_stacked(
            [cell("classification", data, f"model={model}", engine="stacked", lr=lr) for lr in (0.1, other, 0.1)],
            range(3),
            data,
            update,
        )
        for other in (0.1, 1e30)
    )
    others = [run for run in range(9) if run % 3 != 1]
    for name in ("loss", "validation_loss", "validation_accuracy"):
        np.testing.assert_array_equal(getattr(wild, name)[:, others], getattr(quiet, name)[:, others])
    assert wild.diverged.reshape(3, 3)[:, 1].all()


@pytest.mark.parametrize(
    "layers",
    [
        [lambda: nn.Linear(3, 4)],
        [lambda: nn.Linear(3, 5), nn.Tanh, lambda: nn.Linear(5, 4)],
        [nn.Flatten, lambda: nn.Linear(3, 5), nn.ReLU, lambda: nn.Linear(5, 5), nn.ReLU],
        [lambda: nn.Linear(3, 5, bias=False), lambda: nn.LayerNorm(5), lambda: nn.Linear(5, 4)],
    ],
    ids=["linear", "mlp", "flatten", "by torch.func"],
)
def test_predictions_and_gradients_of_many_outputs_are_those_of_each_model_alone(layers):
    torch.manual_seed(0)
    alone = [nn.Sequential(*(layer() for layer in layers)) for _ in range(2)]
    X = torch.randn(2, 6, 3)
    net = StackedNet(alone, 3, torch.device("cpu"), packed=False)
    predicted = net.predict(X)
    weights = torch.randn_like(predicted)
    predicted.backward(weights)
    everywhere = net.predict_all(X[0])
    for run in range(6):
        model = alone[run // 3]
        expected = model(X[run // 3])
        torch.testing.assert_close(predicted[run], expected)
        torch.testing.assert_close(everywhere[run], model(X[0]))
        model.zero_grad()
        expected.backward(weights[run])
        gradient = nn.utils.parameters_to_vector([p.grad for p in model.parameters()])
        torch.testing.assert_close(net.flat.grad[net.run_of == run], gradient)


@given(
    classes=st.integers(2, 12), batch_size=st.integers(1, 40), runs=st.integers(1, 4), size=st.sampled_from([1, 1e4])
)
@settings(max_examples=30, deadline=None)
def test_the_derivative_of_cross_entropy_that_is_written_down_is_that_of_autograd(classes, batch_size, runs, size):
    data = split("classification", classes=classes)
    data = replace(data, X=data.X * np.float32(size))  # logits of any size
    cells = [cell("classification", data, engine="stacked", lr=0.1)] * runs
    stack = StackedRun(cells, [0, 1], data, Elementwise)
    assert stack.cross_entropy
    stack.on_fit_start()
    with torch.no_grad():
        stack.net.flat.normal_(generator=torch.manual_seed(0))
    rows = torch.randint(len(data.X), (2, batch_size))
    found = []
    for stack.cross_entropy in (True, False):
        stack._differentiate(stack.X[rows], stack.y[rows])
        found.append(stack.net.flat.grad.clone())
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6 * size)


def test_classes_that_are_to_be_ignored_are_left_to_torch():
    data = split("classification")
    cells = [cell("classification", data, engine="stacked", lr=0.1)]
    ignored = Task(torch.nn.functional.cross_entropy, lambda y: torch.from_numpy(np.where(y == 0, -100, y)).long())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.train.stacked.tasks.load", lambda name: ignored)
        stack = StackedRun(cells, [0], replace(data, held_out=None), Elementwise)
    assert not stack.cross_entropy
    assert StackedRun(cells, [0], data, Elementwise).cross_entropy


# -- models and tasks of the user's

HEAD = """import torch
from torch import nn

def drawn(net, g):
    for p in net.parameters():
        nn.init.normal_(p, std=0.3, generator=g)
    return net

class Tokens(nn.Module):
    def __init__(self, k, dropout=0.0):
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=dropout, batch_first=True)
        self.head = nn.Linear(8, k)

    def forward(self, x):
        return self.head(self.encoder(x.view(-1, 8, 8)).mean(dim=1))

def mine(config, in_features, generator, out_features):
    n, k, g = in_features, out_features, generator
"""

#: A network, the engine that trains it where a stack is asked for, and what is said of it otherwise.
NETWORKS = {
    "a transformer": ("return drawn(Tokens(k), g)", "stacked", ""),
    "a transformer with dropout": ("return drawn(Tokens(k, 0.5), g)", "solo", "random"),
    "batch normalisation": (
        "return drawn(nn.Sequential(nn.Linear(n, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, k)), g)",
        "solo",
        "running_mean|in-place|inplace|relative",
    ),
    "layer normalisation": (
        "return drawn(nn.Sequential(nn.Linear(n, 8), nn.LayerNorm(8), nn.Linear(8, k)), g)",
        "stacked",
        "",
    ),
    "a convolution": (
        "return drawn(nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), "
        "nn.Linear(72, k)), g)",
        "solo",
        "convolutions of many models at once take longer",
    ),
}

SLOW = ("a transformer", "a transformer with dropout", "a convolution")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a part as a user does."""
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))

    def write(kind, text):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "mine.py").write_text(text)
        (tmp_path / kind / "mine.yaml").write_text("name: mine\n")
        sys.modules.pop(f"pipeline.parts.user.{kind}.mine", None)

    return write


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize(
    "network", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in NETWORKS]
)
def test_any_network_trains_in_both_engines_or_falls_back_with_a_word(own, caplog, network, task):
    body, engine, why = NETWORKS[network]
    own("model", f"{HEAD}    {body}\n")
    both = both_engines(split(task, d=64), task, "model=mine", engine=engine, lrs=(0.01,), epochs=1)
    assert_alike(both)
    told = [line for line in caplog.messages if "model=mine is trained solo" in line]
    assert len(told) == (engine == "solo")
    if why:
        assert re.search(why, told[0]), told


def test_images_in_memory_are_stacked_and_files_that_are_decoded_one_by_one_are_not(own):
    own("model", f"{HEAD}    return drawn(nn.Sequential(nn.Flatten(), nn.Linear(64 * n, k)), g)\n")
    images = np.random.default_rng(0).standard_normal((60, 1, 8, 8)).astype(np.float32)
    data = replace(problem("classification", classes=10), name="digits", X=images)
    base = compose_cell(["data=digits", "model=mine", "data.rows=60", "engine=stacked", "batch_size=20", "seeds=2"])
    one_by_one = replace(base, data=replace(base.data, loading="per_item"))
    assert (can_stack(Cell(base), data), can_stack(Cell(one_by_one), data)) == (True, False)
    alone, together = (train_cells([Cell(replace(base, engine=e))], {"digits": data})[1] for e in ("solo", "stacked"))
    np.testing.assert_allclose(together.loss, alone.loss, rtol=1e-5)


LOSSES = {
    "a robust loss": ("lambda z, y: nn.functional.smooth_l1_loss(z, y)", "stacked"),
    "its own derivative": ("lambda z, y: ((z - y).abs() ** 1.5).mean()", "stacked"),
    "a root of a mean": ("lambda z, y: nn.functional.mse_loss(z, y).sqrt()", "solo"),
    "a sum": ("lambda z, y: ((z - y) ** 2).sum() / 10", "solo"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_of_the_users_is_stacked_where_it_is_a_mean_over_examples(own, caplog, loss):
    text, engine = LOSSES[loss]
    own(
        "task",
        "import torch\nfrom torch import nn\nfrom pipeline.parts.tasks import Task\n\n\ndef mine():\n"
        f"    return Task({text}, targets=lambda y: torch.from_numpy(y).unsqueeze(1), scale=0.7)\n",
    )
    data = split("regression")
    both = both_engines(data, "mine", engine=engine, lrs=(0.01,))
    assert_alike(both)
    assert any("because a stack cannot: it is" in line for line in caplog.messages) == (engine == "solo")


def test_an_accuracy_that_is_a_python_number_is_read_run_by_run(own):
    own(
        "task",
        'import torch\nfrom pipeline.parts.tasks import Task\n\nOUTPUTS = "classes"\n\n\ndef mine():\n'
        "    right = lambda z, y: float((z.argmax(1) == y).double().mean())\n"
        "    return Task(torch.nn.functional.cross_entropy, targets=torch.from_numpy, accuracy=right)\n",
    )
    data = split("classification")
    config = cell("classification", data, engine="stacked", seeds=2).config
    one = replace(cell("classification", data), config=replace(config, data=replace(config.data, task="mine")))
    assert can_stack(one, data)
    found = train_stacked([one], range(2), data, Elementwise)
    lab = train_stacked([replace(one, config=config)], range(2), data, Elementwise)
    np.testing.assert_array_equal(found.validation_accuracy, lab.validation_accuracy)


def test_a_task_of_the_users_that_learns_classes_has_a_logit_for_each_of_two(own, tmp_path):
    own(
        "task",
        'import torch\nfrom pipeline.parts.tasks import Task\n\nOUTPUTS = "classes"\n\n\ndef mine():\n'
        "    return Task(torch.nn.functional.cross_entropy, targets=torch.from_numpy)\n",
    )
    table = tmp_path / "two.csv"
    table.write_text("x,kind\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(40)))
    given = [f"data.path={table}", "data.target=kind", "data.task=mine", "batch_size=10", "epochs=1", "engine=stacked"]
    config = compose_cell(["data=table", *given])
    assert config.data.outputs == 2
    runs, _ = train_cells([Cell(config)], {config.data.name: prepared(config.data, tmp_path)})
    assert (runs.status.tolist(), runs.final_validation_loss.notna().tolist()) == (["ok"], [True])


# -- against scikit-learn


@pytest.mark.slow
@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_no_reading_undercuts_the_convex_minimum_that_scikit_learn_finds(name):
    from scipy.optimize import minimize
    from sklearn import datasets
    from sklearn.linear_model import LogisticRegression

    source = getattr(datasets, f"load_{name}")()
    # Overlapping classes, so that the minimum is attained: some features, and labels of which a tenth are wrong.
    random = np.random.default_rng(0)
    X = source.data[:, np.argsort(source.data.std(axis=0))[-12:]]
    # Decorrelated, so that it is reached soon; the minimum is the same.
    X = (np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[0] * len(X) ** 0.5).astype(np.float32)
    y, classes = source.target.copy(), len(source.target_names)
    wrong = random.random(len(y)) < 0.1
    y[wrong] = random.integers(classes, size=wrong.sum())
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(X.astype(float), y)
    probabilities = fitted.predict_proba(X.astype(float))[np.arange(len(y)), y]
    minimum = -np.log(probabilities).mean()
    most = {"maxiter": 10_000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-9}
    polished = minimize(
        softmax_loss, np.zeros((X.shape[1] + 1) * classes), (X.astype(float), y), "L-BFGS-B", True, options=most
    )
    assert minimum == pytest.approx(polished.fun, abs=1e-5)

    data = replace(problem("classification"), X=X, y=y.astype(np.int64), classes=tuple(map(str, range(classes))))
    cells = [
        cell(
            "classification", data, f"optimizer={optimizer}", batch_size=b, lr=lr, epochs=10, engine="stacked", seeds=3
        )
        for optimizer in ("sgd", "adam", "muon")
        for b, lr in ((32, 0.02), (len(X), 0.5), (len(X), 0.05))
    ]
    long = {"batch_size": len(X), "lr": 0.3, "epochs": 300, "read_every": len(X)}
    cells += [cell("classification", data, "optimizer=momentum", **long)]
    runs, curves = train_cells(cells, {"mine": data})
    assert curves.loss.min() >= minimum - 1e-5
    assert curves.loss.min() <= minimum + 1e-4


def softmax_loss(weights, X, y):
    """Mean cross-entropy of softmax regression in float64, and its derivative."""
    X = np.column_stack([X, np.ones(len(X))])
    logits = X @ weights.reshape(X.shape[1], -1)
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    p[np.arange(len(y)), y] -= 1
    return loss, (X.T @ p / len(y)).ravel()
