"""Every update rule in pipeline/parts/optimizers, found by itself: what a new file there must fulfil."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.lab.config import compose_cell
from pipeline.lab.config.target import resolve
from pipeline.lab.errors import UserError
from pipeline.parts import optimizers
from pipeline.parts.base import HYPERPARAMETER_RANGES, OptimizerConfig
from pipeline.train.probe import stack_update
from pipeline.train.stack_update import Elementwise, RunByRun
from pipeline.train.update import ScratchUpdate, TorchUpdate

CONF = Path(__file__).parents[1] / "conf" / "optimizer"
NAMES = optimizers.names()
#: Rules of whole matrices: a stack has them run by run.
MATRIX_RULES = ["muon"]
ELEMENTWISE = [name for name in NAMES if name not in MATRIX_RULES]
SHAPES = [(3, 1), (1,)]


def config_of(name, **hyperparams):
    """The optimizer's configuration, with some hyperparameters changed."""
    overrides = [f"optimizer.hyperparams.{key}={value!r}" for key, value in hyperparams.items()]
    return compose_cell([f"optimizer={name}", *overrides]).optimizer


def middle_lr(config):
    """A learning rate inside lr_range."""
    return float(np.sqrt(config.lr_range[0] * config.lr_range[1]))


def parameters(seed, shapes=SHAPES, runs=None):
    """Random float64 parameters, with a leading run axis where runs are given."""
    source = torch.Generator().manual_seed(seed)
    lead = () if runs is None else (runs,)
    return [torch.randn((*lead, *shape), dtype=torch.float64, generator=source).requires_grad_() for shape in shapes]


def gradients(seed, steps, params, spread=3.0):
    """Random gradients whose size differs by e^spread from step to step, and some of which are zero."""
    source = torch.Generator().manual_seed(seed)

    def random(p):
        size = torch.exp(spread * torch.randn((), dtype=torch.float64, generator=source))
        g = size * torch.randn(p.shape, dtype=torch.float64, generator=source)
        return torch.where(torch.rand(p.shape, generator=source) < 0.1, 0.0, g)

    return [[random(p) for p in params] for _ in range(steps)]


def walk(config, params, steps_of_gradients, lr):
    """Update with the rule from scratch; lr may be a tensor, one value for each run."""
    update = ScratchUpdate(config, params)
    for grads in steps_of_gradients:
        for p, g in zip(params, grads, strict=True):
            p.grad = g.clone()
        update(lr)
    return [p.detach().clone() for p in params]


def walk_torch(config, params, steps_of_gradients, lr):
    update = TorchUpdate(config, params, lr)
    for grads in steps_of_gradients:
        for p, g in zip(params, grads, strict=True):
            p.grad = g.clone()
        update(lr)
    return [p.detach().clone() for p in params]


def descend(config, objective, start, lr, steps):
    """The best value of an objective on the way."""
    w = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    update = ScratchUpdate(config, [w])
    best = float("inf")
    for _ in range(steps):
        loss = objective(w)
        best = min(best, loss.item())  # min keeps the number where the loss is nan
        loss.backward()
        update(lr)
    return best


def quadratic(w):
    return 0.5 * (torch.tensor([0.2, 2.0], dtype=torch.float64) * w**2).sum()


def rosenbrock(w):
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def test_every_file_has_its_configuration_and_back():
    assert [path.stem for path in sorted(CONF.glob("*.yaml"))] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_configuration_composes(name):
    config = config_of(name)
    assert config.name == name
    assert callable(optimizers.load(name).update)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_is_loaded_under_its_name_and_can_be_stacked(name):
    assert optimizers.load(name).name == name
    kind = RunByRun if name in MATRIX_RULES else Elementwise
    assert stack_update(compose_cell([f"optimizer={name}"])) is kind


