"""A model or an optimizer named by its file: its keys, its identity, its start, and who may name it."""

import json
import os
import pickle
import re
import shlex
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from repository import ROOT

from pipeline.lab.command import command_of
from pipeline.lab.config import Cell, compose_cell, load_study
from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, read_table
from pipeline.parts import models, own
from pipeline.train.__main__ import main
from pipeline.train.cells import train_cells
from pipeline.train.order import generator
from pipeline.train.plan import plan
from tests.inputs.door import Door

FILE = """import numpy as np
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_features, out_features, hidden=8, slope: float = 0.1, *, act=nn.Tanh):
        super().__init__()
        self.first, self.act, self.last = nn.Linear(in_features, hidden), act(), nn.Linear(hidden, out_features)
        with torch.no_grad():
            self.last.bias += float(np.random.normal()) * slope

    def forward(self, x):
        return self.last(self.act(self.first(x)))

def sized(in_features, out_features, hidden):
    return Net(in_features, out_features, hidden)

def any_key(in_features, out_features, **keys):
    return Net(in_features, out_features, **keys)

def lonely(in_features):
    return nn.Linear(in_features, 1)

def named(in_features, out_features, name="x"):
    return nn.Linear(in_features, out_features)

HYPERPARAMS = {"softness": 0.1}
LR_RANGE = (1e-3, 1.0)

def signed(params, states, hyperparams):
    for p in params:
        p.data.sub_(hyperparams["lr"] * p.grad / (p.grad.abs() + hyperparams["softness"]))

class Heavy(torch.optim.SGD):
    def __init__(self, params, lr=1e-3, momentum=0.5, nesterov=False):
        super().__init__(params, lr=lr, momentum=momentum, nesterov=nesterov)
"""
SMALL = ["data=airfoil_twin", "batch_size=300", "lr=0.1", "epochs=1", "seeds=2"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder of the user's with ``mine.py``, where the commands are started."""
    monkeypatch.setenv(own.VARIABLE, "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE)
    yield tmp_path
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


def cell_of(*overrides):
    """A cell, the code in it allowed as on a command line."""
    for text in overrides:
        kind, _, value = text.partition("=")
        if ":" in value and kind in own.KINDS:
            own.allow(kind, value)
    return Cell(compose_cell([*SMALL, *overrides]))


# -- keys


def test_the_keys_of_a_model_are_those_of_its_factory_with_their_defaults(project):
    model = cell_of("model=mine.py:Net").config.model
    assert (model.hidden, model.slope) == (8, 0.1)
    changed = cell_of("model=mine.py:Net", "model.hidden=3", "model.slope=1")
    assert (changed.config.model.hidden, changed.config.model.slope) == (3, 1.0)
    net = models.build(changed.config.model, 5, generator(0, "init"), 2)
    assert [tuple(p.shape) for p in net.parameters()] == [(3, 5), (3,), (2, 3), (2,)]


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["model=mine.py:Net", "model.hiddenn=3"], "model=mine.py:Net has no such key.*did you mean hidden"),
        (["model=mine.py:Net", "model.hidden=3.5"], "model.hidden"),
        (["model=mine.py:Net", "model.act=relu"], "has no such key"),
        (["model=mine.py:Nett"], "has no function or class Nett, only .*; did you mean Net"),
        (["model=none.py:Net"], "there is no file none.py"),
        (["model=no.such.module:Net"], "there is no module no.such.module; name a file, as in mine.py:Net"),
        (["model=mine.py:lonely"], r"called as lonely\(in_features, out_features\), and is lonely\(in_features\)"),
        (["model=mine.py:named"], "its parameter name needs another name"),
        (["model=mine.py:sized"], "needs model.hidden=...: its factory has no default"),
        (["model=mine.py:Net", "model.code=1"], "model.code=1 is not allowed: it is computed from the file"),
        (["model=bad.py:Net"], "bad.py cannot be imported: ZeroDivisionError: division by zero, line 2"),
        (["optimizer=mine.py:signed", "optimizer.hyperparams.softnes=1"], "softnes"),
        (["optimizer=mine.py:signed", "implementation=torch"], "implementation=torch is not allowed"),
        (["data=mine.py:Net"], "data=mine.py:Net is not allowed"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(project, overrides, why):
    (project / "bad.py").write_text("x = 1\ny = 1 / 0\n")
    with pytest.raises(UserError, match=why) as refusal:
        cell_of(*overrides)
    assert "\n" not in str(refusal.value)


def test_a_factory_that_takes_any_key_gets_those_given_and_one_without_a_default_is_told(project):
    assert cell_of("model=mine.py:any_key", "model.hidden=3").config.model.hidden == 3
    assert cell_of("model=mine.py:sized", "model.hidden=3").config.model.hidden == 3


# -- identity


def test_a_cell_is_known_by_its_keys_and_the_files_content_and_not_by_its_place(project):
    first = cell_of("model=mine.py:Net")
    assert first.id != cell_of("model=mine.py:Net", "model.hidden=9").id
    (project / "sub").mkdir()
    (project / "sub" / "copy.py").write_text(FILE)
    assert cell_of("model=sub/copy.py:Net").id == first.id == cell_of(f"model={project}/mine.py:Net").id
    (project / "mine.py").write_text(FILE + "\n# edited\n")
    edited = cell_of("model=mine.py:Net")
    assert edited.id != first.id
    assert edited.identity["model"]["name"] == "Net"
    rule = cell_of("optimizer=mine.py:signed")
    assert rule.id.startswith("signed-b300-")
    assert rule.config.optimizer.hyperparams == {"softness": 0.1}


def test_an_edited_file_is_trained_as_it_is_now(project, dataset):
    before = train_cells([cell_of("model=mine.py:Net")], {"airfoil_twin": dataset})[0].final_loss
    (project / "mine.py").write_text(FILE.replace("self.act(self.first(x))", "0 * self.act(self.first(x))"))
    after = train_cells([cell_of("model=mine.py:Net")], {"airfoil_twin": dataset})[0].final_loss
    assert (before != after).all()


def test_a_cell_goes_to_another_process(project):
    cell = cell_of("model=mine.py:Net", "model.hidden=3")
    assert pickle.loads(pickle.dumps(cell)).id == cell.id
    assert replace(cell.config.model, hidden=4).hidden == 4


# -- training


def test_a_seed_is_one_start_alone_and_in_a_stack_whatever_the_factory_draws_from(project, dataset):
    cells = [cell_of("model=mine.py:Net", f"engine={engine}") for engine in ("solo", "stacked")]
    assert [len(part) for part in plan(cells)] == [1, 1]
    state, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    alone, together = (train_cells([cell], {"airfoil_twin": dataset}) for cell in cells)
    assert torch.equal(state, torch.get_rng_state())
    assert (numpys == np.random.get_state()[1]).all()  # noqa: NPY002
    assert set(together[0].engine) == {"stacked"}
    assert alone[1].loss.nunique() > 4  # the seeds differ
    np.testing.assert_allclose(together[1].loss, alone[1].loss, rtol=1e-5)


def test_own_rules_and_own_classes_of_torchs_kind_train(project, dataset):
    cells = [
        cell_of("optimizer=mine.py:signed", "engine=stacked"),
        cell_of("optimizer=mine.py:Heavy", "optimizer.torch.momentum=0.9"),
        cell_of("implementation=torch", "optimizer.torch._target_=torch.optim.SGD", "+optimizer.torch.momentum=0.9"),
    ]
    runs, curves = train_cells(cells, {"airfoil_twin": dataset})
    assert set(runs.status) == {"ok"}
    assert [cell.config.implementation for cell in cells] == ["scratch", "torch", "torch"]
    mine, torchs = (curves[curves.cell_id == cell.id].loss.to_numpy() for cell in cells[1:])
    np.testing.assert_array_equal(mine, torchs)


def test_a_lightning_module_trains_by_its_forward_and_the_labs_loss_and_what_is_not_called_is_said(
    project, dataset, caplog
):
    (project / "lit.py").write_text(
        "import pytorch_lightning as pl\nfrom torch import nn\n"
        "class Lit(pl.LightningModule):\n"
        "    def __init__(self, in_features, out_features):\n"
        "        super().__init__()\n        self.sizes = in_features, out_features\n"
        "    def configure_model(self):\n        self.net = nn.Linear(*self.sizes)\n"
        "    def forward(self, x):\n        return self.net(x)\n"
        "class Stepping(Lit):\n"
        "    def training_step(self, batch, number):\n        raise ValueError\n"
        "def plain(in_features, out_features):\n    return nn.Linear(in_features, out_features)\n"
    )
    names = ("Lit", "plain", "Stepping")
    curves = [train_cells([cell_of(f"model=lit.py:{name}")], {"airfoil_twin": dataset})[1] for name in names]
    for other in curves[1:]:
        np.testing.assert_array_equal(curves[0].loss, other.loss)
    (said,) = (record.getMessage() for record in caplog.records if "does not call" in record.getMessage())
    assert said.startswith(
        "model=lit.py:Stepping: the lab does not call its training_step: the loss is that of data.task="
    )


# -- who may name code


@pytest.mark.parametrize(
    "study",
    [
        "common: {model: ../mine.py:Net}",
        "common: {model: os:system}",
        "common: {model: subprocess:Popen}",
        "cells: {a: {optimizer: ../mine.py:signed}}",
        "grid: {model: [linear, /etc/passwd:x]}",
        "common: {model.name: mine.py:Net}",
        "common: {optimizer.name: mine.py:signed}",
        "common: {implementation: torch, optimizer.torch._target_: mine.py:Heavy}",
    ],
)
def test_a_study_imports_nothing_but_a_file_of_its_own_folder(project, monkeypatch, study):
    (project / "conf" / "study").mkdir(parents=True)
    (project / "conf" / "study" / "theirs.yaml").write_text(f"name: theirs\n{study}\n")
    (project / "mine.py").write_text("raise SystemExit('imported')")
    with pytest.raises(UserError, match=r"is not allowed"):
        _ = load_study("theirs").cells


def test_a_study_names_a_model_file_of_its_own_folder(project, dataset):
    (project / "conf" / "study").mkdir(parents=True)
    (project / "conf" / "nets.py").write_text(FILE)
    (project / "conf" / "study" / "own.yaml").write_text(
        "name: own\nengine: stacked\npack_by: [model, optimizer]\ncommon: {data: airfoil_twin, batch_size: 300}\n"
        "grid: {model: [linear, 'nets.py:Net'], optimizer: [sgd, 'nets.py:signed']}\n"
    )
    study = load_study("own")
    assert list(study.jobs) == ["linear-sgd", "linear-signed", "Net-sgd", "Net-signed"]
    runs, _ = train_cells(study.cells, {"airfoil_twin": dataset})
    assert set(runs.status) == {"ok"}
    assert set(runs.model) == {"linear", "conf/nets.py:Net"}


def test_a_name_in_a_table_imports_nothing(project):
    cell = cell_of("model=mine.py:Net")
    config, code = json.loads(cell.config_json), own.digest("model", "mine.py:Net")
    os.environ[own.VARIABLE] = ""
    sys.modules.pop("mine", None)
    assert "model=mine.py:Net" in shlex.split(command_of(config, cell.id, 1))
    assert "mine" not in sys.modules
    with pytest.raises(UserError, match="name code on the command line"):
        compose_cell(["model=mine.py:Net"])
    (project / "mine.py").write_text("raise SystemExit('imported')")
    assert own.is_unchanged({"name": "mine.py:Net", "code": code}) is False
    assert command_of(config, cell.id, 1) is None


# -- the command line


@pytest.fixture
def train(project, tmp_path_factory, monkeypatch):
    """The command in this process, in the user's folder."""
    monkeypatch.delenv("AIRFOIL_DATA", raising=False)
    data = tmp_path_factory.getbasetemp() / "twin_of_own_code"
    door = Door(project / "unused")
    door.folder = project

    def call(*arguments):
        return door.call(main, *SMALL[:1], "batch_size=300", f"data_dir={data}", "track=false", *arguments)

    return call


@pytest.mark.parametrize(
    "model", ["mine.py:Net", "sub/mine.py:Net", "{folder}/mine.py:Net", "../{name}/mine.py:Net", "mine:Net"]
)
def test_the_command_line_takes_a_file_or_a_module(project, train, monkeypatch, model):
    monkeypatch.syspath_prepend(str(project))
    (project / "sub").mkdir()
    (project / "sub" / "mine.py").write_text(FILE)
    status, out, err = train(f"model={model.format(folder=project, name=project.name)}", "model.hidden=3", "out=out")
    assert (status, err.count("error")) == (0, 0), err
    (config,) = read_table(project / "out" / "runs.parquet", RUNS)["config"]
    assert json.loads(config)["model"]["hidden"] == 3


@pytest.mark.slow
def test_a_product_mixes_own_models_with_the_labs_and_a_misspelt_key_is_refused(project, train):
    status, out, err = train("-m", "model=mine.py:Net,linear", "optimizer=sgd,mine.py:signed")
    assert status == 0, err
    assert len(list(project.glob("multirun/*/*/*/runs.parquet"))) == 4
    status, _, err = train("model=mine.py:Net", "model.hiddenn=3", "out=no")
    assert (status, (project / "no").exists()) == (2, False)
    assert "did you mean model.hidden" in err


def test_an_experiment_names_a_model_of_its_folder_and_no_other(project, train):
    (project / "conf" / "experiment").mkdir(parents=True)
    (project / "conf" / "nets.py").write_text(FILE)
    experiment = project / "conf" / "experiment" / "own.yaml"
    experiment.write_text("# @package _global_\ndefaults:\n  - override /model: nets.py:Net\nlr: 0.2\n")
    status, _, err = train("+experiment=own", "out=out")
    assert status == 0, err
    assert set(read_table(project / "out" / "runs.parquet", RUNS).model) == {"conf/nets.py:Net"}
    experiment.write_text("# @package _global_\ndefaults:\n  - override /model: ../mine.py:Net\n")
    assert train("+experiment=own", "out=no")[0] == 2
    (project / "mine.py").write_text("raise SystemExit('imported')")
    experiment.write_text("# @package _global_\nmodel: {name: 'mine.py:Net', code: '0'}\n")
    status, _, err = train("+experiment=own", "out=no")
    assert (status, "is not allowed" in err, "imported" in err) == (2, True, False)


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=mine.py:Net", "model.hidden=3"],
        ["model=mine.py:any_key", "model.hidden=3", "engine=stacked", "seeds=3"],
        pytest.param(["optimizer=mine.py:signed", "optimizer.hyperparams.softness=0.5"], marks=pytest.mark.slow),
        pytest.param(["optimizer=mine.py:Heavy", "optimizer.torch.momentum=0.9"], marks=pytest.mark.slow),
    ],
)
def test_the_command_of_a_cell_gives_the_same_losses_to_the_last_bit(project, train, overrides):
    assert train(*overrides, "out=first")[0] == 0
    runs = read_table(project / "first" / "runs.parquet", RUNS)
    first = runs.iloc[0]
    command = command_of(json.loads(first.config), first.cell_id, len(runs), first.engine)
    assert command is not None
    given = [text for text in shlex.split(command)[3:] if not text.startswith(("data=", "batch_size="))]
    status, _, err = train(*given, "out=again")
    assert status == 0, err
    again = read_table(project / "again" / "runs.parquet", RUNS)
    assert again.cell_id.tolist() == runs.cell_id.tolist()
    curves = [read_table(project / folder / "curves.parquet", CURVES) for folder in ("first", "again")]
    np.testing.assert_array_equal(curves[0].loss, curves[1].loss)


PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_file_and_the_commands_of_the_page_do_what_it_says(project, run):
    (project / "nets.py").write_text(re.search(r"```python\n# nets.py\n(.*?)```", PAGE, re.DOTALL)[1])
    (commands,) = (block for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) if "nets.py" in block)
    commands = [line.removeprefix("$ ") for line in commands.splitlines()]
    for command in commands:
        short = command.replace("pipeline.train ", "pipeline.train data=airfoil_twin track=false epochs=1 ")
        short = short.replace("snakemake ", f"snakemake -n -s {ROOT / 'Snakefile'} --directory . ")
        done = run("bash", "-c", short, cwd=project, PYTHONPATH=str(ROOT), AIRFOIL_DATA="")
        assert done.returncode == 0, done.stderr
    runs = [read_table(path, RUNS) for path in project.glob("*/**/runs.parquet")]
    assert sorted({name for table in runs for name in table.model}) == ["linear", "nets.py:Wide"]
    assert sorted({name for table in runs for name in table.optimizer}) == ["nets.py:Heavy", "nets.py:signed", "sgd"]


@pytest.mark.slow
def test_the_workflow_trains_an_own_model_by_an_override_and_again_after_an_edit(run, project):
    (project / "conf" / "study").mkdir(parents=True)
    (project / "conf" / "study" / "small.yaml").write_text("name: small\ncells: {a: {batch_size: 300}}\n")
    settings = ("studies=[small]", "measurements=[]", "overrides=[data=airfoil_twin,epochs=1,model=mine.py:Net]")
    command = ("snakemake", "-s", ROOT / "Snakefile", "--directory", ".", "--cores", "1", "results/small/runs.parquet")

    def trained():
        done = run(*command, "--config", *settings, cwd=project, AIRFOIL_DATA="")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return read_table(project / "results" / "small" / "runs.parquet", RUNS)

    first = trained()
    assert set(first.model) == {"mine.py:Net"}
    (project / "mine.py").write_text(FILE.replace("hidden=8", "hidden=4"))
    assert trained().cell_id.tolist() != first.cell_id.tolist()


