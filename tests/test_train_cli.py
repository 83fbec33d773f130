"""``python -m pipeline.train``: cells, products and studies; what it prints, writes, refuses and ends with."""

import pickle
import re
import shutil
import sys

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from repository import ROOT

from pipeline.lab.tables import CURVES, RUNS, read_table
from pipeline.train import cells
from pipeline.train.__main__ import main
from pipeline.train.failures import FailedCell, FailedRunsError, failures_reported, report
from tests.inputs.door import Door, complaints, listing

LINE = r"loss: 0\.\d{3}, [\d.e-]+ sec/epoch"
SMALL = ["data=airfoil_twin", "batch_size=1500", "epochs=1"]


class Command:
    """The command in this process, in an empty folder; ``data`` holds the twin."""

    def __init__(self, folder, data):
        self.door = Door(folder / "cwd")
        self.folder = self.door.folder
        self.data = data

    def __call__(self, *arguments, track=False):
        """Train; give status, stdout and stderr."""
        given = {text.lstrip("+").partition("=")[0] for text in arguments}
        fixed = [text for text in [*SMALL, f"data_dir={self.data}"] if text.partition("=")[0] not in given]
        return self.door.call(main, *arguments, *fixed, *([] if track else ["track=false"]))

    def refusal(self, *arguments):
        """The sentence of a refusal that leaves the folder as it was."""
        before = listing(self.folder)
        status, out, err = self(*arguments)
        err = complaints(err)
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        assert err.startswith("error: ")
        assert listing(self.folder) == before
        return err

    def runs(self, out):
        """The table of runs below the folder."""
        return read_table(self.folder / out / "runs.parquet", RUNS)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def train(tmp_path, data, monkeypatch):
    monkeypatch.delenv("AIRFOIL_DATA", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Command(tmp_path, data)


@pytest.fixture
def broken(monkeypatch):
    """Have training fail at these learning rates and batch sizes."""
    values = {0.2, 750}

    def failing(right):
        def train(given, *rest):
            configs = [cell.config for cell in (given if isinstance(given, tuple) else [given])]
            if any({config.lr, config.batch_size} & values for config in configs):
                raise RuntimeError("no such luck\nat all")
            return right(given, *rest)

        return train

    for name in ("train_solo", "train_stacked"):
        monkeypatch.setattr(cells, name, failing(getattr(cells, name)))
    return values


def test_one_cell_prints_the_chapters_line_and_writes_its_tables(train):
    status, out, err = train("optimizer=sgd", "batch_size=10", "lr=0.05", "epochs=2", "hydra.run.dir=out")
    assert status == 0, err
    assert re.fullmatch(LINE, out.strip().splitlines()[-1])
    runs, curves = train.runs("out"), read_table(train.folder / "out" / "curves.parquet", CURVES)
    assert runs[["data", "optimizer", "batch_size", "lr", "seed"]].to_numpy().tolist() == [
        ["airfoil_twin", "sgd", 10, 0.05, 0]
    ]
    assert curves.examples.max() == 3000
    assert (train.folder / "out" / ".hydra" / "config.yaml").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_a_product_trains_each_cell_in_its_own_folder(train, launcher):
    # Overrides may stand on both sides of -m.
    given = ["batch_size=1500,750", "-m", f"hydra/launcher={launcher}", "lr=0.05,0.1", "hydra.sweep.dir=out"]
    status, out, err = train(*given)
    assert status == 0, err
    runs = [train.runs(f"out/{number}") for number in range(4)]
    assert [(run.batch_size.item(), run.lr.item()) for run in runs] == [
        (1500, 0.05),
        (1500, 0.1),
        (750, 0.05),
        (750, 0.1),
    ]
    assert len(re.findall(r"loss: 0\.\d{3}, ", out)) == 4
    assert ("no clock (stacked)" in out) == (launcher == "stacked")


@pytest.mark.slow
def test_a_study_may_train_the_same_data_with_other_rows_and_another_whitening(run, lab_copy):
    (lab_copy / "conf" / "study" / "rows.yaml").write_text(
        "defaults: [base_study, _self_]\nname: rows\ncommon: {data: airfoil_twin, batch_size: 100, epochs: 1}\n"
        "cells: {all: {}, half: {data.rows: 750}, zca: {data.whiten: zca}}\n"
    )
    done = run(sys.executable, "-m", "pipeline.train", "study=rows", "track=false", "out=out", cwd=lab_copy)
    assert done.returncode == 0, done.stderr
    runs = read_table(lab_copy / "out" / "runs.parquet", RUNS)
    assert runs.examples.tolist() == [1500, 750, 1500]
    assert runs.steps.tolist() == [15, 8, 15]
    assert runs.final_loss.nunique() == 3
    assert [line.split(":")[0] for line in done.stdout.splitlines()[-3:]] == ["all", "half", "zca"]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["lr=nan"], ["-m", "hydra/launcher=stacked", "lr=0.1,-1"]])
