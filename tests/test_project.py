"""The files around the code agree with each other and with what the README promises."""

import re
import subprocess
import tomllib

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.lab.config.study import study_names

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = [Requirement(text) for text in PROJECT["dependencies"]]
FOR_DEVELOPMENT = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]


def pinned(name):
    """Name to version, of everything that a lock pins."""
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+) \\$", (ROOT / name).read_text(), re.MULTILINE)
    assert len(pins) > 50
    torch = next(requirement for requirement in DIRECT if requirement.name == "torch")
    return {"torch": str(torch.specifier).removeprefix("=="), **{canonicalize_name(n): version for n, version in pins}}


@pytest.fixture(scope="module")
def lock():
    """What the lab runs with."""
    return pinned("requirements.lock")


@pytest.fixture(scope="module")
def tracked():
    """Every file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    return [name for name in listed.stdout.decode().splitlines() if (ROOT / name).is_file()]


def code_of(text):
    """What stands in code spans and blocks."""
    return re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", text, re.DOTALL)


#: What a newcomer reads, from the README on.
PAGES = "\n".join(
    [README]
    + [
        (ROOT / "docs" / f"{name}.md").read_text()
        for name in ("start", "own-problem", "reading-the-answer", "how-it-works")
    ]
)
COMMANDS = "\n".join(block or span for block, span in code_of(PAGES))


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda requirement: requirement.name)
def test_each_direct_dependency_is_locked_at_a_version_it_allows(lock, requirement):
    version = lock[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version, prereleases=True)


@pytest.mark.parametrize("requirement", FOR_DEVELOPMENT, ids=lambda requirement: requirement.name)
def test_each_tool_of_the_developers_is_locked_at_a_version_it_allows(requirement):
    version = pinned("requirements-dev.lock")[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version, prereleases=True)


def test_developers_have_what_the_lab_runs_with_and_more(lock):
    assert lock.items() < pinned("requirements-dev.lock").items()


def test_torch_is_one_exact_version_without_a_build_of_its_own(lock):
    assert lock["torch"] == "2.13.0"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_package_but_torch_is_locked_by_hash(name):
    blocks = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", (ROOT / name).read_text()).strip())
    assert [
        block for block in blocks if not re.fullmatch(r"\S+==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+", block)
    ] == []
    assert "--require-hashes" in MAKEFILE


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_the_actions_of_a_workflow_are_pinned_by_commit_and_may_only_read(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_lock_names_no_index_and_no_folder(name):
    text = (ROOT / name).read_text()
    pins = re.sub(r"#.*", "", text)
    assert not re.search(r"^\s*-(?!-hash=sha256:)|://|@|file:", pins, re.MULTILINE)


def test_conda_installs_what_make_installs_on_a_python_that_is_allowed():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert dict(pin.split("==") for pin in pip) == pinned("requirements.lock")
    assert environment["name"] == PROJECT["name"]
    python = next(entry for entry in environment["dependencies"] if str(entry).startswith("python="))
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python.removeprefix("python="))
    assert environment["variables"]["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_targets_of_make_that_are_written_about_exist():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    contributing = "\n".join(block or span for block, span in code_of((ROOT / "CONTRIBUTING.md").read_text()))
    named = set(re.findall(r"\bmake ([a-z-]+)", f"{COMMANDS}\n{contributing}"))
    assert {"ui", "test", "test-quick", "check"} <= named <= targets
    declared = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE).group(1).split()
    assert set(declared) == targets


def test_the_files_and_folders_that_are_written_about_exist(tracked):
    folders = {name.split("/")[0] for name in tracked if "/" in name}
    spans = {span for _, span in code_of(PAGES) if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", span)}
    made = ("results", "mlflow.db", ".venv", "STUDY", "figures/", "logs/", "report.html", "mlflow.html", "docs/_build")
    paths = {span for span in spans if ("/" in span or "." in span) and not span.startswith(made)}
    paths = {
        path for path in paths if "NAME" not in path and not path.startswith(("data.", "hydra/", "pipeline.compare"))
    }
    named = {path for path in paths if not (ROOT / path).exists() and not (ROOT / "conf" / path).exists()}
    assert named == set()
    assert {path.rstrip("/").split("/")[0] for path in paths if path.endswith("/")} <= folders


def test_the_modules_that_are_written_about_can_be_run():
    for module in set(re.findall(r"python -m (pipeline(?:\.[a-z_]+)+)", COMMANDS)):
        path = ROOT / module.replace(".", "/")
        assert (path / "__main__.py").is_file() or "__main__" in path.with_suffix(".py").read_text(), module


def test_the_targets_of_snakemake_that_are_written_about_exist():
    targets = set(re.findall(r"snakemake --cores 2 ([a-z]+)", COMMANDS))
    rules = "".join(path.read_text() for path in (ROOT / "pipeline" / "workflow" / "rules").glob("*.smk"))
    assert targets
    for target in targets:
        assert target in study_names() or re.search(rf"^rule {target}:", rules, re.MULTILINE), target


@pytest.mark.slow
def test_the_overrides_that_are_written_about_are_accepted(run):
    commands = re.findall(r"(?:python -m pipeline\.train) ([^\n]*=[^\n]*)", COMMANDS)
    commands = [command for command in commands if "mine.py" not in command]  # tests/test_own_code.py writes that file
    assert len(commands) == 6
    for command in commands:
        arguments = [word for word in command.split() if word != "-m"]
        cells = [word.split(",")[0] for word in arguments]
        done = run("python", "-m", "pipeline.train", *cells, "--cfg", "job")
        assert done.returncode == 0, done.stderr
    for given in re.findall(r"--config '([^']+)'", COMMANDS):
        done = run("snakemake", "--dry-run", "textbook", "--config", given)
        assert done.returncode == 0, done.stderr


def test_the_data_are_not_in_the_repository(tracked):
    assert [name for name in tracked if name.endswith((".dat", ".parquet", ".db"))] == []
    first_row = b"800\t0\t0.3048\t71.3\t0.00266337\t126.201"
    for name in tracked:
        content = (ROOT / name).read_bytes()
        assert len(content) < 1_000_000, name
        assert content.count(b"\t0.3048\t") < 3 and first_row not in content, name


def test_the_tests_that_the_page_of_faults_names_exist():
    page = (ROOT / "docs" / "dev" / "faults.md").read_text()
    rows = [row.split(" | ")[2] for row in page.splitlines() if row.startswith("| ") and ".py" in row]
    assert len(rows) > 50
    for row in rows:
        path = None
        for named in re.findall(r"(tests/[\w/]+\.py)?(?:::(\w+))?", row):
            path = named[0] or path
            if any(named):
                assert f"def {named[1] or 'test_'}" in (ROOT / path).read_text(), row
