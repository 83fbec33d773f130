"""The clock counts what is inside it, and nothing collects garbage while it may run."""

import gc

import pytest
import torch

from pipeline.train import clock as clock_module
from pipeline.train.clock import Clock, no_garbage_collection, torch_threads


@pytest.fixture
def time_is(monkeypatch):
    """A clock hand that only the test moves."""

    class Hand:
        now = 100.0

    monkeypatch.setattr(clock_module.time, "perf_counter", lambda: Hand.now)
    return Hand


def test_the_clock_counts_what_is_inside_and_not_what_is_between(time_is):
    clock = Clock(torch.device("cpu"))
    assert clock.seconds == 0.0
    for inside, between in ((1.0, 50.0), (2.5, 70.0)):
        with clock:
            time_is.now += inside
        time_is.now += between
    assert clock.seconds == pytest.approx(3.5)


def test_the_clock_stops_when_the_block_raises(time_is):
    clock = Clock(torch.device("cpu"))
    with pytest.raises(ZeroDivisionError), clock:
        time_is.now += 2.0
        raise ZeroDivisionError
    time_is.now += 9.0
    assert clock.seconds == pytest.approx(2.0)


def test_a_cuda_device_is_waited_for_at_both_ends(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    device = torch.device("cuda")
    with Clock(device):
        assert waited == [device]
    assert waited == [device, device]


def test_garbage_is_not_collected_inside_and_is_again_afterwards():
    assert gc.isenabled()
    with no_garbage_collection():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_garbage_collection_is_restored_after_an_exception():
    with pytest.raises(ZeroDivisionError), no_garbage_collection():
        raise ZeroDivisionError
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_garbage_collection_stays_off_where_it_was_off():
    gc.disable()
    try:
        with no_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_one_thread_computes_and_the_number_of_threads_is_restored():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError), torch_threads():
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_nothing_is_looked_through_for_garbage_when_a_command_ends(run):
    code = "import atexit, gc, pipeline.train.__main__; atexit._run_exitfuncs(); print(gc.get_freeze_count() > 0)"
    assert run("python", "-c", code).stdout == "True\n"
