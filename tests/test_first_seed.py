"""Seeds of another day or machine: they are the same runs, and their tables are joined by one command."""

import dataclasses

import pandas as pd
import pytest

from pipeline.collect.__main__ import collect
from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import compose_cell
from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, read_table, write_table
from pipeline.train.cells import train_cells

KEYS = ["batch_size=100", "lr=0.1", "epochs=1"]


def trained(dataset, *overrides):
    config = compose_cell([*KEYS, *overrides])
    return train_cells([Cell(config)], {config.data.name: dataset})


@pytest.mark.parametrize("engine", ["solo", "stacked"])
def test_later_seeds_give_the_losses_that_they_have_beside_the_first_ones(dataset, engine):
    whole, curves = trained(dataset, f"engine={engine}", "seeds=5")
    later, later_curves = trained(dataset, f"engine={engine}", "seeds=2", "first_seed=3")
    assert list(later.seed) == [3, 4]
    expected = curves[curves.seed >= 3].loss.to_numpy()
    assert later_curves.loss.to_numpy() == pytest.approx(expected, rel=1e-6)
    assert set(later.cell_id) == set(whole.cell_id)


def test_the_tables_of_two_shards_are_joined(dataset, tmp_path):
    for first in (0, 3):
        runs, curves = trained(dataset, "engine=stacked", "seeds=3", f"first_seed={first}")
        write_table(runs, RUNS, tmp_path / str(first) / "runs.parquet")
        write_table(curves, CURVES, tmp_path / str(first) / "curves.parquet")
    collect([tmp_path / "0", tmp_path / "3"], tmp_path / "all")
    assert list(read_table(tmp_path / "all/runs.parquet", RUNS).seed) == list(range(6))
    with pytest.raises(UserError, match="more than one job"):
        collect([tmp_path / "0", tmp_path / "0"], tmp_path / "twice")


def test_a_first_seed_below_zero_is_refused():
    with pytest.raises(UserError, match="first_seed=-1 is not allowed"):
        compose_cell(["first_seed=-1"])


def test_the_first_seed_makes_no_other_cell():
    config = compose_cell(KEYS)
    assert Cell(config).id == Cell(dataclasses.replace(config, first_seed=7)).id
    assert pd.Series(config.replicates).tolist() == [0]
