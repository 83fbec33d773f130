"""A workflow that was killed leaves Snakemake's lock behind; whoever starts the next one removes it here.

Imports nothing of the workflow: the Snakefile calls it at every start.
"""

import fcntl
import os
import platform
import shutil
import sys
from contextlib import suppress
from pathlib import Path

#: Descriptors that say that this process lives: the lock on them ends with it, however it ends.
_alive: list[int] = []


def unlock_if_abandoned(folder: Path = Path(".snakemake")) -> bool:
    """Remove Snakemake's lock if nobody who could hold it is alive, and say of this process that it is.

    Every Snakemake of this folder holds a shared lock on ``folder/alive`` for as long as it lives. So whoever gets an
    exclusive one is alone, and a lock of Snakemake's that it finds then is that of a killed process. It stays
    where that is not certain: where jobs of the killed workflow still run, where another machine made it (file
    systems do not all tell machines of each other's locks), and where the file system has no locks at all. Then
    ``snakemake --unlock`` is for the user to decide.

    Parameters
    ----------
    folder : Path
        Where Snakemake keeps its records.

    Returns
    -------
    bool
        Whether a lock was removed.
    """
    try:
        folder.mkdir(exist_ok=True)
        alive = os.open(folder / "alive", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:  # not to be written: Snakemake will say so, if it wants to write
        return False
    _alive.append(alive)
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        removed = _unlock(folder, alive)
    except OSError:  # somebody else is alive, or there are no locks here
        removed = False
    with suppress(OSError):
        fcntl.flock(alive, fcntl.LOCK_SH)
    return removed


def _unlock(folder: Path, alive: int) -> bool:
    """Remove the lock of a killed workflow of this machine; the caller is the only Snakemake alive."""
    machine = platform.node().encode()
    locks = folder / "locks"
    locked = locks.is_dir() and any(locks.iterdir())
    if locked and os.pread(alive, 1000, 0) != machine:
        return False
    if locked and (orphans := _orphans(folder.absolute().parent)):
        print(
            "A workflow was killed here and its jobs still run: wait for them or kill them, then start again: "
            + ", ".join(orphans),
            file=sys.stderr,
        )
        return False
    if locked:
        shutil.rmtree(locks)
        print("The last workflow here was killed; its lock is removed.", file=sys.stderr)
    os.ftruncate(alive, 0)
    os.pwrite(alive, machine, 0)
    return locked


def _orphans(folder: Path) -> list[str]:
    """The lab's commands that run in this folder, as ``PID 7 (pipeline.train)``."""
    import psutil  # here, because it is seldom needed

    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        stages = [word for word in command if word.startswith("pipeline.")]
        if "-m" in command and stages and process.info["cwd"] == str(folder):
            found.append(f"PID {process.info['pid']} ({stages[0]})")
    return found
