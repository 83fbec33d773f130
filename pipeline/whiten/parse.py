"""Parse the raw text into a table of finite numbers, or say in one sentence where it is wrong."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.lab.errors import UserError
from pipeline.lab.files import TooLarge, looks_like_html, read_limited
from pipeline.parts.data.table import Column
from pipeline.parts.data.table import Config as TableConfig

#: Python's float() would also take ``1_000``, ``infinity`` and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def parse(path: Path, config: TableConfig) -> pd.DataFrame:
    """Read a tab-separated table without a header; lines end in CRLF, LF or CR.

    Parameters
    ----------
    path : Path
        The file.
    config : TableConfig
        For the columns, the number of rows and the largest size.

    Returns
    -------
    pandas.DataFrame of float64, shape (rows_total, d)
        In the file's order; ``attrs["units"]`` maps a column's name to its unit.

    Raises
    ------
    UserError
        Naming the file, and where it applies line, column, value and what is expected.
    """
    lines = _lines(path, config.max_bytes)
    if _is_header(lines[0]):
        raise UserError(
            f"{path}, line 1: {_short(lines[0])} looks like a header, and numbers alone are expected: remove that line"
            " (data.columns has the names)"
        )
    if len(lines) != config.rows_total:
        cut = "cut short" if len(lines) < config.rows_total else "not the expected table"
        raise UserError(
            f"{path} has {len(lines)} rows and {config.rows_total} are expected: it is {cut},"
            " or data.rows_total is wrong"
        )
    rows = [_numbers(line, f"{path}, line {i}", config.columns) for i, line in enumerate(lines, start=1)]
    table = pd.DataFrame(np.array(rows, dtype=np.float64), columns=[column.name for column in config.columns])
    table.attrs["units"] = {column.name: column.unit for column in config.columns}
    return table


def _lines(path: Path, most: int) -> list[str]:
    """The file's lines, without their ends and without empty ones at the end of the file."""
    try:
        content = read_limited(path, most)
    except TooLarge:
        raise UserError(f"{path} is larger than data.max_bytes={most} allows") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    if not content.strip():
        raise UserError(f"{path} is empty, and a tab-separated table of numbers is expected")
    if looks_like_html(content):
        raise UserError(f"{path} is an HTML page, and a tab-separated table of numbers is expected")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not text, and a tab-separated table"
            " of numbers in ASCII is expected"
        ) from None
    return re.split(r"\r\n|\n|\r", text.rstrip("\r\n"))


def _is_header(line: str) -> bool:
    """Whether a line has words and not one number, whatever separates its cells."""

    def is_number(cell: str) -> bool:
        """Also nan and infinity, which are refused as values."""
        try:
            float(cell)
        except ValueError:
            return False
        return True

    return bool(re.search("[A-Za-z]", line)) and not any(map(is_number, re.split(r"[\t,; ]+", line)))


def _numbers(line: str, where: str, columns: list[Column]) -> list[float]:
    cells = line.split("\t")
    if len(cells) != len(columns):
        raise UserError(
            f"{where}: {_short(line)} has {len(cells)} tab-separated columns, and {len(columns)} are expected"
        )
    return [
        _number(cell, f"{where}, column {j} ({column.name}, {column.unit})")
        for j, (cell, column) in enumerate(zip(cells, columns, strict=True), start=1)
    ]


def _number(cell: str, where: str) -> float:
    value = float(cell) if _NUMBER.fullmatch(cell.strip(" ")) else math.nan
    if not math.isfinite(value):  # 1e999 is a number, and infinite
        raise UserError(f"{where}: {_short(cell)} is not a finite number, and one is expected")
    return value


def _short(text: str) -> str:
    """Quote a text with control characters escaped, cut after 60 characters."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
