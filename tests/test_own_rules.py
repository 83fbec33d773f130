"""An update rule of the user's trains in a stack as alone, or is refused before training, and harms no other cell."""

import random
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline import parts
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.config.schema import StudyConfig
from pipeline.lab.config.study import expand
from pipeline.lab.errors import UserError
from pipeline.parts.base import OptimizerConfig
from pipeline.train.cells import train_cells
from pipeline.train.isolation import _SETTINGS
from pipeline.train.probe import check_buildable, check_rule, stack_update
from pipeline.train.solo import SoloRun
from pipeline.train.stack_update import Elementwise, RunByRun

HEAD = "import torch\ndef mine(params, states, hyperparams):\n    lr = hyperparams['lr']\n"
STEP = "    for p in params:\n        p.data.sub_(lr * p.grad)\n"
NORM = "    norm = torch.sqrt(sum((p.grad**2).sum() for p in params))\n"
VELOCITIES = "def init_states(params):\n    return [torch.zeros_like(p) for p in params]\n"

#: Rules that can train, and how a stack is updated by them.
USABLE = {
    "in place": (STEP, Elementwise),
    "rebinding": ("    for p in params:\n        p.data = p.data - lr * p.grad\n", RunByRun),
    "no_grad": ("    with torch.no_grad():\n        for p in params:\n            p -= lr * p.grad\n", Elementwise),
    "clipping by the global norm": (NORM + "    lr = lr * torch.clamp(0.1 / norm, max=1.0)\n" + STEP, RunByRun),
    "clipping where the global norm is large": (
        NORM + "    if norm > 0.1:\n        for p in params:\n            p.grad *= 0.1 / norm\n" + STEP,
        None,
    ),
    "clipping that never clips on a small problem": (
        NORM + "    lr = lr * torch.clamp(1e4 / norm, max=1.0)\n" + STEP,
        RunByRun,
    ),
    "a ratio for each layer": (
        "    for p in params:\n"
        "        p.data.sub_(lr * p.grad * (p.data.norm() / (p.grad.norm() + 1e-9)).clamp(0.01, 1.0))\n",
        RunByRun,
    ),
    "a state for each matrix": (
        "    for p, s in zip(params, states, strict=True):\n"
        "        flat = p.grad.reshape(len(p), -1)\n"
        "        s.mul_(0.9).add_(flat @ flat.T)\n"
        "        eye = torch.eye(len(p))\n"
        "        p.data.sub_(lr * torch.linalg.solve(s + eye, flat).reshape(p.shape))\n"
        "def init_states(params):\n    return [torch.zeros(len(p), len(p)) for p in params]\n",
        RunByRun,
    ),
    "a state that is rebound, and a counter": (
        "    states['t'] += 1\n"
        "    states['m'] = [0.9 * m + p.grad / p.grad.abs().max() for m, p in zip(states['m'], params)]\n"
        "    for m, p in zip(states['m'], params):\n        p.data.sub_(lr * m / states['t'])\n"
        "def init_states(params):\n    return {'t': 0, 'm': [p.data.clone() for p in params]}\n",
        RunByRun,
    ),
    "weight decay of matrices only, and little of it": (
        "    for p in params:\n        p.data.sub_(lr * (p.grad + (1e-5 if p.dim() > 1 else 0) * p.data))\n",
        RunByRun,
    ),
    "another rate for the first layer after a while": (
        "    states.append(0)\n    for i, p in enumerate(params):\n"
        "        p.data.sub_(lr * (0.1 if i == 0 and len(states) > 8 else 1) * p.grad)\n"
        "def init_states(params):\n    return []\n",
        RunByRun,
    ),
    "norms after a while": (
        "    states.append(0)\n    for p in params:\n"
        "        p.data.sub_(lr * p.grad / (p.grad.norm() if len(states) > 8 else 1))\n"
        "def init_states(params):\n    return []\n",
        RunByRun,
    ),
    "skipping gradients that are not finite": (
        "    if not all(torch.isfinite(p.grad).all() for p in params):\n        return\n" + STEP,
        None,
    ),
    "noise from torch's generator": ("    for p in params:\n        p.grad += torch.randn_like(p)\n" + STEP, None),
}

