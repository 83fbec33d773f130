"""The cluster that these tests share, and the workflow run on it."""

import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT

from .slurm_node import CORES, WITH_US, running, why_not

#: Where the logs of the runs are left, for whoever wants to see what Slurm did.
KEPT = Path(os.environ.get("SLURM_TEST_LOGS", ROOT / "results" / "logs" / "slurm-tests"))
#: What a laptop's cluster wants otherwise than the profile says: its own number of cores, and to be looked at often.
HERE = (f"--cores={CORES}", "--slurm-init-seconds-before-status-checks=3", "--latency-wait=20")


@pytest.fixture(scope="session")
def cluster(worker_id):
    """A Slurm of one node; its daemons' logs are kept."""
    if why_not():
        pytest.skip(why_not())
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: a socket's path has 108 characters at most
    try:
        with running(folder) as node:
            yield node
    finally:
        keep(folder / "log", f"daemons-{worker_id}")
        shutil.rmtree(folder, ignore_errors=True)


def keep(folder, name):
    """Copy a folder of logs to where they are kept."""
    if folder.is_dir():
        shutil.copytree(folder, KEPT / name, dirs_exist_ok=True)


class SlurmLab:
    """A copy of the repository, and ``snakemake --workflow-profile profiles/slurm`` in it."""

    def __init__(self, folder, cluster, log):
        self.folder = folder
        self.cluster = cluster
        self.before = set(cluster.jobs())
        self.log = log
        self.started = []

    def jobs(self):
        """What Slurm tells of the jobs that this test has sent, by number."""
        return {number: job for number, job in sorted(self.cluster.jobs().items()) if number not in self.before}

    def start(self, *arguments):
        """Start the workflow; what it says goes into its log."""
        environment = {**os.environ, **self.cluster.environment}
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
        with self.log.open("wb") as log:
            running = subprocess.Popen(
                [*WITH_US, "snakemake", "--workflow-profile", "profiles/slurm", *HERE, *arguments],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.started.append(running)
        return running

    def finish(self, running):
        """Wait for the workflow's end; return its exit status and what it said."""
        status = running.wait(timeout=900)
        return status, self.log.read_text()

    def makes(self, *arguments):
        """Run the workflow, which must succeed."""
        status, said = self.finish(self.start(*arguments))
        assert status == 0, said[-4000:]


@pytest.fixture
def slurm_lab(cluster, lab_copy, tmp_path, request):
    """The workflow on the cluster. Its logs are kept under the test's name; no job outlives the test."""
    lab = SlurmLab(lab_copy, cluster, tmp_path / "snakemake.log")
    try:
        yield lab
    finally:
        for running in lab.started:  # if the test failed before its end
            if running.poll() is None:
                running.kill()
        cluster.ask("scancel", f"--user={getpass.getuser()}")
        if cluster.is_drained():
            cluster.ask("scontrol", "update", "nodename=node", "state=resume")
        name = request.node.name.removeprefix("test_")
        keep(lab.folder / "results" / "logs", name)
        if lab.log.exists():
            (KEPT / name).mkdir(parents=True, exist_ok=True)
            shutil.copy2(lab.log, KEPT / name / "snakemake.log")
