"""Threads that work in steps: each does its own, what they took adds up, a stop is for good, a death is seen."""

import time
from collections.abc import Iterator

from gossipw2v.w2v.training.threads import Threads

PATIENCE = 30.0


def busy(seconds: float) -> None:
    """Use so much of a core."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_each_thread_goes_through_steps_of_its_own() -> None:
    done: list[tuple[int, int]] = []

    def steps(n: int) -> Iterator[None]:
        for step in range(n + 1):
            done.append((n, step))
            yield

    threads = Threads(3)
    threads.start(steps)
    assert threads.wait(PATIENCE)
    assert sorted(done) == [(n, step) for n in range(3) for step in range(n + 1)]


def test_time_counts_from_the_first_start_to_the_last_end_and_processor_time_adds_up() -> None:
    def steps(_n: int) -> Iterator[None]:
        busy(0.02)
        yield

    threads = Threads(2)
    assert threads.seconds == threads.cpu_seconds == 0
    for start in (1, 2):
        threads.start(steps)
        assert threads.wait(PATIENCE)
        assert threads.cpu_seconds >= start * 2 * 0.02
    taken = threads.seconds
    assert taken >= 0.02
    assert threads.seconds == taken


def test_time_goes_on_while_a_thread_lives() -> None:
    threads = Threads(2)

    def steps(n: int) -> Iterator[None]:
        while n and not threads.stopping:
            time.sleep(0.001)
            yield

    threads.start(steps)
    before = threads.seconds
    time.sleep(0.01)
    assert threads.seconds > before
    assert not threads.wait(0.01)
    assert threads.stop(PATIENCE)


def test_nothing_is_started_after_a_stop() -> None:
    def steps(n: int) -> Iterator[None]:
        raise AssertionError(n)
        yield

    threads = Threads(1)
    assert threads.stop(PATIENCE)
    threads.start(steps)
    assert threads.wait(PATIENCE)
    assert threads.failure is None
    assert threads.seconds == 0


def test_a_death_is_kept() -> None:
    def steps(n: int) -> Iterator[None]:
        yield
        raise MemoryError(n)

    threads = Threads(1)
    threads.start(steps)
    assert threads.wait(PATIENCE)
    assert isinstance(threads.failure, MemoryError)
