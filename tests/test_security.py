"""No code comes from data: no pickle, no unsafe YAML, no target but those allowed; and no password is kept."""

import ast
import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from packaging.utils import canonicalize_name

from pipeline import parts
from pipeline.lab.config import Cell, compose_cell, load_study, target
from pipeline.lab.errors import UserError
from pipeline.lab.urls import has_password, shown

CODE = sorted([*ROOT.glob("pipeline/**/*.py"), *ROOT.glob("hydra_plugins/**/*.py"), *ROOT.glob("benchmarks/**/*.py")])

#: Calls that run what they read. A value: the argument that makes the call harmless, and its value.
FORBIDDEN = {
    **dict.fromkeys(["eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler"]),
    **dict.fromkeys(["marshal.loads", "shelve.open", "joblib.load", "pd.read_pickle", "yaml.load", "yaml.unsafe_load"]),
    **dict.fromkeys(["yaml.full_load", "dill.loads", "cloudpickle.loads", "hydra.utils.instantiate", "instantiate"]),
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
}


def dangers(source):
    """Calls that could run what they read, with their lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            if {"pickle", "marshal", "shelve", "dill", "cloudpickle"} & set(names):
                yield node.lineno, "import"
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        harmless = FORBIDDEN.get(name)
        if name in FORBIDDEN and (harmless is None or given.get(harmless[0]) is not harmless[1]):
            yield node.lineno, name
        if given.get("shell") or given.get("allow_pickle") or given.get("weights_only") is False:
            yield node.lineno, name


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_of_the_package_runs_what_it_reads(path):
    assert list(dangers(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from pickle import loads", "eval(x)", "torch.load(p)", "torch.load(p, weights_only=False)"),
        *(
            "np.load(p)",
            "np.load(p, allow_pickle=True)",
            "subprocess.run(c, shell=True)",
            "yaml.load(t)",
            "os.system(c)",
        ),
    ],
)
def test_the_search_for_such_calls_finds_them(source):
    assert len(list(dangers(source))) >= 1


OPTIMIZER = "optimizer.torch._target_"


@pytest.mark.parametrize(
    "value",
    [
        *("os.system", "builtins.eval", "torch.hub.load", "torch.load", "subprocess.run", "torch.optim.os.system"),
        *("torch.optim.lr_scheduler.partial", "torch.optim", "torch.optim.", ".torch.optim.SGD", "torch.optim..SGD"),
        *("torch.optimSGD", "torch.optim.__builtins__.eval", "torch.optim.SGD.__init__", "torch.optim._x", ""),
        *("torch.optim.sgd.torch.load", "torch.optim.Optimizer", "torch.optim.optimizer.cast", "torch.optim.SGD\n"),
        *("torch.optim.sgd._single_tensor_sgd", "tоrch.optim.SGD", "pytorch_optimizer.load_optimizer"),
        "pipeline.parts.models.linear.linear",
    ],
)
def test_a_target_outside_what_is_allowed_is_refused(value):
    with pytest.raises(UserError, match=re.escape(OPTIMIZER)):
        target.resolve(OPTIMIZER, value)


@pytest.mark.parametrize("value", ["torch.optim.SGD", "torch.optim.adam.Adam", "pytorch_optimizer.Lion"])
def test_a_target_that_is_allowed_is_found(value):
    assert callable(target.resolve(OPTIMIZER, value))


def test_the_user_adds_a_package_in_a_file_of_his_own(tmp_path, monkeypatch):
    (tmp_path / "rules.py").write_text("from os import system\nfrom torch.optim import SGD\nclass Mine(SGD): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"conf/targets\.yaml"):
        target.check(OPTIMIZER, "rules.Mine")
    (tmp_path / "targets.yaml").write_text("optimizer: [rules]\n")
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))
    assert target.resolve(OPTIMIZER, "rules.Mine").__name__ == "Mine"
    for name in ("rules.system", "rules.missing"):
        with pytest.raises(UserError):
            target.resolve(OPTIMIZER, name)


@pytest.mark.parametrize("text", ["optimizer: mine", "optimizer: [5]", "optimizer: ['../x']", "model: []", "- a", "["])
def test_a_list_of_packages_that_is_none_is_refused(tmp_path, monkeypatch, text):
    (tmp_path / "targets.yaml").write_text(text)
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match=r"targets\.yaml"):
        target.allowed()


# -- what a configuration file may take from elsewhere


@pytest.mark.parametrize(
    ("file", "text", "key"),
    [
        # what a source is sent, and what is stored
        ("study/theirs.yaml", "common: {data.sources: ['http://h/?y=${oc.env:SECRET}']}", "common.data.sources.0"),
        ("study/theirs.yaml", "common: {data.title: '${oc.env:SECRET}'}", "common.data.title"),
        ("study/theirs.yaml", "title: 'By ${oc.env:SECRET,nobody}'", "title"),
        ("study/theirs.yaml", "cells: {'${oc.env:SECRET}': {lr: 0.1}}", "cells.${oc.env:SECRET}"),
        ("study/theirs.yaml", "grid: {lr: [0.1, '${oc.env:SECRET}']}", "grid.lr.1"),
        ("study/theirs.yaml", "defaults: ['${oc.env:SECRET}']", "defaults.0"),
        ("study/theirs.yaml", "common: {'data.${oc.env:SECRET}': 1}", "common.data.${oc.env:SECRET}"),
        ("data/theirs.yaml", "credit: ${oc.env:SECRET}", "credit"),
        ("data/theirs.yaml", "columns: [{name: '${oc.env:SECRET}', unit: m}]", "columns.0.name"),
        ("optimizer/theirs.yaml", "torch: {_target_: torch.optim.SGD, x: {y: ['${oc.env:SECRET}']}}", "torch.x.y.0"),
        ("model/theirs.yaml", "name: ${oc.env:SECRET}", "name"),
        # a variable that is allowed, where it is not
        ("data/theirs.yaml", "title: ${oc.env:AIRFOIL_DATA}", "title"),
        ("data/theirs.yaml", "sources: ['http://h/?y=${oc.env:AIRFOIL_DATA}']", "sources.0"),
        ("data/theirs.yaml", "sources: ['${oc.env:MLFLOW_TRACKING_URI}']", "sources.0"),
        ("data/theirs.yaml", "sources: ['${oc.env:AIRFOIL_DATA}']\ntitle: ${.sources.0}", "title"),
        # other ways to the same
        ("data/theirs.yaml", "title: '${oc.decode:${oc.env:SECRET}}'", "title"),
        ("data/theirs.yaml", "title: '${oc.create:${oc.env:SECRET}}'", "title"),
        ("data/theirs.yaml", "title: ${oc.select:mlflow_uri}", "title"),
        ("data/theirs.yaml", "title: ${mlflow_uri}", "title"),
        ("data/theirs.yaml", "title: ${..mlflow_uri}", "title"),
        ("data/theirs.yaml", "title: ${hydra:runtime.cwd}", "title"),
        ("data/theirs.yaml", "title: ${secret_of_a_plugin:x}", "title"),
        ("study/theirs.yaml", "common: {data.title: '\\${oc.env:SECRET}'}", "common.data.title"),
    ],
)
def test_a_file_that_may_be_somebody_elses_reads_no_variable_and_no_other_file(tmp_path, monkeypatch, file, text, key):
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))
    group = file.split("/")[0]
    (tmp_path / group).mkdir()
    (tmp_path / file).write_text(("" if text.startswith("name:") else "name: theirs\n") + text)
    with pytest.raises(UserError) as caught:
        _ = load_study("theirs").cells if group == "study" else compose_cell([f"{group}=theirs"])
    sentence = str(caught.value)
    assert sentence.startswith(f"{tmp_path / file}: {key}=")
    assert "is not allowed: a configuration file reads its own keys" in sentence
    assert "s3cret" not in sentence and "\n" not in sentence


def test_the_users_own_command_line_may_read_what_it_likes(monkeypatch):
    monkeypatch.setenv("MY_RATE", "0.25")
    monkeypatch.setenv("MY_TITLE", "wind")
    config = compose_cell(["lr='${oc.decode:${oc.env:MY_RATE}}'", "data.title=${oc.env:MY_TITLE}"])
    assert (config.lr, config.data.title) == (0.25, "wind")


# -- passwords

SECRETS = [
    ("https://ada:secret@example.org/a.dat", "https://example.org/a.dat"),
    ("https://ada:secret@example.org:8080/a.dat?token=secret#secret", "https://example.org:8080/a.dat"),
    ("https://ada:sec/ret@example.org/a.dat", "https://example.org/a.dat"),
    ("https://ada:sec?ret#@example.org/a.dat", "https://example.org/a.dat"),
    ("https://example.org/a@b.dat", "https://example.org/a@b.dat"),
    ("https://example.org:8080/a@b.dat", "https://example.org:8080/a@b.dat"),
    ("https://[::1]:8080/a.dat", "https://[::1]:8080/a.dat"),
]


@pytest.mark.parametrize(("url", "public"), SECRETS)
def test_a_url_is_shown_without_its_password(url, public):
    assert shown(url) == public
    assert has_password(url) == ("ada" in url)


def test_the_configuration_that_is_stored_has_no_password_and_the_cell_is_the_same(monkeypatch):
    monkeypatch.setenv("AIRFOIL_DATA", "https://ada:secret@example.org/a.dat?token=secret")
    cell = Cell(compose_cell(["lr=0.123456"]))
    assert "secret" in str(cell.config.data.sources)
    assert "secret" not in cell.config_json
    assert "https://example.org/a.dat" in cell.config_json
    assert cell.id == Cell(compose_cell(["lr=0.123456", "data.sources=[]"])).id


@pytest.mark.slow
def test_a_password_from_the_environment_is_in_no_file(run, tmp_path):
    secret = "hidden-7f3a"
    done = run(
        *(sys.executable, "-m", "pipeline.train", "data.sources=[]", f"data_dir={tmp_path}/data", "epochs=1"),
        *("batch_size=1500", "track=false", f"hydra.run.dir={tmp_path}/out"),
        MLFLOW_TRACKING_URI=f"postgresql://ada:{secret}@db.invalid/mlflow",
        AIRFOIL_DATA=f"https://ada:{secret}@example.invalid/a.dat",
    )
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "overrides.yaml" for path in files)
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


# -- servers, and what is shipped

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_server_that_make_starts_listens_to_this_machine_alone():
    served = [line for line in MAKEFILE.splitlines() if re.search(r"mlflow (ui|server)\b.*--", line)]
    assert served
    assert [line for line in served if "--host 127.0.0.1" not in line] == []


@pytest.mark.slow
def test_the_bill_of_materials_names_everything_that_is_locked(tmp_path):
    recipe = re.search(r"^sbom:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE).group(1)
    torch = re.search(r'"(torch==[0-9.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")).group(1)
    command = recipe.replace("$(TORCH)", torch).replace("results/sbom.json", str(tmp_path / "sbom.json"))
    command = command.replace("cyclonedx-py", f"{sys.executable} -m cyclonedx_py").replace("mkdir -p results\n", "")
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "PATH": "/usr/bin:/bin"}
    subprocess.run(["bash", "-c", command], cwd=ROOT, env=offline, check=True, capture_output=True)
    bill = json.loads((tmp_path / "sbom.json").read_text(encoding="utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "minibatch-lab"
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+) \\$", lock, re.MULTILINE)
    locked = {canonicalize_name(n): v for n, v in [*pins, torch.split("==")]}
    listed = {canonicalize_name(one["name"]): one["version"] for one in bill["components"]}
    assert listed == locked
    assert all(one["purl"].startswith("pkg:pypi/") for one in bill["components"])


# -- names in shell commands


def test_every_name_in_a_shell_command_is_quoted():
    for path in ROOT.glob("pipeline/workflow/rules/*.smk"):
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"\n\s+shell:\n((?:\s+(?:#.*|\".*\")\n)+)", text):
            names = re.findall(r"(?<!\{)\{([^{}]+)\}", block)
            assert names
            assert [name for name in names if not name.endswith(":q")] == [], path.name
