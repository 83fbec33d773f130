"""Every shell command that README, CONTRIBUTING and docs/ show is run as it stands there."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from documented import Command, commands, commands_in
from repository import ROOT, copy_repository

#: Words of the pages that stand for something, and what stands for them here.
STANDS_FOR = {
    "<this repository>": ROOT.as_uri(),
    "--cores N": "--cores 2",
    "outputs/DAY/TIME": "outputs/*/*",
    '"$MLFLOW_BACKEND"': "sqlite:///server.db",
    "NAME:5000": "localhost:5000",
}
STAGES = ("fetch", "whiten", "train", "measure", "collect", "track", "figures", "claims", "report", "answer")
#: Commands that the pages give without all of their arguments.
WRITTEN_OUT = {
    "python -m pipeline.train data=table data.path=mine.csv data.target=price model=mlp lr=0.01": [
        'seq 60 | awk \'BEGIN {print "size,price"} {print $1 "," $1 ^ 1.5}\' > mine.csv',
        "python -m pipeline.train data=table data.path=mine.csv data.target=price model=mlp lr=0.01",
    ],
    "python -m pipeline.STAGE": [f"python -m pipeline.{stage} --help" for stage in STAGES],
    "python -m pipeline.STAGE --help": [],
    "python -m pipeline.track": ["python -m pipeline.track --help"],
    "python -m pipeline.claims": ["python -m pipeline.claims --help"],
    "python -m pipeline.contrib.baseline store|compare --results DIR --baseline FILE": [
        "python -m pipeline.contrib.baseline store --results results --baseline stored.json",
        "python -m pipeline.contrib.baseline compare --results results --baseline stored.json",
    ],
    "make picture": ["make", "make picture"],  # of the whole results, and the page has just made those of one study
    "python -m pipeline.report --lang pt --out ... STUDY...": [
        "python -m pipeline.report --lang pt --out report-pt.html --figures results/figures results/textbook"
    ],
    "python -m pipeline.figures --lang pt": [
        "python -m pipeline.figures --lang pt --out figures-pt results/textbook",
    ],
    "python -m pipeline.claims --out my-claims.json --results results --ledger my-claims.yaml": [
        "cp conf/claims.yaml my-claims.yaml",
        "python -m pipeline.claims --out my-claims.json --results results --ledger my-claims.yaml",
    ],
}
#: Run by `.ci/run` itself, beside the tests.
IN_CI = ("make test", "make check", "make kill")
#: Run by other tests or as a part of `make test`.
ELSEWHERE = {
    "pip install .": "tests/test_anywhere.py",
    "make test-quick": "Makefile",
    "python -m pytest tests/inputs": "tests/inputs/conftest.py",
}
#: Whole pages that another test runs.
PAGES_ELSEWHERE = {"docs/extending.md": "tests/test_extending.py"}
#: Run by no test, and why.
NOT_RUN = {
    "make coverage": "the whole suite under a tracer, half an hour",
    "make mutate": "25 minutes, or hours",
    "make mutate MUTANTS=0": "hours",
    "make kill SEED=7": "`make kill` with other moments",
    "python -m benchmarks.scale": "half an hour; `snakemake --cores 2 scale` runs the largest of its studies",
    "python -m benchmarks.repeat_runs --runs 10 --out ../runs": "twenty minutes; see tests/test_repeat_runs.py",
    "python -m benchmarks.mlflow_page --runs 8000": "five minutes of logging; tests/test_track_ui.py opens both pages",
    "python -m pipeline.answer study=sweep read_every=20 budget=60s": "a minute; tests/answer races smaller grids",
    "python -m pipeline.answer data=digits_table model=mlp metric=validation_accuracy budget=570s": "nine minutes",
    "git diff": "Git's",
    "mlflow db upgrade URI": "MLflow's, and needs an older store",
    "snakemake --cores 2 finders": "ten minutes; tests/test_finders.py runs every method on a small problem",
    "snakemake --cores 2 referee": "two minutes; tests/claims/test_referee.py decides and stores on small tables",
    "make referee": "the same, and a copy",
    "snakemake --cores 2 frameworks": "fetches gigabytes; tests/test_frameworks.py runs PyTorch's part",
    "snakemake --cores all frameworks": "as above",
    "snakemake --cores all frameworks --forcerun framework_environment": "as above",
}
#: Needs a cluster: run on a real Slurm by tests/cluster.
ON_SLURM = "--workflow-profile profiles/slurm"
#: Planned only: this machine may have no GPU.
ON_GPUS = "trainer=gpu"
#: Ends with another status where a conclusion changed, and some conclusions are about seconds.
COMPARES = ("make compare", "python -m pipeline.contrib.baseline compare")
SERVERS = ("make ui", "mlflow ui", "mlflow server")
ADDRESS = "http://127.0.0.1:5000"

COMMANDS = commands()


def here(text: str) -> list[str]:
    """What to run for a command of a page."""
    lines = WRITTEN_OUT.get(text, [text])
    for word, meaning in STANDS_FOR.items():
        lines = [line.replace(word, meaning) for line in lines]
    return [f"{line} --dry-run" if ON_GPUS in line else line for line in lines]


def is_run(command: Command) -> bool:
    """Whether a command is run here."""
    apart = (*IN_CI, *ELSEWHERE, *NOT_RUN)
    return command.text not in apart and command.page not in PAGES_ELSEWHERE and ON_SLURM not in command.text


class Shell:
    """A shell in a copy of the repository, with the environment that the tests run in as its `.venv`."""

    def __init__(self, folder: Path):
        self.folder = folder
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}
        for name in ("PYTHONDONTWRITEBYTECODE", "MLFLOW_TRACKING_URI"):
            self.environment.pop(name, None)

    def run(self, line):
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        changed = line.startswith(COMPARES) and "Conclusions that changed" in done.stdout
        assert done.returncode == 0 or changed, f"{line}: status {done.returncode}\n{said}"
        assert "Traceback" not in said, f"{line}\n{said}"
        return done.stdout

    def serve(self, line):
        """Start a server and wait until it answers."""
        server = subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            assert server.poll() is None, f"{line} ended with status {server.returncode}"
            try:
                with urllib.request.urlopen(f"{ADDRESS}/health", timeout=5) as answer:
                    assert answer.status == 200
                    return server
            except OSError:
                time.sleep(0.2)
        end(server)
        raise AssertionError(f"{line} does not answer at {ADDRESS}")


def end(server):
    """End a server and what it has started."""
    everything = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in everything:
        with suppress(psutil.NoSuchProcess):  # it ended with its parent
            process.terminate()
    _, left = psutil.wait_procs(everything, timeout=30)
    assert left == []


#: What the pages call mine.
MINE = """# ruff: noqa
import torch


