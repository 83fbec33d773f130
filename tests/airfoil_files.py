"""What the tests of the data stages share: the configuration, small tables, and where the real file is."""

import os
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from pipeline.parts.data.table import Column
from pipeline.parts.data.table import Config as TableConfig

CONF = Path(__file__).parents[1] / "conf" / "data"
REAL_SHA1 = "76e5be1548fd8222e5074cf0faae75edff8cf93f"
#: Read once, before any test changes the environment.
REAL_FILE = Path(os.environ.get("AIRFOIL_DATA") or "no-such-file").expanduser()

needs_real_file = pytest.mark.skipif(not REAL_FILE.is_file(), reason="AIRFOIL_DATA does not point to the real file")


def airfoil_config(**changes: Any) -> TableConfig:
    """conf/data/airfoil.yaml with some values changed, typed and checked."""
    values = OmegaConf.load(CONF / "airfoil.yaml")
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(TableConfig), values, changes))


def small_config(rows_total: int = 4, **changes: Any) -> TableConfig:
    """A table of three columns and a few rows."""
    columns = [Column("chord", "m"), Column("velocity", "m/s"), Column("sound_pressure", "dB")]
    return TableConfig(
        **{
            "name": "small",
            "title": "A small table",
            "credit": "nobody",
            "licence": "CC0",
            "sha1": "0" * 40,
            "columns": columns,
            "rows_total": rows_total,
            "rows": rows_total,
            **changes,
        }
    )


SMALL_TABLE = b"0.3\t71.3\t126.2\r\n0.3\t55.5\t125\r\n0.1\t-39.6\t1.1e2\r\n0.2\t31.7\t103.4\r\n"
