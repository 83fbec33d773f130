"""A whole workflow, small: every stage from fetch to the report and MLflow, in a copy of the repository."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lab.settings import EXPERIMENT
from pipeline.track.owner import FILE as OWNER
from tests.repository import copy_repository

#: Of each engine, and on images too, so that every kind of file is written.
STUDY = """
defaults: [base_study, _self_]
name: small
title: On two data sets
engine: stacked
pack_by: []
seeds: 2
common: {lr: 0.05, batch_size: 100, epochs: 2}
cells:
  line: {data: airfoil_twin}
  line, faster: {data: airfoil_twin, lr: 0.1}
  digits: {data: digits, model: mlp}
"""
COMMAND = (
    *("snakemake", "--cores", "2", "--config", "studies=[textbook,small]", "measurements=[gradient_noise]"),
    "overrides=[data=airfoil_twin,seeds=2,epochs=1]",
)
#: Columns that are readings of a clock: two runs agree in all others.
CLOCKS = {"train_seconds", "seconds_per_epoch", "seconds"}
#: What Python, Snakemake and SQLite keep for themselves.
_OTHERS_OWN = {".snakemake", "__pycache__", "mlflow.db-wal", "mlflow.db-shm"}


class Workspace:
    """A folder in which the workflow can be started.

    Parameters
    ----------
    folder : Path
        A copy of the repository.
    """

    def __init__(self, folder):
        self.folder = folder
        self.said = folder.parent / f"{folder.name}.log"

    @classmethod
    def fresh(cls, folder):
        """Copy the repository, with a study of the harness's own."""
        copy_repository(folder)
        (folder / "conf" / "study" / "small.yaml").write_text(STUDY)
        # Compiled once, not again by each of the copies of this copy.
        subprocess.run([sys.executable, "-m", "compileall", "-q", "pipeline"], cwd=folder, check=True)
        return cls(folder)

    def copy(self, folder):
        """Copy a workspace in which nothing is running, its MLflow store with it."""
        shutil.copytree(self.folder, folder)
        return Workspace(folder)

    def own_the_runs_that_were_copied(self):
        """Make the copied MLflow runs this workspace's own; a copy of a folder is another owner otherwise."""
        for path in (self.folder / "results").rglob(OWNER):
            known = json.loads(path.read_text()) | {"inode": path.parent.stat().st_ino}
            path.write_text(json.dumps(known))

    def start(self, *arguments):
        """Start the workflow in a process group of its own."""
        environment = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        with self.said.open("ab") as said:
            return subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=self.folder,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *arguments):
        """Run the workflow to its end; its exit status and how long it took."""
        start = time.monotonic()
        return self.start(*arguments).wait(), time.monotonic() - start

    def last_words(self):
        """What the workflow said last."""
        return self.said.read_text(errors="replace")[-2000:] if self.said.exists() else "it never ran"

    def processes(self):
        """Every process that works in this folder, whoever started it."""
        found = []
        for process in psutil.process_iter(["pid", "cwd", "cmdline"]):
            cwd = process.info["cwd"]
            if cwd and Path(cwd).is_relative_to(self.folder):
                found.append(process)
        return found

    # -- what it made

    def files(self):
        """Every file, but for what Python, Snakemake and SQLite keep for themselves."""
        every = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return {_ID.sub("ID", path.as_posix()) for path in every if not _OTHERS_OWN & set(path.parts)}

    def artifact_runs(self):
        """The ids of the MLflow runs that have artifacts."""
        return {found[0] for path in (self.folder / "mlruns").rglob("artifacts") if (found := _RUN.search(str(path)))}

    def tables(self):
        """A digest of what every table and data file holds, clocks aside."""
        results = self.folder / "results"
        found = {}
        for path in sorted(results.rglob("*")):
            if path.suffix == ".parquet":
                found[path.relative_to(results).as_posix()] = content(path)
            elif path.suffix in {".dat", ".npz"} or path.match("data/**/*"):
                found[path.relative_to(results).as_posix()] = path.is_file() and _digest(path.read_bytes())
        return found

    def logged(self):
        """(study, cell, status, is deleted, id) of every run in the MLflow store."""
        from mlflow.entities import ViewType

        client, experiment = self.store()
        runs = client.search_runs([experiment], run_view_type=ViewType.ALL, max_results=5000)
        return [
            (
                run.data.tags.get("study", "?"),
                run.data.tags.get("cell_id", "?"),
                run.info.status,
                run.info.lifecycle_stage != "active",
                run.info.run_id,
            )
            for run in runs
        ]

    def store(self):
        """The MLflow store's client and the experiment's id."""
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{self.folder / 'mlflow.db'}")
        experiments = [each for each in client.search_experiments() if each.name == EXPERIMENT]
        assert len(experiments) == 1, experiments
        return client, experiments[0].experiment_id


#: An MLflow run's id, which is drawn at random.
_RUN = re.compile(r"(?<=/)[0-9a-f]{32}(?=/)")
_ID = re.compile(r"(?<=/)(m-)?[0-9a-f]{32}(?=/)")  # or that of a model
_UNWANTED = {"AIRFOIL_DATA", "MLFLOW_TRACKING_URI", "PYTHONDONTWRITEBYTECODE"}


def content(path):
    """A digest of the columns of a table that no clock filled: of their types and of every bit."""
    table = pq.read_table(path).replace_schema_metadata(None)
    table = table.drop_columns([name for name in table.column_names if name in CLOCKS]).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return _digest(sink.getvalue())


def _digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def kill(workspace, leader):
    """SIGKILL the workflow's group and every process of it that has left the group; what they were running."""
    found = {process.pid: process for process in [*workspace.processes(), *_descendants(leader.pid)]}
    running = sorted({stage for process in found.values() if (stage := _stage(process))})
    os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
    deadline = time.monotonic() + 60
    while left := workspace.processes():
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        assert time.monotonic() < deadline, f"these will not die: {left}"
        time.sleep(0.02)
    return running or ["snakemake"]


def _descendants(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _stage(process):
    """``train``, where a process runs ``python -m pipeline.train``."""
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return None
    found = re.match(r"\S*python\S* -m pipeline\.(\w+)", command)
    return found and found[1]
