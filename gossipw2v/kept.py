"""Links to neighbours that vanished, kept in case that they are only cut off: of one parent and of one child.

When a network falls apart, each part but one has a highest node whose parent is on the other side. It becomes a root,
and both ends keep their link for KEPT seconds. When the parts meet again, the two go on where they were: what either
part has trained is added, none of it twice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gossipw2v.instructions import DropLink, Instruction
from gossipw2v.link import Downlink, Provenance, Uplink
from gossipw2v.members import MemberTable, NodeId

KEPT = 3600.0  # s that the link to a node that vanished is kept: a copy of the model, of one parent and one child
PAST = 128  # names of links given up of which the other end may not know yet: twice as many as there are children


@dataclass(slots=True)
class Kept:
    """`up`, `down`: the links kept. `past`: names of links given up; what still comes for them is no breach."""

    members: MemberTable
    provenance: Provenance
    up: Uplink | None = None
    down: Downlink | None = None
    past: deque[bytes] = field(default_factory=lambda: deque(maxlen=PAST))

    def links(self) -> list[Uplink | Downlink]:
        """The parent's, then the child's."""
        return [edge for edge in (self.up, self.down) if edge is not None]

    def drop(self, edge: Uplink | Downlink | None) -> list[Instruction]:
        """Forget a kept link."""
        if edge is None:
            return []
        if edge is self.up:
            self.up = None
        else:
            self.down = None
        self.past.append(edge.link)
        self.provenance.forget(edge.link)
        return [DropLink(edge.link)]

    def overdue(self, now: float) -> list[Instruction]:
        """Forget what was kept for too long, or in vain."""
        out: list[Instruction] = []
        for edge in self.links():
            assert edge.lost_at is not None
            if self.members.has_left(edge.peer) or now - edge.lost_at > KEPT:
                out += self.drop(edge)
        return out

    def parent_of(self, node: NodeId) -> Uplink | None:
        """The link kept to `node` as the parent."""
        return self.up if self.up is not None and self.up.peer == node else None

    def child_of(self, node: NodeId) -> Downlink | None:
        """The link kept to `node` as a child."""
        return self.down if self.down is not None and self.down.peer == node else None

    def prefers(self, link: Downlink) -> bool:
        """Whether this child is the one to keep: the highest one is that by which a part would come back."""
        return self.down is None or self.down.peer <= link.peer
