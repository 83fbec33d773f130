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


def exact_sum(values: Iterable[float]) -> float:
    """Sum with a single rounding, so that the result is the same on every machine."""
    return math.fsum(values)


#: Of the real file; tests/test_twin.py computes them from it.
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
