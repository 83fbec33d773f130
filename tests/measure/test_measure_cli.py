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


def test_a_process_adds_its_rows_to_those_before_and_all_are_pooled(tmp_path, capsys, monkeypatch):
    speed = iter([1.0, 4.0, 2.0])
    monkeypatch.setattr("pipeline.contrib.machine.measurement.vectorisation.SIZES", (8,))
    monkeypatch.setattr("pipeline.contrib.machine.measurement.vectorisation.N", 8)
    monkeypatch.setattr("pipeline.contrib.machine.measurement.vectorisation.BLOCKS", (2,))
    monkeypatch.setattr("pipeline.contrib.machine.measurement.vectorisation.thread_counts", lambda: [1])
    files = [tmp_path / f"{process}.parquet" for process in range(4)]
    for before, out in zip(files, files[1:], strict=False):
        seconds = next(speed)
        rows = lambda *_, seconds=seconds, **__: [  # noqa: E731 -- what is timed is of no matter here
            {"part": "methods", "method": "whole", "n": 8, "threads": 1, "repeats": 5, "equal": True}
            | dict.fromkeys(("seconds", "seconds_q25", "seconds_q75", "gigaflops"), seconds)
            | dict.fromkeys(("printed_2_over_t", "printed_003_over_t"), seconds)
        ]
        monkeypatch.setattr("pipeline.contrib.machine.measurement.vectorisation.measure_methods", rows)
        main(["vectorisation", "--out", str(out), *(["--after", str(before)] if before.exists() else [])])
    measured = read_measured(files[-1])
    own = measured.table[measured.table["part"] == "methods"]
    assert own["process"].tolist() == [1, 2, 3] and own["seconds"].tolist() == [1, 4, 2]
    (pooled,) = measured.pooled[measured.pooled["part"] == "methods"].to_dict("records")
    assert (pooled["seconds"], pooled["repeats"]) == (2, 15)
    assert list(measured.pooled.columns) == list(measured.table.columns)
    assert set(measured.table.loc[measured.table["part"] == "sizes", "process"]) == {1}, "no claim needs it"

    other = Measured(measured.name, measured.table, {**measured.facts, "machine": {"CPU": "another"}})
    write_measured(other, files[0])
    main(["vectorisation", "--out", str(files[1]), "--after", str(files[0])])
    assert set(read_measured(files[1]).table["process"]) == {4}, "times of two machines are never put together"
    with pytest.raises(SystemExit):
        main(["vectorisation", "memory", "--out", str(files[1])])
    assert "--out is not allowed with 1 files: 2 are measured" in capsys.readouterr().err


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
