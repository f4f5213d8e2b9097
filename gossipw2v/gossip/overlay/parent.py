"""The link up: who becomes this node's parent, how the link with it begins, and when it is given up.

A parent stays parent while it lives. One that does not come back, though others hear it, is given up at once; the link
to one that nobody hears any more is kept, if there is no other way up (`retained`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from gossipw2v.gossip.instructions import Instruction, Send
from gossipw2v.gossip.messages import LINK_BYTES, LinkOpen, LinkOpened, LinkRefused, ProtocolError
from gossipw2v.gossip.overlay.candidates import Candidates
from gossipw2v.gossip.overlay.link import ChildEnd, Phase, Uplink
from gossipw2v.gossip.overlay.links import WITH_REFERENCE, Links
from gossipw2v.gossip.overlay.reconcile import Reconciler
from gossipw2v.gossip.overlay.repair import GRACE, Repair
from gossipw2v.gossip.overlay.retained import Retained
from gossipw2v.gossip.overlay.states import LinkInput, LinkState
from gossipw2v.gossip.pacing import Pacing
from gossipw2v.gossip.records import NodeId

ASK_AGAIN = 3.0  # s until an unanswered question is repeated
ASKING = 20.0  # s that a chosen parent has to open a link before one in a higher tree is preferred


@dataclass(slots=True)
class ParentSearch:
    """Finds a parent, links with it and watches it."""

    links: Links
    rng: random.Random
    candidates: Candidates
    retained: Retained
    repair: Repair
    reconciler: Reconciler
    max_bandwidth: float = 0.0  # Mbit/s of the link to the parent; 0 is no limit

    # -- time, in the order in which a tick has it ----------------------------------------------------------

    def watch(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Give a parent up that does not come back, though others hear it, or that nobody hears any more."""
        link, members = self.links.parent, self.links.members
        if link is None or link.peer in reachable:
            return []
        if link.lost_at is None:
            link.lost_at = now
            link.move(LinkInput.VANISHED)
        heard = members.is_alive(link.peer, now, heard=True)
        if now - link.lost_at < GRACE if heard else members.is_alive(link.peer, now):
            return []
        gone = self.links.uplink is None or members.has_left(link.peer)
        if gone or self.candidates.above(now, but=link.peer):
            return self.drop(now)
        return self.retained.keep_vanished(link, now)

    def look(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """See to it that the parent's is a place to be."""
        out: list[Instruction] = []
        parent = self.links.uplink
        if parent is not None and self.repair.is_astray(parent.peer, now):
            self.repair.part(parent)
            out = self.drop(now)
        return [*out, *self.repair.look(now, reachable)]

    def choose(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Choose a parent if there is none, or another tree's if there has been no other way for long enough."""
        if self.links.vocabulary is None:  # until then members still come, and make it balanced
            return []
        if self.links.parent is None:
            self._choose(now)
        link = self.links.parent
        wanted = link is not None and link.state is LinkState.WANTED and link.peer in reachable
        may_still_come = wanted and link is not None and now - link.wanted_at < ASKING
        return [] if may_still_come else self._cross(now, reachable)

    def _choose(self, now: float) -> None:
        """The former parent if it is back, or may come back, else the best of the candidates."""
        if (back := self.retained.parent_again(now)) is not None:
            self._return_to(*back, now)
        elif not self.retained.awaits_parent(now) and (picked := self.candidates.pick(now)) is not None:
            self._want(*picked, now)

    def _cross(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        usable = lambda node: not self.candidates.is_barred(node, now)  # noqa: E731 - used twice below
        target = self.repair.target(reachable, now, usable)
        if target is None:
            return []
        if (former := self.links.parent) is not None:
            self.repair.part(former)
        out = self.links.close(former)
        self._want(target, True, now)
        return out

    def _want(self, node: NodeId, insist: bool, now: float) -> None:
        name = self.rng.randbytes(LINK_BYTES)
        end = ChildEnd(link=name, pacing=Pacing(now, self.max_bandwidth))
        self.links.table.append(Uplink(peer=node, name=name, end=end, wanted_at=now, insist=insist))

    def _return_to(self, link: Uplink, node: NodeId, lost_at: float | None = None) -> None:
        """The parent that was gone is there again, or is heard of, perhaps by a new id."""
        self.links.withdraw(self.links.parent)
        link.move(LinkInput.RETURNED)
        link.peer, link.lost_at, link.farewell, link.asked_at = node, lost_at, False, float("-inf")
        link.end.pacing.max_bandwidth = self.max_bandwidth
        self.links.put_last(link)

    # -- asking ---------------------------------------------------------------------------------------------

    def connected(self, node: NodeId, conn: int, now: float) -> list[Instruction]:
        """A node is reachable (again): take up the link with it where it broke off, if it is the parent."""
        ready = self.links.uplink is None and self.links.vocabulary is not None
        if ready and (kept := self.retained.parent_of(node)) is not None:
            self._return_to(kept, node)
        link = self.links.parent
        if link is None or link.peer != node:
            return []
        link.lost_at, link.asked_at = None, float("-inf")
        link.move(LinkInput.CONNECTED)
        return self.request(link, conn, now) if link.state is LinkState.RESUMING else []

    def request(self, link: Uplink, conn: int, now: float) -> list[Instruction]:
        """Ask the parent, which is connected, for a link, or whether it still has the reference; repeated in time."""
        if now - link.asked_at < ASK_AGAIN or self.links.vocabulary is None:
            return []
        link.asked_at = now
        if fresh := link.state is not LinkState.RESUMING:
            link.move(LinkInput.ASK)
        mine = dict(self.links.provenance.vector)
        return [Send(conn, LinkOpen(link.name, fresh, link.end.seq, self.links.vocabulary, mine, link.insist))]

    # -- being answered -------------------------------------------------------------------------------------

    def refused(self, link: Uplink, now: float) -> list[Instruction]:
        """The chosen parent has no seat, or no more."""
        self.candidates.refused(link.peer, link.insist, now)
        return self.links.close(link)

    def on_link_opened(self, node: NodeId, answer: LinkOpened, conn: int, now: float) -> list[Instruction]:
        """The parent has a reference: start from it, or repeat what was outstanding. Or it has none any more."""
        link = self.links.parent
        if link is None or link.peer != node:
            return [Send(conn, LinkRefused(answer.link, "declined"))]  # too late; it would be waited for to the end
        if answer.link in self.links.past:
            return []
        held = link.state in WITH_REFERENCE
        if answer.link != link.name or (answer.resumed and not held):
            raise ProtocolError("tree", "a link was opened that was not asked for")
        if answer.resumed:
            link.move(LinkInput.RESUMED)
            link.made_as = None
            again = link.end.phase is Phase.IN_FLIGHT and link.end.in_flight
            return [Send(conn, again)] if again else []
        if not held:
            return self._open(link, answer, now)
        if link.state is not LinkState.RESUMING:
            return []  # the question was repeated
        return [*self.renew(link), *self.request(link, conn, now)]

    def _open(self, link: Uplink, answer: LinkOpened, now: float) -> list[Instruction]:
        """What came by the links of former parents will come by this one now: never by both."""
        link.move(LinkInput.OPENED)
        link.end.pacing.next_at = now
        self.candidates.found(link.peer)
        former = [order for kept in self.retained.parents() for order in self.links.close(kept)]
        return [*former, self.reconciler.open(link, answer.origins)]

    def renew(self, link: Uplink) -> list[Instruction]:
        """Ask the same parent for another link; the seat is this node's already."""
        link.insist = True
        return self.links.renew(link, self.rng.randbytes(LINK_BYTES))

    # -- losing it ------------------------------------------------------------------------------------------

    def unreached(self, key: str, now: float) -> None:
        """Nobody answered where the node `key` (hex) should be: if there is no link yet, another may be the parent."""
        link = self.links.parent
        if link is not None and self.links.uplink is None and link.peer.hex() == key:
            self.candidates.bar(link.peer, now)
            self.links.withdraw(link)

    def part(self, node: NodeId, now: float) -> list[Instruction]:
        """A node has left in order: if it was the parent, it may come back."""
        link = self.links.parent
        if link is None or link.peer != node:
            return []
        self.candidates.bar(node, now)
        return self.links.part(link, now)

    def drop(self, now: float) -> list[Instruction]:
        """Give the parent up: it died, left, or broke the protocol."""
        link = self.links.parent
        if link is not None:
            self.candidates.bar(link.peer, now)
        return self.links.close(link)
