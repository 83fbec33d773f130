"""A study's grid varies any key: it is stacked by what its cells share, drawn in panels, and each value is judged."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline import parts
from pipeline.analysis.advise import report
from pipeline.analysis.axes import along_axes
from pipeline.analysis.study import AnalysedStudy
from pipeline.analysis.sweep import Sweep
from pipeline.figures.registry import figures_of
from pipeline.lab.config import load_study
from pipeline.lab.config.cell import canonical_json
from pipeline.lab.errors import UserError
from pipeline.train.cells import train_cells
from pipeline.train.plan import plan

GRIDS = {
    "weight decay": ("{optimizer: adamw}", "optimizer.hyperparams.weight_decay", [0.0, 0.1, 1.0]),
    "momentum": ("{optimizer: momentum}", "optimizer.hyperparams.momentum", [0.5, 0.9]),
    "width": ("{optimizer: adam, model: mlp}", "model.widths", [[4], [16], [4, 4]]),
    "schedule": ("{optimizer: adam}", "schedule", ["constant", "cosine"]),
    "epochs": ("{optimizer: adam}", "epochs", [1, 2]),
    "sampling": ("{optimizer: adam}", "sampling", ["with_replacement", "without_replacement"]),
    "model": ("{optimizer: adam}", "model", ["linear", "mlp"]),
}
RATES, BATCH_SIZES = [0.003, 0.01, 0.03], [100, 300]


@pytest.fixture
def study_of(tmp_path, monkeypatch):
    """Write a study's file, and read it."""
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))
    (tmp_path / "study").mkdir()

    def write(common, key, values):
        common = common.replace("{", "{data: airfoil_twin, epochs: 1, ", 1)
        (tmp_path / "study" / "axes.yaml").write_text(
            f"name: axes\nengine: stacked\nseeds: 6\ncommon: {common}\n"
            f"grid: {{lr: {RATES}, batch_size: {BATCH_SIZES}, {key}: {values}}}\n"
        )
        return load_study("axes")

    return write


@pytest.mark.parametrize(
    "axis", [pytest.param(axis, marks=[pytest.mark.slow] * (axis not in ("width", "epochs"))) for axis in GRIDS]
)
def test_any_key_can_be_an_axis(axis, study_of, dataset):
    common, key, values = GRIDS[axis]
    cells = study_of(common, key, values).cells
    assert len(cells) == len(RATES) * len(BATCH_SIZES) * len(values)
    alone, stacks = plan(cells)
    assert alone == []
    for stack in stacks:  # they differ in their rate alone
        assert len({canonical_json(cell.identity | {"lr": None}) for cell in stack.cells}) == 1
    assert sum(len(stack.cells) * len(stack.seeds) for stack in stacks) == 6 * len(cells)
    assert max(len(stack.cells) for stack in stacks) == len(RATES)
    runs, curves = train_cells(cells, {"airfoil_twin": dataset})
    assert set(runs.status) == {"ok"}
    study = AnalysedStudy(runs, curves)
    optimizer = cells[0].config.optimizer.name

    found = along_axes(Sweep(study), optimizer)
    assert len({one.name for one in found}) == len(values)
    chosen_at = []
    for one in found:  # against a loop over the table
        own = [cell for cell in study.cells.values() if study.series[cell.id] == one.name]
        best = min(own, key=lambda cell: np.median(cell.losses[::2]))
        assert (one.batch_size, one.lr) == (best.batch_size, best.lr)
        assert one.median == pytest.approx(np.median(best.losses[1::2])), "other seeds than those that chose it"
        assert one.low <= one.median <= one.high
        chosen_at.append(np.median(best.losses[::2]))
    assert chosen_at == sorted(chosen_at)
    assert [one.against_best is None for one in found] == [True] + [False] * (len(values) - 1)

    words = report(study, optimizer)
    assert words.count("The target is a loss of") == len(values)
    last = words.split("\n\n")[-2:]
    assert last[0] == (
        "Each at the batch size and learning rate of its lowest median final loss; all else is the same."
    )
    assert [line.split("  ")[0] for line in last[1].splitlines()[1:]] == [one.name for one in found]

    entries = {entry.name: entry for entry in figures_of(study)}
    titles = {axes.get_title(loc="left") for axes in entries["heatmap"].draw(study).axes} - {""}
    assert titles == {one.name for one in found}


@pytest.mark.slow
def test_two_further_axes_are_their_product(study_of, dataset):
    activations = "model.widths: [[4], [8]], model.activation", ["relu", "tanh"]
    cells = study_of("{optimizer: adamw, model: mlp}", *activations).cells
    runs, curves = train_cells(cells, {"airfoil_twin": dataset})
    found = along_axes(Sweep(AnalysedStudy(runs, curves)), "adamw")
    assert {one.name for one in found} == {
        f"adamw, {activation}, widths {widths}" for widths in ([4], [8]) for activation in ("relu", "tanh")
    }


@pytest.mark.slow
def test_values_that_learn_from_different_data_are_not_held_against_each_other(study_of, dataset):
    cells = study_of("{optimizer: sgd}", "data.rows", [1500, 1000]).cells
    tables = [train_cells([cell], {"airfoil_twin": _first(dataset, cell.config.data.rows)}) for cell in cells]
    runs, curves = (pd.concat(some, ignore_index=True) for some in zip(*tables, strict=True))
    study = AnalysedStudy(runs, curves)
    assert along_axes(Sweep(study), "sgd") == []
    assert "all else is the same" not in report(study, "sgd")


def test_one_series_has_nothing_to_be_held_against(study_of, dataset):
    cells = study_of("{optimizer: sgd}", "seeds", [2]).cells
    study = AnalysedStudy(*train_cells(cells, {"airfoil_twin": dataset}))
    assert along_axes(Sweep(study), "sgd") == []
    assert not math.isnan(study.initial_loss)


def test_a_key_that_one_of_the_choices_lacks_is_refused(study_of):
    with pytest.raises(UserError, match="study axes: model.widths=.*model=linear has no such key"):
        _ = study_of("{optimizer: sgd, model: linear}", "model.widths", [[4], [8]]).cells


def _first(dataset, rows):
    return replace(dataset, X=dataset.X[:rows], y=dataset.y[:rows])