#: Rules that cannot train, and what is said.
UNUSABLE = {
    "new tensors": (HEAD + "    return [p - lr * p.grad for p in params]\n", "100 steps of it change no parameter"),
    "raising": (
        HEAD + "    raise ValueError('so what')\n",
        r"its first steps fail: ValueError: so what \(mine.py, line 4\)$",
    ),
    "a hyperparameter that is not there": (HEAD + "    hyperparams['beta']\n", "KeyError: 'beta'"),
    "another signature": (
        "def mine(params, lr):\n    pass\n",
        r"its function is mine\(params, lr\) and must be mine\(params, states, hyperparams\)$",
    ),
    "a syntax error": ("def mine(params, states, hyperparams):\n    lr =\n", r"SyntaxError: .*line 2"),
    "an import of what is not there": ("import no_such_package\n" + HEAD + STEP, "No module named 'no_such_package'"),
    "another function's name": (HEAD.replace("mine", "yours") + STEP, "function mine"),
    "another dtype": (HEAD + "    for p in params:\n        p.data = p.data.double() - lr\n", "torch.float64"),
    "a memory of the module's": (
        "seen = []\n" + HEAD + "    seen.append(0)\n    lr = lr * len(seen)\n" + STEP,
        "started again it takes other steps",
    ),
    "an exit": (HEAD + "    raise SystemExit(0)\n", "its first steps fail: SystemExit: 0"),
    "no more gradients": (HEAD + STEP + "    torch.set_grad_enabled(False)\n", "does not require grad"),
}


@pytest.fixture
def own_rule(tmp_path, monkeypatch):
    """Write an optimizer's file as a user does; give a cell of it."""
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))
    (tmp_path / "optimizer").mkdir()

    def write(source, name="mine", **values):
        (tmp_path / "optimizer" / f"{name}.py").write_text(source.replace("mine", name))
        sys.modules.pop(f"pipeline.parts.user.optimizer.{name}", None)
        base = compose_cell(["data=airfoil_twin", "model=mlp", "model.widths=[6]", "batch_size=300"])
        return Cell(replace(base, optimizer=OptimizerConfig(name, {}, [1e-3, 0.3]), lr=0.05, **values))

    return write


def stacked(cell, **values):
    return replace(cell, config=replace(cell.config, engine="stacked", **values))


def train(dataset, *cells):
    runs, curves = train_cells(cells, {"airfoil_twin": dataset})
    assert set(runs.status) == {"ok"}
    return runs, curves


@pytest.mark.slow
@pytest.mark.parametrize("kind", USABLE)
def test_a_rule_that_can_train_does_so_in_a_stack_as_alone_or_says_why_it_is_trained_alone(
    own_rule, dataset, caplog, kind
):
    body, update = USABLE[kind]
    alone = own_rule(HEAD + body, epochs=2)
    assert stack_update(alone.config) is update
    said = [line for line in caplog.messages if "is trained solo" in line]
    assert len(said) == (update is None)
    both = [alone, replace(alone, config=replace(alone.config, lr=0.02))]
    (_, expected), (runs, curves) = train(dataset, *both), train(dataset, *map(stacked, both))
    assert set(runs.engine) == {"stacked" if update else "solo"}
    np.testing.assert_allclose(curves.loss, expected.loss, rtol=1e-5)
    assert (runs.final_loss < runs.initial_loss).all() or kind.startswith("noise")


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_rule_that_cannot_train_is_refused_in_one_sentence_before_anything_is_trained(own_rule, dataset, kind):
    source, why = UNUSABLE[kind]
    trained = []
    for engine in ("solo", "stacked"):
        with pytest.raises(UserError, match=f"optimizer=mine.*{why}|mine.py.*{why}") as refusal:
            cells = [Cell(compose_cell(["data=airfoil_twin"])), own_rule(source, engine=engine)]
            train_cells(cells, {"airfoil_twin": dataset}, lambda steps, loss: trained.append(steps))
        assert "\n" not in str(refusal.value)
    assert trained == []


