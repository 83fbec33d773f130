"""What users of Hydra expect of a command line: each works, or is refused with the reason and what to write."""

import re
import sys
from importlib.util import find_spec

import pytest
import yaml
from repository import ROOT

from pipeline.lab.tables import RUNS, read_table
from pipeline.train.__main__ import main
from tests.inputs.door import Door, complaints, listing

pytestmark = pytest.mark.slow

#: The command line, and what the tables then have: rates, batch sizes, optimizers or schedules.
WORKS = {
    "-m lr=range(0.1,0.35,0.1)": {"lr": [0.1, 0.2, 0.3]},
    "-m batch_size=choice(300,500)": {"batch_size": [300, 500]},
    "-m lr=sort(0.2,0.1)": {"lr": [0.1, 0.2]},
    "-m lr=shuffle(0.1,0.2)": {"lr": [0.1, 0.2]},
    "-m lr=tag(mine,choice(0.1,0.2))": {"lr": [0.1, 0.2]},
    "-m optimizer=glob(ad*)": {"optimizer": ["adadelta", "adagrad", "adam", "adamw"]},
    "-m optimizer=glob(*,exclude=[a*,m*,n*,r*,y*])": {"optimizer": ["lion", "sgd"]},
    "-m schedule=glob(*constant)": {"schedule": ["constant"]},
    "-m hydra/launcher=stacked lr=range(0.1,0.35,0.1)": {"lr": [0.1, 0.2, 0.3]},
    "--multirun model=linear,mlp optimizer=sgd,adam": {"model": ["linear", "mlp"], "optimizer": ["adam", "sgd"]},
    "-m model=mlp model.widths=[4],[8,8]": {"model": ["mlp"]},
    "-m optimizer=momentum optimizer.hyperparams.momentum=0.5,0.9": {"optimizer": ["momentum"]},
    "optimizer=momentum optimizer.hyperparams={momentum:0.5}": {"optimizer": ["momentum"]},
    "++lr=0.1": {"lr": [0.1]},
    "+experiment=full_batch": {"batch_size": [1500], "lr": [0.88]},
    "-m +experiment=full_batch,adam_decay": {"batch_size": [100, 1500], "lr": [0.025, 0.88]},
    "-m +experiment=glob(*)": {"batch_size": [100, 1500], "lr": [0.025, 0.88]},
    "+experiment=full_batch lr=0.5": {"batch_size": [1500], "lr": [0.5]},
    "--config-dir=mine +experiment=quick": {"lr": [0.2], "optimizer": ["sgd"]},
    "--config-dir mine +experiment=deep": {"lr": [0.2], "optimizer": ["adam"], "batch_size": [500]},
    "-cd mine -m +experiment=quick,deep": {"optimizer": ["adam", "sgd"]},
    "--config-dir=mine -m +experiment=swept": {"lr": [0.1, 0.2]},
    "hydra.job.chdir=true": {"lr": [0.05]},
    "hydra.output_subdir=null": {"lr": [0.05]},
    "hydra.run.dir=here/there": {"lr": [0.05]},
    "-m hydra.sweep.dir=x hydra.sweep.subdir=${hydra.job.override_dirname} lr=0.1,0.2": {"lr": [0.1, 0.2]},
}

REFUSED = {
    "lr=0.1,0.2": "give each key one value, or add -m to train every combination",
    "-m lr=interval(0.01,0.1)": "an interval needs a sweeper that searches, hydra/sweeper=optuna say",
    "-m lr=range(0.1,0.2,0)": "a range has finite bounds and a step other than 0",
    "-m optimizer=glob(z*)": "it has no value",
    "experiment=full_batch": "write +experiment=full_batch",
    "+experiment=full_bach": "did you mean full_batch",
    "--config-dir=none +experiment=quick": "config_dir=none is not allowed: it must be a folder that exists",
    "+lr=0.1": "+lr is not allowed: the key is there already; leave out the +",
    "~schedule": "a key cannot be taken away",
    "-m hydra.sweeper.params.lr=0.1": "write the axis itself, as in -m lr=0.1,0.2",
    "hydra.sweep.dir=x": "has no effect without -m",
    "-m hydra/sweeper=ax lr=0.1": "needs a package that is not installed: pip install hydra-ax-sweeper",
    "--config-name=mine": "add files of your own with --config-dir=FOLDER",
    "+job_name=x": "there is neither such a key nor a folder conf/job_name",
}


@pytest.fixture
def train(tmp_path, tmp_path_factory, monkeypatch):
    """The command in this process, in a folder with experiments of the user's."""
    monkeypatch.delenv("AIRFOIL_DATA", raising=False)
    door = Door(tmp_path / "cwd")
    mine = door.folder / "mine" / "experiment"
    mine.mkdir(parents=True)
    (mine / "quick.yaml").write_text("# @package _global_\nlr: 0.2\n")
    (mine / "deep.yaml").write_text(
        "# @package _global_\ndefaults:\n  - quick\n  - override /optimizer: adam\nbatch_size: 500\n"
    )
    (mine / "swept.yaml").write_text("# @package _global_\nhydra: {sweeper: {params: {lr: '0.1,0.2'}}}\n")
    data = tmp_path_factory.getbasetemp() / "twin_of_hydra_users"

    def call(text):
        chosen = [] if "experiment" in text or "batch_size" in text else ["batch_size=300"]
        given = ["data=airfoil_twin", "epochs=1", "track=false", f"data_dir={data}", *chosen]
        return door.call(main, *text.split(" "), *given)

    call.folder = door.folder
    return call


