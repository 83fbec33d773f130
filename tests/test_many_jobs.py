"""Planning ten thousand jobs asks little of each: that is what the time of ``snakemake -n`` is made of."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.lab.config import compose, load_study
from pipeline.workflow import lab as workflow
from pipeline.workflow.lab import Lab


def lab_of(monkeypatch, lrs):
    """The workflow's view of a study of 10 optimizers, 8 batch sizes and so many rates, a job each."""
    study = load_study("scale")
    config = dataclasses.replace(study.config, pack_by=["optimizer", "batch_size", "lr"], lr_points=lrs)
    monkeypatch.setattr(workflow, "load_study", lambda name, overrides: dataclasses.replace(study, config=config))
    return Lab({})


def asked(lab):
    """What Snakemake asks of every job of the study, and of the rule that joins them."""
    answers = []
    for job in lab.jobs("scale"):
        wildcards = SimpleNamespace(study="scale", job=job)
        answers.append(
            [
                lab.job_data(wildcards),
                lab.job_files(wildcards),
                lab.job_cells(wildcards),
                lab.job_extension(wildcards),
                lab.job_threads(wildcards, 2),
                lab.job_gpus(wildcards),
            ]
        )
    lab.job_tables(SimpleNamespace(study="scale"))
    return answers


@pytest.fixture
def counted(monkeypatch):
    """How often the configuration is composed, folders are listed and files are read."""
    counts = {"compose": 0, "glob": 0, "read_bytes": 0}

    def counting(owner, name):
        original = getattr(owner, name)

        def wrapped(*args, **kwargs):
            counts[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, wrapped)

    counting(compose, "compose")
    counting(Path, "glob")
    counting(Path, "read_bytes")
    return counts


def test_composing_listing_and_reading_do_not_grow_with_the_number_of_jobs(monkeypatch, counted):
    seen = []
    for lrs in (2, 12):
        compose._compose_cell.cache_clear()
        compose._compose_groups.cache_clear()
        counted.update(dict.fromkeys(counted, 0))
        lab = lab_of(monkeypatch, lrs)
        assert len(asked(lab)) == 80 * lrs
        seen.append(dict(counted))
    assert seen[1]["glob"] <= seen[0]["glob"] < 40
    assert 0 < seen[1]["read_bytes"] <= seen[0]["read_bytes"] < 500
    assert seen[1]["compose"] <= seen[0]["compose"] <= 80


def test_a_job_waits_for_its_data_alone_and_not_for_a_file_of_the_code_each(monkeypatch):
    lab = lab_of(monkeypatch, 2)
    wildcards = SimpleNamespace(study="scale", job=next(iter(lab.jobs("scale"))))
    assert lab.job_data(wildcards) == ["results/data/airfoil-standardize.parquet"]
    rule = (Path(workflow.__file__).parent / "rules" / "train.smk").read_text()
    inputs = rule.partition("input:")[2].partition("output:")[0].split()
    assert inputs == ["data=lab.job_data,"]


@pytest.mark.parametrize(
    ("edited", "again"),
    [
        ("pipeline/parts/optimizers/adam.py", {"adam"}),
        ("conf/optimizer/sgd.yaml", {"sgd"}),
        ("pipeline/train/order.py", {"sgd", "adam"}),
        ("conf/data/airfoil.yaml", {"sgd", "adam"}),
        ("pipeline/parts/optimizers/lion.py", set()),
        ("pipeline/figures/cells.py", set()),
    ],
)
def test_an_edit_changes_the_digest_of_the_jobs_that_use_the_file(monkeypatch, lab_copy, edited, again):
    monkeypatch.chdir(lab_copy)

    def digests():
        lab = lab_of(monkeypatch, 1)
        jobs = {
            "sgd": "sgd-b10-lr0p0005",
            "adam": next(job for job in lab.jobs("scale") if job.startswith("adam-b10-")),
        }
        return {name: lab.job_files(SimpleNamespace(study="scale", job=job)) for name, job in jobs.items()}

    before = digests()
    assert digests() == before
    with Path(edited).open("a") as file:
        file.write("\n# edited\n")
    after = digests()
    assert {name for name in after if after[name] != before[name]} == again
