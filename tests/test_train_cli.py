"""``python -m pipeline.train``: one cell, a product of cells, a study; mistakes in one sentence."""

import re
import sys

import pytest

from pipeline.lab.tables import CURVES, RUNS, read_table

LINE = r"loss: 0\.24\d, 0\.\d+ sec/epoch"


@pytest.fixture
def train(run, tmp_path):
    """Train on the twin, below a temporary folder."""

    def command(*arguments, **environment):
        fixed = ["data=airfoil_twin", "track=false", f"data_dir={tmp_path}/data"]
        return run(sys.executable, "-m", "pipeline.train", *arguments, *fixed, **environment)

    return command


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["lr=nan"], "lr=nan is not allowed: it must be a finite number above 0"),
        (["batch_size=1501"], "batch_size=1501 is not allowed: airfoil_twin has 1500"),
        (["lr=abc"], "Value 'abc' of type 'str' could not be converted to Float"),
        (["lrr=0.1"], "lrr=0.1 is not allowed: there is no such key"),
        (["lrr=0.1"], "did you mean lr?"),
        (["optimizer=sdg"], "optimizer=sdg is not allowed: choose one of adadelta"),
        (["optimizer=sdg"], "did you mean sgd?"),
        (["model._target_=os.system"], "model._target_=os.system is not allowed"),
        (["study=textbook", "job=some"], "job=some is not allowed: choose one of all"),
        (["study=textbook", "lr=-1"], "lr=-1.0 is not allowed"),
        (["-m", "lr=0.1,-1"], "lr=-1.0 is not allowed"),
        (["-m", "hydra/launcher=stacked", "lr=0.1,-1"], "lr=-1.0 is not allowed"),
    ],
)
def test_a_mistake_ends_with_a_sentence_and_no_traceback_and_trains_nothing(train, tmp_path, arguments, told):
    out = [f"hydra.run.dir={tmp_path}/out", f"hydra.sweep.dir={tmp_path}/out"]
    done = train(*arguments, *out, "epochs=1")
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_one_cell_prints_the_chapters_line_and_writes_its_tables(train, tmp_path):
    out = tmp_path / "out"
    done = train("optimizer=sgd", "batch_size=10", "lr=0.05", f"hydra.run.dir={out}")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(LINE, done.stdout.strip().splitlines()[-1])
    runs, curves = read_table(out / "runs.parquet", RUNS), read_table(out / "curves.parquet", CURVES)
    assert runs[["data", "optimizer", "batch_size", "lr", "seed"]].to_numpy().tolist() == [
        ["airfoil_twin", "sgd", 10, 0.05, 0]
    ]
    assert curves.examples.max() == 3000
    assert (out / ".hydra" / "config.yaml").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_a_multirun_makes_the_product_each_cell_in_its_own_folder(train, tmp_path, launcher):
    out = tmp_path / "out"
    done = train("-m", f"hydra/launcher={launcher}", "batch_size=10,100", "lr=0.005,0.05", f"hydra.sweep.dir={out}")
    assert done.returncode == 0, done.stderr
    cells = []
    for number in range(4):
        runs = read_table(out / str(number) / "runs.parquet", RUNS)
        assert len(runs) == 1
        cells.append((runs.batch_size.item(), runs.lr.item()))
    assert cells == [(10, 0.005), (10, 0.05), (100, 0.005), (100, 0.05)]
    assert len(re.findall(r"loss: 0\.\d{3}, ", done.stdout)) == 4


@pytest.mark.slow
def test_a_study_may_train_the_same_data_with_other_rows_and_another_whitening(run, lab_copy):
    (lab_copy / "conf" / "study" / "rows.yaml").write_text(
        "defaults: [base_study, _self_]\nname: rows\ncommon: {data: airfoil_twin, batch_size: 100, epochs: 1}\n"
        "cells: {all: {}, half: {data.rows: 750}, zca: {data.whiten: zca}}\n"
    )
    done = run(sys.executable, "-m", "pipeline.train", "study=rows", "track=false", "out=out", cwd=lab_copy)
    assert done.returncode == 0, done.stderr
    runs = read_table(lab_copy / "out" / "runs.parquet", RUNS)
    assert runs.examples.tolist() == [1500, 750, 1500]
    assert runs.steps.tolist() == [15, 8, 15]
    assert runs.final_loss.nunique() == 3
    assert [line.split(":")[0] for line in done.stdout.splitlines()[-3:]] == ["all", "half", "zca"]
