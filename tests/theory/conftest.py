"""Data sets for the theory's tests."""

from __future__ import annotations

import os

import numpy as np
import pytest


@pytest.fixture(scope="session")
def skewed():
    """300 x 5 correlated, skewed, heavy-tailed features and a residual that depends on them: far from normal."""
    rng = np.random.default_rng(20)
    mix = rng.normal(size=(5, 5)) / np.sqrt(5) + 0.5 * np.eye(5)
    latent = np.column_stack([rng.gamma(1.0, 1.0, (300, 3)) - 1.0, rng.standard_t(5, (300, 2))])
    features = latent @ mix
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    residual = rng.gamma(2.0, 0.4, 300) * (1 + 0.8 * np.abs(features[:, 0]))
    # A curved target: its residual is correlated with products of features, as real residuals are.
    target = features @ np.array([0.6, -0.4, 0.3, 0.2, -0.5]) + 0.3 * features[:, 0] ** 2 + residual - residual.mean()
    return features, target


@pytest.fixture(scope="session")
def airfoil():
    """The textbook's first 1,500 whitened rows of the real file, where AIRFOIL_DATA points to it."""
    path = os.environ.get("AIRFOIL_DATA")
    if not path or not os.path.isfile(path):  # noqa: PTH113
        pytest.skip("AIRFOIL_DATA does not point to the data file")
    raw = np.loadtxt(path, delimiter="\t")
    whitened = ((raw - raw.mean(axis=0)) / raw.std(axis=0))[:1500]
    return whitened[:, :5], whitened[:, 5]
