"""A damaged file is made anew by the next run, or the run names it and what to do, and that helps."""

import re

import pytest

from tests.faults.workspace import Workspace

pytestmark = pytest.mark.slow

#: What a sentence asks for, and the file that it is about.
CURE = re.compile(r"error: (?:.*?\s)??((?:\S*/)?results/\S+|\S+/mlflow\.db)\b.*: delete it, and run snakemake again")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder in which everything was made, and the digest of every table."""
    workspace = Workspace.fresh(tmp_path_factory.mktemp("damaged") / "lab")
    status, _ = workspace.run()
    assert status == 0, workspace.last_words()
    return workspace, workspace.tables(), workspace.files()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("data/airfoil_twin.dat", "cut short"),
        ("data/airfoil_twin.json", "cut short"),
        ("data/airfoil_twin-standardize.parquet", "cut short"),
        ("textbook/runs.parquet", "cut short"),
        ("textbook/curves.parquet", "other bytes"),
        ("textbook/study.json", "cut short"),
        ("measure/gradient_noise.parquet", "other bytes"),
        ("figures/captions.json", "cut short"),
        ("claims.json", "other bytes"),
    ],
)
def test_a_damaged_file_is_made_anew_or_named_with_its_cure(whole, name, how, tmp_path):
    made, tables, files = whole
    workspace = made.copy(tmp_path / "lab")
    workspace.own_the_runs_that_were_copied()
    path = workspace.folder / "results" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if how == "cut short" else b"\x00damaged" + content[8:])
    status, said = run(workspace)
    cured = []
    while status != 0 and len(cured) < 3:
        named = CURE.search(said)
        assert named, said[-1500:]
        assert "Traceback" not in said
        cured.append(workspace.folder / named[1])
        cured[-1].unlink()
        status, said = run(workspace)
    assert status == 0, said[-1500:]
    # Snakemake does not make again what nothing is left to be made from.
    missing = files - workspace.files()
    assert all(re.match(r"results/(data|measure|\w+/jobs)/", one) for one in missing), missing
    assert workspace.files() <= files
    assert workspace.tables() == {one: tables[one] for one in tables if f"results/{one}" not in missing}
    if name.endswith(".json") and path.exists():
        assert path.read_bytes() == content


def run(workspace):
    workspace.said.unlink(missing_ok=True)
    status, _ = workspace.run()
    return status, workspace.said.read_text(errors="replace")
