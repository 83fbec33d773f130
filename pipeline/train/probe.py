"""Try an update rule on a small problem before it first trains: a few steps, alone and in a stack.

A rule that raises, changes nothing or does not repeat itself is refused in one sentence. A stack is used only where
its runs take the same steps as alone. The problem is a perceptron with two matrices, a bias and a single number on
generated data, trained by the engines themselves; trying a rule of the lab's takes some milliseconds.
"""

import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.config.schema import CellConfig, SamplingConfig, TrainerConfig
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError
from pipeline.parts import optimizers
from pipeline.parts.base import DataConfig, ScheduleConfig
from pipeline.parts.models.mlp import Config as MLPConfig
from pipeline.parts.schedules import learning_rate_factors
from pipeline.train.failures import reason
from pipeline.train.isolation import isolated
from pipeline.train.solo import SoloRun
from pipeline.train.stack_update import Elementwise, RunByRun, StackUpdate
from pipeline.train.stacked import StackedRun
from pipeline.train.update import ScratchUpdate

logger = logging.getLogger(__name__)

#: Steps that are compared; steps whose operations are watched, because some rules begin differently; and steps after
#: which a rule that has changed nothing is refused, because some only move every few steps.
STEPS, WATCHED, PATIENCE = 5, 25, 100
#: How far runs of a stack may be from the same runs alone, relative to their largest parameter.
TOLERANCE = 1e-5
#: Operations that are not elementwise by torch's tags, and treat every number alone all the same.
_NEUTRAL = (
    *("alias", "copy_", "detach", "fill_", "lift_fresh", "scalar_tensor", "_to_copy", "zero_"),
    *("empty_like", "full_like", "ones_like", "zeros_like", "new_empty", "new_full", "new_zeros"),
)
#: What vmap says of a rule that it cannot compute for many runs at once, in other words.
_NO_VMAP = {
    "data-dependent control flow": "the rule branches on a number of the run, as `if norm > 1` does",
    ".item()": "the rule makes a Python number of one of the run's, as float() and .item() do",
    "random operation": "the rule draws random numbers",
}
EXAMPLES, _HIDDEN = 20, 4


@dataclass(frozen=True)
class _Trial:
    """What came of a rule's steps alone: the parameters at the start and after each step, for each cell."""

    cells: list[Cell]
    steps: list[list[torch.Tensor]]


def check_rule(config: CellConfig) -> None:
    """Refuse an update rule, or an optimizer of torch's, that cannot train.

    Parameters
    ----------
    config : CellConfig
        Names the rule, its hyperparameters and the implementation; the rest does not matter.

    Raises
    ------
    UserError
        If the rule cannot be loaded or made, raises, needs a closure, changes no parameter, changes a parameter's
        shape or dtype, or takes other steps when it is started again.
    """
    _remembered(_tried_alone, config)


def check_buildable(cells: Iterable[Cell]) -> None:
    """Refuse cells whose model, schedule or optimizer of torch's cannot be made, or whose update rule cannot train.

    Parameters
    ----------
    cells : iterable of Cell
        What alike cells share is made once.

    Raises
    ------
    UserError
        Naming key, value and what is allowed.
    """
    known = set()
    for cell in cells:
        config = cell.config
        schedule = canonical_json([cell.identity["schedule"], cell.steps_per_epoch, cell.steps])
        if schedule not in known:
            known.add(schedule)
            learning_rate_factors(config.schedule, cell.steps_per_epoch, cell.steps)
        check_rule(config)


def stack_update(config: CellConfig) -> type[StackUpdate] | None:
    """Choose how a rule from scratch updates a stack.

    Where its runs take other steps than alone whatever is tried, that is logged, once.

    Returns
    -------
    type of StackUpdate or None
        None where runs have to be trained alone.

    Raises
    ------
    UserError
        See :func:`check_rule`.
    """
    found: type[StackUpdate] | None = _remembered(_tried_stacked, config)
    return found


_memory: dict[tuple[Any, ...], Any] = {}
_imported: set[str] = set()