def test_a_rule_that_leaves_some_parameters_as_they_are_says_which(own_rule, caplog):
    check_rule(own_rule(HEAD + STEP.replace("params:", "params[:-1]:")).config)
    assert caplog.messages == ["optimizer=mine leaves parameters of these shapes as they were: (1,)"]


@pytest.mark.slow
def test_a_rule_may_take_some_parameters_and_name_the_rule_of_the_others(own_rule, dataset):
    scaled = (
        HEAD + "    for p in params:\n        assert p.dim() == 2\n        p.data.sub_(lr * p.grad / p.grad.norm())\n"
    )
    cell = own_rule(scaled + "REST = 'sgd'\ndef takes(p):\n    return p.dim() == 2\n")
    cell = replace(
        cell, config=replace(cell.config, optimizer=replace(cell.config.optimizer, hyperparams={"rest_lr_ratio": 0.5}))
    )
    run = SoloRun(cell, 0, dataset)
    run.configure_optimizers()
    run.on_fit_start()
    before = [p.detach().clone() for p in run.net.parameters()]
    for p in run.net.parameters():
        p.grad = torch.full_like(p, 2.0)
    run.update(0.1)
    for p, start in zip(run.net.parameters(), before, strict=True):
        step = 0.1 / p.numel() ** 0.5 if p.dim() == 2 else 0.1 * 0.5 * 2.0
        torch.testing.assert_close(p.detach(), start - step)
    alone, together = train(dataset, cell)[1], train(dataset, stacked(cell))[1]
    np.testing.assert_allclose(together.loss, alone.loss, rtol=1e-5)


# -- torch's global state

CHANGES = (
    "torch.set_grad_enabled(len(states) < 8)",
    "torch.set_default_dtype(torch.float64)",
    "torch.set_default_device('meta' if len(states) > 8 else 'cpu')",
    "torch.manual_seed(1); np.random.seed(1); random.seed(1); torch.rand(3); random.random()",
    "torch.set_num_threads(3)",
    "torch.use_deterministic_algorithms(True); torch.backends.cudnn.benchmark = True",
    "torch.set_float32_matmul_precision('medium'); torch.backends.cudnn.allow_tf32 = False; "
    "torch.backends.fp32_precision = 'tf32'",
    "torch.set_autocast_enabled('cpu', True)",
    "torch.set_flush_denormal(True); torch.autograd.set_detect_anomaly(True)",
    "warnings.simplefilter('error'); np.seterr(all='raise')",
)


def global_state():
    return [read() for read, _ in _SETTINGS] + [
        torch.get_rng_state().tolist(),
        repr(np.random.get_state()),  # noqa: NPY002 -- the global generator is what is looked at
        random.getstate(),
        list(warnings.filters),
        np.geterr(),
    ]


@pytest.mark.parametrize("engine", ["solo", pytest.param("stacked", marks=pytest.mark.slow)])
def test_rules_that_change_the_global_state_harm_no_other_cell(own_rule, dataset, engine):
    one = compose_cell(["data=airfoil_twin", "model=mlp", "model.widths=[6]", "batch_size=300", "epochs=1"])
    innocent = Cell(replace(one, seeds=2, engine=engine))
    before = global_state()
    _, expected = train(dataset, innocent)
    head = "import random, warnings\nimport numpy as np\n" + HEAD + "    states.append(0)\n" + STEP
    bad = [
        own_rule(
            f"{head}    {change}\ndef init_states(params):\n    return []\n", f"mine{number}", epochs=2, engine=engine
        )
        for number, change in enumerate(CHANGES)
    ]
    runs, curves = train_cells([*bad, innocent], {"airfoil_twin": dataset})
    assert global_state() == before
    assert curves[curves.cell_id == innocent.id].loss.tolist() == expected.loss.tolist()
    assert runs.status.tolist().count("error") == 1  # of the rule that moves everything to no device


