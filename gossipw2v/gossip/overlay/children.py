"""The links down: seats for the nodes below, and the links with them.

A broken connection keeps its link for GRACE seconds, so that both ends go on from the same reference; after that the
link is forgotten, unless it is the one by which a part of the network would come back, or the child has left in order
and may do so itself (`retained`).
"""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.gossip.instructions import Instruction, Refused, Send
from gossipw2v.gossip.messages import LinkOpen, LinkOpened, LinkRefused
from gossipw2v.gossip.overlay.link import Downlink, ParentEnd
from gossipw2v.gossip.overlay.links import WITH_REFERENCE, Links
from gossipw2v.gossip.overlay.reconcile import Reconciler
from gossipw2v.gossip.overlay.repair import GRACE, Repair
from gossipw2v.gossip.overlay.retained import Retained
from gossipw2v.gossip.overlay.states import LinkInput, LinkState
from gossipw2v.gossip.records import DEAD_AFTER, NodeId, stem

MOST_CHILDREN = 64  # even for children who insist: each costs a copy of the model


@dataclass(slots=True)
class Seats:
    """Gives seats to children, links with them and watches them."""

    links: Links
    retained: Retained
    repair: Repair
    reconciler: Reconciler
    most: int  # children taken without insistence

    # -- time -----------------------------------------------------------------------------------------------

    def watch(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Take back a kept child that is heard of again; forget children that do not come back."""
        if (back := self.retained.awaited_child(now)) is not None:
            self._take_back(back)
            back.lost_at = now
        out: list[Instruction] = []
        for link in self.links.seats.values():
            if link.state in WITH_REFERENCE:
                out += self._watch(link, now, reachable)
            elif link.peer not in reachable:
                out += self.links.close(link)
        return out

    def _watch(self, link: Downlink, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Forget a child that does not come back, or keep its link if it is the one by which a part would come back."""
        members = self.links.members
        if link.peer not in reachable:
            self._miss(link, now)
        # until then the tree's end waits for it; only a resumption counts: it may be back with another parent
        if link.lost_at is None or now - link.lost_at < GRACE + DEAD_AFTER:
            return []
        here = link.peer in reachable or members.is_alive(link.peer, now) or members.has_left(link.peer)
        if here or link.peer > self.links.me or not self.retained.prefers(link):
            return self.links.close(link)
        return self.retained.keep_vanished(link, link.lost_at)

    def _miss(self, link: Downlink, now: float) -> None:
        """Wait for a child to say what it still holds."""
        if link.lost_at is None:
            link.lost_at = now
            link.move(LinkInput.VANISHED)

    # -- seats ----------------------------------------------------------------------------------------------

    def connected(self, node: NodeId, now: float) -> None:
        """A child says on a new connection what it still holds: one without a link asks for one, or has another."""
        link = self.links.seats.get(node)
        if link is not None and link.state in WITH_REFERENCE:
            self._miss(link, now)
        else:
            self.links.withdraw(link)

    def _has_room(self, insist: bool) -> bool:
        waited_for = [link for link in self.links.seats.values() if link.lost_at is None]  # most others are gone
        return len(waited_for) < (MOST_CHILDREN if insist else self.most)

    def given_up(self, link: Downlink, now: float) -> list[Instruction]:
        """A child gives its link up; what it has not pushed yet is waited for, as if its connection were lost."""
        if link.state not in WITH_REFERENCE or link.end.there.done:
            return self.links.close(link)
        self._miss(link, now)
        return []

    # -- links ----------------------------------------------------------------------------------------------

    def on_link_open(self, node: NodeId, ask: LinkOpen, conn: int) -> list[Instruction]:
        """A child asks for a link: resume it, make it, or keep the question until the model is there.

        A child that was forgotten while it thought itself connected needs a seat again.
        """
        if self.links.vocabulary is not None and self.links.vocabulary != ask.vocabulary:
            return [Refused("vocabulary", "a link for another vocabulary")]
        self._find(node, ask)
        held = self.links.seats.get(node)
        if held is not None and held.name == ask.link and held.state in WITH_REFERENCE:
            if held.end.can_go_on(ask.seq):
                return self._go_on(held, ask, conn)
            if held.lost_at is None:
                return []  # it has been opened or resumed since: the question comes a second time, and late
        if held is None and not (self.repair.may_be_below(node) and self._has_room(ask.insist or not ask.fresh)):
            kept = self.retained.child_of(node) if ask.fresh else None
            return [*self.links.close(kept), Send(conn, LinkRefused(ask.link, "no seat"))]
        out = self.links.close(held)  # an earlier question, or a link with which it does not go on
        if self.links.vocabulary is None:
            self.links.table.append(Downlink(peer=node, name=ask.link, end=ParentEnd(link=ask.link), ask=ask))
            return out
        # the reference that it holds may be here no more: then it is to ask for another
        gone = Send(conn, LinkOpened(ask.link, False, {}))
        return [*out, *(self._open(node, ask, conn) if ask.fresh else [gone])]

    def _go_on(self, link: Downlink, ask: LinkOpen, conn: int) -> list[Instruction]:
        link.move(LinkInput.RESUMED)
        link.lost_at = link.made_as = None
        mine = dict(self.links.provenance.vector)
        return [Send(conn, LinkOpened(ask.link, not ask.fresh, mine))]  # fresh: the question was repeated

    def _find(self, node: NodeId, ask: LinkOpen) -> None:
        """Take back the link by which a child wants to go on: it had vanished, or said goodbye and has a new id."""
        held = self.links.named(ask.link)
        if not isinstance(held, Downlink) or held.lost_at is None or stem(held.peer) != stem(node):
            return
        if (other := self.links.downlinks.get(node)) is not None and other is not held:
            return  # it has another link, of which the model would never be rid
        if held.peer != node and held.end.busy:
            return  # with what its earlier life had pushed
        if (seat := self.links.seats.get(node)) is not held:
            self.links.withdraw(seat)  # a question that waits
        if held.peer != node:
            held.end.last_answer = None  # it does not know what its earlier life was answered
            held.peer = node
        self._take_back(held)

    def _take_back(self, link: Downlink) -> None:
        """A link is kept no longer, but waited for."""
        if link.state is LinkState.RETAINED:
            link.move(LinkInput.AWAITED)
            link.farewell = False
            self.links.put_last(link)

    def _open(self, node: NodeId, ask: LinkOpen, conn: int) -> list[Instruction]:
        former = self.links.close(self.retained.child_of(node))
        mine = dict(self.links.provenance.vector)
        link = Downlink(peer=node, name=ask.link, end=ParentEnd(link=ask.link))
        link.move(LinkInput.OPENED)
        self.links.table.append(link)
        return [*former, self.reconciler.open(link, ask.origins), Send(conn, LinkOpened(ask.link, False, mine))]

    def model_ready(self, conns: dict[NodeId, int]) -> list[Instruction]:
        """There is a model: answer the children who were waiting for it."""
        out: list[Instruction] = []
        for node, link in self.links.seats.items():
            ask, link.ask = link.ask, None
            if ask is not None and ask.vocabulary != self.links.vocabulary:
                self.links.withdraw(link)
            elif ask is not None and node in conns:
                out += self.on_link_open(node, ask, conns[node])
        return out
