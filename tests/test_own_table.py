"""A table of one's own: a zoo of odd ones runs right or is refused with a recipe; encoding against plain pandas."""

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.lab.command import command_of
from pipeline.lab.config import Cell, compose_cell, compose_data
from pipeline.lab.errors import UserError
from pipeline.parts.data.file import file

ROWS = 20


def lines(*columns, header="x,y", separator=",", rows=ROWS):
    """Text of a table: each column a function of the row's number."""
    head = [header.replace(",", separator)] if header else []
    return "\n".join([*head, *(separator.join(str(column(i)) for column in columns) for i in range(rows))]) + "\n"


def x(i):
    return i * i % 17 + 0.5


def y(i):
    return i * i % 13 - 0.25


def word(i):
    return ("red", "green", "blue")[i % 3]


def composed(**keys):
    """The data's configuration, of the values that are given, as an override writes them."""
    return compose_data(["data=table", "model=linear", *(f"data.{key}={value}" for key, value in keys.items())])


PLAIN = lines(x, y)
#: (text or bytes, keys, rows to train on, features, task)
RUNS = {
    "comma": (PLAIN, {}, 16, 1, "regression"),
    "semicolon": (lines(x, y, separator=";"), {}, 16, 1, "regression"),
    "tab": (lines(x, y, separator="\t"), {}, 16, 1, "regression"),
    "bar": (lines(x, y, separator="|"), {}, 16, 1, "regression"),
    "space": (lines(x, y, separator="  "), {}, 16, 1, "regression"),
    "comma and blank": (lines(x, y, separator=", "), {}, 16, 1, "regression"),
    "said separator": (lines(x, y, separator="~"), {"delimiter": "'~'"}, 16, 1, "regression"),
    "decimal comma": (lines(x, y, separator=";").replace(".", ","), {}, 16, 1, "regression"),
    "said decimal": (lines(x, y, separator=";").replace(".", ","), {"decimal": "','"}, 16, 1, "regression"),
    "carriage returns": (PLAIN.replace("\n", "\r\n"), {}, 16, 1, "regression"),
    "old Mac": (PLAIN.replace("\n", "\r"), {}, 16, 1, "regression"),
    "no last newline": (PLAIN.rstrip(), {}, 16, 1, "regression"),
    "blank lines": (PLAIN.replace("\n", "\n\n"), {}, 16, 1, "regression"),
    "byte order mark": (PLAIN.encode("utf-8-sig"), {}, 16, 1, "regression"),
    "UTF-16": (PLAIN.encode("utf-16"), {}, 16, 1, "regression"),
    "Latin-1": (lines(x, y, header="größe,y").encode("latin-1"), {}, 16, 1, "regression"),
    "UTF-8 names": (lines(x, y, header="größe,y"), {}, 16, 1, "regression"),
    "quoted header": (lines(x, y, header='"x, in m","y"'), {}, 16, 1, "regression"),
    "quoted numbers": (lines(lambda i: f'"{x(i)}"', y), {}, 16, 1, "regression"),
    "newline in quotes": (lines(lambda i: '"a\nb"' if i % 2 else "c", x, y, header="t,x,y"), {}, 16, 2, "regression"),
    "no header": (lines(x, y, header=""), {"target": "column2"}, 16, 1, "regression"),
    "names are numbers": (lines(x, y, header="1,2"), {"target": "'2'"}, 16, 1, "regression"),
    "said header": (lines(word, word, header=""), {"header": "false", "target": "column2"}, 16, 2, "classification"),
    "exponents": (lines(lambda i: f"{x(i):e}", y), {}, 16, 1, "regression"),
    "categories": (lines(word, x, y, header="w,x,y"), {}, 16, 3, "regression"),
    "said categories": (lines(lambda i: i % 4, x, y, header="w,x,y"), {"categorical": "[w]"}, 16, 4, "regression"),
    "truth values": (lines(lambda i: i % 3 == 0, x, y, header="w,x,y"), {}, 16, 2, "regression"),
    "gaps": (lines(lambda i: "" if i % 5 == 0 else x(i), word, y, header="x,w,y"), {}, 16, 3, "regression"),
    "question marks": (lines(lambda i: "?" if i % 5 == 0 else x(i), y), {}, 16, 1, "regression"),
    "NA and nan": (lines(lambda i: ("NA", "nan", x(i), x(i))[i % 4], y), {}, 16, 1, "regression"),
    "gaps in words": (lines(x, lambda i: "" if i % 5 == 0 else word(i), y, header="x,w,y"), {}, 16, 3, "regression"),
    "constant column": (lines(x, lambda i: 7, y, header="x,c,y"), {}, 16, 1, "regression"),
    "empty column": (lines(x, lambda i: "", y, header="x,c,y"), {}, 16, 1, "regression"),
    "separator at the end": (lines(x, y, lambda i: "", header="x,y,"), {}, 16, 1, "regression"),
    "dates": (lines(x, lambda i: f"2024-01-{i + 1:02}", y, header="x,d,y"), {}, 16, 1, "regression"),
    "times": (lines(x, lambda i: f"2024-01-01 {i:02}:00", y, header="x,d,y"), {}, 16, 1, "regression"),
    "German dates": (lines(x, lambda i: f"{i % 9 + 1}.3.2024", y, header="x,d,y"), {}, 16, 1, "regression"),
    "ids": (lines(lambda i: f"patient {i * 7}", x, y, header="who,x,y"), {}, 16, 1, "regression"),
    "index of pandas": (lines(lambda i: i, x, y, header=",x,y"), {}, 16, 1, "regression"),
    "years stay": (lines(lambda i: 2000 + i, y, header="year,y"), {}, 16, 1, "regression"),
    "said drop": (lines(word, x, y, header="w,x,y"), {"drop": "[w]"}, 16, 1, "regression"),
    "column twice": (lines(x, x, y, header="x,x2,y"), {}, 16, 2, "regression"),
    "target first": (lines(y, x, header="y,x"), {}, 16, 1, "regression"),
    "no validation": (PLAIN, {"validation": "0"}, 20, 1, "regression"),
    "half": (PLAIN, {"validation": "0.5"}, 10, 1, "regression"),
    "fold": (lines(x, lambda i: i % 4 == 0, y, header="x,f,y"), {"validation": "column:f"}, 15, 1, "regression"),
    "words of fold": (
        lines(x, lambda i: "validation" if i < 3 else "train", y, header="x,f,y"),
        {"validation": "column:f"},
        17,
        1,
        "regression",
    ),
    "first rows": (PLAIN, {"rows": "7"}, 7, 1, "regression"),
    "whole numbers": (lines(x, lambda i: 3 * i), {}, 16, 1, "regression"),
    "two classes": (lines(x, lambda i: i % 2), {}, 16, 1, "binary"),
    "words of two classes": (lines(x, lambda i: "yes" if i % 2 else "no"), {}, 16, 1, "binary"),
    "truth": (lines(x, lambda i: i % 2 == 0), {}, 16, 1, "binary"),
    "three classes": (lines(x, word), {}, 16, 1, "classification"),
    "ratings": (lines(x, lambda i: i % 5 + 3), {}, 16, 1, "classification"),
    "ratings as numbers": (lines(x, lambda i: i % 5 + 3), {"task": "regression"}, 16, 1, "regression"),
    "a class of one": (lines(x, lambda i: "rare" if i == 4 else word(i)), {}, 17, 1, "classification"),
    "target with gaps": (lines(x, lambda i: "" if i % 4 == 0 else y(i)), {}, 12, 1, "regression"),
    "more columns than rows": (
        lines(
            *([lambda i, j=j: (i * j) % 7 + j for j in range(3, 33)]),
            y,
            header=",".join([*(f"x{j}" for j in range(30)), "y"]),
        ),
        {},
        16,
        26,
        "regression",
    ),
    "two rows": ("x,y\n1,2.5\n3,4.5\n", {"validation": "0"}, 2, 1, "regression"),
    "large numbers": (lines(lambda i: f"{x(i)}e100", y), {}, 16, 1, "regression"),
    "constant in training alone": (
        lines(x, lambda i: int(i == 0), y, header="x,c,y"),
        {"split_seed": "1"},
        16,
        None,
        "regression",
    ),
}
#: (text or bytes, keys, words of the refusal)
REFUSALS = {
    "empty": (b"", {}, "the file is empty"),
    "header alone": ("x,y\n", {}, "it has no rows"),
    "one row": ("x,y\n1,2\n", {"validation": "0"}, "two or more are needed"),
    "one row to hold out": ("x,y\n1,2\n", {}, "it holds out none; say data.validation=0"),
    "two rows, one held out": ("x,y\n1,2.5\n3,4.5\n", {"validation": "0.5"}, "two or more are needed"),
    "one column": ("y\n1\n2\n", {}, "one column, 'y': a target and a feature are needed"),
    "not text": (b"x\0\x01,y\n", {}, "it is no text; give a CSV"),
    "two of a name": (lines(x, x, y, header="x,x,y"), {}, "2 columns called 'x': rename one"),
    "a field too many": (PLAIN.replace("\n", "\n1,", 3)[:-2], {}, "line 2: it has 3 fields, and the first line has 2"),
    "a field too few": (PLAIN + "5\n", {}, "line 22: it has 1 fields"),
    "open quote": (PLAIN + '"5,6\n', {}, "check its quotes"),
    "no target": (PLAIN, {"target": "''"}, "data.target is missing: name the column to learn, one of x, y"),
    "misspelt target": (lines(x, y, header="x,price"), {"target": "prise"}, "did you mean price?"),
    "misspelt drop": (PLAIN, {"drop": "[z]"}, "data.drop=z is not allowed"),
    "target dropped": (PLAIN, {"drop": "[y]"}, "it is the target"),
    "target alone": (PLAIN, {"drop": "[x]"}, "no column to learn from"),
    "text among numbers": (PLAIN.replace("\n1.5,", "\nabc,", 1), {}, "line 3, column 'x': abc is no number"),
    "dressed numbers": (lines(lambda i: f'"{i + 1},000"', y), {}, "line 2, column 'x': 1,000 is no number"),
    "per cent": (lines(lambda i: f"{i} %", y), {}, "0 % is no number"),
    "infinite": (lines(lambda i: "inf" if i == 3 else x(i), y), {}, "line 5, column 'x': inf is no number"),
    "target of texts and numbers": (
        lines(x, lambda i: "bad" if i == 3 else y(i)),
        {},
        "numbers and texts, 'bad' among them",
    ),
    "constant target": (lines(x, lambda i: 1.5), {}, "is the same in all rows"),
    "one class": (lines(x, lambda i: "a"), {}, "one class alone in the rows to train on, 'a'"),
    "target of gaps": (lines(x, lambda i: ""), {}, "column 'y' is empty"),
    "ids of classes": (lines(x, lambda i: f"t{i}", rows=1500), {}, "1,500 classes"),
    "class held out alone": (
        lines(x, lambda i: i == 0, lambda i: "c" if i == 0 else "ab"[i % 2], header="x,f,y"),
        {"validation": "column:f"},
        "class 'c'",
    ),
    "many levels": (
        lines(lambda i: f"w{i % 1200}", y, rows=3000),
        {},
        "levels, and at most 1,000 are encoded: say data.drop=[x]",
    ),
    "fold of other words": (
        lines(x, word, y, header="x,f,y"),
        {"validation": "column:f"},
        "it must hold true, 1 or validation",
    ),
    "three as two": (lines(x, word), {"task": "binary"}, "has 3 classes; say classification"),
    "share too large": (PLAIN, {"validation": "1.0"}, "data.validation=1.0 is not allowed"),
    "too many rows": (PLAIN, {"rows": "17"}, "data.rows=17 is not allowed"),
    "too large": (PLAIN, {"max_bytes": "100"}, "data.max_bytes=100; raise that"),
    "another hash": (PLAIN, {"sha1": "a" * 40}, "is not what it was"),
    "huge": (lines(lambda i: f"{x(i)}e300", y), {}, "in larger units"),
    "huge, as they are": (lines(lambda i: f"{x(i)}e300", y), {"whiten": "none"}, "say data.whiten=standardize"),
    "only constants": (lines(lambda i: 1, y), {}, "no column to learn from (x: constant)"),
    "only ids": (lines(lambda i: f"n{i}", y), {}, "x: ids, each text once"),
}


