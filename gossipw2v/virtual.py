"""A network that is not there: a clock that jumps from event to event, and connections that take their time.

Each direction of a connection keeps its order, as TCP does; a lost packet makes what follows late, and nothing vanishes
unless the connection is cut, which both ends notice. All chance comes from the generator that is passed in.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

RESEND = 0.2  # s by which a lost packet delays its message: TCP's shortest timeout on Linux

Event = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Line:
    """What a message meets on its way: `delay` s and up to `jitter` more, `bandwidth` bytes/s for each direction of a
    connection, and with probability `loss` a packet that must be sent again.
    """

    delay: float = 0.01
    jitter: float = 0.0
    bandwidth: float = float("inf")
    loss: float = 0.0


@dataclass(slots=True)
class Clock:
    """Virtual time in seconds; events of the same moment run in the order in which they were set."""

    now: float = 0.0
    _queue: list[tuple[float, int, Event]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def at(self, delay: float, event: Event) -> None:
        """Do something `delay` seconds from now."""
        heapq.heappush(self._queue, (self.now + delay, next(self._numbers), event))

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Go on for so long; returns whether `until`, checked after each event, came true and ended it."""
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, event = heapq.heappop(self._queue)
            event()
            if until is not None and until():
                return True
        self.now = end
        return False


@dataclass(slots=True)
class _End:
    """One end of a connection: whose it is, the number of the other, when the way there is free and last used."""

    owner: str
    twin: int
    free_at: float = 0.0
    arrived_at: float = 0.0


@dataclass(slots=True)
class Wires:
    """Connections between nodes known by name, as numbers: one for each end. `line` tells the way between two."""

    clock: Clock
    rng: Random
    line: Callable[[str, str], Line]
    parts: list[set[str]] = field(default_factory=list)
    _ends: dict[int, _End] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __len__(self) -> int:
        return len(self._ends)

    def __contains__(self, conn: int) -> bool:
        return conn in self._ends

    def conns(self, owner: str | None = None) -> list[int]:
        """All ends, or those of one node."""
        return [conn for conn, end in self._ends.items() if owner in (None, end.owner)]

    def ends(self, conn: int) -> tuple[str, str]:
        """The owner of this end, and of the other."""
        end = self._ends[conn]
        return end.owner, self._ends[end.twin].owner

    def reach(self, one: str, other: str) -> bool:
        """Whether no partition keeps the two apart."""
        return not self.parts or any(one in part and other in part for part in self.parts)

    def connect(self, one: str, other: str) -> tuple[int, int]:
        """A new connection; the numbers of its two ends."""
        mine, theirs = next(self._numbers), next(self._numbers)
        self._ends[mine], self._ends[theirs] = _End(one, theirs), _End(other, mine)
        return mine, theirs

    def cut(self, conn: int) -> list[tuple[str, int]]:
        """End a connection, with what is under way on it; its ends, none if there was no such connection."""
        end = self._ends.pop(conn, None)
        if end is None:
            return []
        other = self._ends.pop(end.twin)
        return [(end.owner, conn), (other.owner, end.twin)]

    def send(self, conn: int, size: int, arrive: Callable[[str, int], None]) -> None:
        """Carry `size` bytes; `arrive(node, its end)` runs when the last of them is there, unless a cut comes first."""
        end = self._ends.get(conn)
        if end is None:
            return
        other = self._ends[end.twin].owner
        line, now = self.line(end.owner, other), self.clock.now
        end.free_at = max(now, end.free_at) + size / line.bandwidth
        arrival = end.free_at + line.delay + self.rng.uniform(0, line.jitter)
        if line.loss and self.rng.random() < line.loss:
            arrival += RESEND
        end.arrived_at = arrival = max(arrival, end.arrived_at)
        twin = end.twin
        self.clock.at(arrival - now, lambda: arrive(other, twin) if twin in self._ends else None)

    def severed(self, *parts: Iterable[str]) -> list[int]:
        """Keep the nodes of different parts from each other (no part: heal); connections that must be cut now."""
        self.parts = [set(part) for part in parts]
        return [conn for conn in self._ends if not self.reach(*self.ends(conn))]
