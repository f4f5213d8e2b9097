"""Whom to call and when to hang up: the policy between the member table, the tree and the connections.

Addresses from discovery and configuration are dialled until a live member is known behind them; the parent whenever it
is not connected; members that have fallen silent by a root, since perhaps only those between have died, and now and
then by anybody, since perhaps not every root can reach them. A peer that broke a link off is dialled at once, which
tells a cut cable from a dead program. Suspects are dialled by a few of those who hear them no more, chosen by lot, and
by all of them before the verdict; when one gets through, its news clears all whom only a dead node in between had
silenced. A connection that this node dialled and that became no link of the tree is closed again. A node that has lost
every connection dials anybody: its parent may be stopped, and nobody else hears it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from gossipw2v.gossip.instructions import Close, Instruction
from gossipw2v.gossip.membership.connections import Connections, claimed
from gossipw2v.gossip.membership.suspicion import suspects
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.overlay.repair import root_of
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import NodeId, Stage

LINGER = 5.0  # s that a connection which is no edge of the tree is kept
PROBE = 0.5  # s between two looks for suspects
PROBERS = 3  # of all who suspect somebody, so many dial at each look
SELDOM = 0.02  # of all nodes together, that dial a silent member at a look at the clock, beside a root
LAST_CHANCE = 2.0  # s before a suspect is dead from which on everybody dials


@dataclass(slots=True)
class Dialer:
    """Decides over `connections` by what `members` and `tree` know."""

    connections: Connections
    members: MemberTable
    tree: Tree
    rng: Random
    broken: list[NodeId] = field(default_factory=list)  # neighbours whose connection has just broken off
    probe_at: float = float("-inf")  # when to look for suspects again

    def dial(self, node: NodeId, now: float) -> list[Instruction]:
        """Dial a member, unless that is under way, it has left or is banned."""
        member = self.members.get(node)
        if member is None or node in self.connections.by_node or member.state == Stage.LEFT:
            return []
        if self.tree.search.candidates.is_banned(node):
            return []
        self.connections.learn(node.hex(), member.addresses, now, within=0.0)
        return self.connections.dial(node.hex(), now)

    def broke(self, node: NodeId) -> None:
        """The only connection to `node` is gone: if it was an edge, it is to be dialled at once."""
        if node in self.tree.links.neighbours():
            self.broken.append(node)

    def suspects(self, now: float) -> list[Instruction]:
        """Dial who broke off and, if it is this node's turn, one of those who are suspect."""
        out = [order for node in self.broken for order in self.dial(node, now)]
        self.broken.clear()
        if now >= self.probe_at:
            self.probe_at = now + PROBE * self.rng.uniform(0.75, 1.25)
            out += self._probe(now)
        return out

    def _probe(self, now: float) -> list[Instruction]:
        if not self.connections.by_node:
            return self._dial_anybody(now)
        silent = suspects(self.members, now)
        urgent = [node for left, node in silent if left <= LAST_CHANCE]
        if urgent or not silent:
            chosen = self.rng.sample(urgent, min(PROBERS, len(urgent)))
            return [order for node in chosen for order in self.dial(node, now)]
        witnesses = 1 + sum(1 for _ in self.members.alive(now)) - len(silent)
        if self.rng.random() * witnesses > PROBERS:
            return []
        return self.dial(self.rng.choice(silent)[1], now)

    def _dial_anybody(self, now: float) -> list[Instruction]:
        alive = [member.node for member in self.members.alive(now)]
        return self.dial(self.rng.choice(alive), now) if alive else []

    def silent(self, now: float) -> None:
        """Know where those are whom this node no longer hears."""
        for member in self.members.everyone():
            silent = member.node != self.members.me.node and not self.members.is_alive(member.node, now)
            if silent and member.state != Stage.LEFT and member.addresses:
                self.connections.learn(member.node.hex(), member.addresses, now)

    def strangers(self, now: float) -> list[Instruction]:
        """Dial the addresses of which it is not known that a live member is behind them."""
        out: list[Instruction] = []
        for key, target in self.connections.targets.items():
            named = claimed(key)
            if not self._known(target.node, now) and (named is None or self._wanted(named, now)):
                out += self.connections.dial(key, now)
        return out

    def _wanted(self, node: NodeId, now: float) -> bool:
        """Whether to dial where `node` should be: the dead are looked for by a root, and now and then by others."""
        member = self.members.get(node)
        if member is None:
            return not self._known(node, now)
        if member.state == Stage.LEFT or self._known(node, now):
            return False
        return self.tree.links.parent is None or self.rng.random() * len(self.members.entries) < SELDOM

    def _known(self, node: NodeId | None, now: float) -> bool:
        if node is None:
            return False
        here = node == self.members.me.node or node in self.connections.by_node
        return here or self.members.is_alive(node, now)

    def idle(self, busy: set[int], now: float) -> list[Instruction]:
        """Close connections that are no edges; those in `busy` still carry something."""
        edges = self.tree.links.neighbours()
        return [
            Close(here.conn, "not an edge")
            for node, here in self.connections.by_node.items()
            if here.outbound
            and node not in edges
            and now - here.opened_at > LINGER
            and here.conn not in busy
            and self._known_elsewhere(node, now)
        ]

    def _known_elsewhere(self, node: NodeId, now: float) -> bool:
        """Whether news of `node` will go on coming without this connection: it is in the same tree, by other edges."""
        root = root_of(self.members, node, now)
        together = root is not None and root == root_of(self.members, self.members.me.node, now)
        return together and any(link.peer != node for link in self.tree.links.open())
