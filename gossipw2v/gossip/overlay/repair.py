"""One tree where not all reach all: how nodes get into a higher tree that their own root cannot get into.

Every member tells who its parent is, so that each knows the root of every other as far as news goes; the tree of the
highest living node is where all belong. A root goes there by itself within seconds, as long as it reaches a node above
itself. If it does not, it takes any neighbour that is there already for a parent, though it be of lower priority; and
if it has none, those below it that have one go there after a while, whereupon it may follow them.

Only nodes of a lower tree go to a higher one. By stale news a circle may come of it all the same: then, or when the
root is no longer above them, those who are below a node of lower priority leave it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.records import NodeId

LOOK = 1.0  # s between two looks for another way
PATIENCE = 10.0  # s that a root is in a lower tree until it looks for another way than up
LATER = 10.0  # s after which nodes below it do so too, and up to as much again, lest all leave it at once


@dataclass(slots=True)
class Crossing:
    """`apart_since`: since when this node has been in a tree that is not the highest living node's.

    `look_at`: when to look again.
    """

    members: MemberTable
    rng: random.Random
    apart_since: float | None = None
    look_at: float = float("-inf")

    def target(
        self, home: NodeId | None, reachable: set[NodeId], now: float, usable: Callable[[NodeId], bool]
    ) -> NodeId | None:
        """The connected node to go to as the new parent, of those that are `usable`; None to stay.

        `home`: the root of the tree that this node is in, if that can be told.
        """
        if now < self.look_at:
            return None
        self.look_at = now + LOOK
        if home is None or not self.members.is_anybody_above(home, now):
            self.apart_since = None
            return None
        if self.apart_since is None:
            self.apart_since = now
        if now - self.apart_since < self._patience(home):
            return None
        there = [node for node in sorted(reachable) if usable(node) and self._is_higher(node, home, now)]
        return self.rng.choice(there) if there else None

    def _patience(self, home: NodeId) -> float:
        me = self.members.me.node
        return PATIENCE if home == me else PATIENCE + LATER * (1 + me[-1] / 256)  # ids are drawn by lot

    def _is_higher(self, node: NodeId, home: NodeId, now: float) -> bool:
        root = self.members.root_of(node, now)
        return root is not None and root > home

    def astray(self, parent: NodeId, now: float) -> bool:
        """Whether this node must leave a parent of lower priority: they go round in a circle, or the root is below."""
        me = self.members.me.node
        if parent > me:
            return False
        root = self.members.root_of(parent, now)
        return me in self.members.way_up(parent, now) or (root is not None and root < me)

    def slept(self, seconds: float, now: float) -> None:
        """This node did not run for so long: nothing could change."""
        if self.apart_since is not None:
            self.apart_since = min(now, self.apart_since + seconds)
