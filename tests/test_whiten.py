"""Whitening brings columns to a common scale, and the written table knows where it is from and how to go back."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from airfoil_files import REAL_FILE, SMALL_TABLE, airfoil_config, needs_real_file, small_config
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pipeline.fetch.download import fetch
from pipeline.lab.dataset import load_dataset
from pipeline.lab.errors import UserError
from pipeline.whiten.table import whiten_file
from pipeline.whiten.whiten import whitening_of


def frame(values):
    return pd.DataFrame(np.asarray(values, dtype=float), columns=["chord", "velocity", "sound_pressure"])


def whiten(table, method):
    return whitening_of(table, method).apply(table)


def undo(whitening, white):
    """Map whitened values back to units."""
    values = white.to_numpy(copy=True)
    if whitening.decorrelation is not None:
        values[:, :-1] = np.linalg.solve(whitening.decorrelation, values[:, :-1].T).T
    return values * whitening.deviation + whitening.mean


TABLE = frame([[0.3, 71.3, 126.2], [0.3, 55.5, 125.0], [0.1, 39.6, 110.0], [0.2, 31.7, 103.4]])


@pytest.fixture
def raw(tmp_path):
    """A fetched small table with its provenance."""
    path = tmp_path / "raw" / "small.dat"
    path.parent.mkdir()
    path.write_bytes(SMALL_TABLE)
    provenance = {"name": "small", "offline_twin": False, "sha1": hashlib.sha1(SMALL_TABLE).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(provenance))
    return path


def test_standardize_uses_all_rows_the_population_deviation_and_the_target_too():
    values = TABLE.to_numpy()
    expected = (values - values.mean(axis=0)) / np.sqrt(np.mean((values - values.mean(axis=0)) ** 2, axis=0))
    assert whiten(TABLE, "standardize").to_numpy() == pytest.approx(expected, abs=1e-14)


def test_standardizing_all_1503_rows_leaves_the_first_1500_with_a_small_mean(tmp_path):
    path = fetch(airfoil_config(sources=[]), tmp_path)
    data = load_dataset(whiten_file(path, tmp_path / "t.parquet", airfoil_config()), rows=1500)
    assert data.y.mean() == pytest.approx(0.005557, abs=1e-5)  # not 0: three rows were left out


@given(npst.arrays(np.float64, (20, 3), elements=st.floats(-1e6, 1e6)))
def test_standardized_columns_have_mean_0_and_deviation_1_and_can_be_mapped_back(values):
    assume((values.std(axis=0) > 1e-3).all())
    table = frame(values)
    whitening = whitening_of(table, "standardize")
    white = whitening.apply(table)
    assert white.mean().to_numpy() == pytest.approx(np.zeros(3), abs=1e-5)
    assert white.std(ddof=0).to_numpy() == pytest.approx(np.ones(3), abs=1e-9)
    assert undo(whitening, white) == pytest.approx(values, rel=1e-9, abs=1e-9)


def test_zca_decorrelates_the_features_and_only_standardizes_the_target():
    rng = np.random.default_rng(0)
    table = frame(rng.standard_normal((50, 3)) @ [[1, 0.8, 0.2], [0, 1, 0.4], [0, 0, 2]])
    whitening = whitening_of(table, "zca")
    white = whitening.apply(table).to_numpy()
    assert white[:, :2].T @ white[:, :2] / 50 == pytest.approx(np.eye(2), abs=1e-12)
    assert np.array_equal(white[:, 2], whiten(table, "standardize").to_numpy()[:, 2])
    assert np.allclose(whitening.decorrelation, whitening.decorrelation.T)
    assert undo(whitening, whitening.apply(table)) == pytest.approx(table.to_numpy(), abs=1e-12)


def test_none_changes_nothing_not_even_a_constant_column():
    table = TABLE.assign(chord=0.1)
    assert whiten(table, "none").equals(table)


@pytest.mark.parametrize("method", ["standardize", "zca"])
def test_a_constant_column_is_refused_by_name_even_where_rounding_hides_it(method):
    with pytest.raises(UserError, match=r"column chord is 0\.1 in every row"):
        whiten(TABLE.assign(chord=0.1), method)


def test_a_column_too_large_for_float64_arithmetic_is_refused_by_name():
    with pytest.raises(UserError, match="column velocity spans"):
        whiten(TABLE.assign(velocity=[1e308, -1e308, 1e308, -1e308]), "standardize")


@pytest.mark.parametrize(
    "values", [[1e39, 2.0, 3.0, 4.0], [1e-50, 2e-50, 0.0, 3e-50], [1.7e9, 1.7e9 + 1, 1.7e9 + 2, 1.7e9 + 3]]
)
def test_values_that_training_in_float32_would_lose_are_refused_by_name(values):
    with pytest.raises(UserError, match="column velocity spans .* float32 .* choose standardize"):
        whiten(TABLE.assign(velocity=values), "none")


def test_zca_refuses_linearly_dependent_features():
    with pytest.raises(UserError, match="linearly independent"):
        whiten(TABLE.assign(velocity=2 * TABLE["chord"] + 1), "zca")


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(UserError, match="data.whiten=pca is not allowed: choose one of none, standardize, zca"):
        whiten(TABLE, "pca")


def test_the_written_table_has_all_rows_in_float64_and_its_provenance(raw, tmp_path):
    out = whiten_file(raw, tmp_path / "new" / "small-standardize.parquet", small_config())
    table = pq.read_table(out)
    assert {str(kind) for kind in table.schema.types} == {"double"}
    assert table.num_rows == 4
    assert json.loads(table.schema.metadata[b"provenance"]) == json.loads(raw.with_suffix(".json").read_text())
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("method", ["standardize", "none"])
def test_the_written_means_and_deviations_map_values_back_to_units(raw, tmp_path, method):
    out = whiten_file(raw, tmp_path / "small.parquet", small_config(whiten=method))
    table = pq.read_table(out)
    whitening = json.loads(table.schema.metadata[b"whitening"])
    assert whitening["method"] == method
    assert [column["unit"] for column in whitening["columns"]] == ["m", "m/s", "dB"]
    velocity = whitening["columns"][1]
    values = table["velocity"].to_numpy() * velocity["deviation"] + velocity["mean"]
    assert values == pytest.approx([71.3, 55.5, -39.6, 31.7], rel=1e-14)


def test_a_failure_leaves_the_former_file_and_nothing_else(raw, tmp_path):
    out = tmp_path / "out" / "small.parquet"
    whiten_file(raw, out, small_config())
    before = out.read_bytes()
    raw.write_bytes(b"0.1\t1\t2\r\n" * 4)
    with pytest.raises(UserError):
        whiten_file(raw, out, small_config())
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(raw):
    with pytest.raises(UserError, match="cannot be written"):
        whiten_file(raw, raw / "small.parquet", small_config())  # below a file


def test_a_table_without_provenance_is_refused_and_told_how_to_get_it(raw, tmp_path):
    raw.with_suffix(".json").unlink()
    with pytest.raises(UserError, match=r"small\.json cannot be read .* python -m pipeline\.fetch"):
        whiten_file(raw, tmp_path / "small.parquet", small_config())


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "{'sha1': 1}"])
def test_a_spoilt_provenance_is_refused(raw, tmp_path, text):
    raw.with_suffix(".json").write_text(text)
    with pytest.raises(UserError, match="is not a provenance file"):
        whiten_file(raw, tmp_path / "small.parquet", small_config())


def test_a_table_changed_after_fetching_is_refused(raw, tmp_path):
    raw.write_bytes(SMALL_TABLE.replace(b"71.3", b"71.4"))
    with pytest.raises(UserError, match="delete it, and run snakemake again"):
        whiten_file(raw, tmp_path / "small.parquet", small_config())


def test_training_gets_the_first_rows_in_float32_with_the_last_column_as_target(raw, tmp_path):
    data = load_dataset(whiten_file(raw, tmp_path / "small.parquet", small_config(whiten="none")), rows=3)
    assert data.X.dtype == data.y.dtype == np.float32
    assert data.X.tolist() == np.float32([[0.3, 71.3], [0.3, 55.5], [0.1, -39.6]]).tolist()
    assert data.y.tolist() == np.float32([126.2, 125, 110]).tolist()
    assert data.columns == ("chord", "velocity", "sound_pressure")
    assert data.X.flags["C_CONTIGUOUS"]
    assert (data.name, data.offline_twin) == ("small", False)


def test_the_twin_is_called_the_twin_even_where_the_real_data_were_asked_for(tmp_path):
    path = fetch(airfoil_config(sources=["no-such-file"]), tmp_path)
    assert path.name == "airfoil.dat"
    data = load_dataset(whiten_file(path, tmp_path / "airfoil.parquet", airfoil_config()), rows=1500)
    assert (data.name, data.offline_twin) == ("airfoil_twin", True)
    assert data.X.shape == (1500, 5)
    assert data.provenance["offline_twin"] is True


@pytest.mark.parametrize("rows", [0, 5])
def test_more_rows_than_there_are_or_none_are_refused(raw, tmp_path, rows):
    out = whiten_file(raw, tmp_path / "small.parquet", small_config())
    with pytest.raises(UserError, match=f"data.rows={rows} is not allowed"):
        load_dataset(out, rows=rows)


def test_a_missing_file_a_foreign_file_and_a_foreign_table_are_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_dataset(tmp_path / "none.parquet", rows=1)
    path = tmp_path / "foreign.parquet"
    path.write_bytes(b"not parquet")
    with pytest.raises(UserError, match="is not a whitened table"):
        load_dataset(path, rows=1)
    TABLE.to_parquet(path)
    with pytest.raises(UserError, match="is not a whitened table"):
        load_dataset(path, rows=1)


def test_loading_data_does_not_import_torch():
    subprocess.run(
        [sys.executable, "-c", "import pipeline.lab.dataset, sys; assert 'torch' not in sys.modules"], check=True
    )


@needs_real_file
def test_the_real_data_start_at_the_documented_loss(tmp_path):
    path = fetch(airfoil_config(sources=[str(REAL_FILE)]), tmp_path)
    data = load_dataset(whiten_file(path, tmp_path / "airfoil.parquet", airfoil_config()), rows=1500)
    assert data.name == "airfoil"
    assert np.mean(data.y.astype(float) ** 2) / 2 == pytest.approx(0.4932590, abs=1e-6)