def test_a_process_that_is_refused_says_one_sentence_and_leaves_nothing(run, tmp_path, arguments):
    places = [f"{key}={tmp_path}/out" for key in ("hydra.run.dir", "hydra.sweep.dir", "data_dir")]
    done = run(sys.executable, "-m", "pipeline.train", *arguments, *places, "data=airfoil_twin")
    assert done.returncode == 2
    assert re.fullmatch(r"error: lr=\S+ is not allowed: it must be a finite number above 0.*\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


# Failed runs


def test_where_all_runs_fail_the_status_is_1_with_the_reason_and_the_table_is_written(train, broken):
    status, out, err = train("lr=0.2", "seeds=3", "label=mine", "out=out")
    assert status == 1
    assert re.fullmatch(r"error: 3 of 3 runs of mine failed: RuntimeError: no such luck.*\n", complaints(err))
    assert out.splitlines()[-1] == "no loss (3 error)"  # and not "(stacked)"
    assert "Traceback" not in out
    assert set(train.runs("out").status) == {"error"}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_a_product_goes_on_after_a_failed_cell_and_ends_by_naming_it(train, broken, launcher):
    given = ["-m", f"hydra/launcher={launcher}", "batch_size=750,1500", "lr=0.1,0.3", "hydra.sweep.dir=out"]
    status, _, err = train(*given)
    assert status == 1
    (sentence,) = complaints(err).splitlines()
    assert re.match(r"error: 2 of 2 runs of sgd-b750-lr0p1-\w+ and sgd-b750-lr0p3-\w+ failed: RuntimeError", sentence)
    assert [train.runs(f"out/{number}").status.item() for number in range(4)] == ["error", "error", "ok", "ok"]


@pytest.mark.slow
def test_one_job_of_a_study_fails_only_if_all_its_runs_do(train, broken):
    broken.add(0.4)  # of "minibatch 100" alone
    given = ["study=textbook", "seeds=1", "epochs=1", "batch_size=1500"]
    status, _, err = train(*given, "job=all", "out=job")
    assert (status, complaints(err)[:53]) == (0, "error: 1 of 1 runs of minibatch 100 failed: RuntimeEr")
    assert set(train.runs("job").status) == {"ok", "error"}
    assert train(*given, "out=study")[0] == 1
    assert train(*given, "job=all", "lr=0.2", "out=all")[0] == 1


def test_failed_runs_of_a_launchers_process_reach_the_command(capsys):
    failed = [FailedCell("mine", 1, 2, "no such luck")]
    with pytest.raises(FailedRunsError) as raised:  # no command in this process: Hydra takes the exception along
        report(failed, tolerated=False)
    report(failed, tolerated=True)
    with pytest.raises(SystemExit) as ended, failures_reported():
        raise pickle.loads(pickle.dumps(raised.value))
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: 1 of 2 runs of mine failed: no such luck\n"


def test_diverged_runs_are_data(train):
    status, out, err = train("lr=30", "epochs=60", "out=out")
    assert (status, complaints(err)) == (0, "")
    assert "(1 diverged)" in out


# Tables that would be lost


@pytest.mark.parametrize("launcher", ["basic", "stacked"])
@pytest.mark.parametrize(
    "place",
    [
        "out=mine",
        "out=link/../mine",
        *(pytest.param(place, marks=pytest.mark.slow) for place in ("hydra.sweep.subdir=mine", "out=link")),
    ],
)
def test_two_cells_that_would_write_one_file_are_refused(train, launcher, place):
    (train.folder / "there").mkdir()
    (train.folder / "link").symlink_to(train.folder / "there")
    sentence = train.refusal("-m", f"hydra/launcher={launcher}", "lr=0.1,0.2", place)
    assert "is not allowed: jobs 0 and 1 of this product would write the same tables" in sentence


@pytest.mark.slow
def test_a_product_may_name_its_folders(train):
    status, _, err = train("-m", "lr=0.1,0.2", "out=mine/${lr}", "hydra.sweep.dir=out")
    assert status == 0, err
    assert [train.runs(f"mine/{lr}").lr.item() for lr in (0.1, 0.2)] == [0.1, 0.2]


@pytest.mark.slow
def test_tables_of_other_runs_are_not_overwritten(train):
    assert train("lr=0.1", "seeds=2", "out=mine")[0] == 0
    for other in (["lr=0.2", "seeds=2"], ["lr=0.1", "seeds=1"]):
        sentence = train.refusal(*other, "out=mine")
        assert re.search(r"out=mine is not allowed: its runs.parquet has \d other runs \(study adhoc\)", sentence)
    assert train("lr=0.1", "seeds=3", "out=mine")[0] == 0  # the same runs, and one more
    assert train.runs("mine").seed.tolist() == [0, 1, 2]


@pytest.mark.slow
def test_keys_that_would_have_no_effect_are_refused(train):
    assert "hydra.run.dir=x has no effect with -m" in train.refusal("-m", "lr=0.1,0.2", "hydra.run.dir=x")
    for idle in ("hydra.sweep.dir=x", "hydra/launcher=stacked", "hydra.sweep.subdir=x"):
        assert f"{idle} has no effect without -m" in train.refusal(idle)
    assert "job=x is not allowed without study" in train.refusal("job=x")
    assert "label=x is not allowed with study" in train.refusal("study=textbook", "label=x")
    assert "+experimenta=... is not allowed" in train.refusal("+experimenta=x")


@pytest.mark.slow
def test_paths_are_those_of_where_the_command_was_started(train):
    given = ["-m", "lr=0.1,0.2", "hydra.job.chdir=true", "hydra.sweep.dir=out", "out=mine/${hydra:job.num}"]
    status, _, err = train(*given, "data_dir=data", "mlflow_uri=sqlite:///mlflow.db", track=True)
    assert status == 0, err
    made = {path.name for path in train.folder.iterdir() if not path.name.startswith("mlflow.db")}
    assert made == {"data", "mine", "out"}
    assert (train.folder / "mlflow.db").is_file()
    for number in (0, 1):
        assert [path.name for path in (train.folder / "out" / str(number)).iterdir()] == [".hydra"]
        assert len(train.runs(f"mine/{number}")) == 1


# Hydra's own ways


class Halving(Sweeper):
    """Searches between the two ends of an interval: a sweeper that is not Hydra's own."""

    __module__ = "hydra_plugins.halving"

    def __init__(self, trials):
        self.trials = trials

    def setup(self, *, hydra_context, task_function, config):
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments):
        from hydra.core.override_parser.overrides_parser import OverridesParser

        axes = OverridesParser.create().parse_overrides(arguments)
        (axis,) = [one for one in axes if one.is_sweep_override()]
        rest = [one.input_line for one in axes if one is not axis]
        low, high = axis.value().start, axis.value().end
        for number in range(self.trials):
            lr = (low + high) / 2
            (job,) = self.launcher.launch([[f"{axis.get_key_element()}={lr}", *rest]], number)
            TRIALS.append((lr, job.return_value))
            low = lr


