"""Whom to call and when to hang up: the policy between the member table, the tree and the connections.

Addresses from discovery and configuration are dialled until a live member is known behind them; the parent whenever it
is not connected; members that have fallen silent by a root, since perhaps only those between have died. A connection
that this node dialled and that became no edge of the tree is closed again.
"""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.connections import Connections
from gossipw2v.instructions import Close, Instruction
from gossipw2v.members import MemberTable, NodeId, State
from gossipw2v.tree import Tree

LINGER = 5.0  # s that a connection which is no edge of the tree is kept


@dataclass(frozen=True, slots=True)
class Seeker:
    """Decides over `connections` by what `members` and `tree` know."""

    connections: Connections
    members: MemberTable
    tree: Tree

    def parent(self, node: NodeId, now: float) -> list[Instruction]:
        """Dial the chosen parent."""
        member = self.members.get(node)
        if member is None:
            return []
        self.connections.learn(node.hex(), member.addresses, now)
        return self.connections.dial(node.hex(), now)

    def silent(self, now: float) -> None:
        """Have a root go on dialling members it no longer hears."""
        if self.tree.parent is not None:
            return
        for member in self.members.everyone():
            silent = member.node != self.members.me.node and not self.members.is_alive(member.node, now)
            if silent and member.state != State.LEFT and member.addresses:
                self.connections.learn(member.node.hex(), member.addresses, now)

    def strangers(self, now: float) -> list[Instruction]:
        """Dial the addresses of which it is not known that a live member is behind them."""
        out: list[Instruction] = []
        for key, target in self.connections.targets.items():
            claimed = _claimed(key)
            if not self._known(target.node, now) and not (claimed and self.members.is_alive(claimed, now)):
                out += self.connections.dial(key, now)
        return out

    def _known(self, node: NodeId | None, now: float) -> bool:
        if node is None:
            return False
        here = node == self.members.me.node or node in self.connections.by_node
        return here or self.members.is_alive(node, now)

    def idle(self, busy: set[int], now: float) -> list[Instruction]:
        """Close connections that are no edges; those in `busy` still carry something."""
        edges = self.tree.neighbours()
        return [
            Close(here.conn, "not an edge")
            for node, here in self.connections.by_node.items()
            if here.outbound
            and node not in edges
            and now - here.opened_at > LINGER
            and here.conn not in busy
            and self._known_elsewhere(node)
        ]

    def _known_elsewhere(self, node: NodeId) -> bool:
        """Whether news of `node` will go on coming without this connection: some edge of the tree is up."""
        return any(edge.peer != node for edge in self.tree.edges())


def _claimed(key: str) -> NodeId | None:
    """The node id that a target's key claims: discovery and the member table name targets by it."""
    try:
        return bytes.fromhex(key) if len(key) == 32 else None
    except ValueError:
        return None
