"""A stack is many solo runs at once: the same losses, and no run disturbs another."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.dataset import Dataset
from pipeline.parts import optimizers
from pipeline.train import stacked
from pipeline.train.cells import train_cells
from pipeline.train.order import generator, minibatches
from pipeline.train.plan import LEAST_RUNS, STEP_VALUES, can_stack, plan, values_per_run
from pipeline.train.probe import stack_update
from pipeline.train.stack_update import Elementwise
from pipeline.train.stacked import StackedRun, train_stacked
from pipeline.train.stacked_net import StackedNet

CPU = torch.device("cpu")


def cells(optimizer, model, schedule, engine, lrs, **values):
    overrides = ["data=airfoil_twin", f"optimizer={optimizer}", f"model={model}", f"schedule={schedule}"]
    base = compose_cell(overrides + (["model.widths=[16,8]"] if model == "mlp" else []))
    return [Cell(replace(base, engine=engine, lr=lr, **values)) for lr in lrs]


def rates(optimizer):
    """Three learning rates from the lower half of the optimizer's range, where nothing diverges."""
    low, high = compose_cell([f"optimizer={optimizer}"]).optimizer.lr_range
    return [low, (low**3 * high) ** 0.25, (low * high) ** 0.5]


def solo_and_stacked(dataset, *choice, **values):
    tables = [
        train_cells(cells(*choice[:3], engine, choice[3], **values), {"airfoil_twin": dataset})
        for engine in ("solo", "stacked")
    ]
    (_, solo), (_, stacked) = tables
    both = solo.merge(stacked, on=["cell_id", "seed", "step"], how="outer", suffixes=("", "_stacked"))
    assert len(both) == len(solo) == len(stacked) > 0
    return both


# -- solo and stacked


@pytest.mark.parametrize("schedule", ["constant", pytest.param("cosine", marks=pytest.mark.slow)])
@pytest.mark.parametrize("model", ["linear", pytest.param("mlp", marks=pytest.mark.slow)])
@pytest.mark.parametrize("optimizer", optimizers.names())
def test_stacked_runs_equal_solo_runs_at_every_reading(dataset, optimizer, model, schedule):
    both = solo_and_stacked(dataset, optimizer, model, schedule, rates(optimizer)[1:], batch_size=50, epochs=1)
    np.testing.assert_allclose(both.loss_stacked, both.loss, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 7, 1499, 1500])
def test_any_batch_size_short_last_ones_included(dataset, batch_size):
    both = solo_and_stacked(dataset, "sgd", "linear", "constant", [0.002, 0.01], batch_size=batch_size, epochs=1)
    np.testing.assert_allclose(both.loss_stacked, both.loss, rtol=1e-5)


