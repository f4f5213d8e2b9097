"""A swarm in one process: real protocol cores and real models on a virtual network, the same for the same seed.

Messages are encoded and decoded as on the wire. What a node trains, and how fast, is its worker's business. Faults are
those of machines and networks: a connection is cut (both ends notice), a node is killed (its connections are cut, or
silent from then on, and it never answers again) or leaves, the swarm is partitioned; `machine` and `network` have more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from gossipw2v.gossip.census import COUNTS
from gossipw2v.gossip.codec import HEADER, decode, encode
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Close, Dial, Freeze, Instruction, Merge, Received, Refused, Send
from gossipw2v.gossip.messages import Message
from gossipw2v.gossip.records import STEM_BYTES, Member, NodeId, Stage, stem
from gossipw2v.gossip.replica import RowWork
from gossipw2v.simulation.clock import Clock, Event
from gossipw2v.simulation.machine import Machine
from gossipw2v.simulation.network import Line, Wires
from gossipw2v.simulation.node import SimulatedNode, Worker
from gossipw2v.w2v.similarity import largest_difference


class Watch:
    """An onlooker that does nothing."""

    def ordered(self, node: SimulatedNode, order: Instruction) -> None:
        """A core asks for something, which is about to be done."""

    def opened(self, node: SimulatedNode, conn: int, other: str) -> None:
        """A core is about to be told that a connection is up."""

    def closed(self, node: SimulatedNode, conn: int) -> None:
        """A core is about to be told that a connection is gone."""

    def arriving(self, node: SimulatedNode, conn: int, message: Message) -> None:
        """A core is about to be given a message."""

    def delivered(self, node: SimulatedNode, frame: bytes) -> None:
        """A frame has come, and the core has dealt with it."""

    def worked(self, node: SimulatedNode, link: bytes) -> None:
        """Rows of a link have changed hands, and the core has been told."""

    def began(self, node: SimulatedNode) -> None:
        """A node begins to train."""

    def ticked(self, node: SimulatedNode) -> None:
        """The core has looked at the clock."""

    def blob(self, node: SimulatedNode, order: Freeze | Received) -> bool:  # noqa: ARG002 - for others
        """A core asks for a vocabulary, or has got a blob; whether all is done that is to be done about it."""
        return False


@dataclass(slots=True)
class Swarm:
    """Nodes at addresses `name:1`. `tick`: s between two looks of a core at the clock, and `late()` those by which the
    next is late; `row_seconds`: what a row's merge takes, and `piece_seconds` any piece of row work. `dial()`: s that
    the next dial takes, and `dial_timeout` those until one that nothing answers is given up. `moved`: exchanges of each
    link that moved rows.
    """

    seed: int = 0
    rules: GossipConfig = field(default_factory=lambda: GossipConfig(job={"job": "test"}, interval=0.2, quiet=1.0))
    line: Callable[[str, str], Line] = field(default=lambda _one, _other: Line())
    tick: float = 0.1
    row_seconds: float = 0.0
    piece_seconds: float = 0.005
    late: Callable[[], float] = field(default=lambda: 0.0)
    dial: Callable[[], float] = field(default=lambda: 0.01)
    dial_timeout: float = 0.0
    watch: Watch = field(default_factory=Watch)
    nodes: dict[str, SimulatedNode] = field(default_factory=dict)
    moved: Counter[bytes] = field(default_factory=Counter)
    clock: Clock = field(default_factory=Clock)
    rng: Random = field(init=False)
    wires: Wires = field(init=False)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.wires = Wires(self.clock, self.rng, self.line)

    @property
    def now(self) -> float:
        """Virtual seconds since the beginning."""
        return self.clock.now

    # -- building -------------------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        worker: Worker,
        min_peers: int = 0,
        rules: GossipConfig | None = None,
        machine: Machine | None = None,
        before: NodeId | None = None,
    ) -> SimulatedNode:
        """A new node that knows nobody; it takes the place of a dead one of the same name. `before`: its former id."""
        machine = machine or Machine(self.clock)
        drawn = self.rng.randbytes(16)
        own = drawn if before is None else stem(before) + drawn[STEM_BYTES:]
        me = Member(own, 0, Stage.COUNTING, (f"{name}:1",), min_peers=min_peers)
        core = GossipCore(me, rules or self.rules, Random(self.rng.random()), machine.now)
        node = self.nodes[name] = SimulatedNode(name, core, worker, machine, machine.now)
        machine.at(self.rng.random() * self.tick, lambda: self._tick(node))
        return node

    def introduce(self, one: str, *others: str) -> None:
        """Give `one` the addresses of `others`."""
        node = self.nodes[one]
        for other in others:
            node.core.discovered(f"{other}:1", (f"{other}:1",), node.machine.now)

    def count(self, name: str, blob: bytes = b"counts") -> None:
        """The node's text is counted."""
        node = self.nodes[name]
        node.core.own.enter(Stage.GATHERING)
        self.perform(node, node.core.own.counted(blob + name.encode()))

    # -- faults ---------------------------------------------------------------------------------------------

    def kill(self, name: str, silent: bool = False) -> None:
        """As with SIGKILL: connections are reset, nothing is said. `silent`: as without power, not even that."""
        self.nodes[name].machine.on, self.nodes[name].refuses = False, not silent
        for conn in self.wires.conns(name):
            if silent:
                self.wires.drop(conn)
            else:
                self.cut(conn)

    def leave(self, name: str) -> None:
        """The node says goodbye, and is gone a moment later."""
        node = self.nodes[name]
        self.perform(node, node.core.own.leave())
        node.machine.at(1.0, lambda: self.kill(name))

    def pause(self, name: str, seconds: float) -> None:
        """Nothing of the node runs for so long; then its core looks at the clock and finds all that came meanwhile."""
        node = self.nodes[name]
        node.machine.stand_still()
        self.clock.at(seconds, lambda: node.machine.go_on(lambda: self._look(node)))

    def partition(self, *parts: set[str]) -> None:
        """Only nodes of one part reach each other; no argument heals."""
        for conn in self.wires.severed(*parts):
            self.cut(conn)

    def cut(self, conn: int) -> None:
        """Reset a connection; what is under way on it is lost."""
        for name, number in self.wires.cut(conn):
            self._closed(name, number)

    def close(self, conn: int) -> None:
        """Close a connection from one end: the other learns of it after all that was sent."""
        if conn in self.wires:
            owner, _ = self.wires.ends(conn)
            self.wires.close(conn, self._closed)
            self._closed(owner, conn)

    def _closed(self, name: str, conn: int) -> None:
        node = self.nodes[name]
        node.machine.do(lambda: _hung_up(self, node, conn))

    # -- running --------------------------------------------------------------------------------------------

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Advance the clock; returns whether `until`, checked after each event, came true."""
        return self.clock.run(seconds, until)

    def _tick(self, node: SimulatedNode) -> None:
        self._look(node)
        node.machine.at(self.tick * self.rng.uniform(0.9, 1.1) + self.late(), lambda: self._tick(node))

    def _look(self, node: SimulatedNode) -> None:
        self.perform(node, node.join())
        if node.begin():
            self.watch.began(node)
        node.train()
        self.perform(node, node.core.tick(node.machine.now))
        self.watch.ticked(node)

    # -- instructions ---------------------------------------------------------------------------------------

    def perform(self, node: SimulatedNode, instructions: list[Instruction]) -> None:
        """Do what a core asks."""
        for instruction in instructions:
            self.watch.ordered(node, instruction)
            match instruction:
                case Send():
                    _send(self, node, instruction.conn, instruction.message)
                case Close():
                    node.machine.at(0.01, partial(self.close, instruction.conn))
                case Dial():
                    node.dials += 1
                    node.machine.at(self.dial(), partial(_dial, self, node, instruction))
                case Refused():
                    node.refused.append(f"{instruction.reason}: {instruction.text}")
                case Freeze() | Received() if self.watch.blob(node, instruction):
                    pass
                case Freeze():
                    self.perform(
                        node, node.core.own.frozen(repr(instruction.origins).encode(), len(instruction.origins))
                    )
                case Received():
                    _received(self, node, instruction)
                case _:
                    node.machine.submit(partial(self._rows, node, instruction))

    def _rows(self, node: SimulatedNode, work: RowWork) -> tuple[float, Event] | None:
        """Row work takes a moment, after which the core goes on."""
        done = node.rows(work, self.now)
        if done is None:
            return None
        if isinstance(work, Merge):
            self.moved[done.link] += done.rows > 0

        def told() -> None:
            self.perform(node, done.tell())
            self.watch.worked(node, done.link)

        return self.piece_seconds + done.rows * self.row_seconds, told

    # -- looking --------------------------------------------------------------------------------------------

    def living(self) -> list[SimulatedNode]:
        """The nodes that have not been killed."""
        return [node for node in self.nodes.values() if node.alive]

    def complete(self) -> bool:
        """Whether every living node holds the final model."""
        return all(node.core.view.final(node.machine.now) for node in self.living())

    def apart(self) -> float:
        """Largest difference of any value between two living nodes, relative to its row's norm."""
        first, *others = (node.model.weights for node in self.living())
        return max((largest_difference(first, other) for other in others), default=0.0)


