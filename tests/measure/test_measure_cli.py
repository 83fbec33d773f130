"""The command line writes whole tables that say where they come from; every measurement is known everywhere."""

import re

import pytest

from pipeline import parts
from pipeline.lab.config import compose_data
from pipeline.lab.errors import UserError
from pipeline.measure import measurements
from pipeline.measure.__main__ import main
from pipeline.measure.table import Measured, read_measured, schema, write_measured
from pipeline.train.data import prepared


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    prepared(compose_data(["data=airfoil_twin"]), folder)
    return folder / "airfoil_twin-standardize.parquet"


def test_every_measurement_has_a_module_and_a_schema():
    opt_in = {"finders", "frameworks", "many_devices"}
    assert set(parts.configurations("measurement")) - set(measurements()) == opt_in
    for name in measurements():
        assert callable(parts.load("measurement", name).function)


def test_a_measurement_says_which_machine_and_data_it_speaks_of(twin, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pipeline.contrib.noise.measurement.noise_scale.BATCH_SIZES", (1, 8, 64))
    monkeypatch.setattr("pipeline.contrib.noise.measurement.noise_scale.TARGETS", (0.03,))
    out = tmp_path / "new" / "noise_scale.parquet"
    main(["noise_scale", "--data", str(twin), "--out", str(out)])
    measured = read_measured(out)
    assert measured.name == "noise_scale"
    assert measured.offline_twin
    assert measured.facts["data"]["rows"] == 1500
    assert measured.facts["machine"]["CPU"]
    assert measured.facts["versions"]["torch"]
    assert measured.table.columns.tolist() == schema("noise_scale").names
    assert [path.name for path in out.parent.iterdir()] == ["noise_scale.parquet"]
    assert str(out) in capsys.readouterr().out


@pytest.mark.slow
def test_other_cells_are_measured_by_step_cost_alone(twin, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pipeline.measure.step_cost.STEPS", {100: 2})
    monkeypatch.setattr("pipeline.parts.optimizers.names", lambda: ["sgd"])
    out = tmp_path / "step_cost.parquet"
    main(
        ["step_cost", "--data", str(twin), "--out", str(out), "--also", "model=mlp", "--also", "data=digits model=cnn"]
    )
    table = read_measured(out).table
    assert set(zip(table.model, table.data, strict=True)) == {
        ("linear", "airfoil_twin"),
        ("mlp", "airfoil_twin"),
        ("cnn", "digits"),
    }
    with pytest.raises(SystemExit):
        main(["noise_scale", "--data", str(twin), "--out", str(out), "--also", "model=mlp"])
    assert "--also is not allowed with noise_scale" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["step_cost", "--data", str(twin), "--out", str(out), "--also", "model=mlp model.widths=[9]"])
    assert "a model is measured as its file in conf/model has it" in capsys.readouterr().err


def test_what_is_missing_is_told_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["gradient_noise", "--out", str(tmp_path / "table.parquet")])
    assert ended.value.code == 2
    assert "add --data" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_measurement_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    with pytest.raises(UserError, match="cannot be read"):
        read_measured(path)
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="no measurement"):
        read_measured(path)


def test_a_table_that_lacks_a_column_is_not_written(tmp_path):
    path = tmp_path / "loading.parquet"
    with pytest.raises(KeyError):
        write_measured(Measured("loading", read_nothing(), {}), path)
    assert list(tmp_path.iterdir()) == []


def read_nothing():
    import pandas as pd

    return pd.DataFrame({"data": ["airfoil"]})


def test_the_index_page_has_every_claim_and_every_measurement():
    from pipeline.claims.ledger import read_ledger
    from pipeline.lab.paths import CONF

    page = (CONF.parent / "docs" / "measurements.md").read_text(encoding="utf-8")
    for claim in (claim for claim in read_ledger(CONF / "claims.yaml").claims if claim.source in "AB"):
        assert re.search(rf"^\| {claim.id} \|", page, flags=re.MULTILINE), claim.id
    for name in measurements():
        assert f"`{name}`" in page


@pytest.mark.slow
def test_the_workflow_knows_the_rules(run):
    listed = run("snakemake", "--list-rules", "--quiet")
    assert listed.returncode == 0, listed.stderr
    assert {f"measure_{name}" for name in measurements()} <= set(re.findall(r"\w+", listed.stdout))
