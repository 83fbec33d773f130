"""Where the memory does not suffice, what asked for it fails and is told, and the rest goes on."""

import subprocess
import sys

import pytest

from pipeline.lab.errors import exit_on_user_error
from pipeline.lab.tables import CURVES, RUNS, read_table
from tests.faults.stages import make_inputs, written
from tests.repository import ROOT

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells how much memory is in use")

#: Loads everything, then runs a command with so many MB more than it has by then: a real limit, set by the kernel.
LIMITED = """
import resource, runpy, sys
import pipeline.lab.tables, pipeline.train.cells
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")) * 1024
limit = used + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""

#: The second network has 3.6 GB of weights.
STUDY = """
defaults: [base_study, _self_]
name: unequal
engine: ENGINE
common: {data: airfoil_twin, model: mlp, lr: 0.01, batch_size: 100, epochs: 1}
cells:
  first: {model.widths: [8]}
  too large: {model.widths: [30000, 30000]}
  last: {model.widths: [16]}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the stages read."""
    return make_inputs(tmp_path_factory.mktemp("made"))


def limited(megabytes, *command, cwd):
    """Run a command that may take so much memory beyond what its imports take."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(megabytes), *map(str, command)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["solo", "stacked"])
def test_a_cell_too_large_for_the_memory_is_a_row_and_the_other_cells_go_on(engine, made, lab_copy):
    (lab_copy / "conf" / "study" / "unequal.yaml").write_text(STUDY.replace("ENGINE", engine))
    out = lab_copy / "out"
    options = ("study=unequal", "track=false", f"data_dir={made}", f"out={out}", f"hydra.run.dir={out}")
    done = limited(1500, "pipeline.train", *options, cwd=lab_copy)
    assert done.returncode == 1, done.stderr  # a failed run reaches the exit status
    assert written(out) == ["curves.parquet", "runs.parquet"]
    runs = read_table(out / "runs.parquet", RUNS)
    status = {config.split('"widths":')[1].split("]")[0]: status for config, status in zip(runs.config, runs.status)}  # noqa: B905
    assert sorted(status.values()) == ["error", "ok", "ok"]
    assert {widths for widths, each in status.items() if each == "error"} == {"[30000,30000"}
    curves = read_table(out / "curves.parquet", CURVES)
    assert set(curves.cell_id) == set(runs.cell_id[runs.status == "ok"])
    assert "the memory does not suffice" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [4, 60])
def test_a_command_that_has_hardly_any_memory_leaves_nothing_half_written(megabytes, made, tmp_path):
    """A library may end the process itself then, so that nobody is left to tell it in one sentence."""
    out = tmp_path / "out"
    done = limited(megabytes, "pipeline.measure", "memory", "--out", out / "memory.parquet", cwd=ROOT)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert written(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7.45 GiB for an array"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_memory_that_does_not_suffice_is_one_sentence(error, capsys):
    with pytest.raises(SystemExit) as ended, exit_on_user_error():
        raise error
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: the memory does not suffice: ")


def test_another_error_of_torch_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="shapes"), exit_on_user_error():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