def written(folder, content):
    path = folder / "mine.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", RUNS)
def test_an_odd_table_is_understood(kind, tmp_path):
    content, keys, rows, features, task = RUNS[kind]
    written(tmp_path, content)
    found = composed(**{"path": "mine.csv", "target": "y", **keys})
    dataset = file(found, tmp_path)
    assert (found.rows, dataset.X.shape[0]) == (rows, rows)
    assert features is None or (found.features, dataset.X.shape[1]) == (features, features)
    assert found.task == task
    assert np.isfinite(dataset.X).all() and np.isfinite(dataset.y).all()
    assert dataset.y.dtype == (np.float32 if found.task == "regression" else np.int64)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_table_that_cannot_be_learnt_from_is_refused_with_a_recipe(kind, tmp_path):
    content, keys, words = REFUSALS[kind]
    written(tmp_path, content)
    with pytest.raises(UserError) as refusal:
        composed(**{"path": "mine.csv", "target": "y", **keys})
    assert words in str(refusal.value)
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.csv"]


def twin(frame, train, numbers, categories):
    """The features of some rows by plain pandas: medians, modes, z-scores and dummies, all of the training rows."""
    parts = []
    for name in numbers:
        column = frame[name].fillna(frame[name].iloc[train].median())
        parts.append((column - column.iloc[train].mean()) / column.iloc[train].std(ddof=0))
    for name in categories:
        column = frame[name].fillna(sorted(frame[name].iloc[train].mode())[0])
        levels = sorted(frame[name].iloc[train].dropna().unique())
        parts += [(column == level).astype(float) for level in levels[1:]]
    return np.column_stack(parts)


