"""Planning ten thousand jobs asks little of each: that is what the time of ``snakemake -n`` is made of."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.lab.config import compose, load_study
from pipeline.workflow import code, jobs
from pipeline.workflow.jobs import Jobs
from pipeline.workflow.settings import read_settings


def jobs_of(monkeypatch, lrs):
    """The workflow's view of a study of 10 optimizers, 8 batch sizes and so many rates, a job each."""
    study = load_study("scale")
    config = dataclasses.replace(study.config, pack_by=["optimizer", "batch_size", "lr"], lr_points=lrs)
    monkeypatch.setattr(jobs, "load_study", lambda name, overrides: dataclasses.replace(study, config=config))
    return Jobs(read_settings({}))


def asked(jobs):
    """What Snakemake asks of every job of the study, and of the rule that joins them."""
    answers = []
    for job in jobs.of("scale"):
        wildcards = SimpleNamespace(study="scale", job=job)
        own = (jobs.data, jobs.code, jobs.configuration, jobs.extension, jobs.gpus)
        answers.append([*(ask(wildcards) for ask in own), jobs.threads(wildcards, 2)])
    jobs.tables(SimpleNamespace(study="scale"))
    return answers


@pytest.fixture
def counted(monkeypatch):
    """How often the configuration is composed, folders are listed and files are read."""
    counts = {"_typed": 0, "glob": 0, "read_bytes": 0}

    def counting(owner, name):
        original = getattr(owner, name)

        def wrapped(*args, **kwargs):
            counts[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, wrapped)

    counting(compose, "_typed")
    counting(Path, "glob")
    counting(Path, "read_bytes")
    return counts


@pytest.mark.slow
def test_composing_listing_and_reading_do_not_grow_with_the_number_of_jobs(monkeypatch, counted):
    seen = []
    for lrs in (2, 12):
        compose._composed.cache_clear()
        counted.update(dict.fromkeys(counted, 0))
        for cached in (code.digest, code._parsed, code._fingerprint, code._imported):
            cached.cache_clear()
        assert len(asked(jobs_of(monkeypatch, lrs))) == 80 * lrs
        seen.append(dict(counted))
    assert seen[1]["glob"] <= seen[0]["glob"] < 40
    assert 0 < seen[1]["read_bytes"] <= seen[0]["read_bytes"] < 500
    assert 0 < seen[1]["_typed"] <= seen[0]["_typed"] <= 80


def test_a_job_waits_for_its_data_alone_and_not_for_a_file_of_the_code_each(monkeypatch):
    scale = jobs_of(monkeypatch, 2)
    wildcards = SimpleNamespace(study="scale", job=next(iter(scale.of("scale"))))
    assert scale.data(wildcards) == ["results/data/airfoil-standardize.parquet"]
    rule = (Path(jobs.__file__).parent / "rules" / "train.smk").read_text()
    inputs = rule.partition("input:")[2].partition("output:")[0].split()
    assert inputs == ["data=jobs.data,"]
