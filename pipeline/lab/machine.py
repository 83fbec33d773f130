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


#: Where Linux describes the caches of the first core.
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


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
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def caches() -> dict[str, int]:
    """Sizes of the caches that hold the data of one core.

    Returns
    -------
    dict
        ``L1``, ``L2``, ``L3`` to bytes, as far as the operating system or the processor tells.
    """
    found: dict[str, int] = {}
    for index in sorted(CACHES.glob("index*")):
        try:
            kind, level, size = ((index / name).read_text().strip() for name in ("type", "level", "size"))
            if kind != "Instruction":
                found[f"L{int(level)}"] = _bytes(size)
        except (OSError, ValueError):
            continue
    if found:
        return found
    import cpuinfo

    facts = cpuinfo.get_cpu_info()
    names = {"L1": "l1_data_cache_size", "L2": "l2_cache_size", "L3": "l3_cache_size"}
    return {level: size for level, name in names.items() if isinstance(size := facts.get(name), int) and size > 0}


def _bytes(size: str) -> int:
    """Read a size such as ``48K``."""
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    return int(size[:-1]) * units[size[-1]] if size[-1] in units else int(size)


def clock_hertz() -> float | None:
    """The processor's clock rate, in cycles per second; None where the operating system does not tell."""
    import psutil

    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):  # containers and some ARM machines
        return None
    return (frequency.max or frequency.current) * 1e6 if frequency and (frequency.max or frequency.current) else None