@pytest.fixture
def mixed(tmp_path):
    """A table of numbers with gaps, of two categories, and of a target."""
    draw = np.random.default_rng(3)
    frame = pd.DataFrame({name: draw.normal(size=200) * 40 + 7 for name in ("a", "b")})
    frame["colour"] = draw.choice(["red", "green", "blue"], size=200)
    frame["size"] = draw.choice(["s", "m"], size=200)
    frame["y"] = frame.a - 2 * frame.b + (frame["size"] == "s") + draw.normal(size=200)
    frame.loc[draw.choice(200, 30, replace=False), "a"] = np.nan
    frame.loc[draw.choice(200, 20, replace=False), "colour"] = np.nan
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return frame


def train_rows(found, frame):
    order = np.random.default_rng(found.split_seed).permutation(len(frame))
    out = order[np.diff(np.floor(float(found.validation) * np.arange(len(frame) + 1) + 0.5)) > 0]
    return np.setdiff1d(np.arange(len(frame)), out)


def test_encoded_values_are_those_of_plain_pandas(mixed, tmp_path):
    found = composed(path="mine.csv", target="y")
    dataset = file(found, tmp_path)
    train = train_rows(found, mixed)
    held_out = np.setdiff1d(np.arange(200), train)
    expected = twin(mixed, train, ["a", "b"], ["colour", "size"])
    np.testing.assert_allclose(dataset.X, expected[train], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dataset.held_out.X, expected[held_out], rtol=1e-5, atol=1e-6)
    z = (mixed.y - mixed.y.iloc[train].mean()) / mixed.y.iloc[train].std(ddof=0)
    np.testing.assert_allclose(dataset.y, z.iloc[train], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dataset.held_out.y, z.iloc[held_out], rtol=1e-5, atol=1e-6)
    assert dataset.columns == ("a", "b", "colour_green", "colour_red", "size_s", "y")
    assert len(held_out) == 40


