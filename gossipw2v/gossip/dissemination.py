"""What this node tells its neighbours of the swarm, and when.

Every BEAT it says that it lives and what it can serve; what others said is told on within RELAY, at once if somebody
left; whom it has found dead it names. No neighbour is told what it has said itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.gossip.census import Census
from gossipw2v.gossip.instructions import Instruction, Send
from gossipw2v.gossip.membership.connections import Connections
from gossipw2v.gossip.membership.suspicion import suspect, verdicts
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import Dead, Offer, StateNews
from gossipw2v.gossip.records import Member

BEAT = 1.0  # s between two frames of StateNews on every connection
RELAY = 0.2  # s until what others said is told on: six hops, the breadth of a tree of 64, take a second


@dataclass(slots=True)
class Dissemination:
    """Speaks over `connections`."""

    members: MemberTable
    connections: Connections
    census: Census
    beat_at: float  # when it last said that it lives
    told_at: float  # when it last said anything

    def due(self, now: float) -> bool:
        """Whether it is time for another beat."""
        return now - self.beat_at >= BEAT

    def beat(self, now: float) -> list[Instruction]:
        """Say that this node is alive."""
        self.beat_at = now
        self.members.beat()
        return self.news()

    def news(self) -> list[Instruction]:
        """Tell all neighbours all that is new, with the own record and what this node can serve."""
        return self._tell([self.members.me], self.census.offers(), self.beat_at)

    def relay(self, now: float) -> list[Instruction]:
        """Tell on what others said, if it is time or urgent."""
        return self._tell([], [], now) if self.members.urgent or now - self.told_at >= RELAY else []

    def verdicts(self, now: float) -> list[Instruction]:
        """Say whom this node has found dead."""
        dead = verdicts(self.members, now)
        return [Send(conn, Dead(dead)) for conn in self.connections.conns().values()] if dead else []

    def welcome(self, conn: int, now: float) -> Instruction:
        """Tell a new neighbour everything."""
        return Send(conn, StateNews(self.members.news(now), self.census.offers()))

    def heard(self, conn: int, news: StateNews, now: float) -> list[Instruction]:
        """A neighbour says who lives; whoever comes back from the dead may be dialled at once."""
        for member in news.members:
            if self.members.witness(member, now, conn):
                self.connections.hasten(member.node.hex(), now)
        return self.relay(now) if self.members.urgent else []

    def suspected(self, dead: Dead, now: float) -> list[Instruction]:
        """A neighbour takes members for dead; if this node knows better, it says so."""
        for node, beat in dead.verdicts:
            suspect(self.members, node, beat)
        return self.relay(now) if self.members.urgent else []

    def _tell(self, mine: list[Member], offers: list[Offer], now: float) -> list[Instruction]:
        news = [(conn, [*mine, *self.members.unsent_to(conn)]) for conn in self.connections.conns().values()]
        self.members.untold.clear()
        self.members.urgent = False
        self.told_at = now
        return [Send(conn, StateNews(members, offers)) for conn, members in news if members]
