"""Try a model before it first trains: on two examples, and for a few steps, alone and in a stack."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from pipeline import parts
from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.config.schema import CellConfig
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError, is_memory_short
from pipeline.parts import tasks
from pipeline.parts.base import OptimizerConfig
from pipeline.train.failures import reason
from pipeline.train.isolation import isolated
from pipeline.train.probe import TOLERANCE, difference, generated, small, walk_alone
from pipeline.train.solo import SoloRun
from pipeline.train.stack_update import Elementwise

logger = logging.getLogger(__name__)

_SEEDS = (0, 1)
_RATES = (0.01, 0.02)
_known: dict[tuple[Any, ...], bool] = {}


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
            why = _mistake(SoloRun(cell, 0, dataset))
    except UserError:
        raise
    except Exception as error:  # whatever a file of the user's may raise
        if is_memory_short(error):
            return  # the model is sound, and its runs will be rows that say so
        why = reason(error)
    if why:
        raise UserError(f"model={config.model.name} is not allowed with data.task={config.data.task}: {why}")


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
        classes = data.outputs if data.outputs > 1 else int(run.y.max()) + 1
        if prediction.shape != (len(X), classes) or int(run.y.max()) >= classes:
            return (
                f"it predicts {tuple(prediction.shape)} for {len(X)} examples of data={data.name}, which has "
                f"{max(classes, int(run.y.max()) + 1)} classes; it must be ({len(X)}, {classes})"
            )
    loss = run.task.criterion(prediction, y)
    if loss.numel() != 1:
        return f"the loss of two examples has shape {tuple(loss.shape)} and must be one number"
    if not run.trained:
        return "it has no parameter that is to be trained"
    loss.backward(run.scale)
    idle = [name for name, p in run.net.named_parameters() if p.requires_grad and p.grad is None]
    return f"{', '.join(idle)} take no part in the loss: leave them out, or requires_grad_(False)" if idle else None


def model_stacks(config: CellConfig) -> bool:
    """Whether a stack of a model takes the same steps as its runs alone; where it does not, that is logged once.

    A stack computes many copies at once: a model with buffers of its own, batch normalisation, dropout, frozen
    parameters, or draws from another generator than it is given, is trained solo.
    """
    build = parts.load("model", config.model.name).function
    key = (build, canonical_json(vars(config.model)), len(getattr(config.data, "columns", ())))
    if key not in _known:
        why = _why_not(config)
        _known[key] = why is None
        if why is not None:
            name = config.model.name
            logger.warning("model=%s is trained solo, one run after the other, because a stack cannot: %s", name, why)
    return _known[key]


def _why_not(config: CellConfig) -> str | None:
    config = replace(config, optimizer=OptimizerConfig("sgd"))
    cells = [
        replace(cell, config=replace(cell.config, model=config.model)) for cell in map(small, [config] * 2, _RATES)
    ]
    data = generated(max(len(getattr(config.data, "columns", ())) - 1, 1))
    try:
        alone: Sequence[list[torch.Tensor]] = [walk_alone(cell, seed, data) for seed in _SEEDS for cell in cells]
        apart = difference(cells, alone, _SEEDS, data, Elementwise)
    except Exception as error:
        return reason(error)
    return None if apart <= TOLERANCE else f"it is {apart:.1g} (relative) away from the same runs alone"
