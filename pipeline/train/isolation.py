"""Global state: each run finds it as the command did, whatever a rule or a model before it has changed."""

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from pipeline.train.order import seed_of

#: The backends and operations that have a precision of their own.
_PRECISIONS = (
    ("generic", "all"),
    *((backend, operation) for backend in ("cuda", "mkldnn") for operation in ("all", "matmul", "conv", "rnn")),
)


def _older(read: Callable[[], Any]) -> Any:
    """What the older interface of precisions says; None where it was mixed with the newer one, and refuses to."""
    try:
        return read()
    except RuntimeError:
        return None


def _precision() -> list[Any]:
    """The precision of products, by the older interface, which keeps flags of its own, and by the newer one."""
    return [
        _older(torch.get_float32_matmul_precision),
        _older(lambda: torch.backends.cudnn.allow_tf32),
        *(torch._C._get_fp32_precision_getter(*one) for one in _PRECISIONS),
    ]


def _set_precision(was: list[Any]) -> None:
    matmul, cudnn, *newer = was
    if matmul is not None:
        torch.set_float32_matmul_precision(matmul)
    if cudnn is not None:
        torch.backends.cudnn.allow_tf32 = cudnn
    for one, value in zip(_PRECISIONS, newer, strict=True):
        torch._C._set_fp32_precision_setter(*one, value)


def _autocast() -> list[tuple[bool, torch.dtype]]:
    return [(torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)) for device in ("cpu", "cuda")]


def _set_autocast(was: list[tuple[bool, torch.dtype]]) -> None:
    for device, (enabled, dtype) in zip(("cpu", "cuda"), was, strict=True):
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)


_deterministic: Any = torch.utils.deterministic


def _determinism() -> tuple[bool, ...]:
    cudnn = torch.backends.cudnn
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        _deterministic.fill_uninitialized_memory,
        *(cudnn.enabled, cudnn.benchmark, cudnn.deterministic),
    )


def _set_determinism(was: tuple[bool, ...]) -> None:
    torch.use_deterministic_algorithms(was[0], warn_only=was[1])
    _deterministic.fill_uninitialized_memory = was[2]
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = was[3:]


def _flushes_denormals() -> bool:
    """Whether the smallest numbers are computed as 0; torch sets this mode, and cannot be asked for it."""
    return float(torch.full((1,), 1e-40, dtype=torch.float32, device="cpu").mul_(1.0)) == 0.0


#: Settings of torch's that change numbers or speed: how each is read, and how it is set to what was read.
_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_default_dtype, torch.set_default_dtype),
    # None where it is the CPU: a default that was set, even to that, costs time at every call
    (torch.get_default_device, lambda was: torch.set_default_device(None if was.type == "cpu" else was)),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (_flushes_denormals, torch.set_flush_denormal),
    (_precision, _set_precision),
    (_determinism, _set_determinism),
    (_autocast, _set_autocast),
)


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Undo what a run does to the state that all runs of a process share.

    Restored afterwards: torch's gradient mode, default dtype and device, number of threads, precision and
    determinism, autocasting; the filters of warnings; numpy's handling of floating-point errors; and the global
    random generators of torch, numpy and Python. Inside, these three are seeded from the run's seed, so that a
    rule which draws noise from them repeats itself.

    Parameters
    ----------
    seed : int
        The run's seed.
    """
    before = [read() for read, _ in _SETTINGS]
    numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002 -- rules may draw from the global one
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with warnings.catch_warnings(), np.errstate(), torch.random.fork_rng(gpus):
        number = seed_of(seed, "global")
        torch.default_generator.manual_seed(number)  # torch.manual_seed takes 150 microseconds to find no GPU
        if gpus:
            torch.cuda.manual_seed_all(number)
        np.random.seed(number % 2**32)  # noqa: NPY002
        random.seed(number)
        try:
            yield
        finally:
            for (read, restore), was in zip(_SETTINGS, before, strict=True):
                if read() != was:
                    restore(was)
            np.random.set_state(numpys)  # noqa: NPY002
            random.setstate(pythons)
