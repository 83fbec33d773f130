"""The Slurm profile and the page about scaling up say what is so; no Slurm is needed here."""

import re

import pytest
import yaml
from conftest import ROOT

from pipeline.lab.config.schema import StudyConfig
from pipeline.lab.config.study import Study

PROFILE = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
PAGE = (ROOT / "docs" / "scaling-up.md").read_text()


@pytest.mark.slow
def test_every_key_of_the_profile_is_an_option_and_is_explained(run):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    options = set(re.findall(r"--([a-z][a-z-]+)", run("snakemake", "--help").stdout))
    said = re.findall(r"^# ([a-z-]+):(?: |$)", PROFILE, re.MULTILINE)  # offered, and left out
    assert set(said) == {"groups", "group-components", "resources", "set-resources"}
    assert set(yaml.safe_load(PROFILE)) | set(said) <= options
    blocks = PROFILE.split("\n\n")
    keys = [block for block in blocks if re.search(r"^[a-z-]+:", block, re.MULTILINE)]
    assert [block for block in keys if not re.search(r"^ *# ", block, re.MULTILINE)] == ["executor: slurm"]


def test_what_the_profile_stands_in_for_is_in_it():
    default = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text())
    assert default.pop("resources") == ["gpu=1"]  # one device: wrong for a cluster
    assert default.items() <= yaml.safe_load(PROFILE).items()


@pytest.mark.slow
def test_the_study_of_a_million_runs_is_one():
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    values = yaml.safe_load(text)
    assert values.pop("defaults") == ["base_study", "_self_"]
    study = Study(StudyConfig(**values))
    assert sum(cell.config.seeds for cell in study.cells) == 1_000_000
    assert {len(cells) * study.config.seeds for cells in study.jobs.values()} == {12_500}
    assert len(study.jobs) == 80


def test_the_arithmetic_of_a_million_runs_is_right():
    core_seconds = 74 / 100_000
    assert f"74 s / 100,000 = {1000 * core_seconds:.2f} ms of a core" in PAGE
    assert f"10⁶ × 0.74 ms / 2 | {1e6 * core_seconds / 2 / 60:.0f} minutes |" in PAGE
    assert f"10⁶ × 0.74 ms / 16 | {1e6 * core_seconds / 16:.0f} s |" in PAGE
    assert f"10⁶ × 0.74 ms / 80 = {1e6 * core_seconds / 80:.0f} s" in PAGE
    assert f"| {5e6 / 86400:.0f} days of a core |" in PAGE
