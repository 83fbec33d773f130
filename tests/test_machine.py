"""What this machine is, told in words wherever it runs: where the system says nothing, that is what is said."""

import builtins
import sys
from types import SimpleNamespace

import psutil
import pytest

from pipeline.contrib.machine import processor
from pipeline.lab import machine


@pytest.fixture
def silent_processor(monkeypatch):
    """A system that describes its processor in no file, and what py-cpuinfo says of it instead."""
    facts = {}
    monkeypatch.setitem(sys.modules, "cpuinfo", SimpleNamespace(get_cpu_info=lambda: facts))
    monkeypatch.setattr(machine.Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(OSError("no such file")))
    return facts


def write_caches(folder, **sizes):
    """Caches as Linux describes them."""
    for number, (name, size) in enumerate(sizes.items()):
        cache = folder / f"index{number}"
        cache.mkdir()
        kind, level = name.split("_")
        for file, text in {"type": kind, "level": level, "size": size}.items():
            (cache / file).write_text(f"{text}\n")


def test_the_facts_are_text_for_people_and_name_python_and_the_cores():
    facts = machine.machine_facts()
    assert all(isinstance(value, str) and value for value in facts.values())
    assert f"{machine.usable_cores()} usable" in facts["Cores"]
    assert facts["Python"].endswith(".".join(map(str, sys.version_info[:3])))


def test_a_package_that_is_not_there_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(machine, "PACKAGES", ("torch", "no-such-package"))
    versions = machine.package_versions()
    assert versions["torch"].startswith("2.")
    assert versions["no-such-package"] == "not installed"


def test_without_a_file_the_processor_is_what_cpuinfo_or_python_says(silent_processor, monkeypatch):
    silent_processor["brand_raw"] = "A processor"
    assert machine.cpu_model() == "A processor"
    silent_processor.clear()
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "arm64")
    assert machine.cpu_model() == "arm64"


def test_a_file_that_names_no_model_is_passed_over(monkeypatch):
    monkeypatch.setitem(sys.modules, "cpuinfo", SimpleNamespace(get_cpu_info=lambda: {"brand_raw": "Asked"}))
    monkeypatch.setattr(machine.Path, "read_text", lambda *_, **__: "processor: 0\n")
    assert machine.cpu_model() == "Asked"


def test_caches_are_read_in_bytes_and_those_of_instructions_left_out(tmp_path, monkeypatch):
    write_caches(tmp_path, Data_1="48K", Instruction_1="32K", Unified_2="2M", Unified_3="1G")
    monkeypatch.setattr(processor, "CACHES", tmp_path)
    assert processor.caches() == {"L1": 48 * 2**10, "L2": 2 * 2**20, "L3": 2**30}


def test_a_cache_that_is_described_in_part_is_left_out(tmp_path, monkeypatch):
    write_caches(tmp_path, Data_1="48K", Unified_2="large")
    (tmp_path / "index9").mkdir()
    monkeypatch.setattr(processor, "CACHES", tmp_path)
    assert processor.caches() == {"L1": 48 * 2**10}


def test_without_the_folder_the_caches_are_those_that_the_processor_tells(tmp_path, monkeypatch):
    facts = {"l1_data_cache_size": 32768, "l2_cache_size": "no number", "l3_cache_size": 0}
    monkeypatch.setitem(sys.modules, "cpuinfo", SimpleNamespace(get_cpu_info=lambda: facts))
    monkeypatch.setattr(processor, "CACHES", tmp_path / "none")
    assert processor.caches() == {"L1": 32768}


@pytest.mark.parametrize(
    ("frequency", "hertz"),
    [
        (SimpleNamespace(max=3000.0, current=1000.0), 3e9),
        (SimpleNamespace(max=0.0, current=1000.0), 1e9),
        (SimpleNamespace(max=0.0, current=0.0), None),
        (None, None),
    ],
)
def test_the_clock_rate_is_the_highest_that_is_known(monkeypatch, frequency, hertz):
    monkeypatch.setattr(psutil, "cpu_freq", lambda: frequency)
    assert processor.clock_hertz() == hertz


def test_a_clock_rate_that_cannot_be_asked_for_is_unknown(monkeypatch):
    def refuses():
        raise NotImplementedError

    monkeypatch.setattr(psutil, "cpu_freq", refuses)
    assert processor.clock_hertz() is None


def test_cores_are_counted_where_the_system_does_not_say_which_may_be_used(monkeypatch):
    monkeypatch.delattr(machine.os, "sched_getaffinity")
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 7)
    assert machine.usable_cores() == 7
    monkeypatch.setattr(machine.os, "cpu_count", lambda: None)
    assert machine.usable_cores() == 1


def test_torch_is_not_imported_for_the_question_how_many_threads_it_has(monkeypatch):
    original = builtins.__import__

    def refuses(name, *arguments, **keywords):
        assert name != "torch"
        return original(name, *arguments, **keywords)

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuses)
    assert machine.torch_threads() == "1 while a run is timed, torch's default outside training"
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(get_num_threads=lambda: 5))
    assert machine.torch_threads() == "1 while a run is timed, 5 outside training"