def Net(in_features, out_features, hidden=64):
    return torch.nn.Sequential(
        torch.nn.Linear(in_features, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, out_features)
    )


class Rule(torch.optim.SGD):
    pass
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A clone in which `make` has been run, as the README begins."""
    folder = copy_repository(tmp_path_factory.mktemp("documented") / "minibatch-lab")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "mine.py").write_text(MINE)
    rows = [f"{i % 7},{'red' if i % 3 else 'blue'},{i**1.5}" for i in range(400)]
    (folder / "mine.csv").write_text("\n".join(["size,colour,price", *rows]))
    shell = Shell(folder)
    shell.run("make")
    return shell


def test_the_commands_of_a_page_are_found_in_blocks_prompts_and_spans():
    page = "Run `make`, or\n`python -m pipeline.train\nlr=0.1`; see `mlflow.db`.\n```bash\nmake ui  # a server\n```\n"
    page += "```\n$ snakemake -n\nNothing to be done\n```\n"
    assert sorted(commands_in(page)) == ["make", "make ui", "python -m pipeline.train lr=0.1", "snakemake -n"]


def test_what_is_not_run_here_is_still_written_about():
    texts = {command.text for command in COMMANDS}
    assert {*IN_CI, *ELSEWHERE, *NOT_RUN, *WRITTEN_OUT} <= texts
    ci = (ROOT / ".ci" / "run").read_text()
    assert all(line in ci for line in IN_CI)
    assert all((ROOT / path).is_file() for path in (*ELSEWHERE.values(), *PAGES_ELSEWHERE.values()))


#: They take a quarter of an hour, so they are run where DOCUMENTED_COMMANDS is set.
asked_for = pytest.mark.skipif(not os.environ.get("DOCUMENTED_COMMANDS"), reason="DOCUMENTED_COMMANDS is not set")


@pytest.mark.slow
@asked_for
@pytest.mark.parametrize("command", [*filter(is_run, COMMANDS)], ids=lambda command: f"{command.page}: {command.text}")
def test_a_documented_command_does_what_it_says(shell, command):
    for line in here(command.text):
        if line.startswith(SERVERS):
            end(shell.serve(line))
        elif ADDRESS in line:
            server = shell.serve("mlflow server --backend-store-uri sqlite:///server.db")
            try:
                shell.run(line)
            finally:
                end(server)
        else:
            shell.run(line)


@pytest.mark.slow
@asked_for
def test_a_second_make_has_nothing_to_do(shell):
    shell.run("make")
    assert (shell.folder / "results" / "report.html").is_file()
    assert shutil.which("snakemake", path=shell.environment["PATH"])
