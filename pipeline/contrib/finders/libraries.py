"""The libraries that are audited, in a folder of their own: the lab needs none of them."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline.contrib.frameworks.environment import read_pins, why_not
from pipeline.lab.errors import UserError
from pipeline.lab.files import write_whole
from pipeline.lab.paths import ROOT

PINS = Path(__file__).parent / "pins.txt"

#: Seconds that one library may take; a dead network must not hold the rest for ever.
TIMEOUT = 300


def install(folder: Path, pins: Path = PINS) -> dict[str, str]:
    """Install each library by itself, so that one that cannot be had is a row and the others are audited.

    Parameters
    ----------
    folder : Path
        Where they go. What was installed there from the same pins stays.
    pins : Path
        Exact versions.

    Returns
    -------
    dict
        Library to why it is not there.
    """
    stamp = folder / "made-from.json"  # written last, and not where something failed: that is tried again
    wanted = read_pins(pins)
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == wanted:
        return {}
    # What they need beyond each other (torch, numpy, SQLAlchemy) is the lab's own, and must not be there twice.
    options = ["--disable-pip-version-check", "--no-input", "--no-deps", "--upgrade", "--target", str(folder)]
    failed = {}
    for name, number in wanted.items():
        why = _run(name, [sys.executable, "-m", "pip", "install", *options, f"{name}=={number}"])
        if why:
            failed[name] = why
    if not failed:
        write_whole(stamp, json.dumps(wanted) + "\n")
    return failed


def _run(name: str, command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{name} cannot be installed: {error}"
    print(done.stdout, done.stderr, sep="\n", flush=True)
    return why_not(name, done.stderr or done.stdout) if done.returncode else ""


def use(folder: Path) -> None:
    """Let the libraries of a folder be imported; where the lab has one too, the lab's is."""
    if not folder.is_dir():
        raise UserError(
            f"{folder} is no folder: make it with python -m pipeline.contrib.finders install --folder {folder}"
        )
    sys.path.append(str(folder.absolute()))


def version_of(library: str) -> str:
    """The version that is imported; empty where there is none."""
    try:
        return version(library)
    except PackageNotFoundError:
        pass
    project = ROOT / "pyproject.toml"  # the lab, where it is a checkout that nobody installed
    known = tomllib.loads(project.read_text(encoding="utf-8"))["project"] if project.is_file() else {}
    return str(known["version"]) if known.get("name") == library else ""
