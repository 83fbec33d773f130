"""``fetch`` and ``whiten`` take a table, or refuse it with one sentence that names the file, and write nothing."""

import hashlib
import json
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.fetch.__main__ import main as fetch
from pipeline.lab.errors import MAKE_AGAIN
from pipeline.whiten.__main__ import main as whiten
from tests.inputs import nasty
from tests.inputs.door import cases

ROW = ["800", "0", "0.3048", "71.3", "0.00266337", "126.201"]
CELLS = [
    "nan",
    "inf",
    "-inf",
    "1e999",
    "",
    "abc",
    "1,5",
    "0x1F",
    "1_000",
    "٣",
    "5e-2",
    ".5",
    "-0",
    "1" * 400,
    "$(touch x)",
]
BINARY = [b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"PK\x03\x04garbage", b"\xff\xfe1\t2", b"\0" * 100, b"\x1f\x8b\x08"]
PAGES = [b"<!DOCTYPE html><p>Log in", b"<html>404</html>", b"<?xml version='1.0'?>", b"\xef\xbb\xbf<html>"]


@st.composite
def tables(draw):
    """A table of a few rows with, mostly, something wrong in it."""
    rows = [[str(draw(st.integers(1, 9))), *ROW[1:]] for _ in range(draw(st.integers(2, 6)))]
    for _ in range(draw(st.integers(0, 2))):
        i, j = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, 5))
        if j < len(rows[i]):
            rows[i][j] = draw(st.sampled_from(CELLS) | st.floats().map(repr) | nasty.words)
    if draw(st.booleans()):
        rows = [[*row[:-1], str(i + draw(st.floats(0, 1)))] for i, row in enumerate(rows)]
    if draw(st.integers(0, 3)) == 0:
        rows[-1] = rows[-1][: draw(st.integers(0, 5))]
    text = draw(st.sampled_from(["\r\n", "\n", "\r"])).join(
        draw(st.sampled_from(["\t", ",", " "])).join(row) for row in rows
    )
    return text.encode("utf-8", "surrogateescape")


contents = st.one_of(
    tables(),
    tables(),
    st.binary(max_size=60),
    st.sampled_from([*BINARY, *PAGES, b"", b" \r\n", b"1\t" * 200_000, b"9" * 500_000]),
    tables().map(lambda table: table[: len(table) // 2]),
)
settings_of_data = st.dictionaries(
    st.sampled_from(
        ["rows_total", "rows", "copies", "whiten", "sha1", "timeout", "retries", "max_bytes", "columns", "nmae", "name"]
    ),
    nasty.values,
    max_size=1,
)


@pytest.mark.slow
@given(contents, settings_of_data, st.sampled_from(["good", "wrong"]))
@example(b"\t".join(cell.encode() for cell in ROW) + b"\n", {}, "good")
@example(b"1\t2\t3\t4\t5\t6\n2\t3\t4\t5\t6\t7\n", {}, "good")
@cases("data files", 420)
def test_any_file_is_whitened_or_refused(door, tmp_path, content, settings, sha1):
    path = tmp_path / "given.dat"
    path.write_bytes(content)
    rows = content.rstrip(b"\r\n").count(b"\n") + 1
    digest = hashlib.sha1(content).hexdigest() if sha1 == "good" else "0" * 40
    given = {
        **{"sources": f"['{path}']", "on_unreachable": "fail", "sha1": digest, "rows_total": rows, "rows": rows},
        **settings,
    }
    overrides = [f"data.{key}={value}" for key, value in given.items()]
    sentence = door.run_or_refuse(partial(fetch, ["--quiet", "--out", "raw", *overrides]))
    if sentence is None:
        raw = next(door.folder.glob("raw/*.dat"))
        door.run_or_refuse(partial(whiten, ["--raw", str(raw), "--out", "white.parquet", *overrides]))
        for made in sorted(door.folder.rglob("*"), reverse=True):
            made.rmdir() if made.is_dir() else made.unlink()
    elif sha1 == "wrong" and not settings and content.strip():
        assert "SHA-1" in sentence or "HTML" in sentence or "zip" in sentence


@given(
    st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b"null", b"[" * 100_000, b'{"sha1": 1, "offline_twin": 0}'])
)
@cases("provenance", 60)
def test_any_provenance_is_read_or_refused(door, tmp_path, provenance):
    raw = tmp_path / "table.dat"
    raw.write_bytes(b"1\t2\t3\t4\t5\t6\n2\t3\t4\t5\t6\t7\n")
    raw.with_suffix(".json").write_bytes(provenance)
    given = ["--raw", str(raw), "--out", "white.parquet", "data.rows_total=2", "data.rows=2"]
    sentence = door.run_or_refuse(partial(whiten, given))
    assert sentence is not None
    assert MAKE_AGAIN in sentence


@given(nasty.words.filter(lambda word: word and not word.startswith("-")))
@cases("names of files", 60)
def test_a_table_of_any_name_is_refused_by_its_name(door, name):
    sentence = door.run_or_refuse(partial(whiten, ["--raw", name, "--out", "white.parquet"]))
    assert sentence is not None


@pytest.mark.parametrize("where", ["raw", "out"])
def test_a_folder_in_place_of_a_file_is_refused(door, tmp_path, where):
    raw = tmp_path / "table.dat"
    raw.write_bytes(b"1\t2\t3\t4\t5\t6\n2\t3\t4\t5\t6\t7\n")
    raw.with_suffix(".json").write_text(
        json.dumps({"sha1": hashlib.sha1(raw.read_bytes()).hexdigest(), "offline_twin": False, "name": "x"})
    )
    given = {"raw": raw, "out": door.folder / "white.parquet", where: tmp_path}
    sentence = door.run_or_refuse(
        partial(whiten, ["--raw", str(given["raw"]), "--out", str(given["out"]), "data.rows_total=2", "data.rows=2"])
    )
    assert str(tmp_path) in sentence