@pytest.mark.slow
def test_the_command_that_advise_prints_trains_own_data_and_an_own_model_again_to_the_last_bit(run, project):
    """One rate: beside others a stack rounds differently, by 1e-7."""
    source = np.random.default_rng(0)
    X = source.standard_normal((200, 4))
    table = np.column_stack([X, X @ [1, 2, 3, 4] + source.standard_normal(200)])
    np.savetxt(project / "mine.csv", table, delimiter=",", header="a,b,c,d,price", comments="")
    own_problem = ["data=table", "data.path=mine.csv", "data.target=price", "model=mine.py:Net", "model.hidden=5"]
    folders = {"engine=solo": "solo", "engine=stacked": "stacked"}
    for engine, out in folders.items():
        given = [*own_problem, "optimizer=mine.py:signed", "lr=0.02", engine, "seeds=3", "epochs=3"]
        environment = {"PYTHONPATH": str(ROOT), "cwd": project}
        done = run("python", "-m", "pipeline.train", *given, "track=false", f"out={out}", **environment)
        assert done.returncode == 0, done.stderr
        target = read_table(project / out / "runs.parquet", RUNS).final_validation_loss.max()
        advise = ("python", "-m", "pipeline.analysis.advise", "mine.py:signed", "--study", out, "--target", target)
        said = run(*advise, **environment)
        assert said.returncode == 0, said.stderr
        (command,) = {line.partition(": ")[2] for line in said.stdout.splitlines() if line.startswith("For ")}
        assert command.startswith("python -m pipeline.train data=table data.path=mine.csv data.target=price")
        done = run("bash", "-c", f"{command} track=false out={out}-again", **environment)
        assert done.returncode == 0, done.stderr
        first, again = (read_table(project / folder / "curves.parquet", CURVES) for folder in (out, f"{out}-again"))
        assert again.cell_id.tolist() == first.cell_id.tolist()
        np.testing.assert_array_equal(again.loss, first.loss)
        np.testing.assert_array_equal(again.validation_loss, first.validation_loss)
