"""Count GPUs and assign them to jobs, without importing torch.

Snakemake hands out tokens, not devices: two jobs of one token each would both train on the first GPU. So a job takes
one that no other job of the lab holds, and sees no other.
"""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.lab.config.schema import TrainerConfig

#: The variable by which CUDA is told which devices a process may see.
VISIBLE = "CUDA_VISIBLE_DEVICES"
_DEVICE_FILES = Path("/dev")


def gpu_count() -> int:
    """GPUs that torch will find here: NVIDIA's, as far as ``CUDA_VISIBLE_DEVICES`` shows them.

    Torch is not asked, because importing it takes seconds. A torch built for CPUs only finds none.
    """
    if _torch_is_for_cpus():
        return 0
    visible = os.environ.get(VISIBLE)
    if visible is None:
        return len(_installed())
    named = [name.strip() for name in visible.split(",")]
    # As CUDA reads it: whatever stands behind the first name that is none is hidden.
    end = next((number for number, name in enumerate(named) if name in ("", "-1")), len(named))
    return min(end, len(_installed()))


def gpus_wanted(trainers: Iterable[TrainerConfig]) -> int:
    """GPUs that a job takes: as many as the most demanding of its cells; ``auto`` takes them where they are."""
    found = [
        trainer.devices
        for trainer in trainers
        if trainer.accelerator == "gpu" or (trainer.accelerator == "auto" and gpu_count() >= trainer.devices)
    ]
    return max(found, default=0)


@contextmanager
def reserved(wanted: int) -> Iterator[list[str]]:
    """Take GPUs that no other job of the lab has taken, and show this process no other.

    Where ``CUDA_VISIBLE_DEVICES`` is set, somebody has chosen already: Slurm, say. Must be entered before torch
    starts CUDA. Where too few GPUs are free, others are shared: better than to wait for what may never end.

    Parameters
    ----------
    wanted : int
        How many.

    Yields
    ------
    list of str
        The names (UUIDs) of those that were taken; none where nothing had to be chosen.
    """
    names = _installed() if wanted and VISIBLE not in os.environ and not _torch_is_for_cpus() else []
    if not 0 < wanted <= len(names):  # too many are refused where training starts, in a sentence
        yield []
        return
    with ExitStack() as held:
        free: list[str] = []
        for name in names:
            if len(free) < wanted and _take(name, held):
                free.append(name)
        chosen = [*free, *(name for name in names if name not in free)][:wanted]
        os.environ[VISIBLE] = ",".join(chosen)
        try:
            yield chosen
        finally:
            del os.environ[VISIBLE]


def _take(name: str, held: ExitStack) -> bool:
    """Lock a GPU for as long as ``held`` is open, if it is free."""
    folder = Path(tempfile.gettempdir(), f"minibatch-lab-{getpass.getuser()}")
    try:
        folder.mkdir(exist_ok=True)
        held.enter_context(FileLock(folder / f"{name}.lock").acquire(blocking=False))
    except (Timeout, OSError):  # OSError: there is nowhere to write; then GPUs are shared
        return False
    return True


def _torch_is_for_cpus() -> bool:
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return True


@cache
def _installed() -> list[str]:
    """The UUIDs of NVIDIA's GPUs; numbers where ``nvidia-smi`` is missing."""
    program = shutil.which("nvidia-smi")
    if program is not None:
        asked = subprocess.run(
            [program, "--query-gpu=uuid", "--format=csv,noheader"], capture_output=True, text=True, check=False
        )
        return [line.strip() for line in asked.stdout.splitlines() if line.strip()] if asked.returncode == 0 else []
    return [path.name.removeprefix("nvidia") for path in sorted(_DEVICE_FILES.glob("nvidia[0-9]*"))]
