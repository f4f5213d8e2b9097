"""The overlay: a tree of links, so that no delta can meet itself.

A node has one parent, of higher priority, chosen among the living by its place in a heap; a parent stays parent while
it lives. A node that sees nobody above itself is a root; roots that learn of each other join. Where nodes do not reach
each other, `repair` has exceptions. `parent` has the way up, `children` the way down, `exchanges` what flows; here they
are put together, and what concerns several of them is done in order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.instructions import Cause, Close, Instruction
from gossipw2v.gossip.membership.scores import PeerScores
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import LinkRefused
from gossipw2v.gossip.overlay.candidates import Candidates, parents
from gossipw2v.gossip.overlay.children import Seats
from gossipw2v.gossip.overlay.exchanges import Exchanges, Termination
from gossipw2v.gossip.overlay.links import Links
from gossipw2v.gossip.overlay.parent import ParentSearch
from gossipw2v.gossip.overlay.provenance import Provenance
from gossipw2v.gossip.overlay.reconcile import Reconciler
from gossipw2v.gossip.overlay.repair import Repair
from gossipw2v.gossip.overlay.retained import Retained
from gossipw2v.gossip.overlay.states import LinkInput, LinkState
from gossipw2v.gossip.records import NodeId


class Tree:
    """The parts of one node's overlay."""

    def __init__(self, members: MemberTable, scores: PeerScores, rng: random.Random, config: GossipConfig) -> None:
        self.members = members
        # the table of all links, and what the model holds
        self.links = links = Links(members, Provenance(own=members.me.node))
        self.retained = Retained(links)  # links to neighbours that are gone
        self.repair = Repair(links, rng)  # the own place, and exceptions to "up only"
        self.reconciler = Reconciler(links)  # how links begin
        kin = self.retained, self.repair, self.reconciler
        candidates = Candidates(members, scores, rng, config.seats)
        self.search = ParentSearch(links, rng, candidates, *kin, config.max_bandwidth)  # the way up
        self.seats = Seats(links, *kin, config.seats)  # the ways down
        self.termination = Termination(links, config.lost_patience)  # the end
        self.exchanges = Exchanges(links, self.termination, config.interval)  # what flows

    # -- time -----------------------------------------------------------------------------------------------

    def timers(self, now: float, reachable: set[NodeId]) -> Iterator[tuple[Cause, list[Instruction]]]:
        """What time brings, in this order; after it the parent is chosen."""
        room = max(1, self.seats.most - len(self.links.seats))
        yield Cause("a link is kept no longer"), self.retained.overdue(now, room)
        yield self.parent_cause("the parent is missed"), self.search.watch(now, reachable)
        yield Cause("a child is missed"), self.seats.watch(now, reachable)
        # once it is known which links are lost
        yield self.parent_cause("it is time to look at the way up"), self.search.look(now, reachable)
        yield self.parent_cause("it is time to look at other trees"), self.search.choose(now, reachable)

    def parent_cause(self, what: str) -> Cause:
        """What concerns the parent, if there is one, as a cause."""
        up = self.links.parent
        return Cause(what, up.peer, up.name) if up else Cause(what)

    def ask(self, conn: int, now: float) -> list[Instruction]:
        """The parent is connected: get a link, or begin an exchange over it."""
        up = self.links.parent
        assert up is not None
        if up.state is LinkState.OPEN and up.end.overdue(now):
            up.move(LinkInput.OVERDUE)
        return self.exchanges.begin(up, now) if up.state is LinkState.OPEN else self.search.request(up, conn, now)

    def slept(self, seconds: float, now: float) -> None:
        """This node did not run for so long: others had no chance to come back."""
        self.repair.slept(seconds, now)
        for link in self.links.table:
            if link.lost_at is not None and link.state is not LinkState.RETAINED:
                link.lost_at = min(now, link.lost_at + seconds)

    def settled_in(self, now: float) -> bool:
        """Whether training may begin: linked to the tree, if there is one, and holding what the others hold."""
        links, alive = self.links, list(self.members.alive(now))
        if links.vocabulary is None or self.retained.awaits_parent(now) or any(link.awaited for link in links.open()):
            return False
        up = links.uplink is not None and links.uplink.state is not LinkState.RESUMING
        linked = up or not parents(links.me, alive, self.seats.most)
        informed = (self.reconciler.trained and bool(links.open())) or not any(member.trained for member in alive)
        return linked and informed

    # -- neighbours -----------------------------------------------------------------------------------------

    def connected(self, node: NodeId, conn: int, now: float) -> list[Instruction]:
        """A node is reachable (again)."""
        self.seats.connected(node, now)
        return self.search.connected(node, conn, now)

    def on_link_refused(self, node: NodeId, answer: LinkRefused, now: float) -> list[Instruction]:
        """The chosen parent has no seat, or no more; or a child gives its link up. Any other link is gone anyway."""
        up, down = self.links.parent, self.links.seats.get(node)
        if up is not None and (up.peer, up.name) == (node, answer.link):
            return self.search.refused(up, now)
        return self.seats.given_up(down, now) if down is not None and down.name == answer.link else []

    def on_leave(self, node: NodeId, conn: int, now: float) -> list[Instruction]:
        """A neighbour goes in order."""
        parted = [*self.search.part(node, now), *self.links.part(self.links.seats.get(node), now)]
        return [Close(conn, "the other end leaves"), *parted]

    def drop(self, node: NodeId, now: float) -> list[Instruction]:
        """Have no link with a node any more: it broke the protocol."""
        parent = self.links.parent
        out = self.search.drop(now) if parent is not None and parent.peer == node else []
        return [*out, *self.links.close(self.links.seats.get(node))]

    # -- the model ------------------------------------------------------------------------------------------

    def model_ready(self, vocabulary: bytes, conns: dict[NodeId, int]) -> list[Instruction]:
        """The model is allocated: links can be made."""
        self.links.vocabulary = vocabulary
        if (parent := self.links.parent) is not None:
            parent.asked_at = float("-inf")
        return self.seats.model_ready(conns)

    def reset(self) -> list[Instruction]:
        """Another vocabulary has won: no link and no training outlives the old one."""
        self.termination.done = False
        out: list[Instruction] = []
        if (parent := self.links.parent) is not None:
            out += self.search.renew(parent)
        for kept in self.links.retained():
            out += self.links.close(kept)
        for child in self.links.seats.values():
            out += self.links.give_up(child)
        self.reconciler.reset()
        self.links.vocabulary = None
        return out
