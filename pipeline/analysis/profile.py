"""Performance profiles: on how many problems an optimizer is within a factor of the best one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis.grid import Array

#: Factors beyond this one count as a miss, as in AlgoPerf (Dahl et al., 2023).
TAU_MAX = 4.0


@dataclass(frozen=True, eq=False)
class Profile:
    """One optimizer's profile.

    Parameters
    ----------
    optimizer : str
        Its name.
    ratios : ndarray, shape (p,)
        Its cost on each problem over the least cost of all optimizers there; infinite for a miss.
    score : float
        Mean height of its profile between 1 and :data:`TAU_MAX`.
    """

    optimizer: str
    ratios: Array
    score: float

    def share(self, tau: Array) -> Array:
        """Share of the problems on which the cost is at most tau times the least, rho(tau)."""
        return np.asarray((self.ratios[:, None] <= tau[None, :]).mean(axis=0))


def profiles(table: pd.DataFrame, cost: str = "examples") -> list[Profile]:
    r"""Compare the optimizers over problems, one a batch size.

    .. math:: \rho_o(\tau) = \frac1p\,\#\{i : c_{o,i} \le \tau \min_{o'} c_{o',i}\}, \qquad
              \mathrm{score}_o = \frac1{\tau_{\max}-1}\int_1^{\tau_{\max}} \rho_o(\tau)\,d\tau

    (Dolan, Moré, 2002, Benchmarking optimization software with performance profiles, Math. Program. 91;
    the score is AlgoPerf's). Within a batch size, steps and examples are in proportion, so both give the
    same profile. A problem that nobody solves counts for everybody as a miss.

    Parameters
    ----------
    table : DataFrame
        As of :func:`pipeline.analysis.scaling.scaling`.
    cost : str
        The column to compare.

    Returns
    -------
    list of Profile
        The highest score first, equal ones in the order of the table.
    """
    names = [str(name) for name in table["optimizer"].unique()]
    costs = table.pivot_table(index="optimizer", columns="batch_size", values=cost, sort=False).reindex(names)
    values = costs.fillna(np.inf).to_numpy(dtype=float)
    least = values.min(axis=0)
    solved = np.isfinite(least)
    ratios = np.full(values.shape, np.inf)
    np.divide(values, least, out=ratios, where=solved[None, :] & np.isfinite(values))
    found = [Profile(name, own, _score(own)) for name, own in zip(names, ratios, strict=True)]
    return sorted(found, key=lambda profile: -profile.score)


def _score(ratios: Array) -> float:
    """The integral of a step function: each problem counts from its ratio on."""
    return float(np.clip(TAU_MAX - ratios, 0.0, None).mean() / (TAU_MAX - 1))
