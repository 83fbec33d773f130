"""Mistakes are refused with one sentence; a cell is itself whatever its label; every file in conf/ works."""

import copy
import dataclasses
import math
import re

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline import parts
from pipeline.lab.config import Cell, compose_cell, load_study
from pipeline.lab.config.cell import slug
from pipeline.lab.config.compose import as_overrides, cell_config, parse_overrides
from pipeline.lab.config.study import study_names
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF
from pipeline.workflow.settings import read_settings

GROUPS = ("data", "model", "optimizer", "schedule", "sampling", "trainer")


def choices(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


# -- mistakes


@pytest.mark.parametrize(
    ("override", "told"),
    [
        # unknown keys and names
        ("lrr=0.1", ["lrr=0.1", "no such key", "did you mean lr?"]),
        ("batchsize=10", ["batchsize=10", "did you mean batch_size?"]),
        ("model.weights_std=1", ["model.weights_std=1", "did you mean weight_std?"]),
        ("data.retires=3", ["retires"]),
        ("optimizer=sdg", ["optimizer=sdg", "did you mean sgd?"]),
        ("schedule=cosin", ["schedule=cosin", "did you mean cosine?"]),
        ("data=airfoyl", ["data=airfoyl", "did you mean airfoil?"]),
        ("implementation=tensorflow", ["implementation=tensorflow", "scratch, torch"]),
        ("engine=fast", ["engine=fast", "solo, stacked"]),
        ("trainer.accelerator=tpu", ["trainer.accelerator=tpu", "auto, cpu, gpu"]),
        ("model.bias=ones", ["model.bias=ones", "uniform, zeros"]),
        ("data.whiten=pca", ["data.whiten=pca", "none, standardize, zca"]),
        # wrong types
        ("lr=abc", ["lr=abc", "finite number above 0"]),
        ("lr=[0.1]", ["lr=[0.1]", "finite number above 0"]),
        ("batch_size=2.5", ["batch_size=2.5", "whole number"]),
        ("epochs=two", ["epochs=two", "whole number"]),
        ("model.weight_std=wide", ["model.weight_std", "wide", "Float"]),
        # out of range
        ("lr=nan", ["lr=nan", "finite number above 0"]),
        ("lr=inf", ["lr=inf", "finite number above 0"]),
        ("lr=-inf", ["lr=-inf", "finite number above 0"]),
        ("lr=0", ["lr=0.0", "finite number above 0"]),
        ("lr=-0.1", ["lr=-0.1", "finite number above 0"]),
        ("lr=1e400", ["lr=inf", "finite number above 0"]),
        ("batch_size=0", ["batch_size=0", "at least 1"]),
        ("batch_size=-5", ["batch_size=-5", "at least 1"]),
        ("batch_size=1501", ["batch_size=1501", "from 1 to 1500"]),
        ("epochs=0", ["epochs=0", "at least 1"]),
        ("seeds=0", ["seeds=0", "at least 1"]),
        ("read_every=-1", ["read_every=-1", "at least 0"]),
        ("trainer.devices=0", ["trainer.devices=0", "at least 1"]),
        ("data.rows=0", ["data.rows=0", "at least 1"]),
        ("data.rows=1504", ["data.rows=1504", "data.rows_total=1503"]),
        ("model.weight_std=-1", ["model.weight_std=-1.0", "at least 0"]),
        ("+optimizer.hyperparams.momentum=1.5", ["optimizer.hyperparams.momentum=1.5", "below 1"]),
        ("optimizer.lr_range=[1.0,0.1]", ["optimizer.lr_range=[1.0, 0.1]", "rising"]),
        # what a configuration may not name
        ("+model._target_=os.system", ["model._target_=os.system", "no such key"]),
        ("model.name=os.system", ["model=os.system", "choose one of cnn, linear, mlp"]),
        ("data.reader=pickle", ["data=pickle", "choose one of digits, file, table"]),
        ("data.task=guess", ["task=guess", "choose one of binary, classification, regression"]),
        ("optimizer.name=../../x", ["optimizer.name='../../x'", "letters, digits"]),
        ("optimizer.name=nothing", ["optimizer=nothing", "optimizers/nothing.py"]),
        # grammar
        ("lr", ["'lr'", "key=value"]),
        ("lr=0.1,0.2", ["lr=0.1,0.2", "one value"]),
        ("~lr", ["~lr", "one value"]),
        # what chooses a study or a place is no cell's
        ("study=textbook", ["study=textbook", "no such key"]),
        ("out=somewhere", ["out=somewhere", "no such key"]),
    ],
)
def test_a_mistake_is_one_sentence_that_names_key_value_and_what_is_allowed(override, told):
    with pytest.raises(UserError) as caught:
        compose_cell([override])
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert [text for text in told if text not in sentence] == []


def test_a_mistake_is_the_same_sentence_where_omegaconf_keeps_its_causes(monkeypatch):
    def told():
        with pytest.raises(UserError) as caught:
            compose_cell(["model.weight_std=abc"])
        return str(caught.value)

    monkeypatch.setenv("OC_CAUSE", "0")
    plain = told()
    assert "Value 'abc' of type 'str'" in plain
    monkeypatch.setenv("OC_CAUSE", "1")  # as in a debugger
    assert told() == plain


@pytest.mark.parametrize(
    "override", ["lrr=0.1", "optimizer=sdg", "lr=abc", "lr=nan", "batch_size=1501", "epochs=0", "lr"]
)
def test_a_mistake_in_what_reaches_every_cell_of_a_study_is_refused_too(override):
    with pytest.raises(UserError, match=re.escape(override.split("=")[0])) as caught:
        _ = load_study("textbook", [override]).cells
    assert "\n" not in str(caught.value)


def test_an_implementation_that_torch_does_not_have_is_refused():
    with pytest.raises(UserError, match="implementation=torch is not allowed with optimizer=sgd"):
        compose_cell(["implementation=torch", "optimizer.torch=null"])


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"override": ["lr=1"]}, r"--config override=\['lr=1'\] is not allowed"),
        (
            {"lr": 0.1},
            r"--config lr=0.1 is not allowed: the keys are results, studies, measurements, report_lang, config_dir and "
            "overrides",
        ),
        ({"overrides": 5}, "overrides=5 is not allowed: it must be a list"),
        ({"overrides": {"lr": 1}}, "it must be a list"),
        ({"overrides": ["lr"]}, "'lr' cannot be read: write key=value"),
    ],
)
def test_what_snakemake_is_given_is_checked(config, told):
    with pytest.raises(UserError, match=told):
        read_settings(config)


