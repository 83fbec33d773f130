"""Train the cells of a comparison, or of a study."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.api.arrays import ArraysConfig
from pipeline.api.result import Comparison
from pipeline.lab import checks
from pipeline.lab.config import Cell, load_study
from pipeline.lab.config.schema import StudyConfig, TargetConfig
from pipeline.lab.config.study import Study
from pipeline.lab.errors import UserError
from pipeline.lab.paths import DATA
from pipeline.parts import own

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.lab.dataset import Dataset

NAME = "comparison"


def train(
    data: ArraysConfig,
    dataset: "Dataset",
    *,
    grid: Mapping[str, Sequence[Any]],
    common: Mapping[str, Any],
    lr_points: int,
    seeds: int,
    engine: str,
    progress: bool,
    target: Mapping[str, Any],
    said: Mapping[str, Any],
) -> Comparison:
    """Make the cells of a grid, and train them; see :func:`pipeline.compare`.

    Raises
    ------
    UserError
        If one cannot be made or trained, or every run failed.
    """
    grid = {**grid, "model": [_named(one) for one in grid["model"]]}
    for kind in own.KINDS:
        for reference in [one for one in (common.get(kind), *grid.get(kind, ())) if own.is_reference(one)]:
            if not own.is_kept(reference):
                own.allow(kind, reference)
    config = StudyConfig(
        name=NAME,
        title=f"Comparison on {data.name}",
        engine=engine,
        seeds=seeds,
        common=dict(common),
        grid={key: list(values) for key, values in grid.items()},
        lr_points=lr_points,
        target=TargetConfig(**target),
    )
    if config.target.metric == "validation_loss" and dataset.held_out is None:
        raise UserError("target_metric=validation_loss is not allowed without examples held out: give X_val and y_val")
    study = Study(config, data=data)
    cells = study.cells
    from pipeline.train.cells import train_cells  # here, where what is refused before needs no torch

    failures: dict[str, str] = {}
    with _bar(cells, shown=progress) as report:
        runs, curves = train_cells(cells, {data.name: dataset}, report, failures)
    _check_any_ended(runs, failures)
    return Comparison(runs, curves, study.words, dataset, data, said)


def study(name: str, *overrides: str, only: Sequence[str] = ()) -> Comparison:
    """Train a study, as its file in ``conf/study`` says, or a part of it.

    Every cell is trained with all its seeds, in this process, and nothing is stored.

    Parameters
    ----------
    name : str
        The study's, as ``textbook``.
    *overrides : str
        Keys that reach every cell, as on the command line: ``"seeds=5"``.
    only : sequence of str
        Labels of the cells that are trained, or names of their optimizers where they have none; all by default.

    Returns
    -------
    Comparison
        Its tables, advice, figures and report.

    Raises
    ------
    UserError
        In one sentence: if a name, a key or a value is not allowed, the data are not to be had, the study is one that
        is raced, or every run failed.

    Examples
    --------
    >>> import pipeline  # doctest: +SKIP
    >>> pipeline.study("textbook", "seeds=5", only=["gd", "sgd"]).plot("loss_by_time")  # doctest: +SKIP
    """
    found = load_study(name, overrides)
    checks.one_of(f"study {name}: search", found.config.search, ["grid"])
    names = {cell.id: cell.label or cell.config.optimizer.name for cell in found.cells}
    for one in only:
        checks.one_of("only", one, list(dict.fromkeys(names.values())))
    cells = [cell for cell in found.cells if not only or names[cell.id] in only]
    from pipeline.train.app import train_by_data  # here, as below
    from pipeline.train.data import prepared

    failures: dict[str, str] = {}
    runs, curves = train_by_data(cells, dict.fromkeys(names, DATA), failures, judged=())
    _check_any_ended(runs, failures)
    return Comparison(
        runs, curves, found.words, prepared(cells[0].config.data, DATA), cells[0].config.data, folder=DATA
    )


def _check_any_ended(runs: "pd.DataFrame", failures: Mapping[str, str]) -> None:
    if (runs["status"] == "error").all():
        raise UserError(f"every run failed: {next(iter(failures.values()))}")


def _named(model: Any) -> str:
    return own.keep(model) if callable(model) else str(model)


@contextmanager
def _bar(cells: Sequence[Cell], *, shown: bool) -> Iterator[Callable[[int, float], None]]:
    """A progress bar of steps: of widgets in a notebook that has them, else of text on standard output."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for widgets, which nothing here needs
        from tqdm.auto import tqdm
    steps = sum(cell.steps * cell.config.seeds for cell in cells)
    with tqdm(
        total=steps, unit=" steps", unit_scale=True, disable=not shown, file=sys.stdout, leave=False, mininterval=0.5
    ) as bar:

        def report(steps: int, loss: float) -> None:
            """Move the bar on, and show the last loss."""
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(steps)

        yield report