@pytest.mark.parametrize("column", ["a", "b", "colour", "size", "y"])
def test_changing_validation_rows_changes_no_training_number(mixed, tmp_path, column):
    found = composed(path="mine.csv", target="y")
    before = file(found, tmp_path)
    held_out = np.setdiff1d(np.arange(200), train_rows(found, mixed))
    other = mixed.copy()
    strange = {"colour": "violet", "size": None, "a": None}
    other[column] = other[column].astype(object)
    other.loc[held_out, column] = strange.get(column, 1e6)
    other.to_csv(tmp_path / "mine.csv", index=False)
    changed = composed(path="mine.csv", target="y")
    after = file(changed, tmp_path)
    assert (after.X.tobytes(), after.y.tobytes()) == (before.X.tobytes(), before.y.tobytes())
    assert changed.sha1 != found.sha1
    assert not (
        np.array_equal(after.held_out.X, before.held_out.X) and np.array_equal(after.held_out.y, before.held_out.y)
    )


def test_every_class_is_held_out_in_its_share(tmp_path):
    written(tmp_path, lines(x, lambda i: ("a", "a", "a", "b", "b")[i % 5], rows=500))
    dataset = file(composed(path="mine.csv", target="y"), tmp_path)
    assert np.bincount(dataset.y).tolist() == [240, 160]
    assert np.bincount(dataset.held_out.y).tolist() == [60, 40]
    assert dataset.classes == ("a", "b")