def test_readings_are_four_an_epoch_where_they_are_left_to_the_lab():
    assert compose_cell(["read_every=0"]).read_every == 375
    assert Cell(compose_cell(["read_every=0"])).id == Cell(compose_cell(["read_every=375"])).id


# -- mistakes in a study's file


@pytest.fixture
def study_file(tmp_path, monkeypatch):
    """Write study/mine.yaml into a folder of the user's."""
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))

    def write(text):
        (tmp_path / "study").mkdir(exist_ok=True)
        (tmp_path / "study" / "mine.yaml").write_text("name: mine\n" + text)

    return write


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cels: {}", "cels"),
        ("engine: fast", "mine: engine=fast is not allowed: choose one of solo, stacked"),
        ("seeds: 0", "mine: seeds=0 is not allowed"),
        ("seeds: many", "many"),
        ("lr_points: -1", "mine: lr_points=-1 is not allowed"),
        ("pack_by: [optimiser]", "did you mean optimizer?"),
        ("grid: {lr: 0.1}", r"mine.yaml: grid.lr=0.1 is not allowed: it must be a list, as \[0.1, 0.2\]"),
        ("grid: [lr]", r"mine.yaml: grid=\['lr'\] is not allowed: it must have keys, as {lr: \[0.1, 0.2\]}"),
        ("cells: [a, b]", r"mine.yaml: cells=\['a', 'b'\] is not allowed: it must have keys, as {gd: "),
        ("cells: {a: 5}", "mine.yaml: cells.a=5 is not allowed: it must have keys, as {lr: 0.1}"),
        ("common: lr", "mine.yaml: common=lr is not allowed: it must have keys"),
        ("grid: {lr: []}", r"mine: grid.lr=\[\] is not allowed"),
        ("cells: {a: {lr: -1}}", "study mine: lr=-1.0 is not allowed"),
        ("cells: {a: {lr: abc}}", "study mine: lr=abc is not allowed: it must be a finite number above 0"),
        ("cells: {a: {lr: [1, 2]}}", r"lr=\[1, 2\] is not allowed"),
        ("cells: {a: {batch_size: 10.0}}", "study mine: batch_size=10.0 is not allowed: it must be a whole number"),
        ("cells: {a: {batch_size: 9999}}", "batch_size=9999 is not allowed: airfoil has 1500"),
        ("cells: {a: {batch: 10}}", "study mine: batch=10 is not allowed: .* did you mean batch_size?"),
        ("cells: {a: {label: b}}", "label=b is not allowed: a cell has no such key"),
        ("common: {optimizer: sdg}", "study mine: optimizer=sdg is not allowed: .* did you mean sgd?"),
        ("grid: {model.bias: [zeros, ones]}", "model.bias=ones is not allowed"),
    ],
)
def test_a_mistake_in_a_study_is_one_sentence(study_file, text, told):
    study_file(text)
    with pytest.raises(UserError, match=told) as caught:
        _ = load_study("mine").jobs
    assert "\n" not in str(caught.value)


