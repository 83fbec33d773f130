"""The same refusals through real processes: what the other tests call is what the command line calls."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.inputs.door import complaints, listing, the_sentence

pytestmark = pytest.mark.slow

TRAIN = [
    *(["lr=nan"], ["lr=inf"], ["batch_size=1501"], ["epochs=1000000000"], ["optimizer=sdg"], ["lrr=1"], ["lr=["]),
    *(["label='$(touch x)'", "lr=0"], ["-m", "lr=range(1,1000000000)"], ["-m", "hydra/launcher=stacked", "lr=0.1,-1"]),
    *(["hydra.callbacks.x._target_=os.system"], ["study=textbok"], ["study=textbook", "job=;ls"], ["out=/dev/null/x"]),
    *(["mlflow_uri=postgresql://ada:secret@db/x"], ["label=\udcff"], ["--experimental-rerun=x.pickle"]),
    ["implementation=torch", "optimizer.torch._target_=torch.optim.Sgd"],
    ["implementation=torch", "+optimizer.torch.weight_decai=0.1"],
]
CONFIG = [
    "overrides=[lr=nan]",
    "overrides=[lrr=1]",
    "results=Makefile",
    "studies=5",
    "lr=1",
    "overrides=[seeds=1000000]",
]


@pytest.mark.parametrize("arguments", TRAIN, ids=" ".join)
def test_training_is_refused(run, tmp_path, arguments):
    places = [f"{key}={tmp_path}/{key}" for key in ("hydra.run.dir", "hydra.sweep.dir", "data_dir")]
    done = run(sys.executable, "-m", "pipeline.train", *arguments, "data=airfoil_twin", "track=false", *places)
    sentence = the_sentence(done.returncode, done.stderr, arguments)
    assert "secret" not in sentence
    assert "Traceback" not in done.stdout + done.stderr
    assert len(complaints(done.stderr).splitlines()) == 1
    assert listing(tmp_path) == []


@pytest.mark.parametrize("config", CONFIG)
def test_a_workflow_is_refused(run, lab_copy, config):
    before = {name for name in listing(lab_copy) if not name.startswith((".git", ".snakemake"))}
    done = run("snakemake", "-n", "textbook", "--config", config, cwd=lab_copy)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode != 0
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert {name for name in listing(lab_copy) if not name.startswith((".git", ".snakemake"))} == before


@pytest.mark.parametrize("content", [b"", b"<html>", b"1\t2\t3\t4\t5\tnan\n", b"\xff\x00", b"9" * 10**6])
def test_data_are_refused(run, tmp_path, content):
    given, out = tmp_path / "given.dat", tmp_path / "out"
    given.write_bytes(content)
    done = run(sys.executable, "-m", "pipeline.fetch", "--out", out, AIRFOIL_DATA=str(given))
    assert str(given) in the_sentence(done.returncode, done.stderr)
    done = run(sys.executable, "-m", "pipeline.whiten", "--raw", given, "--out", out / "x.parquet")
    assert str(given) in the_sentence(done.returncode, done.stderr)
    assert listing(tmp_path) == ["given.dat"]


HOSTILE = "re sults $(touch pwned); touch pwned2 & 'x' \"y\" é`touch pwned3`"
STUDY = """
defaults: [base_study, _self_]
name: mine
seeds: 2
engine: stacked
common: {data: airfoil_twin, batch_size: 1500, epochs: 1}
cells:
  $(touch pwned): {lr: 0.1}
  "'; touch pwned #": {lr: 0.2}
  "\\u202e👩‍🔬 \\n$x^{$": {lr: 5e-2}
"""


def test_a_hostile_folder_and_hostile_labels_are_only_names(run, lab_copy):
    (lab_copy / "conf" / "study" / "mine.yaml").write_text(STUDY)
    before = set(lab_copy.iterdir())
    done = run(
        *("snakemake", "--cores", "2"),  # every stage: tables, MLflow, figures, claims, report
        *("--config", f"results={HOSTILE}", "studies=[mine]", "measurements=[]", "overrides=[data=airfoil_twin]"),
        cwd=lab_copy,
        MLFLOW_TRACKING_URI=f"sqlite:///{lab_copy}/mlflow.db",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made = {path.name for path in set(lab_copy.iterdir()) - before}
    assert {name for name in made if "mlflow" not in name} == {HOSTILE, ".snakemake", "mlruns"}
    from pipeline.lab.tables import RUNS, read_table

    runs = read_table(Path(lab_copy, HOSTILE, "mine", "runs.parquet"), RUNS)
    assert sorted(runs.lr.unique()) == [0.05, 0.1, 0.2]
    assert Path(lab_copy, HOSTILE, "report.html").stat().st_size > 0
    shutil.rmtree(lab_copy / HOSTILE)


def test_a_study_named_like_a_rule_or_a_command_is_refused(run, lab_copy):
    for name in ("train", "$(touch pwned)"):
        file = lab_copy / "conf" / "study" / f"{name}.yaml"
        file.write_text("defaults: [base_study, _self_]\nname: mine\n")
        done = run("snakemake", "-n", "textbook", cwd=lab_copy)
        assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] != []
        assert "Traceback" not in done.stderr
        file.unlink()
    assert not (lab_copy / "pwned").exists()