def test_another_seed_holds_other_rows_out_and_the_same_seed_the_same(mixed, tmp_path):
    first, again, other = (file(composed(path="mine.csv", target="y", split_seed=s), tmp_path).y for s in (0, 0, 1))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_second_file_is_held_out_whole(mixed, tmp_path):
    mixed.iloc[:150].to_csv("mine.csv", index=False)
    mixed.iloc[150:].to_csv("other.csv", index=False)
    found = composed(path="mine.csv", target="y", validation="other.csv")
    dataset = file(found, tmp_path)
    assert (found.rows, len(dataset.held_out.X), found.rows_total) == (150, 50, 200)
    np.testing.assert_allclose(
        dataset.X, twin(mixed, np.arange(150), ["a", "b"], ["colour", "size"])[:150], rtol=1e-5, atol=1e-6
    )
    mixed.iloc[160:].to_csv("other.csv", index=False)
    with pytest.raises(UserError, match="is not what it was"):
        file(found, tmp_path)


@pytest.mark.parametrize("kind", ["parquet", "npz", "function", "torch"])
def test_the_same_numbers_come_from_parquet_arrays_and_functions(mixed, tmp_path, kind):
    frame = mixed[["b", "y"]]
    frame.to_csv("mine.csv", index=False)
    expected = file(composed(path="mine.csv", target="y"), tmp_path)
    frame.to_parquet("mine.parquet")
    np.savez("mine.npz", X=frame[["b"]].to_numpy(), y=frame.y.to_numpy())
    Path("mine.py").write_text(
        "import numpy, torch\narrays = numpy.load('mine.npz')\n"
        "def pair(): return arrays['X'], arrays['y']\n"
        "def dataset(): return torch.utils.data.TensorDataset(*map(torch.from_numpy, pair()))\n"
    )
    path = {"parquet": "mine.parquet", "npz": "mine.npz", "function": "mine:pair", "torch": "mine:dataset"}[kind]
    target = {"target": "y"} if kind == "parquet" else {}
    found = file(composed(path=path, **target), tmp_path)
    assert (found.X.tobytes(), found.y.tobytes()) == (expected.X.tobytes(), expected.y.tobytes())
    assert found.held_out.X.tobytes() == expected.held_out.X.tobytes()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"X": np.zeros((5, 2))}, "it has no array y"),
        ({"X": np.zeros((5, 2, 2)), "y": np.arange(5)}, "flatten"),
        ({"X": np.zeros((5, 2)), "y": np.arange(4)}, r"\(5, 2\) and y \(4,\)"),
        ({"X": np.array([[{}]]), "y": np.arange(1)}, "without objects"),
        ({"X": np.zeros((5, 2)), "y": np.arange(5), "X_val": np.zeros((1, 2))}, "no array y_val"),
    ],
)
def test_arrays_that_are_no_table_are_refused(tmp_path, arrays, words):
    np.savez("mine.npz", **arrays)
    with pytest.raises(UserError, match=words):
        composed(path="mine.npz")


