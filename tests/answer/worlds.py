"""Simulated races whose best cell is known."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

KINDS = ("flat", "steep", "ties", "equals", "heavy tails", "divergence", "skew", "coarse costs")


@dataclass(eq=False)
class World:
    """Cells with a level each, and noise around it that is shared in part by the cells of a seed."""

    kind: str
    levels: np.ndarray
    scale: float
    shared: float
    diverge: np.ndarray
    entropy: int

    def draw(self, cells, seeds):
        """Values of some cells for some seeds, the same whoever asks and in whatever order."""
        rows = []
        for seed in seeds:
            rng = np.random.default_rng([self.entropy, seed])
            logs = self.levels + self.scale * (self.shared * rng.normal() + self._noise(rng))
            values = np.exp(np.clip(logs, -300, 300))
            if self.kind == "coarse costs":
                values = np.ceil(20 * values)
            values[rng.random(len(self.levels)) < self.diverge] = np.inf
            rows.append(values[cells])
        return np.array(rows).T

    def _noise(self, rng):
        shape = len(self.levels)
        if self.kind == "heavy tails":
            return rng.standard_t(1.5, shape)
        if self.kind == "skew":
            return rng.exponential(size=shape) ** 2
        return rng.normal(size=shape)

    def is_best(self, one):
        """Whether a cell beats each other one on more seeds than it loses on."""
        others = np.delete(np.arange(len(self.levels)), one)
        if self.kind != "divergence":  # the cells' noise is alike: the lower level wins more often
            return bool((self.levels[others] > self.levels[one]).all())
        lower = norm.cdf((self.levels[one] - self.levels[others]) / (self.scale * np.sqrt(2)))
        arrive, one_arrives = 1 - self.diverge[others], 1 - self.diverge[one]
        worse = arrive * (1 - one_arrives) + arrive * one_arrives * lower
        better = one_arrives * (1 - arrive) + arrive * one_arrives * (1 - lower)
        return bool((better > worse).all())

    def is_equivalent(self, one, other, margin, samples=20_000):
        """Whether the median of the logarithm of their ratio is within the margin."""
        if self.kind not in ("divergence", "coarse costs"):  # the difference of two noises is symmetric
            return abs(self.levels[other] - self.levels[one]) <= margin
        first, second = self.draw(np.array([one, other]), range(10**6, 10**6 + samples))
        with np.errstate(invalid="ignore"):
            apart = np.where(first == second, 0.0, np.log(second) - np.log(first))
        return (apart > margin).mean() < 0.5 and (apart < -margin).mean() < 0.5


def world(entropy, cells=40):
    """A world; its kind goes round."""
    kind = KINDS[entropy % len(KINDS)]
    rng = np.random.default_rng([7, entropy])
    scale, shared = float(rng.choice([0.02, 0.1, 0.3])), float(rng.choice([0.0, 1.0, 3.0]))
    levels = np.abs(rng.normal(size=cells)) * 3 * scale * float(rng.choice([1, 10]))
    if kind == "flat":
        levels /= 100
    if kind == "steep":
        levels = np.abs(np.linspace(-3, 3, cells) + rng.uniform(-0.5, 0.5))
    if kind == "equals":
        levels[: rng.integers(2, 4)] = 0
    if kind == "ties":
        levels = np.round(levels / scale) * scale
    diverge = np.where(rng.random(cells) < 0.5, rng.choice([0.0, 0.05, 0.3], cells), 0.0)
    return World(kind, levels, scale, shared, diverge if kind == "divergence" else np.zeros(cells), entropy)
