"""Links to neighbours that are gone, kept in case that they come back.

When a network falls apart, each part but one has a highest node whose parent is on the other side. It becomes a root,
and both ends keep their link for KEPT seconds. When the parts meet again, the two go on where they were: what either
part has trained is added, none of it twice. Of those who vanished, one parent's link and one child's are kept.

Who says goodbye may come back too, with a new id of the same stem: its links are kept as long, a few of them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gossipw2v.gossip.instructions import DropLink, Instruction
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.overlay.link import Downlink, Uplink
from gossipw2v.gossip.overlay.provenance import Provenance
from gossipw2v.gossip.records import NodeId, stem

KEPT = 3600.0  # s that the link to a node that is gone is kept, each with a copy of the model
PAST = 128  # names of links given up of which the other end may not know yet: twice as many as there are children


@dataclass(slots=True)
class Kept:
    """`up`, `down`: the links to who vanished; `left`: to who said goodbye, by name, the oldest first.

    `past`: names of links given up; what still comes for them is no breach. `waiting_until`: until then a node that
    comes back waits for its former parent.
    """

    members: MemberTable
    provenance: Provenance
    up: Uplink | None = None
    down: Downlink | None = None
    left: dict[bytes, Uplink | Downlink] = field(default_factory=dict)
    past: deque[bytes] = field(default_factory=lambda: deque(maxlen=PAST))
    waiting_until: float = float("-inf")

    def links(self) -> list[Uplink | Downlink]:
        """The parent's, then the child's, then those of who left."""
        vanished = [edge for edge in (self.up, self.down) if edge is not None]
        return [*vanished, *self.left.values()]

    def keep(self, edge: Uplink | Downlink, now: float) -> None:
        """The other end has left in order."""
        edge.lost_at = now
        self.left[edge.link] = edge

    def release(self, edge: Uplink | Downlink) -> None:
        """A link is kept no longer, but lives on."""
        if edge is self.up:
            self.up = None
        elif edge is self.down:
            self.down = None
        self.left.pop(edge.link, None)

    def drop(self, edge: Uplink | Downlink | None) -> list[Instruction]:
        """Forget a kept link."""
        if edge is None:
            return []
        self.release(edge)
        self.past.append(edge.link)
        self.provenance.forget(edge.link)
        return [DropLink(edge.link)]

    def overdue(self, now: float, room: int) -> list[Instruction]:
        """Forget what was kept for too long, or in vain, and all but `room` of the children's who left."""
        out: list[Instruction] = []
        for edge in self.links():
            assert edge.lost_at is not None
            in_vain = self.members.has_left(edge.peer) and edge.link not in self.left
            if in_vain or now - edge.lost_at > KEPT:
                out += self.drop(edge)
        children = [edge for edge in self.left.values() if isinstance(edge, Downlink)]
        for edge in children[: max(0, len(children) - room)]:
            out += self.drop(edge)
        return out

    def parent_of(self, node: NodeId) -> Uplink | None:
        """The link kept to `node`, or an earlier life of it, as the parent."""
        return next((edge for edge in self._parents() if self._is_for(edge, node)), None)

    def child_of(self, node: NodeId) -> Downlink | None:
        """The link kept to `node`, or an earlier life of it, as a child."""
        children = (edge for edge in self.links() if isinstance(edge, Downlink))
        return next((edge for edge in children if self._is_for(edge, node)), None)

    def parent_again(self, now: float) -> tuple[Uplink, NodeId] | None:
        """The link to a former parent that is alive, and its id now."""
        for edge in self._parents():
            if self.members.is_alive(edge.peer, now):
                return edge, edge.peer
            lives = (each.node for each in self.members.alive(now) if self._is_for(edge, each.node))
            if (node := next(lives, None)) is not None:
                return edge, node
        return None

    def awaits_parent(self, now: float) -> bool:
        """Whether no other parent is to be chosen yet."""
        return now < self.waiting_until and bool(self._parents())

    def prefers(self, link: Downlink) -> bool:
        """Whether this child is the one to keep: the highest one is that by which a part would come back."""
        return self.down is None or self.down.peer <= link.peer

    def _parents(self) -> list[Uplink]:
        return [edge for edge in self.links() if isinstance(edge, Uplink)]

    def _is_for(self, edge: Uplink | Downlink, node: NodeId) -> bool:
        return edge.peer == node or (edge.link in self.left and stem(edge.peer) == stem(node))