TRIALS = []


@pytest.mark.slow
def test_a_sweeper_that_searches_gets_the_median_final_loss(train, monkeypatch):
    monkeypatch.setitem(sys.modules, Halving.__module__, sys.modules[__name__])  # plug-ins are below hydra_plugins
    Plugins.instance().register(Halving)
    node = {"_target_": f"{Halving.__module__}.Halving", "trials": 2}
    ConfigStore.instance().store(group="hydra/sweeper", name="halving", node=node, provider="test")
    TRIALS.clear()
    given = ["-m", "hydra/sweeper=halving", "hydra.sweeper.trials=3", "hydra.sweep.dir=out", "seeds=3"]
    status, _, err = train(*given, "lr=interval(0.1,0.9)")
    assert status == 0, err
    assert [lr for lr, _ in TRIALS] == [0.5, 0.7, pytest.approx(0.8)]
    assert [loss for _, loss in TRIALS] == [train.runs(f"out/{number}").final_loss.median() for number in range(3)]
    assert err == "training: sgd on airfoil_twin, linear model, cells that the sweeper chooses\n"
    assert "lr=-1.0 is not allowed" in train.refusal(*given[:3], "lr=interval(-1,1)")


@pytest.mark.slow
def test_the_metric_of_a_sweeper_can_be_chosen_where_there_are_examples_held_out(train):
    why = "target.metric=validation_loss is not allowed with data=airfoil_twin: it holds no examples out"
    assert why in train.refusal("target.metric=validation_loss")
    assert why in train.refusal("-m", "target.metric=validation_loss", "lr=0.1,0.2")
    (train.folder / "mine.csv").write_text("a,y\n" + "".join(f"{i % 7},{i**0.5}\n" for i in range(30)))
    own = ["data=table", "data.path=mine.csv", "data.target=y", "batch_size=10", "target.metric=validation_loss"]
    before = listing(train.folder)
    status, _, err = train(*own, "data.validation=0")  # which says what it found in the table, too
    assert (status, listing(train.folder)) == (2, before) and "it holds no examples out" in err
    assert train(*own)[0] == 0
    assert "target.metric=guess is not allowed: choose one of" in train.refusal("target.metric=guess")
    status, _, err = train("target.metric=loss", "hydra.run.dir=out", "epochs=1")
    assert status == 0, err


