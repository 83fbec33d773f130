"""Parsing gives a table of finite numbers, or one sentence saying what is wrong and where."""

import re
from pathlib import Path

import numpy as np
import pytest
from airfoil_files import REAL_FILE, SMALL_TABLE, airfoil_config, needs_real_file, small_config
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.lab.errors import UserError
from pipeline.whiten.parse import parse


@pytest.fixture
def write(tmp_path):
    """Write a file, and give its path."""

    def write_bytes(content: bytes) -> Path:
        path = tmp_path / "small.dat"
        path.write_bytes(content)
        return path

    return write_bytes


def refusal(path: Path, **changes) -> str:
    """The one sentence with which a file is refused."""
    with pytest.raises(UserError) as caught:
        parse(path, small_config(**changes))
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_good_file_becomes_named_float64_columns_with_units(write):
    table = parse(write(SMALL_TABLE), small_config())
    assert list(table.columns) == ["chord", "velocity", "sound_pressure"]
    assert table.attrs["units"] == {"chord": "m", "velocity": "m/s", "sound_pressure": "dB"}
    assert (table.dtypes == np.float64).all()
    assert table.iloc[2].tolist() == [0.1, -39.6, 110.0]


@pytest.mark.parametrize(
    "content",
    [
        SMALL_TABLE.replace(b"\r\n", b"\n"),
        SMALL_TABLE.replace(b"\r\n", b"\r"),
        SMALL_TABLE.removesuffix(b"\r\n"),
        SMALL_TABLE + b"\r\n\n",
        SMALL_TABLE.replace(b"\t", b" \t"),
    ],
    ids=["LF", "CR", "no newline at the end", "empty lines at the end", "blanks around numbers"],
)
def test_harmless_differences_in_layout_are_accepted(write, content):
    assert parse(write(content), small_config()).equals(parse(write(SMALL_TABLE), small_config()))


@pytest.mark.parametrize("content", [b"", b"\r\n \r\n"], ids=["no byte", "only white space"])
def test_an_empty_file_is_called_empty(write, content):
    assert "is empty" in refusal(write(content))


@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html>\n<p>Log in", b"\n <HTML><body>404", b"\xef\xbb\xbf<html>", b"<?xml version='1.0'?>"]
)
def test_an_html_page_is_called_one(write, content):
    assert "HTML page" in refusal(write(content))


def test_what_is_no_file_or_too_large_is_refused_unread(tmp_path, write):
    assert "No such file" in refusal(tmp_path / "none.dat")
    assert "folder or a device" in refusal(tmp_path)
    assert "folder or a device" in refusal(Path("/dev/zero"))
    assert "is larger than data.max_bytes=50 allows" in refusal(write(SMALL_TABLE), max_bytes=50)


@pytest.mark.parametrize("header", ["chord\tvelocity\tsound_pressure", "chord,velocity,sound", "# chord velocity"])
@pytest.mark.parametrize("rows", [4, 5])
def test_a_header_is_called_one_whatever_the_number_of_rows(write, header, rows):
    message = refusal(write(header.encode() + b"\r\n" + SMALL_TABLE), rows_total=rows)
    assert f"line 1: {header!r} looks like a header" in message
    assert "remove that line" in message


def test_a_truncated_file_is_refused_by_its_row_count(write):
    message = refusal(write(SMALL_TABLE[:30]))
    assert "has 2 rows and 4 are expected: it is cut short" in message


def test_too_many_rows_are_refused(write):
    assert "has 8 rows and 4 are expected" in refusal(write(SMALL_TABLE * 2))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (SMALL_TABLE.replace(b"0.3\t55.5\t", b"0.3\t"), "line 2: '0.3\\t125' has 2 tab-separated columns"),
        (SMALL_TABLE.replace(b"\t125\r", b"\t125\t7\r"), "line 2: '0.3\\t55.5\\t125\\t7' has 4 tab-separated columns"),
        (SMALL_TABLE.replace(b"\t", b","), "line 1: '0.3,71.3,126.2' has 1 tab-separated columns, and 3 are expected"),
        (SMALL_TABLE.replace(b"0.3\t55.5\t125\r\n0.1", b"0.1", 1).replace(b"0.2", b"\r\n0.2"), "line 3: ''"),
    ],
    ids=["a cell is missing", "a cell too many", "commas", "an empty line inside"],
)
def test_a_wrong_number_of_columns_is_refused_with_its_line(write, content, told):
    assert told in refusal(write(content))


@pytest.mark.parametrize(
    "cell", ["abc", "", "nan", "NaN", "inf", "-inf", "1e999", "1_0", "0x10", "1,5", "1 2", "--1", "1e", "."]
)
def test_a_cell_that_is_no_finite_number_is_refused_with_line_column_and_value(write, cell):
    message = refusal(write(SMALL_TABLE.replace(b"-39.6", cell.encode())))
    assert f"line 3, column 2 (velocity, m/s): {cell!r} is not a finite number" in message


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n", SMALL_TABLE + b"\xc3\xa9", SMALL_TABLE.decode().encode("utf-16")]
)
def test_binary_or_foreign_bytes_are_refused_with_their_line(write, content):
    assert re.search(r"line \d: byte 0x[0-9a-f]{2} is not text", refusal(write(content)))


def test_a_long_bad_line_does_not_fill_the_screen(write):
    assert len(refusal(write(b"x" * 10_000 + b"\r\n" + SMALL_TABLE), rows_total=5)) < 400


tables = st.lists(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1, max_size=8
)


@given(tables)
@settings(deadline=None)
def test_every_finite_table_is_read_back_exactly(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("t") / "small.dat"
    path.write_bytes("".join("\t".join(map(repr, row)) + "\r\n" for row in rows).encode())
    assert parse(path, small_config(rows_total=len(rows))).to_numpy().tolist() == rows


@given(st.integers(0, len(SMALL_TABLE)), st.integers(0, 12), st.binary(max_size=6))
@settings(deadline=None, max_examples=300)
def test_a_corrupted_table_is_either_read_or_refused_in_one_sentence(tmp_path_factory, start, length, replacement):
    path = tmp_path_factory.mktemp("t") / "small.dat"
    path.write_bytes(SMALL_TABLE[:start] + replacement + SMALL_TABLE[start + length :])
    try:
        table = parse(path, small_config())
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert table.shape == (4, 3)
        assert np.isfinite(table.to_numpy()).all()


@needs_real_file
def test_the_real_file_has_the_documented_ranges():
    table = parse(REAL_FILE, airfoil_config())
    ranges = {name: (table[name].min(), table[name].max()) for name in table.columns}
    assert ranges == {
        "frequency": (200, 20000),
        "angle_of_attack": (0, 22.2),
        "chord": (0.0254, 0.3048),
        "velocity": (31.7, 71.3),
        "displacement_thickness": (0.000400682, 0.0584113),
        "sound_pressure": (103.38, 140.987),
    }
    assert table["sound_pressure"].mean() == pytest.approx(124.836, abs=1e-3)
