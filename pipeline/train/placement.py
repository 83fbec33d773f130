"""Where runs are trained: which device, and under which settings of torch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from pipeline.lab.config.cell import Cell
from pipeline.lab.config.schema import TrainerConfig
from pipeline.lab.errors import UserError


def placed(cells: Sequence[Cell]) -> list[Cell]:
    """Settle on which kind of device each cell is trained.

    ``auto`` becomes ``gpu`` where there are as many CUDA devices as the cell asks for, else ``cpu``: the tables say
    what it was. Apple's MPS is never taken: nothing here was measured, or held against the CPU, on it.

    Parameters
    ----------
    cells : sequence of Cell
        With any accelerator.

    Returns
    -------
    list of Cell
        With ``cpu`` or ``gpu``.

    Raises
    ------
    UserError
        If a cell asks for more CUDA devices than there are.
    """
    return [replace(cell, config=replace(cell.config, trainer=_settled(cell.config.trainer))) for cell in cells]


def _settled(trainer: TrainerConfig) -> TrainerConfig:
    if trainer.accelerator == "cpu":  # without starting CUDA
        return trainer
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if trainer.accelerator == "auto":
        return replace(trainer, accelerator="gpu" if found >= trainer.devices else "cpu")
    if not found:
        raise UserError(
            f"trainer.accelerator=gpu is not allowed here: torch {torch.__version__} finds no CUDA device; "
            "use trainer=cpu, or trainer=auto, which takes a GPU only where there is one"
        )
    if found < trainer.devices:
        raise UserError(
            f"trainer.devices={trainer.devices} is not allowed with trainer.accelerator=gpu: torch finds {found} CUDA "
            f"device{'s' if found > 1 else ''} here, so it must be from 1 to {found}"
        )
    return trainer


def backend(trainer: TrainerConfig) -> str:
    """The device's name for torch, which is Lightning's too: ``cpu`` or ``cuda``.

    Lightning's own ``gpu`` would be MPS on a Mac.
    """
    return "cuda" if _settled(trainer).accelerator == "gpu" else "cpu"


@contextmanager
def reproducible(cells: Sequence[Cell]) -> Iterator[None]:
    """Have a GPU compute the same bits each time, in full 32-bit precision; nothing changes for cells on the CPU.

    Deterministic kernels where torch has them; an operation that has none runs all the same, and torch warns of it in
    the log. cuBLAS reads ``CUBLAS_WORKSPACE_CONFIG`` when it starts, so :mod:`pipeline.train` sets it at import.
    Tensor cores would round a convolution's inputs to 10 bits (TF32, torch's default).
    """
    if all(backend(cell.config.trainer) == "cpu" for cell in cells):
        yield
        return
    strict, only_warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        # Left on, deterministic mode writes to all new memory, which the clock would count.
        with (
            _set(torch.utils.deterministic, fill_uninitialized_memory=False),
            _set(torch.backends.cudnn, benchmark=False, allow_tf32=False),
        ):
            yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=only_warns)


@contextmanager
def _set(owner: object, **values: bool) -> Iterator[None]:
    """Set switches for a while."""
    before = {name: getattr(owner, name) for name in values}
    try:
        for name, value in values.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)