def values_of(folder):
    """Every value in the tables below a folder, column by column."""
    tables = [read_table(path, RUNS) for path in sorted(folder.rglob("runs.parquet"))]
    assert len(tables) == len({table.cell_id.iloc[0] for table in tables})
    return {key: sorted({one for table in tables for one in table[key]}) for key in RUNS.names}


@pytest.mark.slow
@pytest.mark.parametrize("text", WORKS)
def test_the_grammar_of_hydra_works(train, text):
    status, _, err = train(text)
    assert status == 0, err
    found = values_of(train.folder)
    for key, wanted in WORKS[text].items():
        assert found[key] == (pytest.approx(wanted) if key == "lr" else wanted)


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_work_is_refused_with_the_reason_and_leaves_nothing_behind(train, text):
    before = listing(train.folder)
    status, out, err = train(text)
    err = complaints(err)
    assert (status, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert REFUSED[text] in err
    assert listing(train.folder) == before


@pytest.mark.parametrize("text", ["--cfg job", "--cfg job --package optimizer", "--info defaults-tree", "--help"])
def test_questions_are_answered_and_nothing_is_trained(train, text):
    before = listing(train.folder)
    status, out, _ = train(text)
    assert status == 0
    assert len(out) > 50
    assert listing(train.folder) == before


# -- plug-ins of Hydra's that people install: `pip install hydra-optuna-sweeper hydra-joblib-launcher`

optuna = pytest.mark.skipif(
    not find_spec("optuna") or not find_spec("hydra_plugins.hydra_optuna_sweeper"),
    reason="pip install hydra-optuna-sweeper",
)
joblib = pytest.mark.skipif(
    not find_spec("hydra_plugins.hydra_joblib_launcher"), reason="pip install hydra-joblib-launcher"
)
NET = "from torch import nn\n\ndef Net(i, o):\n    return nn.Linear(i, o)\n"


def searched(run, folder, *arguments):
    """Train in a process of its own; the losses, one a job, and what the sweeper says of the best."""
    (folder / "mine.py").write_text(NET)
    small = ("data=airfoil_twin", "epochs=1", "track=false", "batch_size=300", "hydra.sweep.dir=out")
    done = run(sys.executable, "-m", "pipeline.train", "-m", *small, *arguments, cwd=folder, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    tables = [read_table(path, RUNS) for path in sorted((folder / "out").rglob("runs.parquet"))]
    best = folder / "out" / "optimization_results.yaml"
    return tables, yaml.safe_load(best.read_text()) if best.exists() else None


@pytest.mark.slow
@optuna
@pytest.mark.parametrize(
    "axes",
    [
        ["lr=interval(0.01,1)"],
        ["lr=tag(log,interval(0.01,1))", "optimizer=sgd,adam"],
        ["lr=interval(0.01,1)", "model=mine.py:Net,linear"],
        ["lr=interval(0.01,1)", "hydra/launcher=stacked", "hydra.sweeper.n_jobs=2", "seeds=2"],
        ["batch_size=range(100,400,step=100)", "hydra/sweeper/sampler=random"],
    ],
)
def test_optuna_minimises_the_median_final_loss(run, tmp_path, axes):
    tables, best = searched(run, tmp_path, "hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", *axes)
    assert len(tables) == 4
    losses = {table.final_loss.median(): table for table in tables}
    assert best["best_value"] == pytest.approx(min(losses))
    for key, value in best["best_params"].items():
        found = losses[min(losses)][key].iloc[0]
        assert found == (pytest.approx(value) if key in ("lr", "batch_size") else value)


@pytest.mark.slow
@joblib
@pytest.mark.parametrize("axes", [["lr=0.1,0.2"], ["model=mine.py:Net,linear"], ["optimizer=glob(ada*)"]])
def test_joblib_trains_what_the_basic_launcher_does(run, tmp_path, axes):
    found = {}
    for launcher in ("basic", "joblib"):
        (tmp_path / launcher).mkdir()
        tables, _ = searched(run, tmp_path / launcher, f"hydra/launcher={launcher}", *axes)
        found[launcher] = {table.cell_id.item(): table.final_loss.item() for table in tables}
    assert found["joblib"] == found["basic"]


@pytest.mark.slow
@joblib
def test_a_failed_run_in_a_process_of_joblib_reaches_the_exit_status(run, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\nclass Net(nn.Linear):\n    def forward(self, x):\n"
        "        if len(x) == 300:\n            raise RuntimeError('no luck')\n        return super().forward(x)\n"
    )
    given = ("data=airfoil_twin", "epochs=1", "track=false", "batch_size=300", "model=mine.py:Net,linear")
    command = (sys.executable, "-m", "pipeline.train", "-m", "hydra/launcher=joblib", *given)
    done = run(*command, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 1
    assert re.search(r"error: 1 of 1 runs of .* failed: RuntimeError: no luck", done.stderr)