def _remembered(look: Callable[[CellConfig], Any], config: CellConfig) -> Any:
    """What was found of a rule with these hyperparameters, in this process; mistakes are remembered too."""
    optimizer = config.optimizer
    code, own = None, optimizer.torch
    if config.implementation == "scratch":
        with nullcontext() if optimizer.name in _imported else isolated(0):  # its file may set what all share
            code, own = optimizers.load(optimizer.name), optimizer.hyperparams
        _imported.add(optimizer.name)
    key = (look, code, optimizer.name, config.implementation, canonical_json([own, optimizer.lr_range]))
    if key not in _memory:
        try:
            _memory[key] = look(config)
        except UserError as error:
            _memory[key] = error
    if isinstance(_memory[key], UserError):
        raise _memory[key]
    return _memory[key]


def _tried_alone(config: CellConfig) -> _Trial:
    lowest, highest = config.optimizer.lr_range
    # From the lower half of the range, where nothing diverges.
    cells = [small(config, lowest ** (1 - part) * highest**part) for part in (0.25, 0.5)]
    try:
        steps = [walk_alone(cell) for cell in cells]
        again = walk_alone(cells[1])
        _check_changes(config, cells[1], steps[1])
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{_named(config)} is not allowed: {_why(config, error)}") from None
    if not torch.allclose(torch.stack(again), torch.stack(steps[1]), rtol=0.0, atol=0.0, equal_nan=True):
        raise UserError(
            f"{_named(config)} is not allowed: started again it takes other steps; what it remembers belongs in "
            "init_states, not in the module"
        )
    return _Trial(cells, steps)


@isolated(0)
def _check_changes(config: CellConfig, cell: Cell, steps: Sequence[torch.Tensor]) -> None:
    """Refuse a rule that changes nothing, and mention the parameters that it leaves alone."""
    moved = steps[-1] != steps[0]
    if not moved.any():
        steps = walk_alone(cell, steps=PATIENCE)
        moved = steps[-1] != steps[0]
    if not moved.any():
        raise UserError(
            f"{_named(config)} is not allowed: {PATIENCE} steps of it change no parameter; a rule has to change "
            "p.data of each of its params, in place, and what it returns is ignored"
        )
    shapes = [p.shape for p in SoloRun(cell, 0, generated()).net.parameters()]
    parts = moved.split([shape.numel() for shape in shapes])
    still = [str(tuple(shape)) for shape, part in zip(shapes, parts, strict=True) if not part.any()]
    if still:
        logger.warning("%s leaves parameters of these shapes as they were: %s", _named(config), ", ".join(still))


def walk_alone(cell: Cell, seed: int = 0, data: Dataset | None = None, steps: int = STEPS) -> list[torch.Tensor]:
    """Train one run; its parameters at the start and after each step, as one vector each."""
    with isolated(seed):
        return _walked(SoloRun(cell, seed, data or generated()), steps)


def _walked(run: SoloRun, steps: int) -> list[torch.Tensor]:
    run.configure_optimizers()
    run.on_fit_start()
    params = list(run.net.parameters())
    kinds = [(p.shape, p.dtype) for p in params]
    walked = [_vector(params)]
    for _ in range(steps):
        run.training_step(1, 0)
        for p, (shape, dtype) in zip(params, kinds, strict=True):
            if (p.shape, p.dtype) != (shape, dtype):
                raise TypeError(f"it makes a parameter {p.dtype} of shape {tuple(p.shape)}, of {dtype} {tuple(shape)}")
        walked.append(_vector(params))
    run.read_loss()
    return walked


def _vector(params: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1) for p in params])


def _tried_stacked(config: CellConfig) -> type[StackUpdate] | None:
    trial: _Trial = _remembered(_tried_alone, config)
    why = ""
    for kind in (Elementwise, RunByRun) if _is_elementwise(trial.cells[0]) else (RunByRun,):
        try:
            apart = difference(trial.cells, trial.steps, [0], generated(), kind)
        except Exception as error:
            why = next((words for part, words in _NO_VMAP.items() if part in str(error)), reason(error))
        else:
            if apart <= TOLERANCE:
                return kind
            why = f"within {STEPS} steps it is {apart:.1g} (relative) away from the same runs alone"
    logger.warning("%s is trained solo, one run after the other, because a stack cannot: %s", _named(config), why)
    return None


