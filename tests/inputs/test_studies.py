"""A study's file is expanded to its cells, or refused with one sentence that names the file."""

import json

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import parts
from pipeline.lab.config import load_study
from pipeline.lab.errors import exit_on_user_error
from pipeline.train.probe import check_buildable
from pipeline.workflow.settings import read_settings
from tests.inputs import nasty
from tests.inputs.door import cases

HEAD = "name: mine\nmax_steps: 1000000\n"


@pytest.fixture
def study(door, tmp_path, monkeypatch):
    """Write study/mine.yaml into a user's folder, and give it to the function that the command calls first."""
    conf = tmp_path / "conf"
    (conf / "study").mkdir(parents=True)
    monkeypatch.setenv(parts.VARIABLE, str(conf))

    def check(content, *overrides):
        file = conf / "study" / "mine.yaml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))
        command = exit_on_user_error()(lambda: check_buildable(load_study("mine", overrides).cells))
        return door.run_or_refuse(command)

    check.folder = conf / "study"
    return check


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2000),
    st.sampled_from([10**9, 10**20, float("nan"), float("inf"), 5e-2, "5e-2", 1501, "sgd", "adam", "sdg", "[", "${x}"]),
    st.floats(),
    nasty.words.filter(lambda word: word.isprintable()),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
cell_keys = st.sampled_from(
    ["lr", "batch_size", "epochs", "seeds", "optimizer", "schedule", "optimizer.hyperparams.momentum"]
)
cell = st.dictionaries(cell_keys | nasty.keys, scalars, max_size=2)
right = st.fixed_dictionaries({"lr": st.sampled_from([0.1, 5e-2]), "batch_size": st.sampled_from([10, 100])})
labels = nasty.words.filter(lambda word: word.isprintable())
studies = st.fixed_dictionaries(
    {},
    optional={
        "cells": st.dictionaries(labels, right | cell, max_size=3) | anything,
        "grid": st.dictionaries(cell_keys, st.lists(scalars, max_size=3), max_size=2) | anything,
        "common": right | cell | anything,
        "seeds": st.integers(1, 3) | scalars,
        "lr_points": st.integers(0, 3) | scalars,
        "pack_by": st.lists(st.sampled_from(["optimizer", "lr", "optimiser"]), max_size=2) | anything,
        "engine": st.sampled_from(["solo", "stacked", "fast"]) | anything,
        "max_runs": scalars,
        "titel": anything,
    },
)


@pytest.mark.slow
@given(studies)
@example({})
@example({"cells": {"a": {"lr": 0.1}, "b": {"lr": 0.1}}})
@example({"cells": {"$(touch x)": {"lr": 0.1}}})
@cases("studies", 420)
def test_any_study_is_expanded_or_refused(study, content):
    sentence = study(HEAD + yaml.safe_dump(content, allow_unicode=True))
    if sentence is not None:
        assert "mine" in sentence or any(word in sentence for word in content), sentence


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode), st.booleans())
@example(b"", False)
@example(b"- 1", False)
@example(b"&a [*a]", False)
@example(b"common: !!python/object/apply:os.system ['touch x']", True)
@example(b"# @package _global_", True)
@example(b"lr: 1\nlr: 2", True)
@cases("broken files", 200)
def test_any_file_of_a_study_is_read_or_refused(study, content, headed):
    study((HEAD.encode() if headed else b"") + content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "name"),
        (b"- 1", "it is a list"),
        (b"word", "key=word is not allowed"),
        (b"a: [", "line 1"),
        (b"\xff", "UTF-8"),
        (b"name: textbook", "name=textbook is not allowed: it must be mine"),
        (b"name: mine\nname: mine", "duplicate key"),
        (b"name: mine\ncels: {}", "did you mean cells?"),
        (b"name: mine\nhydra: {}", "hydra"),
        (b"# @package _global_\nname: mine", "@package"),
        (b"defaults: [{override /hydra/callbacks: x}]\nname: mine", "defaults"),
        (b"defaults: [sweep]\nname: mine", "defaults=sweep"),
        (b"name: mine\ncommon: !!python/object/apply:os.system [id]", "constructor"),
        (b"name: mine\nseeds: 1000000000", "1,000,000,000 runs"),
        (b"name: mine\nlr_points: 1000000000", "1,000,000,000 learning rates"),
        (b"name: mine\ncommon: {epochs: 1000000000}", "150,000,000,000 updates"),
        (b"name: mine\ngrid: {lr: [0.1, 0.2], batch_size: [1, 2]}\nmax_runs: 3", "4 runs"),
        (b"name: mine\ncommon: {model.name: os.system}", "os.system"),
        (b"name: mine\ncommon: {implementation: torch, optimizer.torch._target_: os.system}", "torch.optim."),
        (b"name: mine\ncommon: {data.sources: ['https://a:secret@b/c']}", "AIRFOIL_DATA"),
        (b"name: mine\ncommon: {model: mlp, model.widths: [1000000, 1000000]}", "parameters"),
        (b"name: mine\ncommon: {data.copies: 1000000000}", "1,500,000,000,000 examples"),
    ],
)
def test_what_is_wrong_with_a_study_is_named(study, content, told):
    sentence = study(content)
    assert sentence is not None
    assert told in sentence
    assert "secret" not in sentence


def test_a_limit_can_be_raised_where_it_is_meant(study):
    many = "seeds: 250000\ncommon: {batch_size: 1500, epochs: 1}\n"
    assert "250,000 runs" in study(HEAD + many)
    assert study(HEAD + many + "max_runs: 250000\n") is None
    assert study(HEAD + many, "max_runs=250000") is None
    assert "max_steps=3" in study(HEAD + "common: {batch_size: 1500, epochs: 4}", "max_steps=3")
    assert len(load_study("mine", ["max_steps=4"]).cells) == 1


@pytest.mark.parametrize(
    "name", ["train", "all", "data", "logs", "measure_memory", "$(touch x)", "a;b", "a b", "ä", "a.b", "x|y", "1", "-r"]
)
def test_a_study_that_cannot_be_a_rule_and_a_folder_is_refused(study, door, name):
    (study.folder / f"{name}.yaml").write_text("name: mine\n")
    command = exit_on_user_error()(lambda: read_settings({}))
    assert json.dumps(name, ensure_ascii=False)[1:-1] in door.run_or_refuse(command)
