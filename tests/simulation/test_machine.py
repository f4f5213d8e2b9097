"""A virtual machine: its own clock, one piece of row work at a time, and standstills after which all comes at once."""

import pytest

from gossipw2v.simulation.clock import Clock
from gossipw2v.simulation.machine import Machine


@pytest.fixture
def clock():
    return Clock()


def test_the_clock_starts_anywhere_and_runs_a_little_fast(clock):
    host = Machine(clock, offset=1000.0, rate=1.01)
    clock.run(100)
    assert host.now == pytest.approx(1101.0)


def test_what_comes_in_a_standstill_comes_after_it_in_order(clock):
    host, seen = Machine(clock), []
    for delay in (1, 2, 3, 6):
        host.at(delay, lambda delay=delay: seen.append((delay, clock.now)))
    clock.at(1.5, host.stand_still)
    clock.at(5, lambda: host.go_on(lambda: seen.append("first")))
    clock.run(10)
    assert seen == [(1, 1), "first", (2, 5), (3, 5), (6, 6)]
    assert not host.still


def test_one_standstill_may_end_in_another(clock):
    host, seen = Machine(clock), []
    host.stand_still()
    host.do(host.stand_still)
    host.do(lambda: seen.append("late"))
    host.go_on(lambda: None)
    assert host.still
    assert seen == []
    host.go_on(lambda: None)
    assert seen == ["late"]


def test_nothing_runs_on_a_machine_that_is_off(clock):
    host, seen = Machine(clock), []
    host.at(1, lambda: seen.append("never"))
    host.on = False
    host.do(lambda: seen.append("never"))
    clock.run(2)
    assert seen == []


def test_row_work_is_done_piece_by_piece_and_told_when_it_is_done(clock):
    host, seen = Machine(clock), []

    def piece(name, seconds):
        def work():
            seen.append((name, clock.now))
            return None if seconds is None else (seconds, lambda: seen.append((f"{name} told", clock.now)))

        return work

    for name, seconds in (("a", 2), ("b", None), ("c", 1)):
        host.submit(piece(name, seconds))
    clock.run(10)
    assert seen == [("a", 0), ("b", 2), ("c", 2), ("a told", 2), ("c told", 3)]
    assert not host.queue
