"""What the operating system tells of a processor: its caches and its clock."""

from pathlib import Path

#: Where Linux describes the caches of the first core.
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


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
