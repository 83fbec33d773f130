"""Measurements: the cost of a step; more are in pipeline/contrib/machine and pipeline/contrib/noise.

A measurement is a part: ``NAME.py`` with the function ``NAME(inputs)``, which measures and returns a table, and
``conf/measurement/NAME.yaml``, which says what it reads and which columns the table has. Those of the user are found
beside the lab's; see :mod:`pipeline.parts`. ``docs/measurements.md`` says which question each of the lab's answers.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline import parts
from pipeline.lab import checks
from pipeline.lab.config.yaml_file import read_config
from pipeline.lab.errors import UserError

#: Types of columns; with a ``?`` after it, a column may have gaps.
TYPES = ("text", "whole", "real", "flag")
#: How many processes repeat a measurement. Student's interval of three is 2.5 standard deviations to either side.
PROCESSES = 3


@dataclass
class Measurement:
    """The content of ``conf/measurement/NAME.yaml``.

    Parameters
    ----------
    title : str
        What it measures, for people.
    columns : dict
        Column to type, in the table's order; see :data:`TYPES`.
    timed : bool
        Whether it measures time: then nothing may run beside it.
    repeated : bool
        Whether :data:`PROCESSES` fresh processes measure it, at different moments of the workflow: how one process
        differs from the next is part of the error of a time. Its table has the column ``process``.
    data : bool
        Whether it reads the whitened table.
    chapter : bool
        Whether it is the chapter's own protocol: it is left out where the data are a table of one's own.
    images : bool
        Whether it reads the folder of images.
    opt_in : bool
        Whether another command than ``python -m pipeline.measure`` makes it.
    """

    title: str = MISSING
    columns: dict[str, str] = field(default_factory=dict)
    timed: bool = True
    repeated: bool = False
    data: bool = True
    chapter: bool = False
    images: bool = False
    opt_in: bool = False


def measurement(name: str) -> Measurement:
    """Read the configuration of a measurement.

    Raises
    ------
    UserError
        If there is none of that name, or a key of its file is missing, unknown or of a wrong type.
    """
    return _read(parts.configuration("measurement", name))


def measurements() -> dict[str, Measurement]:
    """Every measurement that ``python -m pipeline.measure`` makes, by name."""
    found = {name: _read(path) for name, path in parts.configurations("measurement").items()}
    return {name: one for name, one in found.items() if not one.opt_in}


@cache
def _read(path: Path) -> Measurement:
    where = parts.shown(path)
    checks.word(where, path.stem, r"[A-Za-z][A-Za-z0-9_]*", "the name of a function")
    try:
        found = cast(Measurement, OmegaConf.to_object(OmegaConf.merge(Measurement, read_config(path))))
    except OmegaConfBaseException as error:
        raise UserError(f"{where}: {error.full_key}: {str(error).splitlines()[0]}") from None
    if not found.columns:
        raise UserError(f"{where}: columns is missing")
    for column, kind in found.columns.items():
        checks.one_of(f"{where}: columns.{column}", kind.removesuffix("?"), TYPES)
    return found
