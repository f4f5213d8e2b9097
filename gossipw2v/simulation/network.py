"""A network that is not there: a clock that jumps from event to event, and connections that take their time.

Each direction of a connection keeps its order, as TCP does, unless the line lets messages go astray; a lost packet
makes what follows late, and what cannot pass waits until the way is free again. Nothing vanishes unless the connection
ends: it is cut, which both ends notice; closed, which the other end learns after all that was sent; or one end is gone
without a word, and the other half open.
All chance comes from the generator that is passed in.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from gossipw2v.simulation.clock import Clock, Event

ECHO = 2.0  # s after which a message may come once more
RESEND = 0.2  # s by which a lost packet delays its message: TCP's shortest timeout on Linux

Arrival = Callable[[str, int], None]  # the node that something has reached, and its end of the connection


@dataclass(frozen=True, slots=True)
class Line:
    """What a message meets on its way: `delay` s and up to `jitter` more, `bandwidth` bytes/s for each direction of a
    connection, and with probability `loss` a packet that must be sent again. `astray`: share of messages that come
    twice, and of such that overtake others, as on no TCP; a connection's first message and its end keep their places.
    """

    delay: float = 0.01
    jitter: float = 0.0
    bandwidth: float = float("inf")
    loss: float = 0.0
    astray: float = 0.0


@dataclass(slots=True, eq=False)
class _End:
    """One end of a connection: whose it is, whose and which number the other is, when the way there is free and last
    used, and what waits on the way since it is blocked.
    """

    owner: str
    other: str
    twin: int
    free_at: float = 0.0
    arrived_at: float = 0.0
    began_at: float | None = None
    stuck: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class Wires:
    """Connections between nodes known by name, as numbers: one for each end. `line` tells the way between two.

    `blocked`: (from, to) of the ways on which nothing passes. `walls`: pairs between which no connection can be made.
    """

    clock: Clock
    rng: Random
    line: Callable[[str, str], Line]
    parts: list[set[str]] = field(default_factory=list)
    blocked: set[tuple[str, str]] = field(default_factory=set)
    walls: set[frozenset[str]] = field(default_factory=set)
    _ends: dict[int, _End] = field(default_factory=dict)
    _waiting: list[_End] = field(default_factory=list)
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
        return end.owner, end.other

    def halves(self) -> list[int]:
        """The ends that have no other any more."""
        return [conn for conn, end in self._ends.items() if end.twin not in self._ends]

    def reach(self, one: str, other: str) -> bool:
        """Whether a connection can be made: no partition or wall keeps the two apart, and both ways are free."""
        together = not self.parts or any(one in part and other in part for part in self.parts)
        together = together and frozenset((one, other)) not in self.walls
        return together and not {(one, other), (other, one)} & self.blocked

    def connect(self, one: str, other: str) -> tuple[int, int]:
        """A new connection; the numbers of its two ends."""
        mine, theirs = next(self._numbers), next(self._numbers)
        self._ends[mine], self._ends[theirs] = _End(one, other, theirs), _End(other, one, mine)
        return mine, theirs

    # -- the end of a connection ----------------------------------------------------------------------------

    def cut(self, conn: int) -> list[tuple[str, int]]:
        """End a connection, with what is under way on it; the ends there were, none if there was no such connection."""
        end = self._ends.pop(conn, None)
        if end is None:
            return []
        other = self._ends.pop(end.twin, None)
        return [(end.owner, conn)] + [(end.other, end.twin)] * (other is not None)

    def close(self, conn: int, notice: Arrival) -> None:
        """End this side of a connection; `notice(node, its end)` runs at the other once all that was sent is there."""

        def arrive(node: str, twin: int) -> None:
            del self._ends[twin]
            notice(node, twin)

        self.send(conn, 0, arrive)
        self.drop(conn)

    def drop(self, conn: int) -> None:
        """This end is gone without a word: what the other sends from now on goes nowhere."""
        self._ends.pop(conn, None)

    # -- what goes over it ----------------------------------------------------------------------------------

    def send(self, conn: int, size: int, arrive: Arrival) -> None:
        """Carry `size` bytes; `arrive(node, its end)` runs when the last of them is there, unless a cut comes first."""
        end = self._ends.get(conn)
        if end is None:
            return
        line, now = self.line(end.owner, end.other), self.clock.now
        end.free_at = max(now, end.free_at) + size / line.bandwidth
        arrival = end.free_at + line.delay + self.rng.uniform(0, line.jitter)
        if line.loss and self.rng.random() < line.loss:
            arrival += RESEND
        if size and end.began_at is not None and line.astray:
            self._stray(end, arrival, line.astray, lambda: self._arrive(end, arrive))
            return
        end.arrived_at = arrival = max(arrival, end.arrived_at)
        end.began_at = arrival if end.began_at is None else end.began_at
        self.clock.when(arrival, lambda: self._pass(end, lambda: self._arrive(end, arrive)))

    def _stray(self, end: _End, arrival: float, share: float, event: Event) -> None:
        """Let a message overtake those before it, or come once more."""
        assert end.began_at is not None
        overtakes, again = self.rng.random() < share, self.rng.random() < share
        arrival = max(arrival, end.began_at if overtakes else end.arrived_at)
        end.arrived_at = max(arrival, end.arrived_at)
        self.clock.when(arrival, lambda: self._pass(end, event))
        if again:
            self.clock.when(arrival + self.rng.uniform(0, ECHO), lambda: self._pass(end, event))

    def _pass(self, end: _End, event: Event) -> None:
        if end.stuck:
            end.stuck.append(event)
        elif (end.owner, end.other) in self.blocked:
            end.stuck.append(event)
            self._waiting.append(end)
        else:
            event()

    def _arrive(self, end: _End, arrive: Arrival) -> None:
        if end.twin in self._ends:
            arrive(end.other, end.twin)

    # -- ways -----------------------------------------------------------------------------------------------

    def block(self, *ways: tuple[str, str]) -> None:
        """Let nothing pass from the first to the second of each pair; nobody is told."""
        self.blocked.update(ways)

    def free(self, *ways: tuple[str, str]) -> None:
        """Open ways again: what waited arrives when it is sent once more, in order."""
        self.blocked.difference_update(ways)
        for end in [end for end in self._waiting if (end.owner, end.other) not in self.blocked]:
            self._waiting.remove(end)
            self.clock.at(self.rng.uniform(0, RESEND), partial(self._flush, end))

    def _flush(self, end: _End) -> None:
        events, end.stuck = end.stuck, []
        for event in events:
            self._pass(end, event)

    def stuck(self) -> int:
        """The most that waits in one direction of a connection that has not ended."""
        return max((len(end.stuck) for end in self._ends.values()), default=0)

    def severed(self, *parts: Iterable[str]) -> list[int]:
        """Keep the nodes of different parts from each other (no part: heal); connections that must be cut now."""
        self.parts = [set(part) for part in parts]
        return [conn for conn in self._ends if not self.reach(*self.ends(conn))]
