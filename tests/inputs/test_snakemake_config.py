"""What Snakemake is given with ``--config`` is run, or refused with one sentence when the Snakefile is read."""

from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from snakemake.cli import parse_config

from pipeline.lab.errors import exit_on_user_error
from pipeline.workflow.inputs import Inputs
from pipeline.workflow.jobs import Jobs
from pipeline.workflow.settings import read_settings
from tests.conftest import ROOT
from tests.inputs import nasty
from tests.inputs.door import cases


@pytest.fixture
def snakefile(door, monkeypatch):
    """Ask the workflow what the Snakefile and its rules ask; Snakemake's own parser reads the command line."""
    monkeypatch.setattr(door, "folder", ROOT)  # where the Snakefile lies
    door.listed = []

    def command(config):
        with exit_on_user_error():
            settings = read_settings(config)
        jobs, inputs = Jobs(settings), Inputs(settings)
        studies = jobs.default_studies if config.get("studies") else ["textbook"]
        assert inputs.default_data and inputs.measurements is not None
        for study in studies[:1]:
            for job in list(jobs.of(study))[:1]:
                asked = SimpleNamespace(study=study, job=job)
                assert jobs.data(asked) and jobs.code(asked) and jobs.gpus(asked) >= 0
                jobs.places(asked, SimpleNamespace(runs=f"{settings.results}/{study}/jobs/{job}/runs.parquet"))

    def check(*entries):
        return door.run_or_refuse(lambda: command(parse_config(entries)))

    monkeypatch.setattr("tests.inputs.door.listing", lambda folder: sorted(path.name for path in ROOT.iterdir()))
    return check


def reaches_the_snakefile(entry):
    """Tell whether Snakemake's parser hands an entry on: at a blank one, such as ``results=' '``, it fails itself."""
    try:
        parse_config([entry])
    except AssertionError:
        return False
    return True


lists = st.lists(nasty.overrides, min_size=1, max_size=2).map(lambda items: f"[{','.join(items)}]")
config_values = st.one_of(nasty.values, nasty.words, lists).filter(bool)
entries = st.one_of(
    st.builds("overrides={}".format, lists),
    st.builds(
        "overrides=[{}]".format, nasty.overrides.map(lambda text: '"' + text.replace("\\", "").replace('"', "") + '"')
    ),
    st.builds("{}={}".format, st.sampled_from(["results", "studies", "measurements", "overrides"]), config_values),
    st.builds("{}={}".format, st.sampled_from(["lr", "override", "reslts", "study"]), config_values),
).filter(reaches_the_snakefile)


@pytest.mark.slow
@given(st.lists(entries, min_size=1, max_size=2))
@example(["results=Makefile"])
@example(["results=$(touch x)"])
@example(["overrides=[label='it''s']"])
@example(["studies=5", "measurements={a: 1}"])
@cases("config", 320)
def test_any_config_is_read_or_refused(snakefile, entries):
    snakefile(*entries)


def test_snakemakes_own_parser_fails_at_a_blank_entry():
    # The day that it does not, blank entries reach the Snakefile, and the filter above is to go.
    with pytest.raises(AssertionError):
        parse_config(["results=' '"])


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("results=Makefile", "results=Makefile is not allowed: it must be a folder"),
        ("results=Makefile/x", "Makefile is a file"),
        ("results={x}", "results="),
        ("results=-rf", "begins with -"),
        ("results=~/x", "begins with - or ~"),
        ("results=[a]", "name of a folder"),
        ('results="a\\nb"', "it holds"),
        ("studies=5", "must be a list"),
        ("studies=[textbok]", "did you mean textbook?"),
        ("measurements=[memry]", "did you mean memory?"),
        ("overrides={a: 1}", "must be a list"),
        ("overrides=5", "must be a list"),
        ("overrides=[lr=nan]", "lr=nan"),
        ("overrides=[epochs=1000000000]", "updates, and at most max_steps"),
        ("overrides=[seeds=1000000]", "max_runs=200000"),
        ("overrides=[optimizer=sdg]", "did you mean sgd?"),
        ("overrides=[hydra.run.dir=x]", "hydra.run.dir"),
        ("overrides=[data.name=mine]", "conf/data/mine.yaml"),
        ("overrides=[model.nmae=os.system]", "did you mean name?"),
        ("lr=1", "overrides"),
    ],
)
def test_what_is_wrong_is_named(snakefile, entry, told):
    sentence = snakefile(entry)
    assert sentence is not None
    assert told in sentence


@pytest.mark.parametrize(
    "entry", ["overrides=lr=5e-2", "overrides=[lr=5e-2]", "overrides=['lr=5e-2']", 'overrides=["lr=5e-2"]']
)
def test_an_override_may_be_quoted_or_alone(snakefile, entry):
    assert snakefile(entry) is None
    assert Jobs(read_settings(parse_config([entry]))).of("textbook")["all"][0].config.lr == 0.05
