"""The lab from Python: :func:`compare` trains optimizers, batch sizes and learning rates on arrays.

>>> import pipeline  # doctest: +SKIP
>>> result = pipeline.compare("mlp", X, y, optimizers=["sgd", "adam"], batch_sizes=[16, 64], seeds=5)  # doctest: +SKIP
>>> print(result.advise())  # doctest: +SKIP
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.api.result import Comparison
from pipeline.api.training import study, train
from pipeline.lab.errors import UserError

if TYPE_CHECKING:
    import torch

    from pipeline.api.arrays import ArraysConfig
    from pipeline.lab.dataset import Dataset

__all__ = ["Comparison", "UserError", "compare", "study"]

#: Learning rates tried where none are given: as many, log-spaced over the range that the optimizer states.
LEARNING_RATES = 7


def compare(
    model: "str | Callable[..., torch.nn.Module] | Sequence[str | Callable[..., torch.nn.Module]]",
    X: "Any | Dataset",
    y: Any = None,
    *,
    X_val: Any = None,
    y_val: Any = None,
    optimizers: str | Sequence[str] = "sgd",
    batch_sizes: int | Sequence[int] = 32,
    learning_rates: float | Sequence[float] | None = None,
    epochs: int = 10,
    seeds: int = 5,
    task: str | None = None,
    standardize: bool = True,
    engine: str = "stacked",
    common: Mapping[str, Any] | None = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
    target_metric: str = "auto",
    target_loss: float | None = None,
    name: str = "arrays",
    progress: bool = True,
) -> Comparison:
    """Train every combination of optimizer, batch size and learning rate on arrays.

    Parameters
    ----------
    model : str or callable, or a sequence of them
        ``linear``, ``mlp`` or another model of the lab; a file or module (``mine.py:Net``); or a factory, a function or
        class that is called as ``(in_features, out_features, **keys)`` and returns a ``torch.nn.Module``.
    X : array-like of shape (n, d) or (n, channels, height, width), or Dataset
        Training examples: numbers, all finite. A Dataset has the targets, and the examples held out, in it.
    y : array-like of shape (n,)
        Targets: numbers, or the names of classes.
    X_val, y_val : array-like, optional
        Examples held out: their loss is read beside that of the training examples.
    optimizers : str or sequence of str
        Names of ``conf/optimizer``, or of files or modules (``mine.py:Rule``).
    batch_sizes : int or sequence of int
        From 1 to n.
    learning_rates : float or sequence of float, optional
        By default seven over the range of each optimizer.
    epochs : int
        Passes over the training examples.
    seeds : int
        Replicates: seed k gives every combination the same initial weights and example order.
    task : str, optional
        ``regression``, ``binary``, ``classification``, or one of your own. By default: classes where the targets are
        texts or truth values, or whole numbers of few kinds; else numbers.
    standardize : bool
        Take from each feature, and from targets that are numbers, their mean over the training examples, and divide by
        the standard deviation. Losses of numbers are then in units of the target's variance.
    engine : str
        ``stacked``: runs that differ in learning rate and seed alone are trained at once, without a clock; what cannot
        be stacked is trained alone, and that is said. ``solo``: one run after the other, timed.
    common : mapping, optional
        Other keys of a cell, as in a study's file: ``{"model.hidden": 64, "schedule": "cosine"}``.
    grid : mapping, optional
        Further axes: ``{"optimizer.hyperparams.momentum": [0.0, 0.9]}``.
    target_metric : str
        What cells are judged by: ``loss`` of the training examples, ``validation_loss`` of those held out, or ``auto``,
        the latter where there are any.
    target_loss : float, optional
        The loss to reach; by default one per cent above the best median final loss of SGD.
    name : str
        What the data are called in tables and figures.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Comparison
        Its tables, advice, figures and report.

    Raises
    ------
    UserError
        In one sentence: if the arrays, a name, a key or a value cannot be used, or every run failed.
    """
    from pipeline.api.arrays import dataset_of

    data, dataset = dataset_of(X, y, X_val, y_val, task=task, standardize=standardize, name=name)
    axes: dict[str, Any] = {"optimizer": optimizers, "batch_size": batch_sizes}
    if learning_rates is not None:
        axes["lr"] = learning_rates
    given = {"model": model, **axes, **(grid or {})}
    return train(
        data,
        dataset,
        grid={key: _several(value) for key, value in given.items()},
        common={"epochs": epochs, **(common or {})},
        lr_points=LEARNING_RATES if learning_rates is None and "lr" not in given else 0,
        seeds=seeds,
        engine=engine,
        progress=progress,
        target={"metric": target_metric, "loss": target_loss},
        said=_said(data, task, standardize),
    )


def _said(data: "ArraysConfig", task: str | None, standardize: bool) -> dict[str, Any]:
    """The arguments that say something of the arrays."""
    said = {"task": task, "standardize": standardize, "name": data.name}
    usual = {"task": None, "standardize": True, "name": "arrays"}
    return {key: value for key, value in said.items() if value != usual[key]}


def _several(value: Any) -> list[Any]:
    """One value or several, as a list of plain ones."""
    if isinstance(value, str) or callable(value) or not hasattr(value, "__iter__"):
        value = [value]
    return [one.item() if hasattr(one, "item") else one for one in value]
