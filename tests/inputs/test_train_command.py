"""``python -m pipeline.train`` runs what it is asked, or refuses it with one sentence, before anything is written."""

import shutil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.train.__main__ import main
from tests.inputs import nasty
from tests.inputs.door import cases

#: Small, so that what is right after all is trained in a moment.
SMALL = ["data=airfoil_twin", "track=false", "batch_size=1500", "epochs=1", "max_steps=200", "max_runs=30"]


@pytest.fixture
def train(door, tmp_path):
    """Train in this process."""

    def command(*arguments, names=()):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)  # tables of other cells would not be overwritten
        given = {text.lstrip("+").partition("=")[0] for text in arguments}
        fixed = [text for text in SMALL if text.partition("=")[0] not in given]
        places = [f"{key}={tmp_path / 'out'}" for key in ("hydra.run.dir", "hydra.sweep.dir") if key not in given]
        data = [] if "data_dir" in given else [f"data_dir={tmp_path / 'data'}"]
        return door.run_or_refuse(main, *arguments, *fixed, *places, *data, names=names)

    return command


@pytest.mark.slow
@given(st.lists(nasty.overrides, min_size=1, max_size=3))
@example(["label=$(touch x)"])
@example(["label='a\nb'", "lr=5e-2"])
@example(["out=/dev/null/x"])
@example(["hydra.run.dir=/dev/null/x"])
@example(["study=textbook", "job=$(touch x)"])
@cases("overrides", 620)
def test_any_overrides_are_run_or_refused(train, overrides):
    train(*overrides)


@pytest.mark.slow
@given(st.sampled_from(["", "hydra/launcher=stacked", "hydra/launcher=basic"]), st.lists(nasty.overrides, max_size=2))
@cases("products", 120)
def test_any_product_is_run_or_refused(train, launcher, overrides):
    train("-m", *filter(None, [launcher]), *overrides, "lr=0.1,-1")


BAD = [
    *((f"lr={value}", "finite number above 0") for value in ("nan", "inf", "-inf", "0", "-1", "-0.0", "1e400", "1e39")),
    *((f"batch_size={value}", "at least 1") for value in (0, -1, -(10**20))),
    *((f"batch_size={value}", "from 1 to 1500") for value in (1501, 10**9, 10**20)),
    *((f"{key}=0", "at least 1") for key in ("epochs", "seeds", "trainer.devices")),
    ("read_every=-1", "at least 0"),
    ("epochs=1000000000", "1,000,000,000 updates, and at most max_steps=200"),
    ("seeds=1000000000", "1,000,000,000 runs"),
    ("optimizer=sdg", "did you mean sgd?"),
    ("optimizer=Adam", "did you mean adam?"),
    ("schedule=cosin", "did you mean cosine?"),
    ("lrr=0.1", "did you mean lr?"),
    ("batchsize=10", "did you mean batch_size?"),
    ("model.widths=[64]", "widths"),
    ("lr=", "lr"),
    ("lr", "key=value"),
    ("lr=[", "key=value"),
    ("lr=1,2", "one value"),
    ("study=textbok", "did you mean textbook?"),
    ("study.seeds=5", "study.seeds"),
    ("job=[1]", "job"),
    ("track=perhaps", "track"),
    ("out={a: 1}", "out"),
    ("data_dir=/dev/null", "data_dir=/dev/null is not allowed: it must be a folder"),
    ("mlflow_uri=postgresql://ada:secret@db/mlflow", "MLFLOW_TRACKING_URI"),
    ("data.sources=['https://ada:secret@example.org/x']", "AIRFOIL_DATA"),
    ("hydra/launcher=slurm", "basic, stacked"),
    ("hydra.launcher.jobs=2", "hydra.launcher.jobs=2 is not allowed"),
    ("hydra.callbacks.x._target_=os.system", "hydra.callbacks.x._target_ is not allowed"),
    ("hydra.sweeper.params={lr: '1,2'}", "hydra.sweeper.params"),
    ("hydra.sweeper._target_=os.system", "names code"),
    ("model._target_=torch.optim.SGD", "there is no such key, only name, weight_std, bias"),
    ("schedule._target_=pipeline.parts.schedules.__init__", "pipeline.parts.schedules."),
    ("~lr", "cannot be taken away"),
    ("--experimental-rerun=x", "pickle"),
    ("--config-dir=/nowhere", "/nowhere"),
    ("--config-path=/tmp", "--config-path=/tmp is not allowed"),
    ("--no-such-option", "unrecognized"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("argument", "told"), BAD)
def test_what_is_wrong_is_named_with_its_value_and_what_is_allowed(train, argument, told):
    sentence = train(argument)
    assert sentence is not None
    assert told in sentence
    assert "secret" not in sentence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        (["lr=range(1,1000000000)"], "999,999,999 runs"),
        (["lr=range(0.0,1.0,1e-9)"], "1,000,000,000 runs"),
        (["lr=range(0,1,0)"], "step other than 0"),
        (["batch_size=range(1,1501)", "lr=range(0.01,1,0.01)", "seeds=10"], "148,500 runs (1,500 x 99)"),
        (["lr=interval(0,1)"], "interval"),
        (["lr=0.1,0.2", "seeds=1000000"], "1,000,000 runs"),
        (["lr=0.1,nan"], "lr=nan"),
        (["hydra/launcher=stacked", "lr=0.1,0.2,-1"], "lr=-1.0"),
        (["optimizer=sgd,sdg"], "did you mean sgd?"),
    ],
)
def test_a_product_is_refused_before_its_first_cell_is_trained(train, sweep, told):
    sentence = train("-m", *sweep)
    assert sentence is not None
    assert told in sentence


@pytest.mark.slow
@pytest.mark.parametrize("lr", ["5e-2", "5.0e-2", ".05", "0.05", "5E-2"])
def test_a_number_is_a_number_however_it_is_written(train, door, tmp_path, lr):
    assert train(f"lr={lr}", f"out={tmp_path / 'same'}") is None
    from pipeline.lab.tables import RUNS, read_table

    assert read_table(tmp_path / "same" / "runs.parquet", RUNS).lr.tolist() == [0.05]
