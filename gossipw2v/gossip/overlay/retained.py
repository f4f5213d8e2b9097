"""Links to neighbours that are gone, kept in case that they come back: in memory, and through a restart.

When a network falls apart, each part but one has a highest node whose parent is on the other side. It becomes a root,
and both ends keep their link for KEPT seconds. When the parts meet again, the two go on where they were: what either
part has trained is added, none of it twice. Of those who vanished, one parent's link and one child's are kept.

A node that says goodbye may come back too, with a new id of the same stem: its links are kept as long, a few of them.
It has saved its own ends (`SavedLink`). Both ends must hold the same reference to go on, and do if they are done with
the same exchange: a node that is told to stop ends those under way and begins no other. One that was killed comes back
with an older model than the others have seen of it, and links anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.gossip.instructions import Instruction
from gossipw2v.gossip.overlay.link import AnyLink, ChildEnd, Downlink, ParentEnd, Uplink
from gossipw2v.gossip.overlay.links import Links
from gossipw2v.gossip.overlay.provenance import Provenance, VersionVector
from gossipw2v.gossip.overlay.states import LinkState
from gossipw2v.gossip.pacing import Pacing
from gossipw2v.gossip.records import NodeId, stem

KEPT = 3600.0  # s that the link to a node that is gone is kept, each with a copy of the model


@dataclass(slots=True)
class Retained:
    """Which links are kept, and whether a node that comes back is at the other end of one."""

    links: Links
    waiting_until: float = float("-inf")  # until then a node that comes back waits for its former parent

    def overdue(self, now: float, room: int) -> list[Instruction]:
        """Forget what was kept for too long, or in vain, and all but `room` of the children's who left."""
        out: list[Instruction] = []
        for link in self.links.retained():
            assert link.lost_at is not None
            in_vain = self.links.members.has_left(link.peer) and not link.farewell
            if in_vain or now - link.lost_at > KEPT:
                out += self.links.close(link)
        parted = [link for link in self.children() if link.farewell]
        for child in parted[: max(0, len(parted) - room)]:
            out += self.links.close(child)
        return out

    def keep_vanished(self, link: AnyLink, now: float) -> list[Instruction]:
        """Keep the link to a node that is gone without a word, instead of any other such link of its kind."""
        kin = [kept for kept in self.links.retained() if type(kept) is type(link) and not kept.farewell]
        out = [order for kept in kin for order in self.links.close(kept)]
        self.links.retain(link, now)
        return out

    def prefers(self, link: Downlink) -> bool:
        """Whether this child's is the link to keep: the highest is that by which a part would come back."""
        kept = self._vanished_child()
        return kept is None or kept.peer <= link.peer

    def awaited_child(self, now: float) -> Downlink | None:
        """The link to a child that vanished and lives again."""
        kept = self._vanished_child()
        return kept if kept is not None and self.links.members.is_alive(kept.peer, now) else None

    def parent_of(self, node: NodeId) -> Uplink | None:
        """The link kept to `node`, or an earlier life of it, as the parent."""
        return next((link for link in self.parents() if _is_for(link, node)), None)

    def child_of(self, node: NodeId) -> Downlink | None:
        """The link kept to `node`, or an earlier life of it, as a child."""
        return next((link for link in self.children() if _is_for(link, node)), None)

    def parent_again(self, now: float) -> tuple[Uplink, NodeId] | None:
        """The link to a former parent that is alive, and its id now."""
        members = self.links.members
        for link in self.parents():
            if members.is_alive(link.peer, now):
                return link, link.peer
            lives = (each.node for each in members.alive(now) if _is_for(link, each.node))
            if (node := next(lives, None)) is not None:
                return link, node
        return None

    def awaits_parent(self, now: float) -> bool:
        """Whether no other parent is to be chosen yet."""
        return now < self.waiting_until and bool(self.parents())

    def parents(self) -> list[Uplink]:
        """The links kept to former parents."""
        return [link for link in self.links.retained() if isinstance(link, Uplink)]

    def children(self) -> list[Downlink]:
        """The links kept to former children."""
        return [link for link in self.links.retained() if isinstance(link, Downlink)]

    def _vanished_child(self) -> Downlink | None:
        return next((link for link in self.children() if not link.farewell), None)

    # -- through a restart ----------------------------------------------------------------------------------

    def save(self) -> list[SavedLink]:
        """What to keep of all links."""
        saved = (save(link, self.links.provenance) for link in self.links.with_reference())
        return [each for each in saved if each is not None]

    def take_up(self, saved: list[SavedLink], now: float, patience: float) -> None:
        """Go on with the links of an earlier life, if their other ends do; wait `patience` s for the parent."""
        self.links.table += [restore(each, self.links.provenance, now) for each in saved]
        self.waiting_until = now + patience


def _is_for(link: AnyLink, node: NodeId) -> bool:
    return link.peer == node or (link.farewell and stem(link.peer) == stem(node))


@dataclass(frozen=True, slots=True)
class SavedLink:
    """A link to `peer`, its parent if `up`, when both ends were done with `seq`."""

    up: bool
    peer: NodeId
    link: bytes
    seq: int
    acked: VersionVector  # what both ends are known to have
    again: tuple[bytes, ...] = ()  # origins to be named once more
    via: tuple[bytes, ...] = ()  # origins of which the last tokens came by this link
    doubts: tuple[bytes, ...] = ()  # such of them as have come another way since


def save(link: AnyLink, provenance: Provenance) -> SavedLink | None:
    """What is to be kept of a link; None while its rows are changing hands."""
    if link.end.applying is not None:
        return None
    via = tuple(origin for origin, name in provenance.via.items() if name == link.name)
    doubts = tuple(provenance.doubts.get(link.name, ()))
    up, again = (True, _unsaid(link.end)) if isinstance(link, Uplink) else (False, ())
    return SavedLink(up, link.peer, link.name, link.end.seq, dict(link.end.acked), again, via, doubts)


def _unsaid(end: ChildEnd) -> tuple[bytes, ...]:
    """The origins to name once more, with those of a push that perhaps never arrived."""
    named = end.named if end.busy else ()
    return tuple(dict.fromkeys((*end.again, *named)))  # in order, so that runs can be replayed


def restore(saved: SavedLink, provenance: Provenance, now: float) -> AnyLink:
    """The link again; its other end is not there yet."""
    provenance.via.update((origin, saved.link) for origin in saved.via if origin in provenance.vector)
    if saved.doubts:
        provenance.doubts[saved.link] = dict.fromkeys(each for each in saved.doubts if each in provenance.vector)
    link = _up(saved, provenance, now) if saved.up else _down(saved)
    link.state, link.lost_at, link.farewell = LinkState.RETAINED, now, True
    return link


def _up(saved: SavedLink, provenance: Provenance, now: float) -> Uplink:
    again = [origin for origin in saved.again if origin in provenance.vector]
    end = ChildEnd(link=saved.link, pacing=Pacing(now), seq=saved.seq, again=again, acked=dict(saved.acked))
    return Uplink(peer=saved.peer, name=saved.link, end=end)


def _down(saved: SavedLink) -> Downlink:
    end = ParentEnd(link=saved.link, seq=saved.seq, acked=dict(saved.acked))
    return Downlink(peer=saved.peer, name=saved.link, end=end)
