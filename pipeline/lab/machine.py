"""Describe the machine and the versions of the packages."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

#: The packages whose versions can change a number, a figure or a time.
PACKAGES = (
    "torch",
    "pytorch-lightning",
    "hydra-core",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "matplotlib",
    "mlflow",
    "snakemake",
)


def machine_facts() -> dict[str, str]:
    """Describe the machine.

    Returns
    -------
    dict
        CPU, cores, memory, operating system and Python, as text for people.
    """
    import psutil

    return {
        "CPU": cpu_model(),
        "Cores": f"{usable_cores()} usable, {psutil.cpu_count(logical=False) or 'an unknown number of'} physical",
        "Memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "Operating system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Torch threads": torch_threads(),
    }


def package_versions() -> dict[str, str]:
    """The installed versions of :data:`PACKAGES`."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def cpu_model() -> str:
    """The CPU's name."""
    try:  # what py-cpuinfo would read too, a second faster
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    import cpuinfo

    return str(cpuinfo.get_cpu_info().get("brand_raw") or platform.processor() or platform.machine())


def torch_threads() -> str:
    """How many threads torch computes on.

    The solo engine sets one while it trains, whatever this says; torch is not imported for the
    question, because that takes seconds.
    """
    torch = sys.modules.get("torch")
    threads = f"{torch.get_num_threads()} outside training" if torch is not None else "torch's default outside training"
    return f"1 while a run is timed, {threads}"


def usable_cores() -> int:
    """Cores that this process may run on: fewer than the machine has, in a container say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
