"""Threads that work in steps, below the priority of the rest of the process."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

NICE = 5  # steps of priority below the rest of the process


@dataclass(slots=True)
class Threads:
    """One thread for each number below `count`, which goes through steps of its own and ends with them."""

    count: int
    failure: BaseException | None = None  # of a thread that has died of it
    began_at: float | None = None  # monotonic seconds of the first start
    _ended_at: float | None = None  # when a thread came to its end last
    _stopping: threading.Event = field(default_factory=threading.Event)
    _halting: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)
    _cpu: list[float] = field(init=False)  # seconds that each thread has used

    def __post_init__(self) -> None:
        self._cpu = [0.0] * self.count

    @property
    def stopping(self) -> bool:
        """Whether they were asked to end; the steps look at it."""
        return self._stopping.is_set() or self._halting.is_set()

    @property
    def cpu_seconds(self) -> float:
        """What the threads have used of the cores so far."""
        return sum(self._cpu)

    @property
    def seconds(self) -> float:
        """Since the first start, until the last thread's end; 0 before."""
        if self.began_at is None:
            return 0.0
        alive = self._ended_at is None or any(thread.is_alive() for thread in self._running)
        return (time.monotonic() if alive else self._ended_at or 0.0) - self.began_at

    def start(self, steps: Callable[[int], Iterator[None]]) -> None:
        """Start them, anew if they have ended, each on `steps(number)`; not after a `stop`."""
        self._running.clear()
        if self._stopping.is_set():
            return
        self.began_at = time.monotonic() if self.began_at is None else self.began_at
        for n in range(self.count):
            thread = threading.Thread(target=self._run, args=(n, steps(n)), name=f"train-{n}", daemon=True)
            self._running.append(thread)
            thread.start()

    def stop(self, timeout: float) -> bool:
        """Ask the threads to end, and wait; returns whether all did."""
        self._stopping.set()
        return self.wait(timeout)

    def halt(self, timeout: float) -> bool:
        """Have the threads end at their next step, so that they can be started again; returns whether all did."""
        self._halting.set()
        try:
            return self.wait(timeout)
        finally:
            self._halting.clear()

    def wait(self, timeout: float) -> bool:
        """Wait for the threads to end, at most `timeout` seconds for each; returns whether all did."""
        for thread in self._running:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._running)

    def _run(self, n: int, steps: Iterator[None]) -> None:
        _give_way()
        before = self._cpu[n]
        try:
            for _ in steps:
                self._cpu[n] = before + time.thread_time()
        except BaseException as error:  # a thread's death must be seen by the daemon
            self.failure = error
        self._ended_at = time.monotonic()


def _give_way() -> None:
    """Lower this thread's priority: merging and messages take little and must not queue behind training."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux, or not allowed: then all are equal
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)
