"""The overlay: a tree of links in which every edge goes up in priority, so that no delta can meet itself.

A node has one parent, of higher priority, chosen among the living by its place in a heap; a parent stays parent while
it lives. Whoever sees nobody above itself is a root; roots that learn of each other join. A broken connection keeps
its link for GRACE seconds, so that both ends go on from the same reference; after that the link is forgotten, and a
new one starts from the initial vectors.

When a network falls apart, each part but one has a highest node whose parent is on the other side. It becomes a root,
and both ends keep their link for KEPT seconds. When the parts meet again, the two go on where they were: what either
part has trained is added, none of it twice.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from gossipw2v.choice import Choice
from gossipw2v.earlier import Earlier, lead
from gossipw2v.instructions import (
    Close,
    DropLink,
    Instruction,
    OpenLink,
    Refused,
    Send,
)
from gossipw2v.link import Downlink, Origins, Phase, Provenance, Uplink, raise_to
from gossipw2v.members import DEAD_AFTER, MemberTable, NodeId, State
from gossipw2v.messages import MAX_ROWS, Adopt, Adopted, Leave, LinkOpen, LinkOpened, ProtocolError

GRACE = 5.0  # s that a link outlives its connection
ASK_AGAIN = 3.0  # s until an unanswered Adopt or LinkOpen is repeated
KEPT = 3600.0  # s that the link to a node that vanished is kept: a copy of the model, of one parent and one child
OLD = 0.02  # share of all training from which a model is taken over whole by those who have none
MOST_CHILDREN = 64  # even for children who insist: each costs a copy of the model
PAST = 2 * MOST_CHILDREN  # names of links given up of which the other end may not know yet


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
class Edges:
    """This node's edges: up to one parent, down to its children. `seats`: children it takes without insistence.

    `kept_up`, `kept_down`: links to a parent and to a child that vanished. `max_bandwidth`: of the link to the parent.
    `rows`: that this node has time for in an exchange. `past`: links given up; what still comes for them is no breach.
    """

    members: MemberTable
    rng: random.Random
    seats: int
    interval: float
    max_bandwidth: float = 0.0
    rows: int = MAX_ROWS
    provenance: Provenance = field(default_factory=Provenance)
    parent: Parent | None = None
    uplink: Uplink | None = None
    children: set[NodeId] = field(default_factory=set)
    downlinks: dict[NodeId, Downlink] = field(default_factory=dict)
    opening: dict[NodeId, LinkOpen] = field(default_factory=dict)
    choice: Choice = field(init=False)
    kept_up: Uplink | None = None
    kept_down: Downlink | None = None
    catching_up: set[NodeId] = field(default_factory=set)
    earlier: Earlier = field(default_factory=Earlier)
    vocabulary: bytes | None = None
    past: deque[bytes] = field(default_factory=lambda: deque(maxlen=PAST))

    def __post_init__(self) -> None:
        self.provenance.own = self.me
        self.choice = Choice(self.members, self.rng, self.seats)

    # -- looking --------------------------------------------------------------------------------------------

    @property
    def me(self) -> NodeId:
        """This node's id."""
        return self.members.me.node

    @property
    def trained(self) -> bool:
        """Whether the model holds anybody's training."""
        return any(self.provenance.tokens.values())

    def edges(self) -> list[Uplink | Downlink]:
        """All links, the parent's first."""
        up: list[Uplink | Downlink] = [self.uplink] if self.uplink else []
        return [*up, *self.downlinks.values()]

    def claims(self) -> Origins:
        """Tokens of every origin that may be in the model by now: what is just being merged counts."""
        tokens = dict(self.provenance.tokens)
        for edge in (*self.edges(), *self.kept()):
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
        return next((edge for edge in (*self.edges(), *self.kept()) if edge.link == link), None)

    def kept(self) -> list[Uplink | Downlink]:
        """Links to nodes that vanished."""
        return [edge for edge in (self.kept_up, self.kept_down) if edge is not None]

    # -- time -----------------------------------------------------------------------------------------------

    def tick(self, now: float, reachable: set[NodeId]) -> tuple[list[Instruction], NodeId | None]:
        """Advance; returns what to do and the node to dial, if the parent is not connected."""
        out = [*self._forget_kept(now), *self._forget_lost(now, reachable)]
        if self.parent is None and self.vocabulary is not None:  # until then members still come, and make it balanced
            self._choose(now)
        if self.parent is None or self.parent.node in reachable:
            return out, None
        return out, self.parent.node

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

    def _choose(self, now: float) -> None:
        """The former parent if it is back, else whoever is best."""
        if self.kept_up is not None and self.members.is_alive(self.kept_up.peer, now):
            self._return(self.kept_up, now)
        elif (picked := self.choice.pick(now)) is not None:
            node, insist = picked
            self.parent = Parent(node, self.rng.randbytes(8), insist)

    def unreached(self, key: str, now: float) -> None:
        """Nobody answered where the node `key` (hex) should be: if there is no link yet, another may be the parent."""
        if self.parent is not None and self.uplink is None and self.parent.node.hex() == key:
            self.choice.bar(self.parent.node, now)
            self._unparent()

    def _forget_lost(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        out = self._watch_parent(now, reachable)
        for link in list(self.downlinks.values()):
            out += self._watch_child(link, now, reachable)
        for child in self.children - reachable - self.downlinks.keys():
            self.children.discard(child)
        return out

    def _watch_parent(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
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
        self.kept_up, self.uplink, self.parent = self.uplink, None, None
        self.kept_up.lost_at = now
        self.catching_up.discard(parent.node)
        return []

    def _return(self, link: Uplink, lost_at: float | None = None) -> None:
        """The parent that had vanished is there again, or is heard of."""
        self._unparent()
        self.parent = Parent(link.peer, link.link, adopted=True, lost_at=lost_at)
        self.uplink, self.kept_up = link, None

    def _watch_child(self, link: Downlink, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Forget a child that does not come back, or keep its link if it is the one by which a part would come back."""
        if link.peer not in reachable and link.lost_at is None:
            link.lost_at = now
        # until then the tree's end waits for it; only a resumption counts: it may be back with another parent
        if link.lost_at is None or now - link.lost_at < GRACE + DEAD_AFTER:
            return []
        here = link.peer in reachable or self.members.is_alive(link.peer, now) or self.members.has_left(link.peer)
        if here or (self.kept_down is not None and self.kept_down.peer > link.peer):
            return self.drop_child(link.peer)
        out = self._drop_kept(self.kept_down)
        self.kept_down = self.downlinks.pop(link.peer)
        self.catching_up.discard(link.peer)
        return [*out, *self.drop_child(link.peer)]

    def _forget_kept(self, now: float) -> list[Instruction]:
        """What was kept for too long, or in vain, is dropped; a child that is heard of again is waited for."""
        out: list[Instruction] = []
        for edge in self.kept():
            assert edge.lost_at is not None
            if self.members.has_left(edge.peer) or now - edge.lost_at > KEPT:
                out += self._drop_kept(edge)
        down = self.kept_down
        if down is not None and self.members.is_alive(down.peer, now):
            down.lost_at = now
            self.downlinks[down.peer], self.kept_down = down, None
        return out

    def _drop_kept(self, edge: Uplink | Downlink | None) -> list[Instruction]:
        if edge is None:
            return []
        if edge is self.kept_up:
            self.past.append(edge.link)
            self.kept_up = None
        else:
            self.kept_down = None
        self.provenance.forget(edge.link)
        return [DropLink(edge.link)]

    def slept(self, seconds: float, now: float) -> None:
        """This node did not run for so long: others had no chance to come back."""
        for edge in (self.parent, *self.downlinks.values()):
            if edge is not None and edge.lost_at is not None:
                edge.lost_at = min(now, edge.lost_at + seconds)

    # -- edges ----------------------------------------------------------------------------------------------

    def connected(self, node: NodeId, conn: int, now: float) -> list[Instruction]:
        """A node is reachable (again): take up the link with it where it broke off."""
        self._awaited(node, now)
        if self.uplink is None and self.kept_up is not None and self.kept_up.peer == node:
            self._return(self.kept_up)
        if self.parent is None or self.parent.node != node:
            return []
        self.parent.lost_at, self.parent.asked_at = None, float("-inf")
        if self.uplink is None:
            self.parent.adopted = False  # it may have forgotten who never got a link
            return []
        self.uplink.resuming = True
        return self._ask_again(self.uplink, conn)

    def _awaited(self, node: NodeId, now: float) -> None:
        """A child says on a new connection what it still holds: who had no link asks for a seat, or has another."""
        held = self.downlinks.get(node)
        if held is None:
            self.children.discard(node)
            self.opening.pop(node, None)
        elif held.lost_at is None:
            held.lost_at = now

    def _ask_again(self, uplink: Uplink, conn: int) -> list[Instruction]:
        assert self.vocabulary is not None
        return [Send(conn, LinkOpen(uplink.link, False, uplink.batch, self.vocabulary, dict(self.provenance.tokens)))]

    def resume(self, uplink: Uplink, conn: int, now: float) -> list[Instruction]:
        """The parent has not said whether it still holds the reference: ask again in time."""
        parent = self.parent
        assert parent is not None
        if parent.asked_at == float("-inf"):
            parent.asked_at = now  # asked when the connection came
        if now - parent.asked_at < ASK_AGAIN:
            return []
        parent.asked_at = now
        return self._ask_again(uplink, conn)

    def on_adopt(self, node: NodeId, ask: Adopt, conn: int) -> list[Instruction]:
        """A node of lower priority asks for a seat."""
        if node > self.me:
            raise ProtocolError("tree", "a node of higher priority asks to be a child")
        accepted = node in self.children or self._has_room(ask.insist)
        held = self.downlinks.get(node)
        lost = held is not None and held.lost_at is not None  # who asks for a seat holds no link any more
        out = self.drop_child(node) if lost else []
        if self.kept_down is not None and self.kept_down.peer == node:
            out += self._drop_kept(self.kept_down)
        if accepted:
            self.children.add(node)
        return [*out, Send(conn, Adopted(accepted))]

    def _has_room(self, insist: bool) -> bool:
        lost = {link.peer for link in self.downlinks.values() if link.lost_at is not None}  # most will not come back
        return len(self.children - lost) < (MOST_CHILDREN if insist else self.seats)

    def on_adopted(self, node: NodeId, answer: Adopted, conn: int, now: float) -> list[Instruction]:
        """The chosen parent has answered; or a child gives its seat back."""
        if self.parent is None or self.parent.node != node:
            return self._decline(conn) if answer.accepted else self.drop_child(node)
        if not answer.accepted:
            self.choice.refused(node, self.parent.insist, now)
            return self._unparent()
        self.choice.found(node)
        self.parent.adopted = True
        self.parent.asked_at = now
        return self._ask_link(conn) if self.uplink is None else []

    def on_link_open(self, node: NodeId, ask: LinkOpen, conn: int) -> list[Instruction]:
        """A child asks for a link: resume it, make it, or keep the question until the model is there.

        One that was forgotten while it thought itself connected needs a seat again.
        """
        if node > self.me:
            raise ProtocolError("tree", "a node of higher priority asks for a link")
        if self.kept_down is not None and self.kept_down.peer == node:
            self.downlinks[node], self.kept_down = self.kept_down, None
        if node not in self.children and node not in self.downlinks and not self._has_room(insist=not ask.fresh):
            return [Send(conn, Adopted(False))]
        self.children.add(node)
        held = self.downlinks.get(node)
        if held is not None and held.link == ask.link and held.batch in (ask.batch, ask.batch + 1):
            held.lost_at = None
            mine = dict(self.provenance.tokens)
            return [Send(conn, LinkOpened(ask.link, not ask.fresh, mine))]  # fresh: the question was repeated
        if self.vocabulary != ask.vocabulary:
            if self.vocabulary is not None:
                return [Refused("vocabulary", "a link for another vocabulary")]
            self.opening[node] = ask
            return []
        if ask.fresh:
            return self._open_downlink(node, ask, conn)
        out = self.drop_child(node)
        self.children.add(node)
        return [*out, Send(conn, LinkOpened(ask.link, False, {}))]

    def _open_downlink(self, node: NodeId, ask: LinkOpen, conn: int) -> list[Instruction]:
        out = self.drop_child(node)
        self.children.add(node)
        mine = dict(self.provenance.tokens)
        self.downlinks[node] = Downlink(node, ask.link)
        out.append(self._reference(node, ask.link, ask.origins))
        return [*out, Send(conn, LinkOpened(ask.link, False, mine))]

    def on_link_opened(self, node: NodeId, answer: LinkOpened, conn: int, now: float) -> list[Instruction]:
        """The parent has a reference: start from it, or repeat what was outstanding. Or it has none any more."""
        parent, held = self.parent, self.uplink
        if parent is None or parent.node != node:
            return self._decline(conn)
        if answer.link in self.past:
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
            return [*self._drop_kept(self.kept_up), self._reference(node, answer.link, answer.origins)]
        return self._begin_anew(parent, conn, now) if held.resuming else []  # or the answer to a repeated question

    def _begin_anew(self, parent: Parent, conn: int, now: float) -> list[Instruction]:
        """Under a new name: row work for the old link may still be under way, and would be taken for the new one's."""
        out = self._drop_uplink()
        self.past.append(parent.link)
        parent.link, parent.asked_at, parent.adopted = self.rng.randbytes(8), now, True
        return [*out, *self._ask_link(conn)]

    def _decline(self, conn: int) -> list[Instruction]:
        """Give a seat back that came too late: it would be waited for to the end."""
        return [Send(conn, Adopted(False))]

    def _reference(self, node: NodeId, link: bytes, theirs: Origins) -> OpenLink:
        """The link's beginning: what the two models have in common decides how they are merged."""
        mine = {origin: n for origin, n in self.provenance.tokens.items() if n}
        other = {origin: n for origin, n in theirs.items() if n}
        starting = self.members.me.state <= State.JOINING
        take = self.earlier.meet(other, above=node > self.me, starting=starting)
        if (take or not mine) and self._worth_taking(other):
            self.catching_up.add(node)
        catch_up = (not other or self._will_yield(node, mine, other)) and self._worth_taking(mine)
        return OpenLink(link, bool(mine.keys() & other.keys()), catch_up, take=take)

    def _will_yield(self, node: NodeId, mine: Origins, other: Origins) -> bool:
        """Whether a node that holds `other` waits for this one's rows, as far as can be told from here."""
        member = self.members.get(node)
        starting = member is not None and member.state <= State.JOINING
        return starting and lead(mine, other) >= lead(other, mine)

    def _worth_taking(self, tokens: Origins) -> bool:
        """Whether a newcomer should take over all of a model before it trains, rather than merge what comes."""
        total = sum(member.total for member in self.members.everyone())
        return sum(tokens.values()) > OLD * total

    def model_ready(self, vocabulary: bytes, conns: dict[NodeId, int]) -> list[Instruction]:
        """The model is allocated: answer the children who were waiting for it."""
        self.vocabulary = vocabulary
        waiting, self.opening = self.opening, {}
        if self.parent is not None:
            self.parent.asked_at = float("-inf")
        out: list[Instruction] = []
        for node, ask in waiting.items():
            if node in conns and ask.vocabulary == vocabulary:
                out += self._open_downlink(node, ask, conns[node])
        return out

    def drop_parent(self, now: float) -> list[Instruction]:
        """Give the parent up: it died, left, or broke the protocol."""
        if self.parent is not None:
            self.choice.bar(self.parent.node, now)
        return self._unparent()

    def _unparent(self) -> list[Instruction]:
        if self.parent is not None:
            self.past.append(self.parent.link)
        self.parent = None
        return self._drop_uplink()

    def _drop_uplink(self) -> list[Instruction]:
        link, self.uplink = self.uplink, None
        if link is None:
            return []
        self.provenance.forget(link.link)
        self.catching_up.discard(link.peer)
        return [DropLink(link.link)]

    def drop_child(self, node: NodeId) -> list[Instruction]:
        """Forget a child and its link."""
        self.children.discard(node)
        self.opening.pop(node, None)
        link = self.downlinks.pop(node, None)
        if link is None:
            return []
        self.provenance.forget(link.link)
        self.catching_up.discard(node)
        return [DropLink(link.link)]

    def reset(self) -> list[Instruction]:
        """Another vocabulary has won: no link and no training outlives the old one."""
        out = self._drop_uplink()
        for edge in self.kept():
            out += self._drop_kept(edge)
        for node in list(self.downlinks):
            link = self.downlinks.pop(node)
            self.past.append(link.link)
            out.append(DropLink(link.link))
        self.opening.clear()
        self.catching_up.clear()
        self.provenance.clear()
        self.earlier = Earlier()
        self.vocabulary = None
        if self.parent is not None:
            self.past.append(self.parent.link)
            self.parent.link = self.rng.randbytes(8)
        return out

    def on_leave(self, node: NodeId, conn: int, now: float) -> list[Instruction]:
        """A neighbour goes in order."""
        out: list[Instruction] = [Close(conn, "the other end leaves")]
        if self.parent is not None and self.parent.node == node:
            out += self.drop_parent(now)
        return [*out, *self.drop_child(node)]

    def leave(self, conns: dict[NodeId, int]) -> list[Instruction]:
        """Say goodbye to everybody."""
        return [Send(conn, Leave()) for conn in conns.values()]
