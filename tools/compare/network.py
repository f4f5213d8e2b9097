"""Cables that are not there: what a message costs in seconds, where each node has one cable of the same bandwidth.

A server is a machine like the others: what goes to all nodes leaves by its one cable.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gossipw2v.simulation.network import Arrival, Wires

SERVER = -1  # its number among the nodes
BANDWIDTHS = (0.0, 1000.0, 200.0, 50.0)  # Mbit/s that are compared; 0 is no limit
LATENCY = 0.001  # s, one way

Number = int | str  # of a node


class Transfer(NamedTuple):
    """A message of `size` bytes, named after what it holds."""

    kind: str
    source: int
    target: int
    size: float


class Phase(NamedTuple):
    """Transfers at the same time. `steps`: how many messages one after the other they are sent as (a ring's)."""

    transfers: Sequence[Transfer]
    steps: int = 1

    def seconds(self, bandwidth: float) -> float:
        """How long all take at so many bytes/s each way: as long as the busiest cable."""
        out: Counter[int] = Counter()
        into: Counter[int] = Counter()
        for transfer in self.transfers:
            out[transfer.source] += transfer.size  # type: ignore[assignment]
            into[transfer.target] += transfer.size  # type: ignore[assignment]
        busiest = max([*out.values(), *into.values()], default=0)
        return busiest / bandwidth + self.steps * LATENCY if self.transfers else 0.0


def bytes_per_second(megabits: float) -> float:
    """0 is no limit."""
    return megabits * 1e6 / 8 or float("inf")


@dataclass
class Traffic:
    """Bytes by kind of message and direction: up to a server or parent, down from it, or between peers."""

    sums: Counter[str] = field(default_factory=Counter)
    by_node: Counter[Number] = field(default_factory=Counter)  # sent and received, of each cable
    marks: list[tuple[float, int]] = field(default_factory=list)  # at what second how many bytes had been sent

    def mark(self, now: float) -> None:
        """Remember what has been sent by now, in seconds."""
        self.marks.append((now, self.total))

    def note(self, transfers: Iterable[Transfer]) -> None:
        """Count messages whose direction follows from who is the server."""
        for kind, source, target, size in transfers:
            way = "up" if target == SERVER else "down" if source == SERVER else "peer"
            self.add(f"{kind} {way}", source, target, size)

    def add(self, kind: str, source: Number, target: Number, size: float) -> None:
        """Count a message."""
        self.sums[kind] += int(size)
        self.by_node[source] += int(size)
        self.by_node[target] += int(size)

    @property
    def total(self) -> int:
        """All bytes, each counted once."""
        return sum(self.sums.values())


@dataclass
class Cables:
    """One cable for each node, both ways at once; what does not fit waits its turn."""

    bandwidth: float  # bytes/s
    out: defaultdict[Number, float] = field(default_factory=lambda: defaultdict(float))  # when each is free to send
    into: defaultdict[Number, float] = field(default_factory=lambda: defaultdict(float))  # ... and to receive
    carried: Counter[Number] = field(default_factory=Counter)  # bytes that each has sent and received

    def carry(self, now: float, source: Number, target: Number, size: float) -> float:
        """When the last byte of a message has passed both cables."""
        took = size / self.bandwidth
        self.carried[source] += int(size)
        self.carried[target] += int(size)
        self.out[source] = max(now, self.out[source]) + took
        self.into[target] = max(self.out[source] - took, self.into[target]) + took
        return max(self.out[source], self.into[target])


@dataclass
class SharedWires(Wires):
    """The simulator's connections, where all of a node's share its one cable."""

    cables: Cables = field(default_factory=lambda: Cables(float("inf")))

    def send(self, conn: int, size: int, arrive: Arrival) -> None:
        """As the simulator does it, once the cables are free."""
        if (end := self._ends.get(conn)) is not None:
            end.free_at = self.cables.carry(self.clock.now, end.owner, end.other, size)
            super().send(conn, size, arrive)