# -- torch.optim


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", ["torch.optim.NAdam", "torch.optim.RAdam", "pytorch_optimizer.AdaBelief", "torch.optim.Muon"]
)
def test_optimizers_of_torchs_that_have_no_file_here_train(dataset, target):
    config = compose_cell(
        ["data=airfoil_twin", "model=mlp", "implementation=torch", "optimizer=muon", "batch_size=100", "lr=0.01"]
    )
    if target != "torch.optim.Muon":
        config = replace(config, optimizer=OptimizerConfig("other", {}, [1e-3, 1.0], {"_target_": target}))
    runs, _ = train(dataset, Cell(config))
    assert runs.final_loss.item() < 0.9 * runs.initial_loss.item()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("torch.optim.LBFGS", r"its step\(\) needs a closure"),
        ("torch.optim.Muon", "only supports 2D .*name the optimizer of the others in optimizer.torch.rest._target_"),
        ("torch.optim.SparseAdam", "does not support dense gradients"),
    ],
)
def test_an_optimizer_of_torchs_that_cannot_train_is_refused(target, why):
    config = compose_cell(["implementation=torch", "optimizer=sgd", f"optimizer.torch._target_={target}"])
    with pytest.raises(UserError, match=f"{target} is not allowed: .*{why}"):
        check_rule(config)


@pytest.mark.parametrize("target", ["torch.optim.NAdam", "torch.optim.RAdam", "pytorch_optimizer.AdaBelief"])
def test_a_study_may_name_an_optimizer_of_torchs_that_has_no_file_here(target):
    own = {"optimizer": "adam", "optimizer.name": "other", "optimizer.torch._target_": target}
    common = {"data": "airfoil_twin", "implementation": "torch"}
    [one] = expand(StudyConfig(name="mine", common=common, cells={"a": own}))
    assert (one.config.implementation, one.config.optimizer.torch["_target_"]) == ("torch", target)
    check_rule(one.config)


def test_the_check_of_a_command_refuses_what_cannot_train(own_rule):
    good = Cell(compose_cell())
    check_buildable([good])
    for bad in (own_rule(UNUSABLE["new tensors"][0]), own_rule("def mine(params, lr):\n    pass\n", "other")):
        with pytest.raises(UserError, match=f"optimizer={bad.config.optimizer.name} is not allowed"):
            check_buildable([good, bad])


@pytest.mark.parametrize("name", ["ScheduleFreeSGD", "ScheduleFreeAdamW"])
def test_a_schedule_free_optimizer_is_judged_by_its_averaged_parameters(dataset, name):
    package = pytest.importorskip("pytorch_optimizer")
    config = compose_cell(["data=airfoil_twin", "implementation=torch", "batch_size=100", "lr=0.1", "epochs=1"])
    config = replace(
        config, optimizer=OptimizerConfig("free", {}, [1e-3, 1.0], {"_target_": f"pytorch_optimizer.{name}"})
    )
    cell = Cell(config)
    _, curves = train(dataset, cell)

    run = SoloRun(cell, 0, dataset)  # for its network and its minibatches
    optimizer = getattr(package, name)(run.net.parameters(), lr=0.1)
    optimizer.train()
    run.on_fit_start()
    for (X, y), _ in zip(run.minibatches, range(15), strict=False):
        optimizer.zero_grad()
        (0.5 * (run.net(X) - y) ** 2).mean().backward()
        optimizer.step()
    training = 0.5 * ((run.net(run.X) - run.y) ** 2).mean().item()
    optimizer.eval()
    averaged = 0.5 * ((run.net(run.X) - run.y) ** 2).mean().item()
    assert curves.loss.iloc[-1] == pytest.approx(averaged, rel=1e-5)
    assert averaged != pytest.approx(training, rel=1e-4)