def test_an_unknown_study_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match="study=textbok is not allowed: .* did you mean textbook?"):
        load_study("textbok")


def test_a_float_in_exponent_notation_is_a_number(study_file):
    study_file("cells: {a: {lr: 5e-2}}")
    assert load_study("mine").cells[0].config.lr == 0.05


def test_a_study_runs_rules_that_only_torch_has(study_file):
    study_file(
        "common: {implementation: torch, optimizer: adam}\ncells:\n"
        "  nadam: {optimizer.name: nadam, optimizer.torch._target_: torch.optim.NAdam}\n"
        "  adabelief: {optimizer.name: adabelief, optimizer.torch._target_: pytorch_optimizer.AdaBelief}\n"
    )
    assert [cell.config.optimizer.name for cell in load_study("mine").cells] == ["nadam", "adabelief"]


def test_a_study_is_expanded_once_in_a_process(study_file):
    study_file("cells: {a: {lr: 0.1}}")
    assert load_study("mine", ["epochs=3"]).cells is load_study("mine", ["epochs=3"]).cells


def test_cells_are_crossed_with_the_grid_and_start_from_what_is_common(study_file):
    study_file("common: {epochs: 3}\ncells: {a: {}, b: {epochs: 4}}\ngrid: {lr: [0.1, 0.2], batch_size: [1, 10]}")
    cells = load_study("mine").cells
    found = [(cell.label, cell.config.epochs, cell.config.lr, cell.config.batch_size) for cell in cells]
    assert found == [(*label, lr, b) for label in [("a", 3), ("b", 4)] for lr in (0.1, 0.2) for b in (1, 10)]


def test_lr_points_are_log_spaced_over_the_range_that_the_optimizer_states(study_file):
    study_file("lr_points: 5\ncommon: {optimizer.lr_range: [1.0e-4, 1.0]}")
    assert [cell.config.lr for cell in load_study("mine").cells] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert [cell.config.lr for cell in load_study("mine", ["lr=0.5"]).cells] == [0.5]


def test_a_job_holds_the_cells_that_agree_on_the_axes_it_is_packed_by(study_file):
    study_file("pack_by: [batch_size, lr]\ngrid: {lr: [0.1, 0.2], batch_size: [1, 10], epochs: [1, 2]}")
    jobs = load_study("mine").jobs
    assert list(jobs) == ["b1-lr0p1", "b10-lr0p1", "b1-lr0p2", "b10-lr0p2"]
    assert [cell.config.epochs for cell in jobs["b10-lr0p2"]] == [1, 2]


def test_a_new_key_below_a_group_needs_a_plus(study_file):
    study_file("cells: {a: {implementation: torch, +optimizer.torch.weight_decay: 0.1}}")
    assert load_study("mine").cells[0].config.optimizer.torch["weight_decay"] == 0.1
    study_file("cells: {a: {implementation: torch, optimizer.torch.weight_decai: 0.1}}")
    with pytest.raises(UserError, match="weight_decai"):
        _ = load_study("mine").cells


# -- the files in conf/


