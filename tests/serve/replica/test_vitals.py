"""What makes a replica unfit to go on."""

import numpy as np

from foretell.serve.replica.vitals import Vitals, resident_bytes

GB = 10**9


def test_an_engine_in_trouble() -> None:
    trouble = ""
    vitals = Vitals(lambda: trouble, 1.0, GB)
    assert not vitals.trouble()
    trouble = "weather: an evaluation has been under way for 2 s"
    assert vitals.trouble() == trouble


def test_a_lane_that_stands_still() -> None:
    now = 100.0
    vitals = Vitals(lambda: "", 1.0, GB, clock=lambda: now)
    now = 101.0
    assert not vitals.trouble()
    now = 103.0
    assert vitals.trouble() == "the lane has stood still for 3 s"
    vitals.lane_is_alive()
    assert not vitals.trouble()


def test_memory_is_bounded_by_what_was_asked_for() -> None:
    resident = GB // 10
    vitals = Vitals(lambda: "", 1.0, GB, lambda: resident)
    resident = GB
    assert not vitals.trouble()
    resident = 3 * GB // 2
    assert vitals.trouble() == "1.5 GB of memory, 1.0 GB are the most"


def test_a_model_that_needs_more_from_the_start_is_not_replaced_for_ever() -> None:
    resident = 3 * GB
    vitals = Vitals(lambda: "", 1.0, GB, lambda: resident)
    assert not vitals.trouble()
    resident = 7 * GB
    assert "6.0 GB are the most" in vitals.trouble()


def test_memory_in_ram_is_read_from_the_process() -> None:
    before = resident_bytes()
    block = np.ones(10_000_000)
    assert resident_bytes() - before > 0.9 * block.nbytes
