r"""Theory of SGD on least squares: expected loss curves, stability limits, and steps to a target.

Pure functions of the data, in float64, without torch. Derivations and sources are in ``docs/theory.md``.

    symmetric  ->  problem  ->  dynamics  ->  {curves, stability, targets}
                                          \->  without_replacement (the one approximation)
"""

from pipeline.lab.theory.curves import LossCurve, expected_loss, full_batch_loss
from pipeline.lab.theory.dynamics import SGD, Initial, Rule, Sampling, noise_factor
from pipeline.lab.theory.problem import Problem
from pipeline.lab.theory.stability import max_stable_lr, noise_floor
from pipeline.lab.theory.targets import (
    best_lr,
    best_lr_to_target,
    first_step,
    noise_scale,
    scaling_curve,
    steps_to_target,
)

__all__ = [
    "SGD",
    "Initial",
    "LossCurve",
    "Problem",
    "Rule",
    "Sampling",
    "best_lr",
    "best_lr_to_target",
    "expected_loss",
    "first_step",
    "full_batch_loss",
    "max_stable_lr",
    "noise_factor",
    "noise_floor",
    "noise_scale",
    "scaling_curve",
    "steps_to_target",
]
