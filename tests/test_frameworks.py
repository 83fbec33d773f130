"""Other frameworks: the pins, the problem, what becomes of failures, the tables and the figure."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.contrib.frameworks import FRAMEWORKS
from pipeline.contrib.frameworks.__main__ import main
from pipeline.contrib.frameworks.environment import PINS, make_environment, pinned_version, read_pins, why_not
from pipeline.contrib.frameworks.figure.frameworks import caption, frameworks
from pipeline.contrib.frameworks.harness import Contender, Product, time_product, time_runs
from pipeline.contrib.frameworks.launch import failed, measure
from pipeline.contrib.frameworks.prepare import chosen_cells, make_problem
from pipeline.contrib.frameworks.problem import load_problem, save_problem
from pipeline.contrib.frameworks.reference import reference_losses
from pipeline.contrib.frameworks.table import CURVES, aggregate
from pipeline.figures import style
from pipeline.lab.errors import UserError
from pipeline.lab.tables import read_table, write_table
from pipeline.measure.table import Measured, read_measured, write_measured
from pipeline.train.cells import train_cells
from pipeline.workflow.inputs import Inputs
from pipeline.workflow.settings import read_settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def problem(dataset):
    return make_problem(chosen_cells(["data=airfoil_twin"]), dataset)


@pytest.fixture(scope="module")
def small(problem):
    return dataclasses.replace(problem, runs=[run for run in problem.runs if run.batch_size > 1])


class NumpyTrainer:
    """Trains as a framework would, wrongly where ``slip`` is not 0, and breaks after so many steps."""

    def __init__(self, problem, run, slip=0.0, steps=10**9):
        self.problem, self.run, self.slip, self.left = problem, run, slip, steps
        self.X, self.y = problem.X.astype(float), problem.y.astype(float)

    def reset(self):
        self.w, self.b = self.problem.w.astype(float), self.problem.b.astype(float)

    def minibatches(self, order, batch_size):
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield self.X[rows], self.y[rows]

    def step(self, X, y):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("no more memory\nand more lines")
        error = X @ self.w + self.b - y
        self.w -= self.run.lr * (1 + self.slip) * X.T @ error / len(X)
        self.b -= self.run.lr * error.mean()

    def wait(self):
        pass

    def loss(self):
        return float(np.mean((self.X @ self.w + self.b - self.y) ** 2) / 2)


def rows_of(problem, framework, **slips):
    contenders = [Contender(run, "eager", lambda run=run: NumpyTrainer(problem, run, **slips)) for run in problem.runs]
    rows = time_runs(contenders, problem, repeats=2)
    B, C = (matrix.astype(np.float64) for matrix in (problem.B, problem.C))
    rows.append(time_product(Product("whole", "eager", lambda: B @ C), B @ C))
    return [{"framework": framework, "version": "1.0", **row} for row in rows]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_pins_are_exact_and_name_the_framework(framework):
    pins = read_pins(PINS / f"{framework}.txt")
    assert pinned_version(framework, pins)
    assert "numpy" in pins
    assert len(pins) > 4  # what it needs is pinned too


def test_mxnet_has_the_numpy_it_works_with():
    assert read_pins(PINS / "mxnet.txt")["numpy"] == "1.23.5"


@pytest.mark.parametrize("line", ["numpy>=1", "numpy", "-r other.txt", "torch==2.*", "--index-url http://x"])
def test_a_pin_that_is_not_exact_is_refused(line, tmp_path):
    path = tmp_path / "pins.txt"
    path.write_text(f"# a comment\n{line}\n")
    with pytest.raises(UserError, match="line 2"):
        read_pins(path)


def test_why_not_is_one_sentence():
    said = "WARNING: this\nERROR: Could not find a version\nERROR: No matching distribution found for mxnet==1.9.1\n"
    assert "no wheel of mxnet==1.9.1 for Python" in why_not("mxnet", said)
    assert "does not answer" in why_not("mxnet", "Retrying: NewConnectionError\n" + said)
    assert why_not("jax", "odd\nERROR: disk full\n") == "the environment of jax cannot be made: disk full"


def test_problem_survives_the_disk(problem, tmp_path):
    save_problem(problem, tmp_path / "problem.npz")
    again = load_problem(tmp_path / "problem.npz")
    assert again.runs == problem.runs
    assert [run.name for run in again.runs] == ["gd", "sgd", "minibatch 100", "minibatch 10", "concise"]
    for name in ("X", "y", "w", "b", "orders", "B", "C"):
        np.testing.assert_array_equal(getattr(again, name), getattr(problem, name))
    assert all(sorted(order) == list(range(1500)) for order in again.orders)


def test_a_problem_that_is_none_is_told(tmp_path):
    (tmp_path / "problem.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="prepare it again"):
        load_problem(tmp_path / "problem.npz")


def test_an_override_that_the_scripts_ignore_is_refused():
    with pytest.raises(UserError, match="optimizer=adam is not allowed"):
        chosen_cells(["optimizer=adam"])


@pytest.mark.slow
def test_tables_of_two_frameworks_and_a_failed_one(small, tmp_path):
    measured = rows_of(small, "pytorch") + rows_of(small, "jax")
    measured.append(failed("mxnet", "environment", "there is no wheel of mxnet==1.9.1"))
    table, curves = aggregate(measured, small)
    write_measured(Measured("frameworks", table, {}), tmp_path / "frameworks.parquet")
    write_table(curves, CURVES, tmp_path / "curves.parquet")
    measured_table = read_measured(tmp_path / "frameworks.parquet")
    table = measured_table.table
    curves = read_table(tmp_path / "curves.parquet", CURVES)
    ok = table[table.status == "ok"]
    assert len(table) == len(measured)
    assert set(ok.framework) == {"pytorch", "jax"}
    trained, products = ok[ok.kind != "product"], ok[ok.kind == "product"]
    assert trained.loss_difference.max() < 1e-6
    assert (trained.seconds_per_epoch > 0).all()
    np.testing.assert_allclose(products.gigaflops, 2 * 256**3 / products.seconds / 1e9)
    (row,) = table[table.framework == "mxnet"].itertuples()
    assert (row.status, row.version, row.message) == ("error", "1.9.1", "there is no wheel of mxnet==1.9.1")
    # every reading of every run
    assert len(curves) == 2 * sum(len(run.intervals) + 1 for run in small.runs)
    assert curves[curves.name == "concise"].examples.max() == 6000
    figure = frameworks(measured_table)
    style.save(figure, tmp_path / "frameworks")
    assert "MXNet: there is no wheel of mxnet==1.9.1." in caption(measured_table)
    assert "MXNet 1.9.1: failed" in "".join(text.get_text() for text in figure.legends[0].get_texts())


@pytest.mark.slow
def test_wrong_losses_are_an_error(small):
    table, _ = aggregate(rows_of(small, "jax", slip=0.01), small)
    wrong = table[table.kind == "concise"].iloc[0]
    assert wrong.status == "error"
    assert "by float64 numpy" in wrong.message


def test_a_run_that_breaks_leaves_the_others_alone(problem):
    run = next(run for run in problem.runs if run.name == "minibatch 100")
    contenders = [
        Contender(run, "eager", lambda: NumpyTrainer(problem, run, steps=20)),
        Contender(run, "compiled", lambda: NumpyTrainer(problem, run)),
        Contender(run, "eager", lambda: 1 / 0),
    ]
    rows = time_runs(contenders, problem, repeats=3)
    assert [row["status"] for row in rows] == ["error", "ok", "error"]
    assert rows[0]["message"] == "RuntimeError: no more memory"
    assert len(rows[1]["seconds"]) == 3


def test_a_product_that_is_wrong_is_an_error():
    row = time_product(Product("whole", "eager", lambda: np.ones((2, 2))), np.zeros((2, 2)))
    assert row["status"] == "error"
    assert "off by 1" in row["message"]


def test_a_diverging_run_is_no_error(problem):
    run = dataclasses.replace(problem.runs[0], lr=1e3)
    wild = dataclasses.replace(problem, runs=[run])
    table, curves = aggregate(rows_of(wild, "jax"), wild)
    assert table.status.tolist() == ["diverged", "ok"]
    assert len(curves) == 11


def test_nothing_measured_can_still_be_drawn(small, tmp_path):
    table, curves = aggregate([failed(name, "script", "it ended by SIGSEGV") for name in FRAMEWORKS], small)
    write_table(curves, CURVES, tmp_path / "curves.parquet")
    nothing = Measured("frameworks", table, {})
    style.save(frameworks(nothing), tmp_path / "frameworks")
    assert "JAX: it ended by SIGSEGV." in caption(nothing)


def test_a_failed_environment_is_a_row_and_not_a_failed_command(small, tmp_path, capsys):
    (tmp_path / "environment.json").write_text(json.dumps({"python": "", "message": "the disk is full"}))
    save_problem(small, tmp_path / "problem.npz")
    files = {name: str(tmp_path / name) for name in ("environment.json", "problem.npz", "measured.json")}
    common = ["--problem", files["problem.npz"]]
    main(["run", "jax", "--environment", files["environment.json"], *common, "--out", files["measured.json"]])
    tables = ["--out", str(tmp_path / "table.parquet"), "--curves", str(tmp_path / "curves.parquet")]
    main(["collect", files["measured.json"], *common, *tables])
    assert "jax environment: error: the disk is full" in capsys.readouterr().out
    main(["draw", str(tmp_path / "table.parquet"), "--out", str(tmp_path / "figures")])
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".svg", ".png", ".txt"}


def test_a_script_that_cannot_start_is_a_row(problem, tmp_path):
    save_problem(problem, tmp_path / "problem.npz")
    (row,) = measure("jax", tmp_path / "no-python", tmp_path / "problem.npz")
    assert (row["kind"], row["status"]) == ("script", "error")
    assert "make the environment again" in row["message"]


def test_a_script_without_its_framework_is_a_row(problem, tmp_path):
    pytest.importorskip("torch")
    save_problem(problem, tmp_path / "problem.npz")
    (row,) = measure("mxnet", Path(sys.executable), tmp_path / "problem.npz")
    assert row["status"] == "error"
    assert "ModuleNotFoundError: No module named 'mxnet'" in row["message"]


@pytest.mark.slow
def test_an_environment_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    pins = tmp_path / "pins.txt"
    pins.write_text("# nothing\n")
    python = make_environment("jax", tmp_path / "env", pins)
    made = (tmp_path / "env" / "pyvenv.cfg").stat().st_mtime_ns
    assert make_environment("jax", tmp_path / "env", pins) == python
    assert (tmp_path / "env" / "pyvenv.cfg").stat().st_mtime_ns == made
    pins.write_text("no-such-distribution-of-this-lab==0.0.1\n")
    with pytest.raises(UserError, match="there is no wheel of no-such-distribution-of-this-lab==0.0.1 for Python"):
        make_environment("jax", tmp_path / "env", pins)


def test_the_default_figures_take_the_table_where_it_is(tmp_path):
    inputs = Inputs(read_settings({"results": str(tmp_path)}))
    assert inputs.opted_in == []
    before = inputs.opted_in_digest
    table = Path(inputs.measured("frameworks"))
    table.parent.mkdir()
    table.write_bytes(b"anything")
    assert inputs.opted_in == [table.as_posix()]
    assert inputs.opted_in_digest != before


@pytest.mark.slow
def test_pytorch_agrees_with_the_lab_and_with_numpy(problem, dataset, tmp_path):
    save_problem(problem, tmp_path / "problem.npz")
    rows = measure("pytorch", Path(sys.executable), tmp_path / "problem.npz", ["--repeats", "1", "--no-products"])
    table, curves = aggregate(rows, problem)
    assert table.status.tolist() == ["ok"] * 5
    cells = [
        dataclasses.replace(cell, config=dataclasses.replace(cell.config, seeds=1))
        for cell in chosen_cells(["data=airfoil_twin"])
    ]
    _, own = train_cells(cells, {dataset.name: dataset})
    for cell, run in zip(cells, problem.runs, strict=True):
        there = curves[curves.name == run.name]
        here = own[own.cell_id == cell.id]
        assert there.step.tolist() == here.step.tolist()
        np.testing.assert_allclose(there.loss, here.loss, atol=1e-4)
        np.testing.assert_allclose(there.loss, reference_losses(problem, run), atol=1e-5)
