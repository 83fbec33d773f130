"""The 39 numbers of the airfoil table that its offline twin is made from.

Half the mean squared error of a linear model is a quadratic form in its
parameters whose coefficients are the mean and the covariance of the training
rows, and standardizing uses the mean and the deviation of all rows. These are
6 + 21 + 6 + 6 numbers, and no row of the table.
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


def moments_of(table: Floats, rows: int = ROWS) -> Moments:
    """Compute the moments of a table, each sum exactly rounded.

    ``moments_of(np.loadtxt(path))`` of the real file gives :data:`AIRFOIL`.

    Parameters
    ----------
    table : ndarray of float64, shape (n, d)
        All rows.
    rows : int
        How many first rows the mean and the covariance are of.

    Returns
    -------
    Moments
        In the units of the columns.
    """
    mean, covariance = _mean_and_covariance(table[:rows])
    mean_all, covariance_all = _mean_and_covariance(table)
    deviation_all = tuple(math.sqrt(row[-1]) for row in covariance_all)
    return Moments(mean, covariance, mean_all, deviation_all)


def exact_sum(values: Iterable[float]) -> float:
    """Sum with a single rounding: the same on every machine, which vectorised sums are not."""
    return math.fsum(values)


def _mean_and_covariance(table: Floats) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    n = len(table)
    mean = tuple(exact_sum(column) / n for column in table.T)
    centred = (table - np.array(mean)).T
    covariance = tuple(tuple(exact_sum(centred[i] * centred[j]) / n for j in range(i + 1)) for i in range(len(centred)))
    return mean, covariance


#: Of the real file, by :func:`moments_of`.
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
