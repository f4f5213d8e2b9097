"""The machine of a virtual node: its clock, its one thread for row work, and standstills.

The clock starts anywhere and runs a little fast or slow. While the machine stands still (it sleeps, it swaps, its
process is stopped) nothing of its node runs; all that should have happened does so at once when it goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from gossipw2v.simulation.clock import Clock, Event

Piece = Callable[[], tuple[float, Event] | None]  # row work; if it takes time, how many seconds and who is told then


@dataclass(slots=True)
class Machine:
    """`offset`, `rate`: its clock shows `offset + rate * clock.now`. `on`: whether it has not been switched off."""

    clock: Clock
    offset: float = 0.0
    rate: float = 1.0
    on: bool = True
    queue: deque[Piece] = field(default_factory=deque)
    _busy: bool = False
    _late: list[Event] | None = None

    @property
    def now(self) -> float:
        """What this machine's clock shows, in seconds."""
        return self.offset + self.rate * self.clock.now

    @property
    def still(self) -> bool:
        """Whether it stands still."""
        return self._late is not None

    def at(self, delay: float, event: Event) -> None:
        """Do something `delay` seconds from now, if the machine is on then."""
        self.clock.at(delay, lambda: self.do(event))

    def do(self, event: Event) -> None:
        """Do something now, or when the standstill is over."""
        if not self.on:
            return
        if self._late is None:
            event()
        else:
            self._late.append(event)

    def stand_still(self) -> None:
        """From now on nothing runs."""
        if self._late is None:
            self._late = []

    def go_on(self, first: Event) -> None:
        """Do `first`, then all that has come meanwhile, in order."""
        late, self._late = self._late or [], None
        for event in [first, *late]:
            self.do(event)

    # -- the thread -----------------------------------------------------------------------------------------

    def submit(self, piece: Piece) -> None:
        """Queue a piece of row work: one is done after the other."""
        self.queue.append(piece)
        if not self._busy:
            self._next()

    def _next(self) -> None:
        while self.queue and not self._busy:
            took = self.queue.popleft()()
            if took is not None:
                self._busy = True
                self.at(took[0], partial(self._done, took[1]))

    def _done(self, told: Event) -> None:
        """The thread has gone on to the next piece before the core hears of this one."""
        self._busy = False
        self._next()
        told()