@pytest.mark.parametrize(("group", "name"), [(group, name) for group in GROUPS for name in choices(group)])
def test_every_choice_composes_and_is_called_as_its_file(group, name):
    overrides = [f"{group}={name}"]
    overrides += {
        ("data", "digits"): ["model=cnn"],
        ("data", "table"): ["data.path=scikit_learn:diabetes", "data.target=target"],
        ("model", "cnn"): ["data=digits"],
    }.get((group, name), [])
    chosen = getattr(compose_cell(overrides), group)
    assert getattr(chosen, "name", name) == ("diabetes_file" if name == "table" else name)  # it takes that of its file


@pytest.mark.slow
@pytest.mark.parametrize("name", study_names())
def test_every_study_loads_and_is_called_as_its_file(name):
    study = load_study(name)
    assert study.name == name
    assert study.cells
    assert sum(len(cells) for cells in study.jobs.values()) == len(study.cells)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "scale")) for name in study_names()]
)
def test_the_ids_of_a_study_are_unique_and_safe_in_paths(name):
    study = load_study(name)
    ids = [cell.id for cell in study.cells]
    assert len(set(ids)) == len(ids)
    for text in [*ids, *study.jobs]:
        assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    for cell in study.cells[::29]:  # rates share what they have in common: each is as if it were made alone
        alone = Cell(dataclasses.replace(cell.config), cell.study, cell.label)
        assert (alone, alone.identity, alone.id) == (cell, cell.identity, cell.id)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    # Those have other models than the linear one, whose keys are overridden here.
    [name for name in study_names() if not name.startswith(("digits", "landscape"))],
)
def test_overrides_reach_every_cell_of_a_study(name):
    study = load_study(name, ["data=airfoil_twin", "epochs=3", "model.weight_std=0.5", "seeds=2", "trainer=auto"])
    for cell in study.cells:
        config = cell.config
        assert (config.data.name, config.epochs, config.seeds) == ("airfoil_twin", 3, 2)
        assert (config.model.weight_std, config.trainer.accelerator) == (0.5, "auto")


def test_cells_that_overrides_make_equal_are_one_cell():
    both = ["gd, 100 epochs", "gd lr 0.88, 100 epochs"]
    cells = [cell for cell in load_study("textbook", ["lr=0.5"]).cells if cell.config.epochs == 100]
    assert [cell.label for cell in load_study("textbook").cells if cell.config.epochs == 100] == both
    assert [cell.label for cell in cells] == both[:1]


# -- the identity of a cell

#: What another value of does not make another cell: the contract, written down a second time.
SAME_CELL = {
    *("seeds", "first_seed", "engine", "stack", "optimizer.lr_range"),
    *("trainer.accelerator", "trainer.devices", "trainer.timeout"),
    *(f"data.{key}" for key in ("title", "credit", "licence", "sources", "columns", "on_unreachable")),
    *("data.timeout", "data.retries", "data.max_bytes"),
}
READ_BY_THE_OTHER = {"scratch": "optimizer.torch", "torch": "optimizer.hyperparams"}


def leaves(config, path=""):
    """Every field of a dataclass and of those in it, as (dotted path, owner, field name)."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{path}{field.name}.")
        else:
            yield f"{path}{field.name}", config, field.name


def another(value):
    """A value of the same kind that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 + 1
    if isinstance(value, dict):
        return {**value, "one_more": 0.5}
    if isinstance(value, list):
        return [*value, 0.5]
    return f"{value}x"


@pytest.mark.parametrize("implementation", ["scratch", "torch"])
@pytest.mark.parametrize(
    "choice", ["model=linear", *(f"{group}={name}" for group in ("model", "schedule") for name in choices(group))]
)
def test_every_field_makes_another_cell_except_those_that_change_no_number(choice, implementation):
    fitting = ["data=digits"] if choice == "model=cnn" else []
    config = compose_cell([choice, *fitting, f"implementation={implementation}"])
    before = Cell(config).id
    same = set()
    for path, _, _ in leaves(config):
        changed = copy.deepcopy(config)
        owner, name = next((owner, name) for found, owner, name in leaves(changed) if found == path)
        setattr(owner, name, another(getattr(owner, name)))
        if Cell(changed).id == before:
            same.add(path)
    expected = SAME_CELL | {READ_BY_THE_OTHER[implementation]}
    assert same == expected & {path for path, _, _ in leaves(config)}  # images have no columns, say


def test_label_and_study_do_not_change_the_id():
    config = compose_cell()
    assert Cell(config, "textbook", "gd").id == Cell(config, "other", "").id