@pytest.mark.slow
def test_choices_ranges_and_globs_are_products(train):
    given = ["-m", "lr=choice(0.1,0.2)", "seeds=range(1,3)", "sampling=glob(*,exclude=with_*)", "hydra.sweep.dir=out"]
    status, _, err = train(*given)
    assert status == 0, err
    runs = [train.runs(f"out/{number}") for number in range(4)]
    assert [(run.lr[0], len(run), run.sampling[0]) for run in runs] == [
        (lr, seeds, "without_replacement") for lr in (0.1, 0.2) for seeds in (1, 2)
    ]


def test_an_experiment_is_a_file_of_overrides(train):
    shutil.copytree(train.data, train.folder / "data")
    folder = train.folder / "own" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /optimizer: adam\noptimizer: {hyperparams: {beta1: 0.8}}\n"
    )
    status, _, err = train("--config-dir=own", "+experiment=mine", "seeds=2", "out=out")
    assert status == 0, err
    assert train.runs("out").optimizer.tolist() == ["adam", "adam"]
    assert '"beta1":0.8' in train.runs("out").config[0]
    sentence = train.refusal("--config-dir=own", "+experiment=mime")
    assert "experiment=mime is not allowed: choose one of" in sentence
    assert "did you mean mine?" in sentence


@pytest.mark.parametrize("name", ["full_batch", "adam_decay"])
def test_the_labs_experiments_can_be_trained(train, name):
    status, _, err = train(f"+experiment={name}", "epochs=2", "out=out")
    assert (status, complaints(err)) == (0, "")
    assert train.runs("out").status.item() == "ok"


@pytest.mark.parametrize(
    ("place", "text", "told"),
    [
        ("optimizer", "# @package _global_\nhydra: {callbacks: {x: {_target_: os.getcwd}}}\n", "@package"),
        ("study", "defaults: [{override /hydra/launcher: stacked}]\nname: mine\n", "defaults"),
        ("experiment", "# @package _global_\nhydra: {callbacks: {x: {_target_: os.getcwd}}}\n", "callbacks"),
        ("experiment", "# @package _global_\nlabel: ${oc.env:HOME}\n", "oc.env"),
        # YAML's escapes, a name of a resolver that is itself looked up, and other keys of Hydra's that name code
        (
            "experiment",
            '# @package _global_\nhydra: {"\\x63allbacks": {x: {"\\x5ftarget_": os.mkdir}}}\n',
            "hydra.callbacks",
        ),
        ("experiment", '# @package _global_\nlabel: "${\\x6fc.env:HOME}"\n', "oc.env"),
        ("experiment", "# @package _global_\nlabel: '${oc.${.job}:HOME}'\njob: env\n", "label"),
        ("experiment", "# @package _global_\nlabel: ['${oc.select:x,${oc.env:HOME}}']\n", "oc.select"),
        (
            "experiment",
            "# @package _global_\nhydra: {job_logging: {handlers: {x: {(): os.mkdir, path: x}}}}\n",
            "job_logging",
        ),
        ("experiment", "# @package _global_\nhydra: {sweeper: {sampler: {_target_: os.mkdir}}}\n", "_target_"),
        ("experiment", "# @package hydra.callbacks\nx: {mode: 1}\n", "@package"),
        ("experiment", "# @package _global_\nhydra: {job: {env_set: {PYTHONPATH: x}}}\n", "env_set"),
    ],
)
def test_what_a_file_may_not_say_is_refused_before_hydra_obeys_it(train, place, text, told):
    (train.folder / "own" / place).mkdir(parents=True)
    (train.folder / "own" / place / "mine.yaml").write_text(text)
    assert told in train.refusal("--config-dir=own", f"+{place}=mine" if place == "experiment" else f"{place}=mine")


