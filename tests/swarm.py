"""A swarm in memory: real protocol cores and real models on a virtual network with a virtual clock, seeded.

Messages are encoded and decoded as on the wire; each direction of a connection keeps its order and may be delayed. A
connection can be cut (both ends notice), a node can be killed (its connections are cut and it never answers again),
and the swarm can be partitioned (dials fail, connections across are cut).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import numpy as np

from gossipw2v.delta import Batch
from gossipw2v.gossip import Gossip, Rules
from gossipw2v.instructions import (
    Close,
    Collect,
    Dial,
    DropLink,
    Freeze,
    Instruction,
    Merge,
    OpenLink,
    Received,
    Refused,
    Send,
    Settle,
)
from gossipw2v.members import Member, State
from gossipw2v.messages import Message
from gossipw2v.model import Model
from gossipw2v.wire import HEADER, decode, encode

TICK = 0.1


@dataclass
class Node:
    """A core with its model. `work`: tokens it still has to train; each adds one to a random row's first value."""

    name: str
    core: Gossip
    model: Model
    rng: np.random.Generator
    work: int
    alive: bool = True
    began: bool = False
    refused: list[str] = field(default_factory=list)
    trained: int = 0
    dials: int = 0


@dataclass
class Swarm:
    """`vocabulary` rows of `size` values; `delay` is the one-way time of a message in s, `jitter` its spread."""

    seed: int = 0
    rows: int = 100
    size: int = 4
    delay: float = 0.01
    jitter: float = 0.0
    rules: Rules = field(default_factory=lambda: Rules(job={"job": "test"}, interval=0.2, quiet=1.0))
    now: float = 0.0
    nodes: dict[str, Node] = field(default_factory=dict)
    wires: dict[int, tuple[str, int, str]] = field(default_factory=dict)
    parts: list[set[str]] = field(default_factory=list)
    lose: float = 0.0

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._arrivals: dict[tuple[int, str], float] = {}

    # -- building -------------------------------------------------------------------------------------------

    def add(self, name: str, work: int = 0, min_peers: int = 0, rules: Rules | None = None) -> Node:
        """A new node at address `name:1` that knows nobody."""
        me = Member(self.rng.randbytes(16), 0, State.COUNTING, (f"{name}:1",), min_peers=min_peers)
        core = Gossip(me, rules or self.rules, Random(self.rng.random()), self.now)
        rows, size = self.rows, self.size
        model = Model(lambda: np.zeros((2 * rows, size), np.float32), budget=40)
        node = Node(name, core, model, np.random.default_rng(self.rng.randrange(1 << 30)), work)
        self.nodes[name] = node
        self.at(self.rng.random() * TICK, lambda: self._tick(node))
        return node

    def introduce(self, one: str, *others: str) -> None:
        """Give `one` the addresses of `others`."""
        for other in others:
            self.nodes[one].core.discovered(f"{other}:1", (f"{other}:1",), self.now)

    def count(self, name: str, blob: bytes = b"counts") -> None:
        """The node's text is counted."""
        node = self.nodes[name]
        node.core.members.update_self(state=State.GATHERING)
        self.perform(node, node.core.counted(blob + name.encode()))

    # -- faults ---------------------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """As with SIGKILL: connections are reset, nothing is said."""
        self.nodes[name].alive = False
        for conn, ends in list(self.wires.items()):
            if name in (ends[0], ends[2]):
                self.cut(conn)

    def partition(self, *parts: set[str]) -> None:
        """Only nodes of one part reach each other; no argument heals."""
        self.parts = list(parts)
        for conn, (one, _, other) in list(self.wires.items()):
            if not self._reach(one, other):
                self.cut(conn)

    def cut(self, conn: int) -> None:
        """Reset a connection; what is under way on it is lost."""
        ends = self.wires.pop(conn, None)
        if ends is None:
            return
        one, twin, other = ends
        self.wires.pop(twin, None)
        for name, number in ((one, conn), (other, twin)):
            if self.nodes[name].alive:
                self.nodes[name].core.closed(number)

    # -- running --------------------------------------------------------------------------------------------

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Advance the virtual clock; returns whether `until` came true (checked at each event)."""
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, event = heapq.heappop(self._queue)
            event()
            if until is not None and until():
                return True
        self.now = end
        return False

    def at(self, delay: float, event: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._queue, (self.now + delay, next(self._numbers), event))

    def _tick(self, node: Node) -> None:
        if not node.alive:
            return
        self._train(node)
        if self.lose and self.wires and self.rng.random() < self.lose:
            self.cut(self.rng.choice(list(self.wires)))
        self.perform(node, node.core.tick(self.now))
        self.at(TICK * self.rng.uniform(0.9, 1.1), lambda: self._tick(node))

    def _train(self, node: Node) -> None:
        """Train a little: an update is `+1` on one value of one row, so that sums tell what was lost or doubled."""
        core = node.core
        if core.census.vocabulary is None:
            return
        if not node.began:
            if core.tree.vocabulary is None:
                core.members.update_self(state=State.JOINING, total=node.work)
                self.perform(node, core.ready())
            if not core.settled_in(self.now):
                return
            node.began = True
            core.members.update_self(state=State.TRAINING)
        for _ in range(min(3, node.work - node.trained)):
            row = int(node.rng.integers(0, len(node.model.weights)))
            node.model.weights[row, 0] += 1
            node.model.updates[row] += 1
            node.trained += 1
        core.trained(node.trained)
        if node.trained >= node.work:
            final = core.final(self.now)
            core.members.update_self(state=State.COMPLETE if final else State.DRAINING)
            core.done(True)

    # -- instructions ---------------------------------------------------------------------------------------

    def perform(self, node: Node, instructions: list[Instruction]) -> None:
        """Do what a core asks."""
        for instruction in instructions:
            match instruction:
                case Send():
                    self._send(instruction.conn, instruction.message)
                case Close():
                    conn = instruction.conn
                    self.at(self.delay * 2, lambda conn=conn: self.cut(conn))
                case Dial():
                    node.dials += 1
                    dial = instruction
                    self.at(self.delay, lambda dial=dial: self._dial(node, dial))
                case Refused():
                    node.refused.append(f"{instruction.reason}: {instruction.text}")
                case Freeze():
                    self.perform(node, node.core.frozen(repr(instruction.origins).encode(), len(instruction.origins)))
                case Received():
                    self._received(node, instruction)
                case _:
                    self._rows(node, instruction)

    def _received(self, node: Node, blob: Received) -> None:
        if blob.name.startswith("counts/"):
            node.core.hold_counts(blob.name, blob.data)
        else:
            node.began, node.trained = False, 0
            node.model.weights[:] = 0
            node.model.updates[:] = 0
            self.perform(node, node.core.frozen(blob.data, blob.data.count(b"counts/")))

    def _rows(self, node: Node, work: Instruction) -> None:
        match work:
            case OpenLink():
                node.model.open_link(work.link, work.overlap, work.catch_up)
            case DropLink():
                node.model.drop_link(work.link)
            case Collect():
                got = node.model.collect(work.link, work.flush)
                self._later(node, lambda: node.core.collected(work.link, got))
            case Merge():
                if work.link in node.model.links:
                    merged: Batch = node.model.merge(work.link, work.delta, work.flush, work.overlap)
                    self._later(node, lambda: node.core.merged(work.link, merged, self.now))
            case Settle():
                if work.link in node.model.links:
                    node.model.settle(work.link, work.sent, work.answer)
                    node.core.settled(work.link, self.now)

    def _later(self, node: Node, step: Callable[[], list[Instruction]]) -> None:
        """Row work takes a moment; by then the link may be gone."""
        self.at(0.005, lambda: self.perform(node, step()) if node.alive else None)

    def _dial(self, node: Node, dial: Dial) -> None:
        name = dial.addresses[0].partition(":")[0]
        other = self.nodes.get(name)
        if not node.alive:
            return
        if other is None or not other.alive or not self._reach(node.name, name):
            node.core.dial_failed(dial.key)
            return
        mine, theirs = next(self._numbers), next(self._numbers)
        self.wires[mine] = (node.name, theirs, name)
        self.wires[theirs] = (name, mine, node.name)
        self.perform(node, node.core.opened(mine, dial.key, self.now))
        self.perform(other, other.core.opened(theirs, None, self.now))

    def _send(self, conn: int, message: Message) -> None:
        wire = self.wires.get(conn)
        if wire is None:
            return
        _, twin, other = wire
        body = encode(message)[HEADER.size :]
        arrival = self.now + self.delay + self.rng.uniform(0, self.jitter)
        arrival = max(arrival, self._arrivals.get((conn, other), 0.0))
        self._arrivals[(conn, other)] = arrival
        self.at(arrival - self.now, lambda: self._deliver(other, twin, body))

    def _deliver(self, name: str, conn: int, body: bytes) -> None:
        node = self.nodes[name]
        if node.alive and conn in self.wires:
            self.perform(node, node.core.received(conn, decode(body), self.now))

    def _reach(self, one: str, other: str) -> bool:
        if not self.parts:
            return True
        return any(one in part and other in part for part in self.parts)

    # -- looking --------------------------------------------------------------------------------------------

    def living(self) -> list[Node]:
        """The nodes that have not been killed."""
        return [node for node in self.nodes.values() if node.alive]

    def complete(self) -> bool:
        """Whether every living node holds the final model."""
        return all(node.core.final(self.now) for node in self.living())

    def disagreement(self) -> float:
        """Largest difference of any value between two living nodes."""
        stack = np.stack([node.model.weights for node in self.living()])
        return float((stack.max(axis=0) - stack.min(axis=0)).max())
