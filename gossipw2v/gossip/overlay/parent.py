"""The edge up: whose child this node is or wants to be, and the link to it.

A parent stays parent while it lives. One that does not come back, though others hear it, is given up at once; the link
to one that nobody hears any more is kept, if there is no other way up (`kept`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gossipw2v.gossip.instructions import DropLink, Instruction
from gossipw2v.gossip.messages import LINK_BYTES
from gossipw2v.gossip.overlay.candidates import Choice
from gossipw2v.gossip.overlay.children import GRACE, Children
from gossipw2v.gossip.overlay.link import Uplink
from gossipw2v.gossip.overlay.repair import Crossing
from gossipw2v.gossip.records import NodeId


@dataclass(slots=True)
class Parent:
    """The chosen parent and how far the two have come. `insist`: it is to make room, since nobody has any left."""

    node: NodeId
    link: bytes
    insist: bool = False
    asked_at: float = float("-inf")
    adopted: bool = False
    lost_at: float | None = None


@dataclass(slots=True)
class Parentage(Children):
    """`parent`: as asked or found; `uplink`: the link to it. `max_bandwidth`: Mbit/s of that link; 0 is no limit."""

    max_bandwidth: float = 0.0
    parent: Parent | None = None
    uplink: Uplink | None = None
    choice: Choice = field(init=False)
    crossing: Crossing = field(init=False)

    def __post_init__(self) -> None:
        Children.__post_init__(self)
        self.choice = Choice(self.members, self.rng, self.seats)
        self.crossing = Crossing(self.members, self.rng)

    # -- finding one ----------------------------------------------------------------------------------------

    def choose(self, now: float) -> None:
        """The former parent if it is back, or may come back, else whoever is best."""
        if (back := self.kept.parent_again(now)) is not None:
            self.return_to(*back, now)
        elif self.kept.awaits_parent(now):
            return
        elif (picked := self.choice.pick(now)) is not None:
            node, insist = picked
            self.parent = Parent(node, self.rng.randbytes(LINK_BYTES), insist)

    def cross(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Go over to a higher tree, if there has been no other way for long enough."""
        target = self.crossing.target(self.root, reachable, now, lambda node: not self.choice.is_barred(node, now))
        if target is None:
            return []
        if self.parent is not None:
            self.unseated.append(self.parent.node)
        out = self.unparent()
        self.parent = Parent(target, self.rng.randbytes(LINK_BYTES), insist=True)
        return out

    def is_asking(self, reachable: set[NodeId]) -> bool:
        """Whether a connected node has been asked for a seat, and may still give it."""
        return self.parent is not None and self.parent.node in reachable and not self.parent.adopted

    def unreached(self, key: str, now: float) -> None:
        """Nobody answered where the node `key` (hex) should be: if there is no link yet, another may be the parent."""
        if self.parent is not None and self.uplink is None and self.parent.node.hex() == key:
            self.choice.bar(self.parent.node, now)
            self.unparent()

    def return_to(self, link: Uplink, node: NodeId, lost_at: float | None = None) -> None:
        """The parent that was gone is there again, or is heard of, perhaps by a new id."""
        self.unparent()
        self.kept.release(link)
        link.peer, link.resuming, link.max_bandwidth = node, True, self.max_bandwidth
        self.parent = Parent(node, link.link, adopted=True, lost_at=lost_at)
        self.uplink = link

    # -- losing it ------------------------------------------------------------------------------------------

    def watch_parent(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Give a parent up that does not come back, though others hear it, or that nobody hears any more."""
        parent = self.parent
        if parent is None or parent.node in reachable:
            return []
        parent.lost_at = now if parent.lost_at is None else parent.lost_at
        heard = self.members.is_heard(parent.node, now)
        if now - parent.lost_at < GRACE if heard else self.members.is_alive(parent.node, now):
            return []
        if self.uplink is None or self.members.has_left(parent.node) or self.choice.above(now, but=parent.node):
            return self.drop_parent(now)
        self.kept.up, self.uplink, self.parent = self.uplink, None, None
        self.kept.up.lost_at = now
        self.catching_up.discard(parent.node)
        return []

    def part_with_parent(self, now: float) -> list[Instruction]:
        """The parent has left in order: it may come back."""
        if self.uplink is None:
            return self.drop_parent(now)
        self.kept.keep(self.uplink, now)
        self.catching_up.discard(self.uplink.peer)
        self.choice.bar(self.uplink.peer, now)
        self.parent = self.uplink = None
        return []

    def drop_parent(self, now: float) -> list[Instruction]:
        """Give the parent up: it died, left, or broke the protocol."""
        if self.parent is not None:
            self.choice.bar(self.parent.node, now)
        return self.unparent()

    def unparent(self) -> list[Instruction]:
        """Have no parent, and no link to it."""
        if self.parent is not None:
            self.kept.past.append(self.parent.link)
        self.parent = None
        return self.drop_uplink()

    def drop_uplink(self) -> list[Instruction]:
        """Forget the link to the parent, which may give another."""
        link, self.uplink = self.uplink, None
        if link is None:
            return []
        self.provenance.forget(link.link)
        self.catching_up.discard(link.peer)
        return [DropLink(link.link)]
