"""The offline twin: a generated table on which a linear model trains as on the real one.

Its first 1500 rows have the real rows' mean and covariance, to the rounding of
float64, and its last three restore the whole table's column means and
deviations, by which it is standardized. Nothing else about it is real: columns
are bell-shaped, features are real-valued and some are negative (a frequency
below zero, say), and rows are in no order.

The table is the same to the last bit on every machine: draws are rounded, and
every sum is :func:`~pipeline.fetch.twin.exact_sum`, not a vectorised one.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Rows of the whole table, and how many of them the textbook trains on.
ROWS_TOTAL, ROWS = 1503, 1500

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Means and population covariances (divided by the number of rows), in the columns' units.

    Parameters
    ----------
    mean : tuple of float, length d
        Column means of the first rows.
    covariance : tuple of d tuples, the i-th of length i + 1
        Lower triangle of the covariance of the first rows.
    mean_all, deviation_all : tuple of float, length d
        Column means and population standard deviations of all rows.
    """

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    mean_all: tuple[float, ...]
    deviation_all: tuple[float, ...]


def exact_sum(values: Iterable[float]) -> float:
    """Sum with a single rounding, so that the result is the same on every machine."""
    return math.fsum(values)


#: The 39 numbers that the twin is made from, of the real file; tests/test_twin.py computes them from it.
AIRFOIL = Moments(
    mean=(2881.9533333333334, 6.764666666666667, 0.13661813333333334, 50.883266666666664, 0.011056462752, 124.87426),
    covariance=(
        (9940375.851155555,),
        (-5134.959982222223, 34.91512488888888),
        (-0.9259060871111097, -0.2792430392888889, 0.008759086711182223),
        (6620.841019111111, 5.621588755555555, 0.00473463676444444, 242.58084666222217),
        (-9.73732151652224, 0.057973853245504, -0.0002690954835357696, 0.0001263170509834695, 0.0001696730230516238),
        (
            -8421.840587866667,
            -6.04337548,
            -0.15394128351466668,
            13.025532084000002,
            -0.02680150728879152,
            46.91712678173334,
        ),
    ),
    mean_all=(
        2886.3805721889553,
        6.782302062541583,
        0.1365482368596141,
        50.86074517631403,
        0.011139880391217565,
        124.83594278110445,
    ),
    deviation_all=(
        3151.5242022362095,
        5.916159025472499,
        0.09350960518948344,
        15.567602966396686,
        0.013145858876819492,
        6.896361277488791,
    ),
)


SEED = 291
#: Decimals kept of each draw. A draw's last bits come from the machine's ``log``; these digits do not.
DECIMALS = 6


def twin_table(moments: Moments = AIRFOIL) -> Floats:
    """Generate the table.

    Parameters
    ----------
    moments : Moments
        What to reproduce.

    Returns
    -------
    ndarray of float64, shape (1503, d)
        In the units of the columns.
    """
    draws = np.random.Generator(np.random.PCG64(SEED)).standard_normal((ROWS, len(moments.mean))).round(DECIMALS)
    return np.vstack([_recoloured(_white(draws), moments), _restoring_rows(moments)])


def twin_bytes() -> bytes:
    """Write the twin of the airfoil table as the real file is written: tab separated, CRLF, no header.

    Returns
    -------
    bytes
        Digits are as many as float64 needs to be read back exactly.
    """
    return "".join("\t".join(map(repr, row)) + "\r\n" for row in twin_table().tolist()).encode("ascii")


def _white(draws: Floats) -> Floats:
    """Make columns exactly uncorrelated, with mean 0 and variance 1 (Gram-Schmidt, repeated once for rounding)."""
    n = len(draws)
    columns = list(draws.T)
    for _ in range(2):
        for i, column in enumerate(columns):
            column = column - exact_sum(column) / n
            for other in columns[:i]:
                column = column - other * (exact_sum(column * other) / n)
            columns[i] = column / math.sqrt(exact_sum(column * column) / n)
    return np.array(columns).T


def _recoloured(white: Floats, moments: Moments) -> Floats:
    """Give white columns the mean and the covariance of the first rows."""
    factor = _cholesky(moments.covariance)
    columns = []
    for mean, weights in zip(moments.mean, factor, strict=True):
        column = np.zeros(len(white))
        for weight, source in zip(weights, white.T, strict=False):  # lower triangle: row i has i + 1 weights
            column = column + weight * source
        columns.append(mean + column)
    return np.array(columns).T


def _cholesky(covariance: tuple[tuple[float, ...], ...]) -> list[list[float]]:
    """Lower triangular L with L Lᵀ = covariance. Written out because LAPACK's last bits differ between machines."""
    factor: list[list[float]] = []
    for i, row in enumerate(covariance):
        factor.append([])
        for j in range(i + 1):
            rest = exact_sum([row[j], *(-a * b for a, b in zip(factor[i], factor[j][:j], strict=False))])
            factor[i].append(math.sqrt(rest) if i == j else rest / factor[j][j])
    return factor


def _restoring_rows(moments: Moments) -> Floats:
    """Three rows that bring the whole table to its column means and deviations.

    With m, v the mean and variance of the first 1500 rows and M, S the mean and deviation of all 1503, the
    three values of a column must lie at M + d on average, d = -500 (m - M), and their squared distances from
    there must add up to 1503 S² - 1500 (v + (m - M)²) - 3 d². The choice made is (-s, 0, +s) around M + d.
    """
    last = ROWS_TOTAL - ROWS
    columns = []
    for i, (mean, mean_all, deviation_all) in enumerate(
        zip(moments.mean, moments.mean_all, moments.deviation_all, strict=True)
    ):
        gap = mean - mean_all
        shift = -gap * ROWS / last
        total = ROWS_TOTAL * deviation_all * deviation_all
        first = [ROWS * moments.covariance[i][i], ROWS * gap * gap]
        squares = exact_sum([total, *(-term for term in first), -last * shift * shift])
        spread = math.sqrt(max(squares, 0.0) / 2)  # below 0 by rounding where the three values are equal
        columns.append([mean_all + shift - spread, mean_all + shift, mean_all + shift + spread])
    return np.array(columns).T