@isolated(0)
def difference(
    cells: Sequence[Cell],
    alone: Sequence[list[torch.Tensor]],
    seeds: Sequence[int],
    data: Dataset,
    kind: type[StackUpdate],
) -> float:
    """The largest relative difference between a stack's parameters and those of its runs alone, at any step."""
    run = StackedRun(cells, seeds, data, kind)
    run.on_fit_start()
    largest = 0.0
    for step in range(1, STEPS + 1):
        run.training_step(1, 0)
        for number, walked in enumerate(alone):
            one, stacked = walked[step], run.net.flat[run.net.run_of == number]
            if not torch.equal(one.isfinite(), stacked.isfinite()):
                return float("inf")
            apart = (one - stacked).nan_to_num(0.0, 0.0, 0.0).abs().max()
            largest = max(largest, float(apart / one.nan_to_num(0.0, 0.0, 0.0).abs().max().clamp(min=1e-30)))
    return largest


@isolated(0)
def _is_elementwise(cell: Cell) -> bool:
    """Whether a rule treats every number alone, and a matrix as a vector: by its operations, and by what it computes.

    In float64, so that a weight decay of matrices only, or another rate for the last layer, is seen however small.
    """
    own = [p.detach().double() for p in list(SoloRun(cell, 0, generated()).net.parameters())[:2]]
    flat, start = _vector(own), _vector(own)
    watched = _Operations()  # type: ignore[no-untyped-call]
    try:
        for params, lr in ((own, cell.config.lr), ([flat], torch.full_like(flat, cell.config.lr))):
            update = ScratchUpdate(cell.config.optimizer, params)  # type: ignore[arg-type]
            for step in range(PATIENCE):
                for p in params:
                    p.grad = p.data * p.data
                with watched if step < WATCHED and params is own else nullcontext():
                    update(lr)  # type: ignore[arg-type]
    except Exception:  # it branches on the learning rate, say
        return False
    moved = (flat - start).abs().max()
    return watched.elementwise and torch.allclose(
        _vector(own), flat, rtol=0.0, atol=1e-7 * float(moved), equal_nan=True
    )


class _Operations(TorchDispatchMode):
    """Watches which operations are computed."""

    elementwise = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note whether the operation treats every number alone."""
        if torch.Tag.pointwise not in func.tags and func.overloadpacket.__name__ not in _NEUTRAL:
            self.elementwise = False
        return func(*args, **(kwargs or {}))


def small(config: CellConfig, lr: float) -> Cell:
    """The small problem, with a cell's optimizer."""
    return Cell(
        replace(
            config,
            data=DataConfig("probe", "", "", "", rows_total=EXAMPLES, rows=EXAMPLES),
            model=MLPConfig("mlp", widths=[_HIDDEN], activation="tanh"),
            schedule=ScheduleConfig("constant"),
            sampling=SamplingConfig("without_replacement"),
            trainer=TrainerConfig(),
            batch_size=4,
            lr=lr,
            epochs=PATIENCE,
        )
    )


def generated(features: int = 3) -> Dataset:
    """The small problem's examples."""
    source = np.random.default_rng(0)
    X = source.standard_normal((EXAMPLES, features)).astype(np.float32)
    y = (X @ source.standard_normal(features) + source.standard_normal(EXAMPLES)).astype(np.float32)
    return Dataset("probe", X, y, (), {}, offline_twin=False)


def _named(config: CellConfig) -> str:
    """How a configuration names the rule."""
    if config.implementation == "torch":
        return f"optimizer.torch._target_={(config.optimizer.torch or {}).get('_target_')}"
    return f"optimizer={config.optimizer.name}"


def _why(config: CellConfig, error: BaseException) -> str:
    """Why a rule that raised cannot be used."""
    if config.implementation == "torch":
        if isinstance(error, TypeError) and "closure" in str(error):
            return "its step() needs a closure, which computes the loss again, and training calls step() without one"
        return reason(error)
    rule = optimizers.load(config.optimizer.name).update
    try:
        inspect.signature(rule).bind([], None, {})
    except TypeError:
        name = config.optimizer.name
        return f"its function is {name}{inspect.signature(rule)} and must be {name}(params, states, hyperparams)"
    return f"its first steps fail: {reason(error)}"
