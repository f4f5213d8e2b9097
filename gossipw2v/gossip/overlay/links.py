"""The table of a node's links: one up to its parent, some down to its children, and those that are kept.

What is said of any link is a query on this table. Every link ends in `close`, or in `withdraw` if it has no reference.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gossipw2v.gossip.instructions import Cause, DropLink, Instruction
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.overlay.link import AnyLink, ChildEnd, Downlink, Uplink
from gossipw2v.gossip.overlay.provenance import Provenance, VersionVector, raise_to
from gossipw2v.gossip.overlay.states import LinkInput, LinkState
from gossipw2v.gossip.pacing import Pacing
from gossipw2v.gossip.records import NodeId

PAST = 128  # names of links given up of which the other end may not know yet: twice as many as there are children
WITH_REFERENCE = (LinkState.OPEN, LinkState.RESUMING, LinkState.LOST)


@dataclass(slots=True)
class Links:
    """All links of this node, in the order in which they were made or taken back."""

    members: MemberTable
    provenance: Provenance
    vocabulary: bytes | None = None  # digest of that whose rows go over links; None while there is no model
    table: list[AnyLink] = field(default_factory=list)
    past: deque[bytes] = field(default_factory=lambda: deque(maxlen=PAST))  # given up: what comes is no breach

    @property
    def me(self) -> NodeId:
        """This node's id."""
        return self.members.me.node

    # -- queries --------------------------------------------------------------------------------------------

    @property
    def parent(self) -> Uplink | None:
        """The link to the parent, or to the node that is to become it."""
        for link in self.table:  # asked at every turn: a generator takes twice as long
            if isinstance(link, Uplink) and link.state is not LinkState.RETAINED:
                return link
        return None

    @property
    def uplink(self) -> Uplink | None:
        """The link to the parent once there is a reference."""
        parent = self.parent
        return parent if parent is not None and parent.state in WITH_REFERENCE else None

    @property
    def seats(self) -> dict[NodeId, Downlink]:
        """The links to the children, also to those who have no reference yet."""
        downs = (link for link in self.table if isinstance(link, Downlink))
        return {link.peer: link for link in downs if link.state is not LinkState.RETAINED}

    @property
    def downlinks(self) -> dict[NodeId, Downlink]:
        """The links to the children that have a reference."""
        return {node: link for node, link in self.seats.items() if link.state in WITH_REFERENCE}

    def open(self) -> list[AnyLink]:
        """The links that are in use, the parent's first."""
        up: list[AnyLink] = [link] if (link := self.uplink) is not None else []
        return [*up, *self.downlinks.values()]

    def retained(self) -> list[AnyLink]:
        """The links kept: of those who vanished the parent's, then the child's, then those of who said goodbye."""
        kept = [link for link in self.table if link.state is LinkState.RETAINED]
        return sorted(kept, key=lambda link: 2 if link.farewell else int(isinstance(link, Downlink)))

    def with_reference(self) -> list[AnyLink]:
        """The links in use, then those kept."""
        return [*self.open(), *self.retained()]

    def named(self, name: bytes) -> AnyLink | None:
        """The link of that name of which there is a reference."""
        return next((link for link in self.with_reference() if link.name == name), None)

    def cause(self, what: str, name: bytes) -> Cause:
        """What concerns the link of that name, as a cause."""
        link = self.named(name)
        return Cause(what, link.peer if link else None, name)

    def neighbours(self) -> set[NodeId]:
        """The nodes that are, or may become, the other ends of links."""
        return {link.peer for link in self.table if link.state is not LinkState.RETAINED}

    def claims(self) -> VersionVector:
        """Tokens of every origin that may be in the model by now: what is just being merged counts."""
        vector = dict(self.provenance.vector)
        for link in self.with_reference():
            if (applying := link.end.applying) is not None:
                raise_to(vector, applying.origins)
        return vector

    # -- changes --------------------------------------------------------------------------------------------

    def close(self, link: AnyLink | None) -> list[Instruction]:
        """Forget a link, and its reference if there is one.

        A child that pushes on a link in use which was taken from it, for a silence or a breach, is in the wrong.
        """
        if link is None:
            return []
        had = link.state is not LinkState.WANTED
        if isinstance(link, Uplink) or link.state is LinkState.RETAINED:
            self.past.append(link.name)
        link.move(LinkInput.DROPPED)
        self.table = [each for each in self.table if each is not link]
        return self._forget(link.name) if had else []

    def withdraw(self, link: AnyLink | None) -> None:
        """Forget a link of which there is no reference yet. RuntimeError if there is one, which the model would keep
        for good: such a link is to be closed, and what `close` returns to be done.
        """
        if link is not None and link.state is not LinkState.WANTED:
            raise RuntimeError(f"a link that is {link.state.name} cannot be withdrawn: its reference is to be dropped")
        self.close(link)

    def give_up(self, link: Downlink) -> list[Instruction]:
        """Close a child's link for reasons of this node's own: a push may be under way, and is no breach."""
        self.past.append(link.name)
        return self.close(link)

    def renew(self, link: Uplink, name: bytes) -> list[Instruction]:
        """The reference of the link to the parent is void, and another is asked for under a new name: row work for the
        old one may be under way, and would be taken for the new one's.
        """
        out = self._forget(link.name) if link.state in WITH_REFERENCE else []
        self.past.append(link.name)
        link.move(LinkInput.RENEWED)
        link.name, link.awaited, link.asked_at = name, False, float("-inf")
        link.end = ChildEnd(link=name, pacing=Pacing(0.0, link.end.pacing.max_bandwidth))
        return out

    def part(self, link: AnyLink | None, now: float) -> list[Instruction]:
        """The other end has left in order: with a reference it may go on where it was, if it comes back."""
        if link is None or link.state not in WITH_REFERENCE:
            return self.close(link)
        self.retain(link, now, farewell=True)
        return []

    def _forget(self, name: bytes) -> list[Instruction]:
        self.provenance.forget(name)
        return [DropLink(name)]

    def retain(self, link: AnyLink, now: float, farewell: bool = False) -> None:
        """The other end is gone: keep the reference in case that it comes back."""
        link.move(LinkInput.RETIRED)
        link.lost_at, link.farewell, link.awaited = now, farewell, False
        self.put_last(link)

    def put_last(self, link: AnyLink) -> None:
        """Let a link stand as the newest."""
        self.table = [*(each for each in self.table if each is not link), link]
