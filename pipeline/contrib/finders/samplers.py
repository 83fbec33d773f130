"""Optuna's samplers and pruners, on the cells as a grid: a trial looks its run up, which is the same as training it.

Asked are the optimizer, the batch size, and which of the rates in the optimizer's range; one run a trial, always with
the repetition's seed. Two trials of the same cell cost two runs.
"""

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.contrib.finders.landscape import Landscape
from pipeline.contrib.finders.method import Found, Method, NothingFound, for_all
from pipeline.lab.config.cell import Cell

if TYPE_CHECKING:
    import optuna

#: Trials of a short search and of a long one.
TRIALS = (20, 60)


def search(landscape: Landscape, repetition: int, *, trials: int, kind: str) -> Found:
    """Let Optuna choose trials, and take the best one.

    Parameters
    ----------
    landscape : Landscape
        What is searched.
    repetition : int
        Seed of the sampler and of the runs.
    trials : int
        How many.
    kind : str
        ``tpe``; ``random``; or ``asha``, random and pruned by asynchronous successive halving (Li et al., 2020,
        arXiv:1810.05934) with Optuna's defaults.

    Returns
    -------
    Found
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler: Any = optuna.samplers.TPESampler(seed=repetition)
    if kind != "tpe":
        sampler = optuna.samplers.RandomSampler(seed=repetition)
    pruner: Any = optuna.pruners.SuccessiveHalvingPruner() if kind == "asha" else optuna.pruners.NopPruner()
    trained: list[tuple[Cell, float]] = []

    def objective(trial: "optuna.Trial") -> float:
        """Train a run, an epoch at a time."""
        cell = _suggested(landscape, trial)
        losses = landscape.all.by_epoch[:, landscape.position[cell.id], repetition]
        for epoch, loss in enumerate(losses, start=1):
            trial.report(float(loss), epoch)
            if epoch < landscape.epochs and trial.should_prune():
                trained.append((cell, float(epoch)))
                raise optuna.TrialPruned
        trained.append((cell, float(landscape.epochs)))
        return float(losses[-1])

    started = time.perf_counter()
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=trials)
    own = time.perf_counter() - started
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if not done:
        raise NothingFound(f"none of {trials} trials was trained to its end")
    return Found(for_all(_chosen(landscape, study.best_params)), trained, own)


def _suggested(landscape: Landscape, trial: "optuna.Trial") -> Cell:
    rates = len(landscape.rates(landscape.optimizers[0], landscape.batch_sizes[0]))
    return _chosen(
        landscape,
        {
            "optimizer": trial.suggest_categorical("optimizer", landscape.optimizers),
            "batch_size": trial.suggest_categorical("batch_size", landscape.batch_sizes),
            "rate": trial.suggest_int("rate", 0, rates - 1),
        },
    )


def _chosen(landscape: Landscape, values: dict[str, Any]) -> Cell:
    rate: int = values["rate"]
    return landscape.rates(values["optimizer"], values["batch_size"])[rate]


def methods() -> list[Method]:
    """The methods of this file."""
    names = {"random": "random search", "tpe": "TPE", "asha": "ASHA"}
    return [
        Method(f"{name}, {trials} trials", "optuna", partial(search, trials=trials, kind=kind))
        for kind, name in names.items()
        for trials in TRIALS
    ]
