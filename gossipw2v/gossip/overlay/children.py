"""The edges down: seats for the nodes below, and the links to them.

A broken connection keeps its link for GRACE seconds, so that both ends go on from the same reference; after that the
link is forgotten, unless it is the one by which a part of the network would come back, or the child has left in order
and may do so itself (`kept`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gossipw2v.gossip.instructions import DropLink, Instruction, Refused, Send
from gossipw2v.gossip.messages import Adopt, Adopted, LinkOpen, LinkOpened
from gossipw2v.gossip.overlay.link import Downlink
from gossipw2v.gossip.overlay.reconcile import Beginning
from gossipw2v.gossip.overlay.retained import Kept
from gossipw2v.gossip.records import DEAD_AFTER, NodeId, stem

GRACE = 5.0  # s that a link outlives its connection
MOST_CHILDREN = 64  # even for children who insist: each costs a copy of the model


@dataclass(slots=True)
class Children(Beginning):
    """`seats`: children taken without insistence. `opening`: questions for a link that wait for the model.

    `way`: this node and those above it, up to the `root`, as far as known at the last look. `unseated`: who is to be
    told that it is neither child nor parent any more.
    """

    seats: int
    children: set[NodeId] = field(default_factory=set)
    downlinks: dict[NodeId, Downlink] = field(default_factory=dict)
    opening: dict[NodeId, LinkOpen] = field(default_factory=dict)
    vocabulary: bytes | None = None
    way: list[NodeId] = field(default_factory=list)
    root: NodeId | None = None
    unseated: list[NodeId] = field(default_factory=list)
    kept: Kept = field(init=False)

    def __post_init__(self) -> None:
        self.provenance.own = self.me
        self.kept = Kept(self.members, self.provenance)

    # -- time -----------------------------------------------------------------------------------------------

    def watch_children(self, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Take back a kept child that is heard of again; forget children that do not come back."""
        self._await_kept(now)
        out: list[Instruction] = []
        for link in list(self.downlinks.values()):
            out += self._watch(link, now, reachable)
        for child in self.children - reachable - self.downlinks.keys():
            self.children.discard(child)
        return out

    def _watch(self, link: Downlink, now: float, reachable: set[NodeId]) -> list[Instruction]:
        """Forget a child that does not come back, or keep its link if it is the one by which a part would come back."""
        if link.peer not in reachable and link.lost_at is None:
            link.lost_at = now
        # until then the tree's end waits for it; only a resumption counts: it may be back with another parent
        if link.lost_at is None or now - link.lost_at < GRACE + DEAD_AFTER:
            return []
        here = link.peer in reachable or self.members.is_alive(link.peer, now) or self.members.has_left(link.peer)
        if here or link.peer > self.me or not self.kept.prefers(link):
            return self.drop_child(link.peer)
        out = self.kept.drop(self.kept.down)
        self.kept.down = self.downlinks.pop(link.peer)
        self.catching_up.discard(link.peer)
        return [*out, *self.drop_child(link.peer)]

    def _await_kept(self, now: float) -> None:
        down = self.kept.down
        if down is not None and self.members.is_alive(down.peer, now):
            down.lost_at = now
            self.downlinks[down.peer], self.kept.down = down, None

    def await_child(self, node: NodeId, now: float) -> None:
        """A child says on a new connection what it still holds: who had no link asks for a seat, or has another."""
        held = self.downlinks.get(node)
        if held is None:
            self.children.discard(node)
            self.opening.pop(node, None)
        elif held.lost_at is None:
            held.lost_at = now

    # -- seats ----------------------------------------------------------------------------------------------

    def on_adopt(self, node: NodeId, ask: Adopt, conn: int) -> list[Instruction]:
        """A node asks for a seat: one of lower priority or, with no other way to the root, a higher one."""
        accepted = self._may_be_below(node) and (node in self.children or self._has_room(ask.insist))
        held = self.downlinks.get(node)
        lost = held is not None and held.lost_at is not None  # who asks for a seat holds no link any more
        out = self.drop_child(node) if lost else []
        out += self.kept.drop(self.kept.child_of(node))
        if accepted:
            self.children.add(node)
        return [*out, Send(conn, Adopted(accepted))]

    def _may_be_below(self, node: NodeId) -> bool:
        """Whether a node may come below this one: none that is above it, and none of higher priority than its root."""
        below_root = self.root is not None and self.root != self.me and node < self.root
        return node not in self.way and (node < self.me or below_root)

    def release_higher(self) -> list[Instruction]:
        """There is no way to the root any more: children of higher priority may know one."""
        out: list[Instruction] = []
        for child in sorted(child for child in self.children if child > self.me):
            names = [self.downlinks[child].link] if child in self.downlinks else []
            self.kept.past.extend(names)  # a push may be under way
            out += self.drop_child(child)
            self.unseated.append(child)
        return out

    def tell_unseated(self, conns: dict[NodeId, int]) -> list[Instruction]:
        """Tell those concerned that there is no seat any more, theirs here or this node's there."""
        whom, self.unseated = self.unseated, []
        return [Send(conns[node], Adopted(False)) for node in whom if node in conns]

    def _has_room(self, insist: bool) -> bool:
        lost = {link.peer for link in self.downlinks.values() if link.lost_at is not None}  # most will not come back
        return len(self.children - lost) < (MOST_CHILDREN if insist else self.seats)

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

    def part_with_child(self, node: NodeId, now: float) -> list[Instruction]:
        """A child has left in order: it may come back."""
        link = self.downlinks.pop(node, None)
        if link is not None:
            self.catching_up.discard(node)
            self.kept.keep(link, now)
        return self.drop_child(node)

    def give_up_child(self, node: NodeId, now: float) -> list[Instruction]:
        """A child gives its seat back; what it has not pushed yet is waited for, as if its connection were lost."""
        link = self.downlinks.get(node)
        if link is None or link.clean:
            return self.drop_child(node)
        link.lost_at = now if link.lost_at is None else link.lost_at
        return []

    # -- links ----------------------------------------------------------------------------------------------

    def on_link_open(self, node: NodeId, ask: LinkOpen, conn: int) -> list[Instruction]:
        """A child asks for a link: resume it, make it, or keep the question until the model is there.

        One that was forgotten while it thought itself connected needs a seat again.
        """
        self._take_back(node, ask)
        if self._is_stale(node, ask):
            return []
        known = node in self.children or node in self.downlinks
        if not known and not (self._may_be_below(node) and self._has_room(insist=not ask.fresh)):
            return [Send(conn, Adopted(False))]
        self.children.add(node)
        held = self.downlinks.get(node)
        if held is not None and held.link == ask.link and held.can_go_on(ask.batch):
            held.lost_at = None
            mine = dict(self.provenance.tokens)
            return [Send(conn, LinkOpened(ask.link, not ask.fresh, mine))]  # fresh: the question was repeated
        if self.vocabulary != ask.vocabulary:
            return self._postpone(node, ask)
        if ask.fresh:
            return self._open_downlink(node, ask, conn)
        out = self.drop_child(node)
        self.children.add(node)
        return [*out, Send(conn, LinkOpened(ask.link, False, {}))]

    def _postpone(self, node: NodeId, ask: LinkOpen) -> list[Instruction]:
        if self.vocabulary is not None:
            return [Refused("vocabulary", "a link for another vocabulary")]
        self.opening[node] = ask
        return []

    def _is_stale(self, node: NodeId, ask: LinkOpen) -> bool:
        """Whether the link has been opened or resumed since this question: it comes a second time, and late."""
        held = self.downlinks.get(node)
        if held is None or held.link != ask.link or held.lost_at is not None:
            return False
        return not held.can_go_on(ask.batch)

    def _take_back(self, node: NodeId, ask: LinkOpen) -> None:
        """Find the link by which a child wants to go on: it had vanished, or said goodbye and has a new id."""
        held = next((e for e in (*self.downlinks.values(), *self.kept.links()) if e.link == ask.link), None)
        if not isinstance(held, Downlink) or held.lost_at is None or stem(held.peer) != stem(node):
            return
        if self.downlinks.get(node, held) is not held:
            return  # it has another link, of which the model would never be rid
        if held.peer != node:
            if held.merging is not None:
                return  # what its earlier life had pushed
            held.kept = None  # nor does it know what it was answered
            self.children.discard(held.peer)
            self.downlinks.pop(held.peer, None)
            held.peer = node
        self.kept.release(held)
        self.downlinks[node] = held

    def _open_downlink(self, node: NodeId, ask: LinkOpen, conn: int) -> list[Instruction]:
        out = [*self.drop_child(node), *self.kept.drop(self.kept.child_of(node))]
        self.children.add(node)
        mine = dict(self.provenance.tokens)
        self.downlinks[node] = Downlink(node, ask.link)
        out.append(self.reference(node, ask.link, ask.origins))
        return [*out, Send(conn, LinkOpened(ask.link, False, mine))]

    def answer_waiting(self, conns: dict[NodeId, int]) -> list[Instruction]:
        """The model is allocated: answer the children who were waiting for it."""
        waiting, self.opening = self.opening, {}
        out: list[Instruction] = []
        for node, ask in waiting.items():
            if node in conns and ask.vocabulary == self.vocabulary:
                out += self.on_link_open(node, ask, conns[node])
        return out

    def drop_downlinks(self) -> list[Instruction]:
        """No link to a child outlives its vocabulary; the seats remain."""
        names = [link.link for link in self.downlinks.values()]
        self.downlinks.clear()
        self.opening.clear()
        self.kept.past.extend(names)
        return [DropLink(name) for name in names]