def test_arrays_held_out_are_used_as_they_are(tmp_path):
    X, values = np.arange(40.0).reshape(20, 2) ** 2, np.arange(20) ** 1.5
    np.savez("mine.npz", X=X, y=values, X_val=X[:5], y_val=values[:5])
    found = file(composed(path="mine.npz"), tmp_path)
    assert (found.X[:5].tobytes(), found.y[:5].tobytes()) == (found.held_out.X.tobytes(), found.held_out.y.tobytes())


@pytest.mark.parametrize(
    "path", ["os:getcwd", "subprocess:run", "pipeline.workflow.lock:unlock_if_abandoned", "json:dumps"]
)
def test_only_a_function_of_the_users_own_folder_is_called(path):
    with pytest.raises(UserError, match="there is no .* where the command was started"):
        composed(path=path)


def test_a_function_must_be_defined_in_the_file_that_is_named(tmp_path):
    Path("mine.py").write_text("from os import getcwd\n")
    with pytest.raises(UserError, match="defines no function getcwd"):
        composed(path="mine:getcwd")


def test_a_changed_file_is_composed_anew_and_refused_where_it_was_promised(mixed, tmp_path):
    found = composed(path="mine.csv", target="y")
    mixed.assign(b=mixed.b + 1).to_csv("mine.csv", index=False)
    with pytest.raises(UserError, match="is not what it was"):
        file(found, tmp_path)
    with pytest.raises(UserError, match="is not what it was"):
        composed(path="mine.csv", target="y", sha1=found.sha1)
    assert composed(path="mine.csv", target="y").sha1 != found.sha1


def test_a_cell_is_the_same_wherever_its_file_lies(mixed, tmp_path):
    def cell(path):
        return Cell(compose_cell(["data=table", f"data.path={path}", "data.target=y", "optimizer=sgd"]))

    (tmp_path / "below").mkdir()
    mixed.to_csv("below/mine.csv", index=False)
    one, other = cell("mine.csv"), cell("below/mine.csv")
    assert one.id == other.id
    assert one.config.data.path != other.config.data.path
    mixed.assign(b=mixed.b * 2).to_csv("mine.csv", index=False)
    assert cell("mine.csv").id != one.id


@pytest.mark.parametrize(
    "more", [[], ["data.rows=100", "data.validation=0.3"], ["data.task=classification", "data.drop=[a]"]]
)
def test_the_command_of_a_cell_composes_to_that_cell(mixed, more):
    mixed.assign(y=mixed.y.round() % 12).to_csv("mine.csv", index=False)
    cell = Cell(compose_cell(["data=table", "data.path=mine.csv", "data.target=y", *more]))
    command = shlex.split(command_of(json.loads(cell.config_json), cell.id, seeds=3))
    assert "data.path=mine.csv" in command
    assert Cell(compose_cell([word for word in command[3:] if not word.startswith("seeds")])).id == cell.id


def test_what_was_inferred_is_printed_once(mixed, capsys):
    for _ in range(2):
        composed(path="mine.csv", target="y", split_seed=77)
    printed = capsys.readouterr().err
    for words in ("200 rows", "colour, size", "a (30)", "160 rows to train on, 40 held out", "task regression"):
        assert printed.count(words) == 1, printed


def test_the_prepared_table_is_read_back_as_it_was_trained_on(mixed, tmp_path):
    from pipeline.lab.dataset import load_dataset

    found = composed(path="mine.csv", target="y")
    dataset = file(found, tmp_path)
    read = load_dataset(tmp_path / found.file, found.rows)
    assert (read.X.tobytes(), read.y.tobytes(), read.columns) == (
        dataset.X.tobytes(),
        dataset.y.tobytes(),
        dataset.columns,
    )


@pytest.mark.slow
def test_a_million_rows_are_read(tmp_path):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(1_000_000, 4)).round(4), columns=list("abcy"))
    frame["w"] = draw.choice(["u", "v", "w"], size=len(frame))
    frame.to_csv("mine.csv", index=False)
    found = composed(path="mine.csv", target="y")
    assert (found.rows, found.features) == (800_000, 5)


def test_the_zoo_is_large():
    assert len(RUNS) + len(REFUSALS) >= 60
