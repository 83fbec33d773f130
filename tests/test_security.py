"""No code comes from data: no pickle, no unsafe YAML, no target but those allowed; and no password is kept."""

import ast
import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from packaging.utils import canonicalize_name

from pipeline.lab.config import Cell, compose_cell, target
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


OPTIMIZER, MODEL, SCHEDULE = "optimizer.torch._target_", "model._target_", "schedule._target_"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(
            (OPTIMIZER, name)
            for name in ("os.system", "builtins.eval", "torch.hub.load", "torch.load", "subprocess.run")
        ),
        *((OPTIMIZER, name) for name in ("torch.optim.os.system", "torch.optim.lr_scheduler.partial", "torch.optim")),
        *((OPTIMIZER, name) for name in ("torch.optim.", ".torch.optim.SGD", "torch.optim..SGD", "torch.optimSGD")),
        *(
            (OPTIMIZER, name)
            for name in ("torch.optim.__builtins__.eval", "torch.optim.SGD.__init__", "torch.optim._x")
        ),
        *(
            (OPTIMIZER, name)
            for name in ("torch.optim.sgd.torch.load", "torch.optim.Optimizer", "torch.optim.optimizer.cast")
        ),
        *((OPTIMIZER, name) for name in ("torch.optim.sgd._single_tensor_sgd", "torch.optim.SGD\n", "tоrch.optim.SGD")),
        *(
            (OPTIMIZER, name)
            for name in ("pipeline.parts.models.linear.linear", "pytorch_optimizer.load_optimizer", "")
        ),
        *(
            (MODEL, name)
            for name in (
                "torch.optim.SGD",
                "pipeline.parts.models.linear.torch",
                "pipeline.parts.models.linear.torch.load",
            )
        ),
        *(
            (MODEL, name)
            for name in (
                "pipeline.parts.models.mlp.LinearConfig",
                "pipeline.parts.models..linear",
                "pipeline.lab.errors.UserError",
            )
        ),
        *(
            (MODEL, name)
            for name in (
                "pipeline.parts.models.linear.__builtins__",
                "pipeline.parts.models",
                "../models/linear.linear",
            )
        ),
        *((SCHEDULE, name) for name in ("pipeline.parts.schedules.resolve", "pipeline.parts.schedules.cosine.np.load")),
        *(
            (SCHEDULE, name)
            for name in ("pipeline.parts.schedules.cosine.np", "numpy.load", "pipeline.parts.models.linear.linear")
        ),
    ],
)
def test_a_target_outside_what_is_allowed_is_refused(key, value):
    with pytest.raises(UserError, match=re.escape(key)):
        target.resolve(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (OPTIMIZER, "torch.optim.SGD"),
        (OPTIMIZER, "torch.optim.adam.Adam"),
        (OPTIMIZER, "pytorch_optimizer.Lion"),
        (MODEL, "pipeline.parts.models.mlp.mlp"),
        (SCHEDULE, "pipeline.parts.schedules.cosine.cosine"),
    ],
)
def test_a_target_that_is_allowed_is_found(key, value):
    assert callable(target.resolve(key, value))


def test_the_user_adds_a_package_in_a_file_of_his_own(tmp_path, monkeypatch):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text("from os import system\n\ndef net(config, inputs, generator):\n    ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"conf/targets\.yaml"):
        target.check(MODEL, "mine.nets.net")
    (tmp_path / "targets.yaml").write_text("model: [mine]\n")
    monkeypatch.setattr(target, "ADDITIONS", tmp_path / "targets.yaml")
    target.allowed.cache_clear()
    try:
        assert target.resolve(MODEL, "mine.nets.net").__name__ == "net"
        for name in ("mine.nets.system", "mine.missing.net"):
            with pytest.raises(UserError):
                target.resolve(MODEL, name)
    finally:
        monkeypatch.undo()
        target.allowed.cache_clear()


@pytest.mark.parametrize("text", ["model: mine", "model: [5]", "model: ['../x']", "modle: []", "- a", "["])
def test_a_list_of_packages_that_is_none_is_refused(tmp_path, monkeypatch, text):
    (tmp_path / "targets.yaml").write_text(text)
    monkeypatch.setattr(target, "ADDITIONS", tmp_path / "targets.yaml")
    target.allowed.cache_clear()
    try:
        with pytest.raises(UserError, match=r"targets\.yaml"):
            target.allowed("model")
    finally:
        target.allowed.cache_clear()


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
