"""Which device a run is trained on, and what a job asks Snakemake for; no GPU is needed here."""

import json
import os
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from pipeline.lab import devices
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.config.schema import TrainerConfig
from pipeline.lab.devices import gpu_count, gpus_wanted, reserved
from pipeline.lab.errors import UserError
from pipeline.train.cells import train_cells
from pipeline.train.placement import backend, placed, reproducible
from pipeline.workflow.jobs import Jobs
from pipeline.workflow.settings import read_settings
from tests.inputs.door import complaints

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here: see test_gpu.py")


def cell(*overrides, **values):
    return Cell(compose_cell(["data=airfoil_twin", *overrides]), **values)


@pytest.fixture
def cuda(monkeypatch):
    """Say how many CUDA devices torch finds."""

    def found(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return found


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Say which GPUs ``nvidia-smi`` lists; the torch of this machine is one for GPUs."""

    def has(*names, smi=True):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        if smi:
            program = folder / "nvidia-smi"
            program.write_text("#!/bin/sh\n" + "".join(f"echo {name}\n" for name in names))
            program.chmod(0o755)
            monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        devices._installed.cache_clear()

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "_torch_is_for_cpus", lambda: False)
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    yield has
    devices._installed.cache_clear()


# -- which device a run is trained on


@pytest.mark.slow
@needs_no_gpu
def test_a_gpu_that_is_not_there_is_told_in_one_sentence_before_anything_is_written(run, tmp_path):
    done = run(
        *(sys.executable, "-m", "pipeline.train", "trainer=gpu", "data=airfoil_twin", "track=false"),
        *(f"data_dir={tmp_path}/data", f"hydra.run.dir={tmp_path}/out"),
    )
    assert done.returncode == 2
    assert complaints(done.stderr) == (
        f"error: trainer.accelerator=gpu is not allowed here: torch {torch.__version__} finds no CUDA device; "
        "use trainer=cpu, or trainer=auto, which takes a GPU only where there is one\n"
    )
    written = {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*") if path.is_file()}
    assert written <= {("out", ".hydra")}  # what Hydra says it was asked for, before the lab is called


def test_more_gpus_than_there_are_are_refused(cuda):
    cuda(1)
    with pytest.raises(UserError, match=r"^trainer.devices=2 is not allowed .*gpu: torch finds 1 CUDA device here, so"):
        placed([cell("trainer=ddp", "trainer.accelerator=gpu")])


@pytest.mark.parametrize(("found", "wanted", "taken"), [(0, 1, "cpu"), (1, 1, "gpu"), (1, 2, "cpu"), (2, 2, "gpu")])
def test_auto_takes_gpus_where_there_are_enough_and_else_the_cpu(cuda, found, wanted, taken):
    cuda(found)
    [one] = placed([cell("trainer=auto", f"trainer.devices={wanted}")])
    assert (one.config.trainer.accelerator, one.config.trainer.devices) == (taken, wanted)
    assert one.id == cell().id


@pytest.mark.slow
@needs_no_gpu
def test_auto_trains_on_the_cpu_where_there_is_no_gpu_and_the_table_says_so(dataset):
    runs, curves = train_cells([cell("trainer=auto", "epochs=1")], {"airfoil_twin": dataset})
    _, expected = train_cells([cell("trainer=cpu", "epochs=1")], {"airfoil_twin": dataset})
    assert runs.status.tolist() == ["ok"]
    assert json.loads(runs.config[0])["trainer"]["accelerator"] == "cpu"
    assert curves.loss.tolist() == expected.loss.tolist()


def test_apples_mps_is_refused_and_is_not_what_gpu_or_auto_means(cuda, monkeypatch):
    with pytest.raises(UserError, match=r"trainer.accelerator=mps is not allowed: choose one of auto, cpu, gpu"):
        compose_cell(["trainer.accelerator=mps"])
    cuda(0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert backend(TrainerConfig("auto")) == "cpu"
    with pytest.raises(UserError, match="finds no CUDA device"):
        backend(TrainerConfig("gpu"))
    cuda(1)
    assert backend(TrainerConfig("gpu")) == "cuda"  # Lightning's word "gpu" would be MPS


def switches():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.allow_tf32,
    )


def test_on_a_gpu_torch_is_told_to_repeat_itself_and_afterwards_is_as_it_was(cuda):
    cuda(1)
    before = switches()
    with pytest.raises(ZeroDivisionError), reproducible([cell("trainer=cpu"), cell("trainer=gpu")]):
        assert switches() == (True, False, False, False)
        raise ZeroDivisionError
    assert switches() == before
    with reproducible([cell("trainer=cpu")]):  # the CPU needs none of it, and the clock would notice
        assert switches() == before


def test_the_matrix_library_is_told_to_repeat_itself_before_torch_is_imported():
    code = "import os, sys, pipeline.train; print('torch' in sys.modules, os.environ['CUBLAS_WORKSPACE_CONFIG'])"
    for given, wanted in ((None, ":4096:8"), (":16:8", ":16:8")):
        environment = {name: value for name, value in os.environ.items() if name != "CUBLAS_WORKSPACE_CONFIG"}
        environment |= {"CUBLAS_WORKSPACE_CONFIG": given} if given else {}
        said = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=environment, text=True)
        assert said.split() == ["False", wanted]


# -- what a job asks for, without torch


def test_gpus_are_counted_as_far_as_they_are_shown(machine, monkeypatch):
    machine("GPU-a", "GPU-b", "GPU-c")
    for shown, count in ((None, 3), ("0,2", 2), ("GPU-b", 1), ("", 0), ("-1", 0), ("0,-1,1", 1), ("0,1,2,3,4", 3)):
        if shown is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
        assert gpu_count() == count, shown
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(devices, "_torch_is_for_cpus", lambda: True)
    assert gpu_count() == 0


def test_gpus_are_counted_by_their_device_files_where_nothing_lists_them(machine, monkeypatch, tmp_path):
    machine(smi=False)
    monkeypatch.setattr(devices.shutil, "which", lambda name: None)
    monkeypatch.setattr(devices, "_DEVICE_FILES", tmp_path)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert gpu_count() == 2


def test_a_torch_for_cpus_is_known_by_its_version(monkeypatch):
    monkeypatch.setattr(devices, "version", lambda name: "2.13.0+cpu")
    assert devices._torch_is_for_cpus()
    for other in ("2.13.0", "2.13.0+cu126"):
        monkeypatch.setattr(devices, "version", lambda name, other=other: other)
        assert not devices._torch_is_for_cpus()


class Wildcards:
    study, job = "textbook", "all"


def jobs_with(*overrides):
    return Jobs(read_settings({"overrides": list(overrides)}))


def test_a_job_demands_a_token_a_device_and_auto_does_so_where_there_are_gpus(machine):
    def demand(*overrides):
        return jobs_with(*overrides).gpus(Wildcards)

    machine()
    assert [demand(), demand("trainer=auto"), demand("trainer=gpu")] == [0, 0, 1]
    machine("GPU-a")
    assert [demand(), demand("trainer=auto"), demand("trainer=gpu")] == [0, 1, 1]
    assert demand("trainer=auto", "trainer.devices=2") == 0  # there is one, so it runs on the CPU
    assert demand("trainer=ddp", "trainer.accelerator=gpu", "trainer.devices=4") == 4


def test_a_timed_job_holds_the_machine_or_its_gpus_share_of_the_cores(machine):
    machine("GPU-a", "GPU-b", "GPU-c", "GPU-d")
    gpu, cpu = jobs_with("trainer=gpu"), jobs_with()
    assert cpu.threads(Wildcards, 16, 4) == 16
    assert gpu.threads(Wildcards, 16, 4) == 4
    assert gpu.threads(Wildcards, 2, 4) == 1
    assert gpu.threads(Wildcards, 16, 1) == 16
    assert gpu.threads(Wildcards, 16, None) == 16  # on a cluster
    two = jobs_with("trainer=ddp", "trainer.accelerator=gpu")
    assert two.threads(Wildcards, 16, 4) == 8


def test_counting_gpus_imports_no_torch():
    code = (
        "import sys; from pipeline.workflow.jobs import Jobs; from pipeline.workflow.settings import read_settings\n"
        "class W: study, job = 'textbook', 'all'\n"
        "Jobs(read_settings({'overrides': ['trainer=auto']})).gpus(W); print('torch' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "False"


# -- which GPU a job takes


def test_jobs_side_by_side_take_different_gpus_and_share_only_where_none_is_free(machine):
    machine("GPU-a", "GPU-b", "GPU-c")
    with reserved(1) as first:
        assert (first, os.environ["CUDA_VISIBLE_DEVICES"]) == (["GPU-a"], "GPU-a")
        del os.environ["CUDA_VISIBLE_DEVICES"]  # another process does not inherit it
        with reserved(2) as second:
            assert second == ["GPU-b", "GPU-c"]
            del os.environ["CUDA_VISIBLE_DEVICES"]
            with reserved(1) as third:
                assert third == ["GPU-a"]
            os.environ["CUDA_VISIBLE_DEVICES"] = "GPU-b,GPU-c"
        os.environ["CUDA_VISIBLE_DEVICES"] = "GPU-a"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with reserved(1) as again:
        assert again == ["GPU-a"]


def test_where_no_lock_can_be_written_the_first_gpus_are_taken(machine, monkeypatch, tmp_path):
    machine("GPU-a", "GPU-b")
    (tmp_path / "file").touch()
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    with reserved(1) as chosen:
        assert chosen == ["GPU-a"]


def test_what_slurm_or_the_user_has_chosen_stays(machine, monkeypatch):
    machine("GPU-a", "GPU-b")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with reserved(1) as chosen:
        assert chosen == []
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize("wanted", [0, 2])
def test_nothing_is_chosen_for_the_cpu_nor_where_there_are_too_few(machine, wanted):
    machine("GPU-a")
    with reserved(wanted) as chosen:
        assert chosen == []
        assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_job_of_cells_that_differ_takes_what_the_most_demanding_one_needs(machine):
    machine("GPU-a", "GPU-b")
    assert gpus_wanted([TrainerConfig("cpu", 4), TrainerConfig("gpu", 1), TrainerConfig("auto", 2)]) == 2
    assert gpus_wanted([TrainerConfig("cpu", 4)]) == 0