def test_a_cell_is_itself_however_its_numbers_were_written():
    assert Cell(compose_cell(["lr=1"])).id == Cell(compose_cell(["lr=1.0"])).id
    assert Cell(compose_cell(["lr=5e-2"])).id == Cell(compose_cell(["lr=0.05"])).id
    assert Cell(compose_cell(["epochs=4", "lr=0.1"])).id == Cell(compose_cell(["lr=0.1", "epochs=4"])).id


def test_learning_rates_that_differ_in_the_last_bit_are_two_cells():
    config = compose_cell(["lr=0.1"])
    assert Cell(config).id != Cell(dataclasses.replace(config, lr=0.1 + 2**-56)).id


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_a_learning_rate_can_stand_in_the_name_of_a_file(lr):
    assert re.fullmatch(r"[0-9a-z]+", slug(lr))


def test_a_run_makes_epochs_times_ceil_n_over_b_updates():
    cell = Cell(compose_cell(["batch_size=7", "epochs=3"]))
    assert (cell.steps_per_epoch, cell.steps) == (215, 645)


# -- overrides as text

keys = st.from_regex(r"\A[a-z][a-z_]{0,8}(\.[a-z][a-z_]{0,8}){0,2}\Z")
words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(allow_nan=False), words, st.just("1e-3")
)
values = st.one_of(
    scalars, st.lists(scalars, max_size=3), st.dictionaries(st.from_regex(r"\A[a-z]{1,8}\Z"), scalars, max_size=3)
)


@given(st.dictionaries(keys, values, max_size=4))
@example({"a": "null", "b": "true", "c": "1", "d": "1e-3", "e": "", "f": "a b", "g": "it's", "h": "x,y", "i": "\\'"})
@settings(max_examples=60, deadline=None)
def test_what_is_written_as_overrides_is_read_back_as_it_was(values):
    assert parse_overrides(as_overrides(values)) == values


def test_a_later_override_wins():
    assert parse_overrides(["lr=0.1", "epochs=4", "lr=0.2"]) == {"lr": 0.2, "epochs": 4}


# -- the taxonomy of batch sizes


@pytest.mark.parametrize(
    ("batch_size", "rows", "name"),
    [(1500, 1500, "full-batch"), (1, 1500, "stochastic"), (2, 1500, "mini-batch"), (1499, 1500, "mini-batch")]
    + [(1, 1, "full-batch"), (1, 2, "stochastic"), (2, 2, "full-batch")],
)
def test_batch_sizes_have_the_textbooks_names(batch_size, rows, name):
    cell = Cell(compose_cell([f"batch_size={batch_size}", f"data.rows={rows}", "epochs=3"]))
    assert cell.taxonomy == name
    assert cell.steps == 3 * math.ceil(rows / batch_size)


def test_rows_that_are_there_twice_are_twice_as_many_examples():
    assert Cell(compose_cell(["batch_size=1500", "data.copies=2"])).taxonomy == "mini-batch"
    assert Cell(compose_cell(["batch_size=3000", "data.copies=2"])).taxonomy == "full-batch"


@pytest.mark.parametrize("batch_size", [0, -1, 1501])
def test_a_batch_size_outside_the_data_is_refused(batch_size):
    with pytest.raises(UserError, match=f"batch_size={batch_size} is not allowed"):
        compose_cell([f"batch_size={batch_size}"])


CHOICES = [(folder.name, path.stem) for folder in CONF.iterdir() if folder.is_dir() for path in folder.glob("*.yaml")]


@pytest.fixture(scope="module")
def hydra():
    """Hydra's own composition of ``conf/config.yaml``."""
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        yield lambda override: compose(config_name="config", overrides=[override])


NOT_OF_A_CELL = ("study", "experiment", "measurement")


@pytest.mark.parametrize(
    ("group", "choice"),
    [
        pytest.param(*one, marks=[pytest.mark.slow] * (one[0] not in ("model", "optimizer")))
        for one in CHOICES
        if one[0] not in NOT_OF_A_CELL
    ],
)
def test_hydras_own_composition_makes_the_same_cell(hydra, group, choice):
    if choice in ("digits", "cnn", "table"):
        return  # none is a cell alone
    override = f"{group}={choice}"
    assert cell_config(hydra(override)) == compose_cell([override])
