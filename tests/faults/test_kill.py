"""The whole workflow, killed at a random moment, finishes when it is started again; `make kill` does it 20 times."""

import base64
import shutil

import pytest

from tests.faults.kill import fraction_of, killed_and_started_again, problems_of, report, undisturbed
from tests.faults.workspace import Workspace

pytestmark = pytest.mark.slow

SEED = 2
#: One in each quarter of the run.
NUMBERS = [
    next(number for number in range(1000) if quarter <= 4 * fraction_of(SEED, number) < quarter + 1)
    for quarter in range(4)
]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A run that nobody killed."""
    return undisturbed(tmp_path_factory.mktemp("kill"))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_killed_workflow_finishes_when_it_is_started_again_and_equals_an_undisturbed_one(made, number, tmp_path):
    verdict = killed_and_started_again(made, tmp_path / "killed", SEED, number)
    assert verdict.recovered, str(verdict)
    assert report(made, [verdict], SEED)["recovered"] == "1 of 1"


def test_what_was_written_but_not_yet_noted_when_it_was_killed_hides_nothing_that_is_missing(made, tmp_path):
    """As killed between the job's end and Snakemake's note of it, which takes the mark away."""
    workspace = made.after.copy(tmp_path / "lab")
    workspace.own_the_runs_that_were_copied()
    written = "results/track/runs.json"
    mark = workspace.folder / ".snakemake" / "incomplete" / base64.urlsafe_b64encode(written.encode()).decode()
    mark.parent.mkdir(exist_ok=True)
    mark.write_text('{"external_jobid": null}')
    (workspace.folder / "results" / "track" / "figures.json").unlink()
    status, _ = workspace.run()
    assert problems_of(workspace, made, status) == []


def test_what_is_wrong_after_a_kill_is_found(made, tmp_path):
    """The comparison can fail: each of these is what a kill must not leave."""
    workspace = made.after.copy(tmp_path / "lab")
    results = workspace.folder / "results"
    shutil.copy(results / "textbook" / "runs.parquet", results / "textbook" / "curves.parquet")
    (results / "textbook" / ".runs.parquet.7-0.tmp").touch()
    (results / "report.html").unlink()
    client, experiment = workspace.store()
    client.create_run(experiment, tags={"study": "textbook", "cell_id": "lost"})
    found = "\n".join(problems_of(workspace, made, 0))
    assert "results/textbook/.runs.parquet.7-0.tmp is left behind" in found
    assert "results/report.html is missing" in found
    assert "results/textbook/curves.parquet differs" in found
    assert "MLflow has ('textbook', 'lost') 1 times, not 0" in found
    assert "a run of ('textbook', 'lost') that seems to be running" in found
    assert problems_of(Workspace(workspace.folder), made, 1)[0].startswith("the second run ended with status 1")