# -- what a core asks for, done ------------------------------------------------------------------------------


def _received(swarm: Swarm, node: SimulatedNode, blob: Received) -> None:
    if blob.name.startswith(COUNTS):
        node.core.own.hold_counts(blob.name, blob.data)
    else:
        node.began = False
        node.machine.queue.clear()
        node.worker.restart()
        swarm.perform(node, node.core.own.frozen(blob.data, blob.data.count(COUNTS.encode())))


def _dial(swarm: Swarm, node: SimulatedNode, dial: Dial) -> None:
    name = dial.addresses[0].partition(":")[0]
    other = swarm.nodes.get(name)
    if other is None or not other.alive or not swarm.wires.reach(node.name, name):
        refused = other is not None and other.refuses and swarm.wires.reach(node.name, name)
        seconds = 0.0 if refused else swarm.dial_timeout
        node.machine.at(seconds, partial(node.core.dial_failed, dial.key, refused))
        return
    mine, theirs = swarm.wires.connect(node.name, name)
    _opened(swarm, node, mine, dial.key, name)
    other.machine.do(lambda: _opened(swarm, other, theirs, None, node.name))


def _opened(swarm: Swarm, node: SimulatedNode, conn: int, key: str | None, other: str) -> None:
    swarm.watch.opened(node, conn, other)
    swarm.perform(node, node.core.opened(conn, key, node.machine.now))


def _hung_up(swarm: Swarm, node: SimulatedNode, conn: int) -> None:
    swarm.watch.closed(node, conn)
    node.core.closed(conn)


def _send(swarm: Swarm, node: SimulatedNode, conn: int, message: Message) -> None:
    frame = encode(message)
    node.core.flow(conn, sent=len(frame))
    swarm.wires.send(conn, len(frame), lambda name, end: _arrived(swarm, name, end, frame))


def _arrived(swarm: Swarm, name: str, conn: int, frame: bytes) -> None:
    node = swarm.nodes[name]
    node.machine.do(lambda: _deliver(swarm, node, conn, frame))


def _deliver(swarm: Swarm, node: SimulatedNode, conn: int, frame: bytes) -> None:
    node.core.flow(conn, received=len(frame))
    message = decode(frame[HEADER.size :])
    swarm.watch.arriving(node, conn, message)
    swarm.perform(node, node.core.received(conn, message, node.machine.now))
    swarm.watch.delivered(node, frame)
