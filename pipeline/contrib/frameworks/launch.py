"""Measuring one framework in its environment: whatever goes wrong there becomes a row."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.contrib.frameworks.environment import PINS, pinned_version, read_pins

#: Seconds after which a script is stopped.
TIMEOUT = 1800

#: The folder that ``pipeline`` lies in: the scripts are run as its modules.
_ROOT = Path(__file__).resolve().parents[3]

#: One computing thread, as in the lab's own clock, on the CPU, and no messages but errors.
_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MXNET_CPU_WORKER_NTHREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "PYTHONNOUSERSITE": "1",
}


def failed(framework: str, kind: str, message: str, version: str = "") -> dict[str, Any]:
    """The row of a framework that could not be measured.

    Parameters
    ----------
    framework : str
        Its name.
    kind : str
        ``environment`` or ``script``: what failed.
    message : str
        Why, in one sentence.
    version : str
        As far as it is known; that of the pinned file by default.

    Returns
    -------
    dict
    """
    version = version or pinned_version(framework, read_pins(PINS / f"{framework}.txt"))
    row = {"framework": framework, "version": version, "kind": kind, "name": kind, "mode": "", "seconds": []}
    return {**row, "status": "error", "message": message}


def measure(framework: str, python: Path, problem: Path, extra: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Run a framework's script.

    Parameters
    ----------
    framework : str
        One of :data:`pipeline.contrib.frameworks.FRAMEWORKS`.
    python : Path
        The Python of its environment.
    problem : Path
        What to compute; see :mod:`pipeline.contrib.frameworks.problem`.
    extra : sequence of str
        Further arguments of the script, ``--repeats 1`` say.

    Returns
    -------
    list of dict
        What the script wrote; last an ``error`` where it did not come to its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "rows.jsonl")
        command = [str(python), "-m", f"pipeline.contrib.frameworks.run_{framework}"]
        command += ["--problem", str(problem.absolute()), "--out", str(out), *extra]
        message = _run(command)
        lines = out.read_text(encoding="utf-8").splitlines(keepends=True) if out.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("\n")]  # a crash may cut the last line
    return rows + ([failed(framework, "script", message)] if message else [])


def _run(command: Sequence[str]) -> str:
    """Run a script and say in one sentence why it failed; nothing if it did not."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        done = subprocess.run(
            command,
            cwd=_ROOT,
            env={**environment, **_SETTINGS},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the script was stopped after {TIMEOUT} seconds"
    except OSError as error:
        return f"the script cannot be started: {error.strerror}; make the environment again"
    print(done.stdout, done.stderr, sep="\n", flush=True)
    if done.returncode == 0:
        return ""
    if done.returncode < 0:
        return f"the script was ended by {signal.Signals(-done.returncode).name}"
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1].strip()
    return f"the script ended with status {done.returncode}: {last}"
