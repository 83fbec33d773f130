"""Strategies: what people and programs get wrong."""

from hypothesis import strategies as st

from pipeline.lab.config.compose import CELL_FIELDS

#: No NUL: a command line cannot hold one.
WORDS = [
    *(
        "$(touch x)",
        "`touch x`",
        "; touch x",
        "x & touch y",
        "| tee x",
        "'",
        '"',
        "it's",
        "\\",
        "../../x",
        "/etc/passwd",
    ),
    *(
        "a\nb",
        "\x1b[2J",
        "\u202eabc",
        "👩‍🔬",
        "Größe",
        "日本",
        "",
        " ",
        "~",
        "-",
        "--help me",
        "*",
        "{a}",
        "${oc.env:HOME}",
    ),
    *("${a}", "a,b", "a=b", "[", "]", "{", "}", "[[", "null", "true", "nan", "x" * 300, "{seed}", "%s", "\udcff"),
]
NUMBERS = [
    *("nan", "inf", "-inf", "0", "-0.0", "-1", "1e400", "-1e400", "1e39", "1e-320", "5e-2", ".5", "5.", "+1", "1_0"),
    *("1000000000", "10000000000000000000000", "0x10", "1.5", "'5e-2'", "1501", "1500", "10", "2", "1", "true", "1e0"),
]
VALUES = [
    *("[0.1]", "[]", "{a: 1}", "{}", "abc", "null", "'0.1'", "''", "choice(1,2)", "range(0,3)", "1,2", "sort(3,1)"),
    *("interval(0,1)", "glob(*)", "int(5)", "float(3)", "str(1)", "extend_list(1)", "[1,[2]]", "${lr}", "1 2", "a:b"),
]
SCALARS = [
    "lr",
    "batch_size",
    "epochs",
    "seeds",
    "read_every",
    "implementation",
    "engine",
    "label",
    "job",
    "out",
    "track",
]
NESTED = [
    *(
        "model.weight_std",
        "model.bias",
        "model._target_",
        "optimizer.name",
        "optimizer.lr_range",
        "optimizer.hyperparams",
    ),
    *("schedule.warmup_steps", "schedule.warmup_epochs", "schedule._target_", "sampling.name", "trainer.devices"),
    *("trainer.accelerator", "data.rows", "data.rows_total", "data.copies", "data.whiten", "data.sha1", "data.timeout"),
    *(
        "data.retries",
        "data.max_bytes",
        "data.columns",
        "data.name",
        "+optimizer.hyperparams.momentum",
        "optimizer.torch._target_",
    ),
    *("+optimizer.torch.weight_decay", "max_runs", "max_steps", "data_dir", "mlflow_uri", "extension", "study"),
]
GROUPS = ["data", "model", "optimizer", "schedule", "sampling", "trainer", "study", "hydra/launcher"]
HYDRA = ["hydra.run.dir", "hydra.callbacks.x._target_", "hydra.sweeper.params", "hydra.searchpath", "hydra.mode", "~lr"]
WRONG_KEYS = [
    "lrr",
    "batchsize",
    "optimiser",
    "learning_rate",
    "",
    ".",
    "a.b",
    "model.weights_std",
    "data.retires",
    "@",
    "+x",
]

words = st.sampled_from(WORDS) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
numbers = st.sampled_from(NUMBERS) | st.floats().map(repr) | st.integers(-(10**12), 10**12).map(str)
quoted = words.map(lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'")
values = st.one_of(numbers, numbers, st.sampled_from(VALUES), quoted, words)


@st.composite
def misspelt(draw):
    """A key with one letter too many, too few, or wrong."""
    key = draw(st.sampled_from([*CELL_FIELDS, *NESTED]))
    at = draw(st.integers(0, len(key) - 1))
    return draw(st.sampled_from([key[:at] + key[at + 1 :], key[:at] + "x" + key[at:], key[:at] + "x" + key[at + 1 :]]))


keys = st.one_of(
    st.sampled_from(SCALARS),
    st.sampled_from(NESTED),
    st.sampled_from(GROUPS),
    st.sampled_from(HYDRA + WRONG_KEYS),
    misspelt(),
)
overrides = st.one_of(
    st.builds("{}={}".format, keys, values),
    st.builds("{}={}".format, keys, values),
    words,
)
