"""Whom to ask to be the parent: the members above, the best first, but for those that were tried in vain of late."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from gossipw2v.gossip.membership.scores import PeerScores
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.overlay.repair import way_up
from gossipw2v.gossip.records import Member, NodeId

BARRED = 10.0  # s during which a node that could not be reached, or had no room at all, is not chosen again; doubling
LONGEST_BAR = 320.0  # s


@dataclass(slots=True)
class Candidates:
    """Those above who may have a seat."""

    members: MemberTable
    scores: PeerScores  # of which the bans count here
    rng: random.Random
    seats: int  # children of a node
    barred: dict[NodeId, tuple[float, int]] = field(default_factory=dict)  # until when, and how often in a row
    full: set[NodeId] = field(default_factory=set)  # those that have refused since this node looks for a seat

    def above(self, now: float, but: NodeId | None = None) -> list[NodeId]:
        """Those who may become the parent, the best first; none that is suspect, and may be as dead as the last one.

        Nor any that is below this node: with all links going up nobody above would be, but see `repair`.
        """
        known = (member for member in self.members.alive(now, heard=True) if member.node != but)
        usable = [member for member in known if not self.is_barred(member.node, now)]
        wanted = parents(self.members.me.node, usable, self.seats)
        if not any(self._is_below(node, now) for node in wanted):
            return wanted
        return parents(
            self.members.me.node, (each for each in usable if not self._is_below(each.node, now)), self.seats
        )

    def _is_below(self, node: NodeId, now: float) -> bool:
        return self.members.me.node in way_up(self.members, node, now)

    def is_barred(self, node: NodeId, now: float) -> bool:
        """Whether a node is to be left alone, for a while or as long as it is banned."""
        return self.barred.get(node, (now, 0))[0] > now or self.is_banned(node)

    def is_banned(self, node: NodeId) -> bool:
        """Whether this node has nothing to do with a member: it is banned, or can only be reached where all are."""
        member = self.members.get(node)
        return member is not None and self.scores.bans(member)

    def pick(self, now: float) -> tuple[NodeId, bool] | None:
        """The first that may have a free seat, or one of the full by lot, so that not all insist on the same; or None.

        And whether to insist, since nobody has any seat left.
        """
        above = self.above(now)
        if not above:
            return None
        free = [node for node in above if node not in self.full]
        return free[0] if free else self.rng.choice(above), not free or len(above) == 1

    def found(self, node: NodeId) -> None:
        """A node has given a seat: the next time all are asked anew."""
        self.full.clear()
        self.barred.pop(node, None)

    def refused(self, node: NodeId, insisted: bool, now: float) -> None:
        """A node has none. If it refuses even insistence it is left alone for a while, and others are asked anew."""
        if insisted:
            self.bar(node, now)
            self.full.clear()
        else:
            self.full.add(node)

    def bar(self, node: NodeId, now: float) -> None:
        """Leave a node alone for a while, and longer each time; the dead are forgotten."""
        until, times = self.barred.get(node, (now, 0))
        self.barred = {n: bar for n, bar in self.barred.items() if self.members.is_alive(n, now)}
        pause = min(LONGEST_BAR, BARRED * 2**times) * self.rng.uniform(1.0, 1.25)
        self.barred[node] = max(until, now + pause), min(times + 1, 16)


def parents(me: NodeId, members: Iterable[Member], seats: int) -> list[NodeId]:
    """The members above `me` in the priority tree to ask for a seat, best parent first; empty only if nobody is above.

    Links go up, so no view of the membership, however stale, can close a circle of them; for the exceptions see
    `repair`. The first choice is the place that `me` has in a heap of `seats` children a node, so that N nodes with one
    view make a tree of log N levels. Then come some below it, each twice as far: most of those far below have no
    children yet, and log N questions are few.
    """
    above = sorted((member.node for member in members if member.node > me), reverse=True)
    place = max(0, len(above) - 1) // max(1, seats)
    steps = (2**k - 1 for k in range((len(above) - place).bit_length()))
    return [above[place + step] for step in steps]
