"""Try a model before it first trains: on two examples, and for a few steps, alone and in a stack."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn.modules.conv import _ConvNd

from pipeline import parts
from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.config.schema import CellConfig
from pipeline.lab.dataset import Dataset, HeldOut
from pipeline.lab.errors import UserError, is_memory_short
from pipeline.parts import tasks
from pipeline.parts.base import DataConfig, OptimizerConfig
from pipeline.train.failures import reason
from pipeline.train.isolation import isolated
from pipeline.train.probe import EXAMPLES, TOLERANCE, difference, generated, small, walk_alone
from pipeline.train.solo import SoloRun
from pipeline.train.stack_update import Elementwise
from pipeline.train.stacked import REGRESSION, StackedRun

logger = logging.getLogger(__name__)

_SEEDS = (0, 1)
_RATES = (0.01, 0.02)
_known: dict[tuple[Any, ...], bool] = {}
#: What a module of Lightning's may define and the lab does in its own way.
_UNUSED = ("training_step", "configure_optimizers")


def check_model(cell: Cell, dataset: Dataset) -> None:
    """Refuse a model or a task with which nothing can be trained, or something else than was meant.

    Parameters
    ----------
    cell : Cell
        Names both; of the rest only the data matter.
    dataset : Dataset
        What it is trained on.

    Raises
    ------
    UserError
        If one of them cannot be made, predictions have another shape than targets, the loss is not one number, or a
        parameter that is to be trained has no gradient.
    """
    config = cell.config
    try:
        with isolated(0):
            run = SoloRun(cell, 0, dataset)
            why = _mistake(run)
    except UserError:
        raise
    except Exception as error:  # whatever a file of the user's may raise
        if is_memory_short(error):
            return  # the model is sound, and its runs will be rows that say so
        why = reason(error)
    if why:
        raise UserError(f"model={config.model.name} is not allowed with data.task={config.data.task}: {why}")
    own = {name: getattr(getattr(type(run.net), name, None), "__module__", "") for name in _UNUSED}
    unused = [name for name, where in own.items() if where.split(".")[0] not in ("", "lightning", "pytorch_lightning")]
    if unused:
        logger.warning(
            "model=%s: the lab does not call its %s: the loss is that of data.task=%s, and the steps are those of "
            "optimizer, batch_size and schedule",
            *(config.model.name, " and ".join(unused), config.data.task),
        )


def _mistake(run: SoloRun) -> str | None:
    made: object = run.net  # by a file of the user's
    if not isinstance(made, torch.nn.Module):
        return f"its function must return a torch.nn.Module, and returned {type(made).__name__}"
    X, y = run.X[:2], run.y[:2]
    prediction = run.net(X)
    data = run.cell.config.data
    if tasks.outputs(data.task) == "values" and prediction.shape != y.shape:
        return f"it predicts {tuple(prediction.shape)} for targets of shape {tuple(y.shape)}; they must be equal"
    if tasks.outputs(data.task) == "classes":
        # Where a reader of the user's does not say how many there are, the targets do.
        found = 1 + max(int(targets.max()) for targets in (run.y, run.y_held_out) if targets is not None)
        classes = data.outputs if data.outputs > 1 else found
        if prediction.shape != (len(X), classes) or found > classes:
            return (
                f"it predicts {tuple(prediction.shape)} for {len(X)} examples of data={data.name}, which has "
                f"{max(classes, found)} classes; it must be ({len(X)}, {classes})"
            )
    loss = run.task.criterion(prediction, y)
    if loss.numel() != 1:
        return f"the loss of two examples has shape {tuple(loss.shape)} and must be one number"
    if not run.trained:
        return "it has no parameter that is to be trained"
    loss.backward(run.scale)
    idle = [name for name, p in run.net.named_parameters() if p.requires_grad and p.grad is None]
    return f"{', '.join(idle)} take no part in the loss: leave them out, or requires_grad_(False)" if idle else None


def model_stacks(config: CellConfig, dataset: Dataset | None = None) -> bool:
    """Whether a stack of a model takes the same steps as its runs alone; where it does not, that is logged once.

    A stack computes many copies at once: a model with buffers of its own, batch normalisation, dropout, frozen
    parameters, or draws from another generator than it is given, is trained solo; so is a task whose loss is not a
    mean over examples.

    Parameters
    ----------
    config : CellConfig
        Names model and task.
    dataset : Dataset, optional
        Some of its examples are what is tried; without it, and for the lab's regression, generated ones.
    """
    build, task = (parts.load(kind, name) for kind, name in (("model", config.model.name), ("task", config.data.task)))
    shape = (config.data.features,) if dataset is None else dataset.X.shape[1:]
    key = (build.function, canonical_json(vars(config.model)), task.function, shape, config.data.outputs)
    if key not in _known:
        why = _why_not(config, _some(dataset, shape, lab_regression=task.path == REGRESSION))
        _known[key] = why is None
        if why is not None:
            name = config.model.name
            logger.warning("model=%s is trained solo, one run after the other, because a stack cannot: %s", name, why)
    return _known[key]


@dataclass
class _Some(DataConfig):
    """Some examples of a data set, for the same task."""

    wanted: int = 1

    @property
    def outputs(self) -> int:
        """As many as of the data set."""
        return self.wanted


@dataclass
class _SomeImages(_Some):
    """Images among them."""

    inputs: ClassVar[str] = "images"


def _some(dataset: Dataset | None, shape: Sequence[int], *, lab_regression: bool) -> Dataset:
    """A few examples, which are also those held out."""
    if dataset is None or (lab_regression and len(shape) == 1):
        data = generated(max(shape[0], 1))
    else:
        rows = np.linspace(0, len(dataset.X) - 1, min(len(dataset.X), EXAMPLES)).astype(int)
        data = replace(dataset, X=dataset.X[rows], y=dataset.y[rows])
    return replace(data, held_out=HeldOut(data.X, data.y))


def _why_not(config: CellConfig, data: Dataset) -> str | None:
    rows = len(data.X)
    kind = _SomeImages if config.data.inputs == "images" else _Some
    some = kind("probe", "", "", "", task=config.data.task, rows_total=rows, rows=rows, wanted=config.data.outputs)
    # Examples that are not near 1 in size would make it diverge, and differences grow.
    rates = [rate / max(1.0, float(np.square(data.X).mean())) for rate in _RATES]
    config = replace(config, optimizer=OptimizerConfig("sgd"))
    cells = [
        replace(cell, config=replace(cell.config, model=config.model, data=some, batch_size=min(4, rows)))
        for cell in map(small, [config] * 2, rates)
    ]
    try:
        alone: Sequence[list[torch.Tensor]] = [walk_alone(cell, seed, data) for seed in _SEEDS for cell in cells]
        if _convolves(cells[0], data):  # measured: 16 of the lab's cnn at once take half as long again as in turn
            return "convolutions of many models at once take longer than one after the other"
        apart = max(difference(cells, alone, _SEEDS, data, Elementwise), _readings_apart(cells, data))
    except Exception as error:
        return reason(error)
    return None if apart <= TOLERANCE else f"it is {apart:.1g} (relative) away from the same runs alone"


@isolated(0)
def _convolves(cell: Cell, data: Dataset) -> bool:
    return any(isinstance(layer, _ConvNd) for layer in SoloRun(cell, 0, data).net.modules())


@isolated(0)
def _readings_apart(cells: Sequence[Cell], data: Dataset) -> float:
    """The largest relative difference between the losses that a stack reads, some rows at a time, and those alone."""
    stack = StackedRun(cells, _SEEDS, data, Elementwise)
    stack.on_fit_start()
    stack.rows = len(data.X) // 2 + 1
    losses = [stack.read_loss()]
    losses += [one for one in stack.read_validation() or () if one is not None]
    alone = []
    for seed in _SEEDS:
        for cell in cells:
            run = SoloRun(cell, seed, data)
            run.configure_optimizers()
            alone.append([run.read_loss(), *(one for one in run.read_validation() or () if one is not None)])
    found, wanted = torch.stack([one.double() for one in losses]), torch.tensor(alone, dtype=torch.float64).T
    return float(((found - wanted).abs() / wanted.abs().clamp(min=1e-30)).max())