@pytest.mark.parametrize(
    ("chosen", "defaults"),
    [
        ("+experiment=mine", "[worse]"),
        ("+experiment=mine", "[override /optimizer: worse]"),
        ("+experiment=mine", "[{'override /optimizer@optimizer': worse}]"),
        ("+experiment=mine", "[{/experiment/deep: worse}]"),
        ("+experiment@_global_=worse", "[]"),
        ("+experiment/deep=worse", "[]"),
    ],
)
def test_a_file_that_another_one_or_an_odd_key_chooses_is_checked_too(train, chosen, defaults):
    for place in ("experiment", "experiment/deep", "optimizer"):
        (train.folder / "own" / place).mkdir(parents=True, exist_ok=True)
        (train.folder / "own" / place / "worse.yaml").write_text(
            "# @package _global_\nhydra: {callbacks: {x: {_target_: os.mkdir, path: made}}}\n"
        )
    (train.folder / "own/experiment/mine.yaml").write_text(f"# @package _global_\ndefaults: {defaults}\n")
    assert re.search("callbacks|@package|deep", train.refusal("--config-dir=own", chosen))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("show", "told"),
    [
        (["--cfg", "job"], "batch_size: 10"),
        (["--cfg", "job", "--resolve"], "mlflow_uri: null"),
        (["--cfg", "job", "--package", "optimizer"], "torch.optim.SGD"),
        (["--help"], "optimizer: adadelta"),
        (["--hydra-help"], "hydra/launcher: basic, stacked"),
        (["--info", "plugins"], "StackedLauncher"),
        (["--version"], "Hydra"),
    ],
    ids=" ".join,
)
def test_what_hydra_shows_is_shown(train, show, told):
    status, out, err = train.door.call(main, *show)
    assert status == 0, err
    assert told in out
    assert listing(train.folder) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-m", "hydra/launcher=rq"], "pip install hydra-rq-launcher"),
        (["-m", "hydra/launcher=submitit_slurm"], "pip install hydra-submitit-launcher"),
        (["-m", "hydra/sweeper=nevergrad"], "pip install hydra-nevergrad-sweeper"),
        (["hydra/job_logging=colorlog"], "pip install hydra-colorlog"),
        (["-m", "lr=interval(0,1)"], "pip install hydra-optuna-sweeper"),
        (["hydra.run.dir=é ü"], """quote the value, as in 'hydra.run.dir="é ü"'"""),
        (["label=größe"], """quote the value, as in 'label="größe"'"""),
        (["lr=0.1,0.2"], "add -m"),
        (["lrr=0.1"], "lrr=0.1 is not allowed: there is no such key, only implementation, "),
        (["lrr=0.1"], "did you mean lr?"),
        (["optimizer.hyperparam=1"], "did you mean optimizer.hyperparams?"),
        (["optimizer=sdg"], "optimizer=sdg is not allowed: choose one of adadelta"),
        (["study=textbook", "job=some"], "job=some is not allowed: choose one of all"),
        (["study=textbook", "lr=-1"], "lr=-1.0 is not allowed"),
        (["hydra.searchpath=[nowhere]"], "hydra.searchpath is not allowed"),
        (["hydra.job.env_copy=[NOWHERE]"], "NOWHERE"),
    ],
)
def test_what_hydra_refuses_is_one_sentence(train, arguments, told):
    assert told in train.refusal(*arguments)


def test_one_run_can_be_followed_in_twelve_files():
    rows = re.findall(r"^\| \d+ \| `(\S+)` \|", (ROOT / "docs" / "dev" / "one-run.md").read_text(), re.MULTILINE)
    assert 8 <= len(rows) <= 12
    assert [path for path in rows if not (ROOT / path).is_file()] == []
