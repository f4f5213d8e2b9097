"""What flows over the edges of the tree, and when all of it has flowed.

A child begins every exchange and its parent answers; see `link`. *The end*: a child whose subtree has trained and
pushed everything says `clean`. The root, once all its children are clean and all it knows have trained and are in its
tree, is `final`; finality goes down with answers that had nothing more to say. Work that the dead left undone is not
waited for; but a root that lost half of the swarm or more at once may be the one that was cut off, and waits
`lost_patience` seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.delta import Batch
from gossipw2v.gossip.instructions import (
    Instruction,
    Send,
)
from gossipw2v.gossip.messages import Answer, ProtocolError, Push
from gossipw2v.gossip.overlay.candidates import parents
from gossipw2v.gossip.overlay.edges import Edges
from gossipw2v.gossip.overlay.link import Downlink, Phase, Uplink
from gossipw2v.gossip.overlay.saved import Bond, bond_of, edge_of
from gossipw2v.gossip.records import NodeId, State


@dataclass(slots=True)
class Tree(Edges):
    """The edges with their exchanges. `done`: the own text has had its epochs; `resting`: no exchange is begun."""

    done: bool = False
    resting: bool = False
    lost_patience: float = 60.0

    # -- the beginning and the end --------------------------------------------------------------------------

    def settled_in(self, now: float) -> bool:
        """Whether training may begin: linked to the tree, if there is one, and holding what the others hold."""
        alive = list(self.members.alive(now))
        up = self.uplink is not None and not self.uplink.resuming
        linked = up or not parents(self.me, iter(alive), self.seats)
        informed = (self.trained and bool(self.edges())) or not any(member.trained for member in alive)
        ready = self.vocabulary is not None and not self.kept.awaits_parent(now)
        return ready and linked and informed and not self.catching_up

    def subtree_clean(self) -> bool:
        """Whether this node and everybody below it has trained and pushed up what it had."""
        return self.done and not self.opening and self._children_clean()

    def _children_clean(self) -> bool:
        linked = all(link.clean for link in self.downlinks.values())
        return linked and all(child in self.downlinks for child in self.children)

    def final(self, now: float) -> bool:
        """Whether no row will change any more."""
        if not self.subtree_clean():
            return False
        if self.uplink is not None:
            return self.uplink.final
        alive = list(self.members.alive(now))
        highest = all(m.state >= State.DRAINING and m.node < self.me for m in alive)
        whole = highest and all(self.members.root_of(m.node, now) == self.me for m in alive)
        return whole and not self.members.cut_off(now, self.lost_patience)

    def children_complete(self, now: float) -> bool:
        """Whether all nodes below have had the last word and are done with it, or are gone.

        That they were complete once does not do: what a late node has learned must still reach a service below it.
        """
        below = ((self.members.get(node), link) for node, link in self.downlinks.items())
        return all(
            member.state >= State.COMPLETE and link.told_final
            for member, link in below
            if member is not None and self.members.is_alive(member.node, now)
        )

    def reset(self) -> list[Instruction]:
        """Another vocabulary has won: no link and no training outlives the old one."""
        self.done = False
        return Edges.reset(self)

    # -- a stop, and the next life --------------------------------------------------------------------------

    @property
    def at_rest(self) -> bool:
        """Whether no exchange is under way."""
        busy = self.uplink is not None and self.uplink.phase is not Phase.IDLE
        return not busy and all(link.merging is None for link in self.downlinks.values())

    def bonds(self) -> list[Bond]:
        """What to keep of all links."""
        bonds = (bond_of(edge, self.provenance) for edge in (*self.edges(), *self.kept.links()))
        return [bond for bond in bonds if bond is not None]

    def bind(self, bonds: list[Bond], now: float, patience: float) -> None:
        """Go on with the links of an earlier life, if their other ends do; wait `patience` s for the parent."""
        for bond in bonds:
            self.kept.keep(edge_of(bond, self.provenance, now), now)
        self.kept.waiting_until = now + patience

    # -- exchanges ------------------------------------------------------------------------------------------

    def ask(self, conn: int, now: float) -> list[Instruction]:
        """The parent is connected: get a link, or begin an exchange over it."""
        if self.uplink is None or self.parent is None or not self.parent.adopted:
            return self.request(conn, now)
        if self.uplink.resuming or self.uplink.overdue(now):
            self.uplink.resuming = True
            return self.resume(self.uplink, conn, now)
        if self.resting:
            return []
        return [*self.uplink.begin(now, self.subtree_clean(), self.provenance, self.rows)]

    def collected(self, link: bytes, got: Batch, conns: dict[NodeId, int]) -> list[Instruction]:
        """The model has gathered the rows of a push."""
        up = self.link_of(link)
        if not isinstance(up, Uplink):
            return []
        push = up.collected(got, self.provenance, self.subtree_clean())
        return [Send(conns[up.peer], push)] if up.peer in conns and not up.resuming else []

    def on_push(self, node: NodeId, push: Push, conn: int, now: float) -> list[Instruction]:
        """A child pushes; it may not know yet that another vocabulary has won."""
        link = self.downlinks.get(node)
        if push.link in self.kept.past or self.resting:
            return []
        if link is None or link.link != push.link:
            raise ProtocolError("tree", "a push on a link that is not open")
        merge = link.pushed(push, self.provenance, self.final(now), self.rows)
        return [Send(conn, merge)] if isinstance(merge, Answer) else [*merge]

    def merged(self, link: bytes, got: Batch, conns: dict[NodeId, int], now: float) -> list[Instruction]:
        """The model has merged a child's push."""
        down = self.link_of(link)
        if not isinstance(down, Downlink) or down.merging is None:
            return []
        answer = down.merged(got, self.provenance, self.final(now))
        if down.unsent_there == 0:
            self.catching_up.discard(down.peer)
        return [Send(conns[down.peer], answer)] if down.peer in conns else []

    def on_answer(self, node: NodeId, answer: Answer) -> list[Instruction]:
        """The parent answers a push."""
        if self.uplink is None or self.uplink.peer != node or self.uplink.link != answer.link:
            return []
        return [*self.uplink.answered(answer, self.provenance)]

    def settled(self, link: bytes, now: float) -> float | None:
        """The model has applied an answer; returns how many seconds the exchange took, None if it was given up."""
        up = self.link_of(link)
        if not isinstance(up, Uplink) or up.phase is not Phase.SETTLING:
            return None
        began_at = up.began_at
        up.settled(now, self.interval)
        if up.unsent_there == 0:
            self.catching_up.discard(up.peer)
        return now - began_at
