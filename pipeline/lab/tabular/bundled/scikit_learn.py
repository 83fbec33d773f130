"""Tables that come with scikit-learn, for ``data.path=scikit_learn:NAME``."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def wine() -> "pd.DataFrame":
    """178 wines of three cultivars, 13 chemical readings of each."""
    return _frame("wine")


def breast_cancer() -> "pd.DataFrame":
    """569 tumours, malignant (0) or benign (1), 30 readings of each."""
    return _frame("breast_cancer")


def diabetes() -> "pd.DataFrame":
    """442 patients, ten readings of each, and how far the disease was a year later."""
    return _frame("diabetes")


def digits() -> "pd.DataFrame":
    """1,797 handwritten digits, the 64 grey values of each."""
    return _frame("digits")


def _frame(name: str) -> "pd.DataFrame":
    from sklearn import datasets  # type: ignore[import-untyped, unused-ignore]

    frame: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return frame
