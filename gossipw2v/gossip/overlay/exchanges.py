"""What flows over the links, and when all of it has flowed.

A child begins every exchange and its parent answers; see `link`. *The end* (after Dijkstra and Scholten): a child whose
subtree has trained and pushed everything says `clean`. The root, once all its children are clean and all it knows have
trained and are in its tree, is `final`; finality goes down with answers that had nothing more to say. Work that the
dead left undone is not waited for; but a root that lost half of the swarm or more at once may be the one that was cut
off, and waits `lost_patience` seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.delta import Batch
from gossipw2v.gossip.instructions import Instruction, Send
from gossipw2v.gossip.membership.suspicion import is_cut_off
from gossipw2v.gossip.messages import MAX_ROWS, Answer, ProtocolError, Push
from gossipw2v.gossip.overlay.link import Downlink, Uplink
from gossipw2v.gossip.overlay.links import WITH_REFERENCE, Links
from gossipw2v.gossip.overlay.repair import root_of
from gossipw2v.gossip.overlay.states import LinkState
from gossipw2v.gossip.records import NodeId, Stage


@dataclass(slots=True)
class Termination:
    """Whether this node's part of the tree, and the whole swarm, has come to its end."""

    links: Links
    lost_patience: float = 60.0  # s that half of the swarm must be silent until it is believed to be gone
    done: bool = False  # whether the own text has had its epochs

    def subtree_clean(self) -> bool:
        """Whether this node and everybody below it has trained and pushed up what it had."""
        below = self.links.seats.values()
        return self.done and all(link.state in WITH_REFERENCE and link.end.there.done for link in below)

    def final(self, now: float) -> bool:
        """Whether no row will change any more."""
        if not self.subtree_clean():
            return False
        if (up := self.links.uplink) is not None:
            return up.end.there.done
        members, me = self.links.members, self.links.me
        alive = list(members.alive(now))
        highest = all(m.state >= Stage.DRAINING and m.node < me for m in alive)
        whole = highest and all(root_of(members, m.node, now) == me for m in alive)
        return whole and not is_cut_off(members, now, self.lost_patience)

    def children_complete(self, now: float) -> bool:
        """Whether all nodes below have had the last word and are done with it, or are gone.

        That they were complete once does not do: what a late node has learned must still reach a service below it.
        """
        members = self.links.members
        below = ((members.get(node), link) for node, link in self.links.downlinks.items())
        return all(
            member.state >= Stage.COMPLETE and link.end.told_final
            for member, link in below
            if member is not None and members.is_alive(member.node, now)
        )


@dataclass(slots=True)
class Exchanges:
    """Begins, answers and ends the exchanges of all links."""

    links: Links
    termination: Termination
    interval: float  # s between two exchanges with the parent
    rows: int = MAX_ROWS  # that this node has time for in an exchange
    resting: bool = False  # whether no exchange is begun any more, and none answered
    paused: bool = False  # whether none is begun, answered or ended, since rows are about to be renumbered

    def begin(self, up: Uplink, now: float) -> list[Instruction]:
        """Begin an exchange with the parent, if it is time."""
        if self.resting or self.paused:
            return []
        return up.end.begin(now, self.termination.subtree_clean(), self.links.provenance, self.rows)

    def collected(self, link: bytes, got: Batch, conns: dict[NodeId, int]) -> list[Instruction]:
        """The model has gathered the rows of a push."""
        up = self.links.named(link)
        if not isinstance(up, Uplink):
            return []
        push = up.end.collected(got, self.links.provenance, self.termination.subtree_clean())
        ready = up.peer in conns and up.state is not LinkState.RESUMING
        return [Send(conns[up.peer], push)] if ready else []

    def on_push(self, node: NodeId, push: Push, conn: int, now: float) -> list[Instruction]:
        """A child pushes; it may not know yet that another vocabulary has won."""
        down = self.links.downlinks.get(node)
        if self.resting or self.paused:
            return []
        if down is None or down.name != push.link:
            if push.link in self.links.past:
                return []
            raise ProtocolError("tree", "a push on a link that is not open")
        merge = down.end.pushed(push, self.links.provenance, self.termination.final(now), self.rows)
        return [Send(conn, merge)] if isinstance(merge, Answer) else merge

    def merged(self, link: bytes, got: Batch, conns: dict[NodeId, int], now: float) -> list[Instruction]:
        """The model has merged a child's push."""
        down = self.links.named(link)
        if not isinstance(down, Downlink) or not down.end.busy:
            return []
        answer = down.end.merged(got, self.links.provenance, self.termination.final(now))
        _look_whether_all_is_here(down)
        return [Send(conns[down.peer], answer)] if down.peer in conns else []

    def on_answer(self, node: NodeId, answer: Answer) -> list[Instruction]:
        """The parent answers a push."""
        up = self.links.uplink
        if self.paused or up is None or up.peer != node or up.name != answer.link:
            return []
        return up.end.answered(answer, self.links.provenance)

    def settled(self, link: bytes, now: float) -> float | None:
        """The model has applied an answer; returns how many seconds the exchange took, None if it was given up."""
        up = self.links.named(link)
        if not isinstance(up, Uplink) or up.end.applying is None:
            return None
        up.end.settled(now, self.interval)
        _look_whether_all_is_here(up)
        return now - up.end.pacing.began_at

    def flow(self, node: NodeId, sent: int, received: int) -> None:
        """Count the bytes of an exchange for the link with `node`."""
        for link in self.links.open():
            if link.peer == node:
                link.end.flow.sent_bytes += sent
                link.end.flow.received_bytes += received


def _look_whether_all_is_here(link: Uplink | Downlink) -> None:
    if link.end.there.unsent == 0:
        link.awaited = False
