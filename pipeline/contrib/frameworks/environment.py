"""An environment for each framework, made from a file of exact versions and kept while that file is unchanged."""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.lab.errors import UserError

#: Where the pinned files are.
PINS = Path(__file__).parent / "envs"

#: Making an environment takes a minute; a dead network must not hold the rest for ever.
TIMEOUT = 1800

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)$")

#: Distributions that are not called like their framework.
_DISTRIBUTIONS = {"tensorflow": "tensorflow-cpu", "pytorch": "torch"}


def read_pins(path: Path) -> dict[str, str]:
    """Read a file of exact versions.

    Parameters
    ----------
    path : Path
        Lines ``name==version``; comments begin with ``#``.

    Returns
    -------
    dict
        Name to version.

    Raises
    ------
    UserError
        If the file is missing, or a line says anything else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    pins = {}
    for number, line in enumerate(lines, start=1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        match = _PIN.match(text)
        if match is None:
            raise UserError(f"{path}, line {number}: {text!r} is not allowed: it must be name==version")
        pins[match[1].lower()] = match[2]
    return pins


def pinned_version(framework: str, pins: dict[str, str]) -> str:
    """The version of the framework itself that its file asks for."""
    return pins.get(_DISTRIBUTIONS.get(framework, framework), "")


def make_environment(framework: str, folder: Path, pins: Path | None = None) -> Path:
    """Make a framework's environment, or find it made.

    Parameters
    ----------
    framework : str
        One of :data:`pipeline.contrib.frameworks.FRAMEWORKS`.
    folder : Path
        Where it lies. What was there is replaced, unless it was made from the same file.
    pins : Path, optional
        The pinned file; ``envs/FRAMEWORK.txt`` by default.

    Returns
    -------
    Path
        Its Python.

    Raises
    ------
    UserError
        With one sentence that says why there is none.
    """
    pins = pins or PINS / f"{framework}.txt"
    read_pins(pins)
    interpreter = _interpreter()
    python = folder.absolute() / "bin" / "python"
    made_from = f"{interpreter}\n{pins.read_text(encoding='utf-8')}"
    stamp = folder / "made-from.txt"  # written last: an environment that was left half made has none
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == made_from:
        return python
    _command(framework, [interpreter, "-m", "venv", "--clear", str(folder)])
    # Wheels only: compiling one of these from source takes hours where it works at all.
    install = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
    _command(framework, [str(python), *install, "--requirement", str(pins)])
    stamp.write_text(made_from, encoding="utf-8")
    return python


def _interpreter() -> str:
    """Python 3.11, which all four have wheels for; this one where there is no other."""
    if platform.python_version_tuple()[:2] == ("3", "11"):
        return sys.executable
    return shutil.which("python3.11") or sys.executable


def _command(framework: str, command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"the environment of {framework} cannot be made: {error}") from None
    print(done.stdout, done.stderr, sep="\n", flush=True)
    if done.returncode:
        raise UserError(why_not(framework, done.stderr or done.stdout))


def why_not(framework: str, output: str) -> str:
    """Say in one sentence why an environment could not be made.

    Parameters
    ----------
    framework : str
        Whose environment.
    output : str
        What pip or venv said.

    Returns
    -------
    str
    """
    beginning = f"the environment of {framework} cannot be made: "
    missing = re.search(r"No matching distribution found for (\S+)", output)
    if missing:
        if re.search(r"(?i)connection (broken|refused|reset)|NewConnectionError|name resolution|timed out", output):
            return f"{beginning}the package index does not answer"
        where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
        return f"{beginning}there is no wheel of {missing[1]} for {where}"
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")] or output.strip().splitlines()
    return beginning + (errors[-1].removeprefix("ERROR:").strip() if errors else "pip said nothing")
