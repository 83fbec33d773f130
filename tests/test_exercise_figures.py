"""Each variant of an exercise is held against the chapter's own run, and each mean against the expected one."""

import json
import re
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from tables_for_tests import analysed

from pipeline.figures.final_losses import VARIATIONS, agreement
from pipeline.figures.registry import figures_of
from pipeline.lab.config import load_study
from pipeline.lab.dataset import Dataset
from pipeline.lab.published import EXERCISES, published_for
from pipeline.train.cells import train_cells

pytestmark = pytest.mark.slow

NAMES = {"exercises": ["decay", "duplicates", "replacement"], "siblings": ["final_losses"]}


@pytest.fixture(scope="module")
def studies(dataset: Dataset):
    """The exercises and the siblings on the twin, with a few seeds."""
    tables = {}
    for name in ("exercises", "siblings"):
        cells = load_study(name, ["data=airfoil_twin", "seeds=3"]).cells
        copies = {n: replace(dataset, X=np.tile(dataset.X, (n, 1)), y=np.tile(dataset.y, n)) for n in (1, 2)}
        parts = [
            train_cells([cell for cell in cells if cell.config.data.copies == n], {"airfoil_twin": data})
            for n, data in copies.items()
            if any(cell.config.data.copies == n for cell in cells)
        ]
        runs, curves = (pd.concat(part, ignore_index=True) for part in zip(*parts, strict=True))
        tables[name] = analysed(runs, curves, 0.2416880, kind="exercise", name=f"my {name}")
    return tables


def test_a_variant_stands_beside_the_same_run_without_it(studies):
    decayed, replaced, doubled = (
        [[cell.name for cell in group] for group in variation.groups(studies["exercises"])] for variation in VARIATIONS
    )
    assert decayed == [
        ["sgd", "sgd, lr / 10"],
        ["minibatch 10", "minibatch 10, 4 epochs", "minibatch 10, lr / 10", "minibatch 10, lr / 10, 4 epochs"],
        ["minibatch 100", "minibatch 100, lr / 10"],
    ]
    assert ["gd lr 0.5", "gd lr 0.5, replacement"] in replaced
    assert ["gd", "gd, twice", "gd, twice, b doubled"] in doubled
    assert not any("4 epochs" in name for group in doubled for name in group)


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_is_a_row_and_the_twin_is_not_compared(studies, name):
    study = studies[name]
    assert [entry.name for entry in figures_of(study)] == NAMES[name]
    for entry in figures_of(study):
        (axes,) = entry.draw(study).axes
        rows = [text.get_text() for text in axes.get_yticklabels()]
        assert len(rows) == len(set(rows)) > 7
        assert "minimum" in axes.get_xlabel() and "loss" in axes.get_xlabel()
        diamonds = [line for line in axes.lines if line.get_marker() == "D"]
        assert not diamonds, "the expected means are those of the measured table"
        assert "nothing is compared" in entry.caption(study)
        assert re.search(
            r": the mean loss is (lower|higher) in \d of \d pairs$|ends lowest, “.*” highest$", entry.title(study)
        )


def test_every_expected_mean_of_an_exercise_belongs_to_a_cell_of_the_study():
    found = [published_for(asdict(cell.config)) for cell in load_study("exercises").cells]
    for entry in EXERCISES:
        assert entry in found, entry.where


def test_a_mean_too_far_from_the_expected_one_is_named(studies):
    tables = studies["exercises"]
    runs = tables.runs.assign(data="airfoil", config=tables.runs["config"].str.replace("airfoil_twin", "airfoil"))
    near = runs.assign(
        final_loss=[_expected(row) + 1e-6 * seed for row, seed in zip(runs.config, runs.seed, strict=True)]
    )
    cells = analysed(near, tables.curves).cells.values()
    compared = [cell for cell in cells if published_for(cell.config)]
    assert agreement(compared, offline_twin=False).startswith(f"{len(compared)} of {len(compared)} means lie within")
    label = "minibatch 10, lr / 10"
    far = near.assign(final_loss=near.final_loss + 0.001 * near.config.str.contains(f'"{label}"', regex=False))
    text = agreement(analysed(far, tables.curves).cells.values(), offline_twin=False)
    assert text.startswith(f"{len(compared) - 1} of {len(compared)}") and label in text


def _expected(config):
    published = published_for(json.loads(config))
    return 0.245 if published is None else published.expected.mean
