"""One swarm under the nemesis, from a seed: what must hold at every step, and what must come true once all is healed.

*Safety* is what an `Auditor` demands at every step. *Liveness*: one view of the members, one tree, nothing pending, all
final, all replicas equal, no connection that has only one end.

In some swarms messages come twice or overtake each other until the healing, which TCP never lets them. Honest nodes may
refuse each other for that; all the rest must hold.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.overlay.link import Uplink
from gossipw2v.gossip.overlay.retained import SavedLink
from gossipw2v.gossip.records import NodeId
from gossipw2v.simulation.auditor import STRAY, TOLD, Auditor, BrokenError
from gossipw2v.simulation.ledger import ROUNDING, Counter, TokenLedger
from gossipw2v.simulation.machine import Machine
from gossipw2v.simulation.nemesis import Nemesis
from gossipw2v.simulation.network import Line
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Swarm
from gossipw2v.w2v.training.link_view import Reference

ORIGINS, EACH, BUDGET = 20, 4, 12  # nodes that may ever train, rows of each, rows in an exchange
PATIENCE = 120.0  # virtual s from the end of all trouble until everything is well
WALLED_PATIENCE = 240.0  # the same where not all reach all: ways that go down are tried last
RESTING, GOING = 1.0, 0.9  # s from being told to stop until the goodbye, and from there until the disk has everything
SAVING = 4.0  # s between two states that a node finds when it comes back
VOCABULARY = b"the vocabulary of the trial"
NETWORK = ("reset", "reset", "hang up", "clog", "one way", "partition", "swizzle", "pause")


@dataclass(frozen=True, slots=True)
class SavedNode:
    """What a node finds on its disk when it comes back; `links` if it was stopped in order."""

    node: NodeId
    weights: np.ndarray
    updates: np.ndarray
    origins: dict[NodeId, int]
    left: int
    links: list[tuple[SavedLink, Reference]]


@dataclass(slots=True)
class Trial:
    """The swarm of a seed. `run()` returns the digest of all that happened, or raises BrokenError."""

    seed: int
    rng: Random = field(init=False)
    ledger: TokenLedger = field(init=False)
    auditor: Auditor = field(init=False)
    line: Line = field(init=False)
    swarm: Swarm = field(init=False)
    nemesis: Nemesis = field(init=False)
    saved: dict[str, SavedNode] = field(default_factory=dict)
    counted: bool = False
    acquainted: set[frozenset[str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rng = rng = Random(self.seed)
        self.ledger = TokenLedger(ORIGINS, EACH)
        self.auditor = Auditor(self.ledger)
        self.line = Line(
            rng.choice((0.001, 0.02, 0.2)), rng.choice((0.0, 0.02, 0.3)), loss=rng.choice((0.0, 0.02, 0.1))
        )
        self.line = replace(self.line, astray=rng.choice((0.0, 0.0, 0.0, 0.02, 0.1)))
        self.auditor.told = TOLD + STRAY * (self.line.astray > 0)
        interval, seats = rng.choice((0.1, 0.3, 1.0)), rng.choice((1, 2, 4))
        rules = GossipConfig(job={"job": "trial"}, interval=interval, seats=seats, quiet=1.0)
        self.swarm = Swarm(self.seed, rules, lambda _one, _other: self.line, watch=self.auditor)
        self.swarm.tick, self.swarm.piece_seconds = rng.choice((0.1, 0.3)), rng.choice((0.001, 0.05, 0.5))
        self.counted = rng.random() < 0.25
        pause, seconds = rng.choice((0.5, 2.0, 6.0)), rng.uniform(10, 30)
        self.nemesis = Nemesis(self.swarm, rng, seconds, pause, self.enter, self.stop)
        if self.counted or rng.random() < 0.3:
            self.nemesis.kinds = NETWORK
        count = rng.randrange(2, 9)
        for n in range(count):
            self._begin(f"n{n}", count)
        if rng.random() < 0.3:
            self.nemesis.build_walls(self.acquainted)

    # -- nodes ----------------------------------------------------------------------------------------------

    def _begin(self, name: str, count: int) -> None:
        node = self._add(name, self.rng.randrange(0, 120), min_peers=count - 1)
        others = [f"n{n}" for n in range(count) if f"n{n}" < name] or [f"n{count - 1}"]
        self._acquaint(name, self.rng.sample(others, min(len(others), self.rng.randrange(1, 3))))
        if self.counted:
            node.machine.at(self.rng.uniform(0, 2), lambda: self.swarm.count(name))
        else:
            self.swarm.perform(node, node.core.own.frozen(VOCABULARY, 1))

    def _acquaint(self, name: str, others: list[str]) -> None:
        self.swarm.introduce(name, *others)
        self.acquainted.update(frozenset((name, other)) for other in others)

    def _add(self, name: str, work: int, min_peers: int = 0, before: NodeId | None = None) -> SimulatedNode:
        worker = Counter(self.ledger, self.rng, work, self.rng.uniform(2, 8), self.ledger.model(BUDGET))
        machine = Machine(self.swarm.clock, self.rng.uniform(0, 1e6), self.rng.uniform(0.98, 1.02))
        node = self.swarm.add(name, worker, min_peers, machine=machine, before=before)
        self.auditor.nodes[node.core.node] = node
        node.machine.at(SAVING * self.rng.random(), lambda: self._go_on_saving(node))
        return node

    def enter(self, name: str, kept: bool) -> bool:
        """Start a node that knows two others, with what it had saved or without; whether there was room for it."""
        if self.ledger.given == self.ledger.origins or (name in self.swarm.nodes and self.swarm.nodes[name].alive):
            return False
        state = self.saved.get(name) if kept else None
        before = state.node if state else None
        node = self._add(name, state.left if state else self.rng.randrange(0, 60), before=before)
        self.swarm.perform(node, node.core.own.frozen(VOCABULARY, 1))
        if state is not None:
            node.model.weights[:], node.model.updates[:] = state.weights, state.updates
            node.core.own.resumed(state.origins, None)
            self._bind(node, state.links)
        others = [other.name for other in self._within_reach(node)]
        self.swarm.introduce(name, *self.rng.sample(others, min(len(others), 2)))
        return True

    def _within_reach(self, node: SimulatedNode) -> list[SimulatedNode]:
        walls, living = self.swarm.wires.walls, self.swarm.living()
        return [other for other in living if other is not node and frozenset((node.name, other.name)) not in walls]

    def _bind(self, node: SimulatedNode, links: list[tuple[SavedLink, Reference]]) -> None:
        for saved, held in links:
            node.model.take_up(saved.link, _copy(held))  # it may come back to the same disk once more
            self.auditor.open.add((node.core.node, saved.link))
        node.core.own.take_up([saved for saved, _ in links], node.machine.now)

    def stop(self, name: str) -> float:
        """Tell a node to stop; after how many seconds it is gone."""
        node = self.swarm.nodes[name]
        node.core.own.rest()
        node.machine.at(RESTING, lambda: self.swarm.leave(name))
        node.machine.at(RESTING + GOING, lambda: self._save(node, links=True))
        return RESTING + 1.0

    def _go_on_saving(self, node: SimulatedNode) -> None:
        self._save(node)
        node.machine.at(SAVING, lambda: self._go_on_saving(node))

    def _save(self, node: SimulatedNode, links: bool = False) -> None:
        """What a restart finds: a moment at which no row work was under way."""
        core, model = node.core, node.model
        left = node.worker.total - node.trained
        if node.machine.queue:
            return
        held = model.references() if links else {}
        kept = [(saved, _copy(held[saved.link])) for saved in core.view.saved_links() if saved.link in held]
        vector = core.view.claims()
        self.saved[node.name] = SavedNode(core.node, model.weights.copy(), model.updates.copy(), vector, left, kept)

    # -- the run --------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Trouble, healing, and the end that must come."""
        self.nemesis.unleash()
        self.swarm.run(self.nemesis.seconds)
        self.line = replace(self.line, astray=0.0)
        self.nemesis.tear_walls_down()
        self._remind()
        patience = WALLED_PATIENCE if self.swarm.wires.walls else PATIENCE
        end = self.swarm.now + patience
        while missing := self.missing():
            if self.swarm.now > end:
                raise BrokenError(f"{patience:g} s after all was healed: {'; '.join(missing)}")
            self.swarm.run(1.0)
            self.nemesis.tear_walls_down()
        self._conserved()
        return self.auditor.trace.hexdigest()

    def _remind(self) -> None:
        """Those who know of nobody but each other, the dead and the gone are told where somebody else is."""
        left = [node for node in self.swarm.living() if not node.core.own.leaving]
        while left:
            circle = self._circle(left)
            left = [node for node in left if node not in circle]
            ways = [(one.name, other.name) for one in circle for other in self._within_reach(one) if other in left]
            if ways:
                self.swarm.introduce(*self.rng.choice(ways))

    def _circle(self, nodes: list[SimulatedNode]) -> list[SimulatedNode]:
        """The first of some nodes, and those of whom it can learn: each reaches the next, and one knows the other."""
        circle = nodes[:1]
        for one in circle:  # grows
            near = [other for other in self._within_reach(one) if other in nodes and other not in circle]
            circle += [other for other in near if _acquainted(one, other)]
        return circle

    def missing(self) -> list[str]:
        """What is not yet as it must be in the end."""
        nodes = [node for node in self.swarm.living() if not node.core.own.leaving]
        if not self.swarm.living():
            return []  # and no room for anybody to come back
        if len(nodes) < len(self.swarm.living()) or any(node.machine.still for node in nodes):
            return ["somebody is about to leave, or stands still"]
        ids = {node.core.node for node in nodes}
        out = [f"{n.name} is not final" for n in nodes if not n.core.view.final(n.machine.now)]
        for node in nodes:
            seen = {member.node for member in node.core.view.members.alive(node.machine.now)} | {node.core.node}
            if seen != ids:
                out.append(f"{node.name} sees {len(seen)} of {len(ids)}")
            if any(link.end.pending for link in node.core.view.links()):
                out.append(f"{node.name} has rows pending")
            if node.core.view.connections() != set(self.swarm.wires.conns(node.name)):
                out.append(f"{node.name} has lost count of its connections")
        links = [(n.core.node, link) for n in nodes for link in n.core.view.links()]
        up = {node: (link.peer, link.name) for node, link in links if isinstance(link, Uplink)}
        down = {link.peer: (node, link.name) for node, link in links if not isinstance(link, Uplink)}
        if up != down or len(up) != len(nodes) - 1:
            out.append(f"no tree: {len(up)} uplinks, {len(down)} downlinks")
        if self.swarm.wires.halves():
            out.append("a connection is half open")
        if not out and self.swarm.apart() > 1e-3:
            out.append(f"replicas are {self.swarm.apart():.1e} apart")
        return out

    def _conserved(self) -> None:
        """Unless histories have overlapped, all that the living have trained is in every replica."""
        if self.auditor.overlapped:
            return
        for origin in self.swarm.living():
            for node in self.swarm.living():
                deficit = self.ledger.deficit(node.model, origin.worker.rows)  # type: ignore[attr-defined]  # a Counter
                if deficit > ROUNDING:
                    raise BrokenError(f"{node.name} lacks {deficit:.3f} of what {origin.name} trained in a row")


def _acquainted(one: SimulatedNode, other: SimulatedNode) -> bool:
    return any(a.core.view.members.get(b.core.node) is not None for a, b in ((one, other), (other, one)))


def _copy(held: Reference) -> Reference:
    return replace(held, weights=held.weights.copy(), seen=held.seen.copy(), disjoint=held.disjoint.copy())


def failure(seed: int) -> str | None:
    """What went wrong with a seed, how to replay it and what had happened by then; None if all is well."""
    trial = Trial(seed)
    try:
        trial.run()
    except Exception as error:
        where = [] if isinstance(error, BrokenError) else traceback.format_exception(error)[-4:]
        lines = [f"seed {seed}: {error or type(error).__name__}", f"replay: tools/nemesis.py --seed {seed}"]
        return "\n".join([*lines, *trial.nemesis.story, *where])
    return None
