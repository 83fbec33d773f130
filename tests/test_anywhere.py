"""The lab works from any folder: as a checkout, as a module of another workflow, and installed."""

import subprocess
import sys

import pandas as pd
import pytest
from repository import ROOT, copy_repository

pytestmark = pytest.mark.slow

SMALL = ("--config", "studies=[textbook]", "measurements=[]", "overrides=[data=airfoil_twin,epochs=1,seeds=1]")
MODULE = """
module lab:
    snakefile: "SNAKEFILE"
    config: {"results": "made", "overrides": ["data=airfoil_twin", "epochs=1", "seeds=1"]}

use rule * from lab as lab_*

rule mine:
    default_target: True
    input: "made/textbook/runs.parquet"
    output: "mine.txt"
    shell: "touch {output}"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder in which the wheel is installed, and nothing else of the lab."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_repository(folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-compile"]
    subprocess.run([*pip, "--target", folder / "site", source], check=True)
    return folder / "site"


def succeeds(done):
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize("place", ["checkout", "wheel"])
def test_stages_and_workflow_run_where_they_are_started(place, request, run, tmp_path):
    package = ROOT if place == "checkout" else request.getfixturevalue("installed")
    here = {"cwd": tmp_path, "PYTHONPATH": str(package)}
    train = ("data=airfoil_twin", "epochs=1", "track=false", "hydra/launcher=stacked", "lr=0.1,0.2")
    succeeds(run("python", "-m", "pipeline.train", "-m", *train, **here))
    assert len(list(tmp_path.glob("multirun/**/runs.parquet"))) == 2

    snakefile = run("python", "-m", "pipeline.workflow", **here).stdout.strip()
    assert snakefile.startswith(str(package))
    said = succeeds(run("snakemake", "-s", snakefile, "--directory", ".", "--cores", "2", *SMALL, **here))
    assert "profiles/default" in said
    made = {path.name for path in tmp_path.iterdir()} - {".snakemake", "multirun"}
    assert {"results", "mlflow.db"} <= made <= {"results", "mlflow.db", "mlflow.db.lock", "mlruns"}
    assert (tmp_path / "results" / "report.html").stat().st_size > 100_000
    again = run("snakemake", "-s", snakefile, "--directory", ".", "--cores", "2", *SMALL, **here)
    assert "Nothing to be done" in succeeds(again)


def test_a_checkout_is_run_in_another_folder(run, tmp_path):
    said = succeeds(run("snakemake", "--directory", tmp_path, "--cores", "2", "textbook", "-n", *SMALL, cwd=ROOT))
    assert "Train study textbook, job all" in said
    said = succeeds(run("snakemake", "-s", ROOT / "Snakefile", "--cores", "2", "textbook", "-n", *SMALL, cwd=tmp_path))
    assert "Train study textbook, job all" in said


def test_the_lab_is_a_module_of_another_workflow(run, tmp_path):
    (tmp_path / "Snakefile").write_text(MODULE.replace("SNAKEFILE", str(ROOT / "Snakefile")))
    succeeds(run("snakemake", "--cores", "2", cwd=tmp_path))
    assert (tmp_path / "mine.txt").exists()
    assert (tmp_path / "made" / "textbook" / "study.json").exists()


PROJECT = {
    "conf/nets.py": """from torch import nn


class Net(nn.Sequential):
    def __init__(self, in_features, out_features, hidden=16):
        super().__init__(nn.Linear(in_features, hidden), nn.Tanh(), nn.Linear(hidden, out_features))
""",
    "conf/study/mine.yaml": """name: mine
title: My network on my table
engine: stacked
seeds: 2
common: {data: table, data.path: mine.csv, data.target: price, model: nets.py:Net, epochs: 2}
grid: {optimizer: [sgd, adam], batch_size: [64], lr: [0.003, 0.03, 0.3], model.hidden: [4, 8]}
""",
    "mine.csv": "a,b,price\n" + "".join(f"{i % 7},{i % 11},{3 * (i % 7) + i % 11}.5\n" for i in range(200)),
}


def test_a_project_of_three_files_with_the_installed_lab_goes_from_start_to_report(installed, run, tmp_path):
    """Data, model and study: nothing of the lab's own is there, and no other study runs."""
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    here = {"cwd": tmp_path, "PYTHONPATH": str(installed), "AIRFOIL_DATA": ""}
    snakefile = run("python", "-m", "pipeline.workflow", **here).stdout.strip()
    chosen = ("--config", "studies=[mine]", "measurements=[]")
    succeeds(run("snakemake", "-s", snakefile, "--directory", ".", "--cores", "2", *chosen, **here))
    page = (tmp_path / "results" / "report.html").read_text(encoding="utf-8")
    for words in ("My network on my table", "nets.py:Net", "hidden 8", "price", "unknown"):
        assert words in page
    runs = pd.read_parquet(tmp_path / "results" / "mine" / "runs.parquet")
    target = ("--target", runs[runs.optimizer == "adam"].final_validation_loss.median())
    said = succeeds(run("python", "-m", "pipeline.analysis.advise", "adam", "--study", "mine", *target, **here))
    command = next(line.partition(": ")[2] for line in said.splitlines() if line.startswith("For "))
    assert "data=table" in command and "model=conf/nets.py:Net" in command
    succeeds(run("bash", "-c", f"{command} track=false out=again", **here))
    assert (tmp_path / "again" / "runs.parquet").is_file()