def test_a_name_that_no_rule_has_is_refused_with_those_that_there_are():
    with pytest.raises(UserError, match=r"^optimizer=sdg is not allowed: .*\bsgd\b"):
        optimizers.load("sdg")
    assert sorted(path.stem for path in Path(optimizers.__path__[0]).glob("[a-z]*.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_is_documented(name):
    update = getattr(import_module(f"pipeline.parts.optimizers.{name}"), name)
    assert ".. math::" in update.__doc__
    assert "References" in update.__doc__


@pytest.mark.parametrize(
    "name", [name for name in NAMES if optimizers.load(name).init_states(parameters(seed=0)) is not None]
)
def test_states_of_other_parameters_are_refused(name):
    """A parameter without a state of its own would not be updated, and nobody would see it."""
    config, params = config_of(name), parameters(seed=0)
    rule = optimizers.load(name)
    for p in params:
        p.grad = torch.ones_like(p)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        rule.update(params, rule.init_states(params[:1]), {"lr": 0.1, **config.hyperparams})


def test_names_are_loaded_without_torch():
    code = (
        "import sys; from pipeline.parts import optimizers; [optimizers.load(n) for n in optimizers.names()]; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CONF.parents[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("objective", "start", "steps", "goal"),
    [(quadratic, [3.0, -2.0], 500, 0.01), (rosenbrock, [-1.5, 2.0], 1000, 0.5)],
)
def test_descends(name, objective, start, steps, goal):
    """With one of 13 learning rates of lr_range, or of as many smaller ones: Rosenbrock's valley is steep."""
    config = config_of(name)
    low, high = config.lr_range
    first = objective(torch.tensor(start, dtype=torch.float64)).item()
    for lr in [*np.geomspace(low, high, 13), *np.geomspace(low / 100, low, 13)]:
        if descend(config, objective, start, float(lr), steps) < goal * first:
            return
    pytest.fail(f"{name} reaches {goal} of the initial value with no learning rate")


@pytest.mark.parametrize("name", NAMES)
def test_divergence_does_not_raise(name):
    config = config_of(name)
    params = parameters(0)
    bad = [[torch.full_like(p, value) for p in params] for value in (1e200, float("inf"), float("nan"), 0.0)]
    walk(config, params, bad * 3, 1e10)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_stack_equals_runs_one_by_one(name):
    config, runs = config_of(name), 5
    lrs = np.geomspace(*config.lr_range, runs)
    # The bias is stacked as (runs, 1, 1), as a batched matrix product wants it, so that one lr fits both.
    shapes = [(3, 1), (1, 1)]
    steps = gradients(2, 100, parameters(1, shapes, runs), spread=1.0)
    together = walk(config, parameters(1, shapes, runs), steps, torch.tensor(lrs).view(runs, 1, 1))
    for r in range(runs):
        alone = [p.detach()[r].clone().requires_grad_() for p in parameters(1, shapes, runs)]
        alone = walk(config, alone, [[g[r] for g in grads] for grads in steps], float(lrs[r]))
        for many, one in zip(together, alone, strict=True):
            torch.testing.assert_close(many[r], one, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("poison", [float("inf"), float("nan")])
def test_a_diverged_run_leaves_the_others_alone(name, poison):
    config, runs, victim = config_of(name), 7, 3
    lr = torch.tensor(np.geomspace(*config.lr_range, runs)).view(runs, 1)
    others = [r for r in range(runs) if r != victim]
    clean = walk(config, parameters(3, [(6,)], runs), gradients(4, 50, parameters(3, [(6,)], runs)), lr)
    steps = gradients(4, 50, parameters(3, [(6,)], runs))
    for (g,) in steps[20:]:
        g[victim] = poison
    dirty = walk(config, parameters(3, [(6,)], runs), steps, lr)
    assert torch.equal(clean[0][others], dirty[0][others])
    assert not torch.isfinite(dirty[0][victim]).all() or name == "lion"  # the sign of infinity is one


def assert_equals_its_counterpart(config, seed, lr):
    needs_counterpart(config)
    steps = gradients(seed, 300, parameters(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "bfloat16", lambda self: self)  # in which torch's Muon would compute
        assert_equal_walks(config, seed, steps, lr)


def assert_equal_walks(config, seed, steps, lr):
    for ours, theirs in zip(
        walk(config, parameters(seed), steps, lr), walk_torch(config, parameters(seed), steps, lr), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-12)


def test_muon_equals_torchs_on_matrices_and_adamw_on_the_rest():
    config, shapes = config_of("muon", weight_decay=0.1, rest_lr_ratio=0.3), [(4, 6), (7, 3), (1, 5), (6,), ()]
    config.torch["rest"]["lr_ratio"] = 0.3
    steps = gradients(3, 30, parameters(3, shapes), spread=1.0)
    ours = walk(config, parameters(3, shapes), steps, 0.02)
    rounded = walk_torch(config, parameters(3, shapes), steps, 0.02)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "bfloat16", lambda self: self)
        exact = walk_torch(config, parameters(3, shapes), steps, 0.02)
    for own, start, *theirs in zip(ours, parameters(3, shapes), exact, rounded, strict=True):
        torch.testing.assert_close(own, theirs[0], rtol=1e-6, atol=1e-9)
        assert (own - theirs[1]).norm() < 0.03 * (own - start).norm()  # torch iterates in bfloat16


def test_a_step_of_muon_has_singular_values_near_one():
    w = torch.zeros(5, 9, dtype=torch.float64, requires_grad=True)
    w.grad = torch.randn(5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ScratchUpdate(config_of("muon"), [w])(0.1)
    values = torch.linalg.svdvals(w.detach()) / 0.1
    assert 0.65 < values.min() < values.max() < 1.25


def needs_counterpart(config):
    if config.torch is None:
        pytest.skip("no counterpart is named")
    pytest.importorskip(config.torch["_target_"].partition(".")[0])


@pytest.mark.parametrize("name", NAMES)
def test_equals_its_counterpart(name):
    config = config_of(name)
    assert_equals_its_counterpart(config, 0, middle_lr(config))


def fraction(largest):
    return st.floats(0.0, largest).map(lambda x: round(x, 6))


DRAWN = {
    "momentum": fraction(0.99).filter(lambda x: x > 0),  # torch's Nesterov wants it above 0
    "alpha": fraction(0.999),
    "rho": fraction(0.999),
    "beta1": fraction(0.99),
    "beta2": fraction(0.9999),
    "eps": st.floats(-10, -2).map(lambda x: round(10.0**x, 12)),
    "weight_decay": fraction(0.1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if config_of(name).hyperparams])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_equals_its_counterpart_with_any_hyperparameters(name, data):
    base = config_of(name)
    drawn = {key: data.draw(DRAWN[key], key) for key in base.hyperparams if key in DRAWN}
    torch_arguments = dict(base.torch)
    # What compose_cell would interpolate, without composing fifteen times.
    for key, value in drawn.items():
        if key in torch_arguments:
            torch_arguments[key] = value
    if "betas" in torch_arguments:
        torch_arguments["betas"] = [drawn["beta1"], drawn["beta2"]]
    config = OptimizerConfig(name, {**base.hyperparams, **drawn}, base.lr_range, torch_arguments)
    lr = data.draw(st.floats(*np.log10(base.lr_range)), "log10(lr)")
    assert_equals_its_counterpart(config, data.draw(st.integers(0, 99), "seed"), min(10**lr, 1.0))


@pytest.mark.parametrize("name", ["adagrad", "rmsprop", "adadelta"])
def test_the_textbooks_rules_from_scratch(name):
    """eps inside the square root, as the textbook writes it."""
    hyperparams = {"adagrad": {}, "rmsprop": {"alpha": 0.9}, "adadelta": {"rho": 0.9, "eps": 1e-5}}[name]
    if name != "adadelta":
        hyperparams |= {"eps": 0.0, "eps_root": 1e-6}
    lr = 1.0 if name == "adadelta" else 0.1
    steps = gradients(8, 50, parameters(7))
    w = parameters(7)[0].detach().clone()
    s, u = torch.zeros_like(w), torch.zeros_like(w)
    for g, _ in steps:
        if name == "adagrad":
            s += g**2
            w -= lr * g / torch.sqrt(s + 1e-6)
        elif name == "rmsprop":
            s = 0.9 * s + 0.1 * g**2
            w -= lr * g / torch.sqrt(s + 1e-6)
        else:
            s = 0.9 * s + 0.1 * g**2
            d = torch.sqrt(u + 1e-5) / torch.sqrt(s + 1e-5) * g
            u = 0.9 * u + 0.1 * d**2
            w -= d
    ours = walk(config_of(name, **hyperparams), parameters(7), steps, lr)[0]
    torch.testing.assert_close(ours, w, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("key", [*sorted(HYPERPARAMETER_RANGES), "rest_beta1"])
def test_hyperparameters_out_of_range_are_refused(key):
    with pytest.raises(UserError, match=rf"optimizer\.hyperparams\.{key}=-0\.1 is not allowed"):
        OptimizerConfig("any", {key: -0.1})


def test_a_third_partys_class_by_its_name():
    needs_counterpart(config_of("lion"))
    config = compose_cell(
        ["implementation=torch", "optimizer=adam", "optimizer.torch._target_=pytorch_optimizer.AdaBelief"]
    ).optimizer
    params = parameters(0)
    (before, _), (after, _) = (
        [p.detach().clone() for p in params],
        walk_torch(config, params, gradients(0, 2, params), 0.1),
    )
    assert not torch.equal(before, after)


def test_a_missing_package_is_named_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(UserError) as error:
        resolve("optimizer.torch._target_", "pytorch_optimizer.Yogi")
    assert "pip install pytorch-optimizer" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("target", ["torch.optim.Agamemnon", "torch.optim.no_module.Adam"])
def test_a_class_that_does_not_exist_is_refused(target):
    with pytest.raises(UserError, match=f"_target_={target} cannot be imported"):
        resolve("optimizer.torch._target_", target)