def test_with_replacement_too(dataset):
    tables = []
    for engine in ("solo", "stacked"):
        base = compose_cell(["data=airfoil_twin", "sampling=with_replacement"])
        tables.append(train_cells([Cell(replace(base, engine=engine, seeds=3))], {"airfoil_twin": dataset})[1])
    np.testing.assert_allclose(tables[1].loss, tables[0].loss, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_a_schedule_scales_every_runs_own_rate(dataset, model):
    both = solo_and_stacked(dataset, "sgd", model, "cosine", [0.01, 0.05], batch_size=150)
    np.testing.assert_allclose(both.loss_stacked, both.loss, rtol=1e-5)
    constant = solo_and_stacked(dataset, "sgd", model, "constant", [0.01, 0.05], batch_size=150)
    assert not np.allclose(both.loss, constant.loss, rtol=1e-3)


def test_minibatches_that_are_gathered_a_few_at_a_time_are_the_same(dataset, monkeypatch):
    chosen = cells("sgd", "linear", "constant", "stacked", [0.01], batch_size=70, epochs=2)
    whole = train_stacked(chosen, range(3), dataset, Elementwise)
    monkeypatch.setattr("pipeline.train.stacked.GATHERED_VALUES", 3 * 3 * 70 * 5)
    np.testing.assert_array_equal(train_stacked(chosen, range(3), dataset, Elementwise).loss, whole.loss)


def test_progress_is_told_while_a_stack_trains(dataset):
    told = []
    train_stacked(
        cells("sgd", "linear", "constant", "stacked", [0.01], batch_size=500, epochs=2),
        range(2),
        dataset,
        Elementwise,
        progress=lambda steps, loss: told.append((steps, loss)),
    )
    assert sum(steps for steps, _ in told) >= 6
    assert all(0 < loss < 1 for _, loss in told)


# -- independence


@pytest.mark.parametrize(
    "optimizer",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in ("sgd", "adam"))) for name in optimizers.names()],
)
def test_a_diverging_neighbour_changes_no_other_run_by_one_bit(dataset, optimizer):
    calm = rates(optimizer)[1]
    update = stack_update(compose_cell([f"optimizer={optimizer}"]))
    quiet, wild = (
        train_stacked(cells(optimizer, "linear", "constant", "stacked", [calm, other, calm]), range(4), dataset, update)
        for other in (calm, 1e30)
    )
    others = [run for run in range(12) if run % 3 != 1]
    np.testing.assert_array_equal(wild.loss[:, others], quiet.loss[:, others])
    assert wild.diverged.reshape(4, 3)[:, 1].all()


def test_a_stack_of_one_is_one_of_a_stack_of_many(dataset):
    chosen = cells("adam", "linear", "constant", "stacked", [0.001, 0.01, 0.1])
    many = train_stacked(chosen, range(5), dataset, Elementwise)
    one = train_stacked(chosen[1:2], range(3, 4), dataset, Elementwise)
    np.testing.assert_allclose(one.loss[:, 0], many.loss[:, 3 * 3 + 1], rtol=1e-6)


# -- the stacked net


def models(seeds, *layers):
    torch.manual_seed(0)
    return [nn.Sequential(*(layer() for layer in layers)) for _ in range(seeds)]


@pytest.mark.parametrize(
    "layers",
    [
        [lambda: nn.Linear(3, 1)],
        [lambda: nn.Linear(3, 4), nn.Tanh, lambda: nn.Linear(4, 1)],
        [nn.Tanh, lambda: nn.Linear(3, 4), nn.GELU, lambda: nn.Linear(4, 2), lambda: nn.Linear(2, 1)],
        [lambda: nn.Linear(3, 4), lambda: nn.LayerNorm(4), lambda: nn.Linear(4, 1)],  # not in the map: torch.func
        [lambda: nn.Linear(3, 4, bias=False), lambda: nn.Linear(4, 1)],  # nor is a layer without bias
    ],
    ids=["linear", "mlp", "deep", "layer-norm", "no-bias"],
)
def test_predictions_and_gradients_are_those_of_each_model_alone(layers):
    alone = models(2, *layers)
    X, weights = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    net = StackedNet(alone, 3, CPU, packed=True)
    predicted = net.predict(X)
    assert predicted.shape == (2, 5, 3)
    predicted.backward(weights)
    for seed, model in enumerate(alone):
        expected = model(X[seed])
        for c in range(3):
            torch.testing.assert_close(predicted[seed, :, c : c + 1], expected)
            model.zero_grad()
            expected.backward(weights[seed, :, c : c + 1], retain_graph=True)
            gradient = net.flat.grad[net.run_of == seed * 3 + c]
            torch.testing.assert_close(gradient, nn.utils.parameters_to_vector([p.grad for p in model.parameters()]))
    torch.testing.assert_close(net.predict_all(X[0])[:, ::3], torch.cat([m(X[0]) for m in alone], dim=1).detach())


