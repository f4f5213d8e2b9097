"""The overlay: a tree of links, so that no delta can meet itself.

A node has one parent, of higher priority, chosen among the living by its place in a heap; a parent stays parent while
it lives. Whoever sees nobody above itself is a root; roots that learn of each other join. Where nodes do not reach each
other, `crossing` has exceptions. `parentage` has the way up, `children` the way down; here is what both have to do with
each other, and what is said about either.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gossipw2v.gossip.instructions import Close, Instruction, Send
from gossipw2v.gossip.messages import LINK_BYTES, MAX_ROWS, Adopt, Adopted, Leave, LinkOpen, LinkOpened, ProtocolError
from gossipw2v.gossip.overlay.children import GRACE
from gossipw2v.gossip.overlay.link import Downlink, Phase, Uplink
from gossipw2v.gossip.overlay.parent import Parent, Parentage
from gossipw2v.gossip.overlay.provenance import Origins, raise_to
from gossipw2v.gossip.records import NodeId

ASK_AGAIN = 3.0  # s until an unanswered Adopt or LinkOpen is repeated


@dataclass(slots=True)
class Edges(Parentage):
    """This node's edges: up to one parent, down to its children. `interval`: s between two exchanges with the parent.

    `rows`: that this node has time for in an exchange. `attached_at`: when a parent was last connected that has given a
    seat.
    """

    interval: float = field(kw_only=True)
    rows: int = MAX_ROWS
    attached_at: float = float("-inf")

    # -- looking --------------------------------------------------------------------------------------------

    def edges(self) -> list[Uplink | Downlink]:
        """All links, the parent's first."""
        up: list[Uplink | Downlink] = [self.uplink] if self.uplink else []
        return [*up, *self.downlinks.values()]

    def claims(self) -> Origins:
        """Tokens of every origin that may be in the model by now: what is just being merged counts."""
        tokens = dict(self.provenance.tokens)
        for edge in (*self.edges(), *self.kept.links()):
            under_way = edge.answer if isinstance(edge, Uplink) else edge.merging
            if under_way is not None:
                raise_to(tokens, under_way.origins)
        return tokens

    def neighbours(self) -> set[NodeId]:
        """The nodes that are, or may become, the other ends of links."""
        above = {self.parent.node} if self.parent is not None else set()
        return self.children | set(self.downlinks) | above

    def link_of(self, link: bytes) -> Uplink | Downlink | None:
        """The link of that name, either way, a kept one too."""
        return next((edge for edge in (*self.edges(), *self.kept.links()) if edge.link == link), None)

    def flow(self, node: NodeId, sent: int, received: int) -> None:
        """Count the bytes of an exchange for the link with `node`."""
        for edge in self.edges():
            if edge.peer == node:
                edge.flow.sent_bytes += sent
                edge.flow.received_bytes += received

    # -- time -----------------------------------------------------------------------------------------------

    def tick(self, now: float, reachable: set[NodeId]) -> tuple[list[Instruction], NodeId | None]:
        """Advance; returns what to do and the node to dial, if the parent is not connected."""
        out = self.kept.overdue(now, max(1, self.seats - len(self.children)))
        out += [*self.watch_parent(now, reachable), *self.watch_children(now, reachable)]
        out += self._locate(now, reachable)
        if self.parent is None and self.vocabulary is not None:  # until then members still come, and make it balanced
            self.choose(now)
        if self.vocabulary is not None and not self.is_asking(reachable):
            out += self.cross(now, reachable)
        if self.parent is None or self.parent.node in reachable:
            return out, None
        return out, self.parent.node

    def _locate(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Tell the swarm where in the tree this node is, and see to it that this is a place to be."""
        out, parent = [], self.parent
        if parent is not None and parent.adopted and self.crossing.astray(parent.node, now):
            self.unseated.append(parent.node)
            out, parent = self.drop_parent(now), None
        if parent is not None and parent.adopted and parent.node in reachable:
            self.attached_at = now
        attached = parent is not None and parent.adopted and now - self.attached_at <= GRACE
        above = parent.node if parent is not None and attached else b""
        if above != self.members.me.parent:
            self.members.update_self(parent=above)
        self.way, self.root = self.members.way_up(self.me, now), self.members.root_of(self.me, now)
        return out if above else [*out, *self.release_higher()]

    def request(self, conn: int, now: float) -> list[Instruction]:
        """The parent is connected, but there is no link yet: ask to be adopted, then for a link; repeated in time."""
        parent = self.parent
        assert parent is not None
        if now - parent.asked_at < ASK_AGAIN:
            return []
        parent.asked_at = now
        return self._ask_link(conn) if parent.adopted else [Send(conn, Adopt(parent.insist))]

    def _ask_link(self, conn: int) -> list[Instruction]:
        if self.vocabulary is None or self.parent is None:
            return []
        mine = dict(self.provenance.tokens)
        return [Send(conn, LinkOpen(self.parent.link, True, 0, self.vocabulary, mine))]

    def slept(self, seconds: float, now: float) -> None:
        """This node did not run for so long: others had no chance to come back."""
        self.attached_at = min(now, self.attached_at + seconds)
        self.crossing.slept(seconds, now)
        for edge in (self.parent, *self.downlinks.values()):
            if edge is not None and edge.lost_at is not None:
                edge.lost_at = min(now, edge.lost_at + seconds)

    # -- edges ----------------------------------------------------------------------------------------------

    def connected(self, node: NodeId, conn: int, now: float) -> list[Instruction]:
        """A node is reachable (again): take up the link with it where it broke off."""
        self.await_child(node, now)
        if self.uplink is None and self.vocabulary is not None and (kept := self.kept.parent_of(node)) is not None:
            self.return_to(kept, node)
        if self.parent is None or self.parent.node != node:
            return []
        self.parent.lost_at, self.parent.asked_at = None, float("-inf")
        if self.uplink is None:
            self.parent.adopted = False  # it may have forgotten who never got a link
            return []
        self.uplink.resuming, self.parent.asked_at = True, now
        return self._ask_again(self.uplink, conn)

    def _ask_again(self, uplink: Uplink, conn: int) -> list[Instruction]:
        assert self.vocabulary is not None
        return [Send(conn, LinkOpen(uplink.link, False, uplink.batch, self.vocabulary, dict(self.provenance.tokens)))]

    def resume(self, uplink: Uplink, conn: int, now: float) -> list[Instruction]:
        """The parent has not said whether it still holds the reference: ask again in time."""
        parent = self.parent
        assert parent is not None
        if now - parent.asked_at < ASK_AGAIN:
            return []
        parent.asked_at = now
        return self._ask_again(uplink, conn)

    def on_adopted(self, node: NodeId, answer: Adopted, conn: int, now: float) -> list[Instruction]:
        """The chosen parent has answered; or a child gives its seat back."""
        if self.parent is None or self.parent.node != node:
            return self._decline(conn) if answer.accepted else self.give_up_child(node, now)
        if not answer.accepted:
            self.choice.refused(node, self.parent.insist, now)
            heard = self._decline(conn) if self.uplink is not None else []  # a refusal that comes late ends a link too
            return [*self.unparent(), *heard]
        self.choice.found(node)
        self.parent.adopted = True
        self.parent.asked_at = now
        return self._ask_link(conn) if self.uplink is None else []

    def on_link_opened(self, node: NodeId, answer: LinkOpened, conn: int, now: float) -> list[Instruction]:
        """The parent has a reference: start from it, or repeat what was outstanding. Or it has none any more."""
        parent, held = self.parent, self.uplink
        if parent is None or parent.node != node:
            return self._decline(conn)
        if answer.link in self.kept.past:
            return []
        if answer.resumed:
            if held is None or held.link != answer.link:
                raise ProtocolError("tree", "a link was resumed that is not held")
            held.resuming = False
            return [Send(conn, held.outbox)] if held.phase is Phase.AWAITING and held.outbox else []
        if answer.link != (held.link if held else parent.link):
            raise ProtocolError("tree", "a link was opened that was not asked for")
        if held is None:
            self.uplink = Uplink(node, answer.link, now, self.max_bandwidth)
            return [*self._drop_former_parents(), self.reference(node, answer.link, answer.origins)]
        return self._begin_anew(parent, conn, now) if held.resuming else []  # or the answer to a repeated question

    def _drop_former_parents(self) -> list[Instruction]:
        """What came by their links will come by another now: never by both."""
        former = [edge for edge in self.kept.links() if isinstance(edge, Uplink)]
        return [order for edge in former for order in self.kept.drop(edge)]

    def _begin_anew(self, parent: Parent, conn: int, now: float) -> list[Instruction]:
        """Under a new name: row work for the old link may still be under way, and would be taken for the new one's."""
        out = self.drop_uplink()
        self.kept.past.append(parent.link)
        parent.link, parent.asked_at, parent.adopted = self.rng.randbytes(LINK_BYTES), now, True
        return [*out, *self._ask_link(conn)]

    def _decline(self, conn: int) -> list[Instruction]:
        """Give a seat back that came too late: it would be waited for to the end."""
        return [Send(conn, Adopted(False))]

    def model_ready(self, vocabulary: bytes, conns: dict[NodeId, int]) -> list[Instruction]:
        """The model is allocated: links can be made."""
        self.vocabulary = vocabulary
        if self.parent is not None:
            self.parent.asked_at = float("-inf")
        return self.answer_waiting(conns)

    def reset(self) -> list[Instruction]:
        """Another vocabulary has won: no link and no training outlives the old one."""
        out = self.drop_uplink()
        for edge in self.kept.links():
            out += self.kept.drop(edge)
        out += self.drop_downlinks()
        self.forget_all()
        self.vocabulary = None
        if self.parent is not None:
            self.kept.past.append(self.parent.link)
            self.parent.link = self.rng.randbytes(LINK_BYTES)
        return out

    def on_leave(self, node: NodeId, conn: int, now: float) -> list[Instruction]:
        """A neighbour goes in order."""
        out: list[Instruction] = [Close(conn, "the other end leaves")]
        if self.parent is not None and self.parent.node == node:
            out += self.part_with_parent(now)
        return [*out, *self.part_with_child(node, now)]

    def leave(self, conns: dict[NodeId, int]) -> list[Instruction]:
        """Say goodbye to everybody."""
        return [Send(conn, Leave()) for conn in conns.values()]
