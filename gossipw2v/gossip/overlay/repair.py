"""One tree where not all reach all: the exceptions to the rule that links only go up.

Every member tells who its parent is, so that each knows the root of every other as far as news goes; the tree of the
highest living node is where all belong. A root goes there by itself within seconds, as long as it reaches a node above
itself. If it does not, it takes any neighbour that is there already for a parent, though that be of lower priority; and
if it has none, those below it that have one go there after a while, whereupon it may follow them.

Only nodes of a lower tree go to a higher one. Stale news can still make a circle of such links. So whatever else
happens, *once a node has looked around* (`look`) all of this holds, as far as it knows: a parent of lower priority is
not below this node, nor in a tree whose root is; and without a parent there is no child of higher priority. All other
links go up, so a circle lasts only until news of it has gone round. `flaws` says what does not hold.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from gossipw2v.gossip.instructions import Instruction, Send
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import LinkRefused
from gossipw2v.gossip.overlay.link import AnyLink
from gossipw2v.gossip.overlay.links import Links
from gossipw2v.gossip.records import NodeId

GRACE = 5.0  # s that a link outlives its connection
LOOK = 1.0  # s between two looks for another way
PATIENCE = 10.0  # s that a root is in a lower tree until it looks for another way than up
LATER = 10.0  # s after which nodes below it do so too, and up to as much again, so that not all leave it at once


def way_up(members: MemberTable, node: NodeId, now: float) -> list[NodeId]:
    """From `node` to its root, both included; less if one on the way is not alive, or the way is a circle."""
    way: list[NodeId] = []
    while node and node not in way and (node == members.me.node or members.is_alive(node, now)):
        way.append(node)
        node = _parent_of(members, node)
    return way


def root_of(members: MemberTable, node: NodeId, now: float) -> NodeId | None:
    """The root of the tree that `node` is in, as far as news goes; None if that cannot be told."""
    way = way_up(members, node, now)
    return way[-1] if way and not _parent_of(members, way[-1]) else None


def _parent_of(members: MemberTable, node: NodeId) -> NodeId:
    member = members.me if node == members.me.node else members.get(node)
    assert member is not None
    return member.parent


@dataclass(slots=True)
class Repair:
    """Where this node is in the tree, and what is to be done if that is no place to be."""

    links: Links
    rng: random.Random
    way: list[NodeId] = field(default_factory=list)  # this node and those above it, as known at the last look
    root: NodeId | None = None  # the last of them, if it is known to be the root
    attached_at: float = float("-inf")  # when the parent was last connected
    apart_since: float | None = None  # since when this node has been in a tree that is not the highest living node's
    look_at: float = float("-inf")  # when to look for another way again
    unseated: list[tuple[NodeId, LinkRefused]] = field(default_factory=list)  # whom to tell of a link given up

    # -- the own place --------------------------------------------------------------------------------------

    def look(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Look where this node is, and tell the swarm.

        With no way to the root any more children of higher priority, which may know one, are let go.
        """
        members, parent = self.links.members, self.links.uplink
        if parent is not None and parent.peer in reachable:
            self.attached_at = now
        above = parent.peer if parent is not None and now - self.attached_at <= GRACE else b""
        if above != members.me.parent:
            members.update_self(parent=above)
        self.way, self.root = way_up(members, self.links.me, now), root_of(members, self.links.me, now)
        if above:
            return []
        out: list[Instruction] = []
        for child, link in sorted(self.links.seats.items()):
            if child > self.links.me:
                self.part(link)
                out += self.links.give_up(link)
        return out

    def is_astray(self, parent: NodeId, now: float) -> bool:
        """Whether this node must leave a parent of lower priority: they go round in a circle, or the root is below."""
        me = self.links.me
        if parent > me:
            return False
        root = root_of(self.links.members, parent, now)
        return me in way_up(self.links.members, parent, now) or (root is not None and root < me)

    def may_be_below(self, node: NodeId) -> bool:
        """Whether a node may come below this one: none that is above it, and none of higher priority than its root."""
        me = self.links.me
        below_root = self.root is not None and self.root != me and node < self.root
        return node not in self.way and (node < me or below_root)

    def part(self, link: AnyLink) -> None:
        """The other end is to be told that this one gives the link up."""
        self.unseated.append((link.peer, LinkRefused(link.name, "unseated")))

    def tell_unseated(self, conns: dict[NodeId, int]) -> list[Instruction]:
        """Tell those concerned of the links that this node has given up."""
        told, self.unseated = self.unseated, []
        return [Send(conns[node], message) for node, message in told if node in conns]

    def flaws(self, now: float) -> list[str]:
        """What does not hold of the invariant, if anything; to be asked after a look at the clock."""
        parent = self.links.uplink
        out = ["a parent that is below this node, or its root"] * (
            parent is not None and self.is_astray(parent.peer, now)
        )
        higher = any(child > self.links.me for child in self.links.seats)
        return out + ["a child of higher priority, and no parent"] * (higher and self.links.parent is None)

    # -- another tree ---------------------------------------------------------------------------------------

    def target(self, reachable: set[NodeId], now: float, usable: Callable[[NodeId], bool]) -> NodeId | None:
        """The connected node to go to as the new parent, of those that are `usable`; None to stay."""
        if now < self.look_at:
            return None
        self.look_at = now + LOOK
        home = self.root
        if home is None or not self.links.members.is_anybody_above(home, now):
            self.apart_since = None
            return None
        if self.apart_since is None:
            self.apart_since = now
        me, members = self.links.me, self.links.members
        later = 0.0 if home == me else LATER * (1 + me[-1] / 256)  # ids are drawn by lot
        if now - self.apart_since < PATIENCE + later:
            return None
        there = [node for node in sorted(reachable) if usable(node) and (root_of(members, node, now) or home) > home]
        return self.rng.choice(there) if there else None

    def slept(self, seconds: float, now: float) -> None:
        """This node did not run for so long: nothing could change."""
        self.attached_at = min(now, self.attached_at + seconds)
        if self.apart_since is not None:
            self.apart_since = min(now, self.apart_since + seconds)
