"""What was half-made when the workflow was killed is made again, and with it everything that hangs on it."""

import base64
import re

import pytest

pytestmark = pytest.mark.slow

SMALL = ("--config", "studies=[textbook]", "measurements=[]", "overrides=[data=airfoil_twin,seeds=1,epochs=1]")


def planned(run, lab):
    """How often the next run would run each rule."""
    done = run("snakemake", "--dry-run", "--cores", "2", *SMALL, cwd=lab)
    assert done.returncode == 0, done.stderr
    stats = re.search(r"^job +count\n[- ]+\n((?:\w+ +\d+\n)+)", done.stdout + done.stderr, re.MULTILINE)
    return dict(line.split() for line in stats[1].splitlines())


def test_an_output_that_was_just_written_when_the_workflow_was_killed_hides_nothing_that_is_not_made(lab_copy, run):
    everything = planned(run, lab_copy)
    for output in ("results/track/runs.json", "results/claims.json", "results/data/airfoil_twin-standardize.parquet"):
        path = lab_copy / output
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        # Snakemake's mark, which it takes away once it has seen that the job has ended well
        mark = lab_copy / ".snakemake" / "incomplete" / base64.urlsafe_b64encode(output.encode()).decode()
        mark.parent.mkdir(exist_ok=True)
        mark.write_text('{"external_jobid": null}')
        assert planned(run, lab_copy) == everything, output
        path.unlink()
        mark.unlink()