@given(
    seeds=st.integers(1, 10),
    cells_each=st.integers(1, 60),
    features=st.integers(1, 40),
    batch_size=st.sampled_from([1, 2, 3, 7, 10, 100, 500]),
)
@settings(max_examples=40, deadline=None)
def test_the_gradient_that_is_written_down_is_that_of_autograd_to_the_last_bit(seeds, cells_each, features, batch_size):
    net = StackedNet(models(seeds, lambda: nn.Linear(features, 1)), cells_each, CPU, packed=True)
    assert net.half_squares is None  # a chain: autograd
    plain = StackedNet([m[0] for m in models(seeds, lambda: nn.Linear(features, 1))], cells_each, CPU, packed=True)
    X, y = torch.randn(seeds, batch_size, features), torch.randn(seeds, batch_size, 1)
    predicted = net.predict(X)
    predicted.backward((predicted.detach() - y) / batch_size)
    plain.flat.grad.fill_(torch.nan)  # whatever was there is overwritten
    plain.half_squares(X, y)
    assert torch.equal(plain.flat.grad, net.flat.grad)


@given(
    examples=st.integers(1, 60),
    batch_size=st.integers(1, 60),
    gathered=st.sampled_from([1, 100, 2**14]),
    sampling=st.sampled_from(["without_replacement", "with_replacement"]),
)
@settings(max_examples=40, deadline=None)
def test_the_minibatches_of_a_stack_are_those_of_each_of_its_seeds_alone(examples, batch_size, gathered, sampling):
    batch_size = min(batch_size, examples)
    X, y = torch.randn(examples, 3), torch.randn(examples, 1)
    base = compose_cell(["data=airfoil_twin", f"sampling={sampling}"])
    stack = StackedRun([Cell(base)], [3, 5], Dataset("any", X.numpy(), y[:, 0].numpy(), (), {}, False), Elementwise)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacked, "GATHERED_VALUES", gathered)
        together = stack._minibatches(batch_size, sampling)
        alone = [minibatches(X, y, batch_size, sampling, generator(seed, "order")) for seed in (3, 5)]
        for _ in range(3 * -(-examples // batch_size)):
            found = [table.clone() for table in next(together)]
            for table, wanted in zip(found, zip(*map(next, alone), strict=True), strict=True):
                assert torch.equal(table, torch.stack(wanted))


# -- the plan


@given(lrs=st.integers(1, 40), seeds=st.integers(1, 400), batch_size=st.sampled_from([1, 100, 1500]))
@settings(max_examples=40, deadline=None)
def test_every_run_is_in_exactly_one_stack_and_no_stack_is_too_large(lrs, seeds, batch_size):
    chosen = cells(
        "sgd", "mlp", "constant", "stacked", np.geomspace(0.1, 1, lrs).tolist(), seeds=seeds, batch_size=batch_size
    )
    solo, stacks = plan(chosen)
    assert solo == []
    runs = [(cell.id, seed) for stack in stacks for cell in stack.cells for seed in stack.seeds]
    assert len(runs) == len(set(runs)) == lrs * seeds
    most = max(LEAST_RUNS, STEP_VALUES // values_per_run(chosen[0]))
    assert all(len(stack.cells) * len(stack.seeds) <= most for stack in stacks)


def test_a_stack_holds_only_cells_that_differ_in_lr():
    alike = cells("sgd", "linear", "constant", "stacked", [0.1, 0.2])
    other = cells("sgd", "linear", "constant", "stacked", [0.1], batch_size=20)
    _, stacks = plan([*alike, *other])
    assert sorted(len(stack.cells) for stack in stacks) == [1, 2]


def test_what_cannot_be_stacked_is_trained_solo_and_says_so(dataset):
    base = compose_cell(["data=airfoil_twin"])
    torch_cell = Cell(replace(base, engine="stacked", implementation="torch"))
    assert not can_stack(torch_cell)
    runs, _ = train_cells([torch_cell], {"airfoil_twin": dataset})
    assert runs.engine.tolist() == ["solo"]
    assert runs.train_seconds.isna().all()  # nobody kept the machine quiet for it
