"""Read delimited text: encoding, separator, header and decimal sign are found where they are not said."""

import csv
import io
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.lab.errors import UserError, first_line

#: Separators by the words for them, in the order in which they are tried: a comma may be a decimal sign.
SEPARATORS = {"tab": "\t", "semicolon": ";", "bar": "|", "comma": ",", "space": " "}
#: Lines from which the separator is guessed.
_SAMPLE = 50
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = r"[+-]?\d*(?:,\d+)?(?:[eE][+-]?\d+)?"


@dataclass(frozen=True, eq=False)
class Text:
    """A table that was read from text.

    Attributes
    ----------
    frame : DataFrame
        Its values; columns of text are of a string type.
    lines : ndarray of int, shape (n,)
        The file's line in which each row ends, from 1.
    notes : tuple of str
        What was found out, for people.
    """

    frame: pd.DataFrame
    lines: NDArray[np.int64]
    notes: tuple[str, ...]


def read_text(content: bytes, where: str, delimiter: str, decimal: str, header: bool | None, target: str) -> Text:
    """Read a table from the bytes of a text file.

    Parameters
    ----------
    content : bytes
        The file.
    where : str
        Its name, for messages.
    delimiter, decimal : str
        As in the configuration; empty: found out.
    header : bool or None
        Whether the first line has names; None: found out.
    target : str
        The target's name: the first line is a header where it is in it.

    Returns
    -------
    Text

    Raises
    ------
    UserError
        If it is no text, or its lines do not all have as many fields, naming the line.
    """
    text, encoding = _decoded(content, where)
    separator = SEPARATORS.get(delimiter, delimiter) or _separator(text)
    first, lines = _structure(text, separator, where)
    named = _is_header(first, target) if header is None else header
    names = [(name.strip() if named else "") or f"column{i}" for i, name in enumerate(first, 1)]
    check_names(names, where)
    lines = lines[named:]
    sign = decimal or "."
    frame = _frame(text, separator, sign, named, names, where)
    if not decimal and separator != "," and _has_decimal_commas(frame):
        sign = ","
        frame = _frame(text, separator, sign, named, names, where)
    if len(frame) != len(lines):
        raise UserError(f"{where} cannot be read: it has {len(lines)} lines of values, and {len(frame)} rows were read")
    word = next((word for word, one in SEPARATORS.items() if one == separator), repr(separator))
    notes = [f"{encoding}, separator {word}", "decimal comma" if sign == "," else ""]
    notes.append("" if named else "no header: the columns are called column1, column2 and so on")
    return Text(frame, lines, tuple(filter(None, notes)))


def check_names(names: list[str], where: str) -> None:
    """Refuse names that occur twice: whichever was meant, the other would be taken half the time."""
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise UserError(f"{where} has {names.count(twice[0])} columns called {twice[0]!r}: rename one in its header")


def _decoded(content: bytes, where: str) -> tuple[str, str]:
    """The text, and the name of its encoding."""
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    tried = next(([name] for mark, name in marks.items() if content.startswith(mark)), ["utf-8", "latin-1"])
    for encoding in tried:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise UserError(f"data.path={where} is not allowed: it is no text; give a CSV, TSV, Parquet or npz file")
        return text, encoding.removesuffix("-sig").upper() if encoding != "latin-1" else "Latin-1, as it is not UTF-8"
    raise UserError(f"data.path={where} is not allowed: it is no text in {tried[0]}; save it as UTF-8")


def _separator(text: str) -> str:
    """The first separator that divides every line of a sample into as many fields, two or more."""
    sample = [line for line in text[:1_000_000].splitlines()[:_SAMPLE] if line.strip()]
    most = (1, ",")
    for separator in SEPARATORS.values():
        try:
            counts = [_fields(line, separator) for line in sample]
        except csv.Error:
            continue
        if len(set(counts)) == 1 and counts[0] > 1:
            return separator
        if counts and separator != " ":
            most = max(most, (counts[0], separator))
    return most[1]  # its lines are checked one by one, and the first that differs is named


def _fields(line: str, separator: str) -> int:
    return len(line.split()) if separator == " " else len(next(csv.reader([line], delimiter=separator)))


def _structure(text: str, separator: str, where: str) -> tuple[list[str], NDArray[np.int64]]:
    """The fields of the first line, and the number of every line that has values."""
    first: list[str] = []
    lines: list[int] = []
    try:
        if len(separator) != 1:
            raise UserError(f"data.delimiter={separator!r} is not allowed: {', '.join(SEPARATORS)} or one character")
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
        for row in rows:
            if not row or not any(row) and len(row) == 1:
                continue
            fields = [field for field in row if field] if separator == " " else row
            if not first:
                first = fields
            elif len(fields) != len(first):
                raise UserError(
                    f"{where}, line {rows.line_num}: it has {len(fields)} fields, and the first line has {len(first)}: "
                    f"put quotes around text with the separator in it, or say data.delimiter=... "
                    f"(read with {separator!r})"
                )
            lines.append(rows.line_num)
    except csv.Error as error:
        raise UserError(f"{where}, line {rows.line_num}: {error}: check its quotes") from None
    if not first:
        raise UserError(f"data.path={where} is not allowed: the file is empty")
    if len(first) < 2:
        raise UserError(
            f"{where} has one column, {first[0]!r}: a target and a feature are needed; if fields are separated by "
            "something else say data.delimiter=..."
        )
    return first, np.asarray(lines)


def _is_header(first: list[str], target: str) -> bool:
    """Whether a line has names: the target's, or no number at all."""
    fields = [field.strip() for field in first]
    return target in fields or not any(_NUMBER.fullmatch(field) for field in fields)


def _frame(text: str, separator: str, decimal: str, named: bool, names: list[str], where: str) -> pd.DataFrame:
    try:
        return pd.read_csv(
            io.StringIO(text),
            sep=r"\s+" if separator == " " else separator,
            header=0 if named else None,
            names=names,
            index_col=False,
            decimal=decimal,
            na_values=["?"],
            skipinitialspace=True,
            low_memory=False,
        )
    except (ValueError, OverflowError) as error:  # pandas' own are ValueErrors
        raise UserError(f"data.path={where} cannot be read: {first_line(error)}") from None


def _has_decimal_commas(frame: pd.DataFrame) -> bool:
    """Whether a column of text is all numbers with a decimal comma."""
    for name in frame.select_dtypes(exclude=["number", "bool"]).columns:
        values = frame[name].dropna().astype(str).str.strip()
        if len(values) and values.str.fullmatch(_DECIMAL_COMMA).all() and values.str.contains(",").any():
            return True
    return False
