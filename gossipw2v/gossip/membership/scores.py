"""What this node holds against others: bans by configuration, and scores that cut off who misbehaves.

Every breach of the protocol counts a point against the node id and against the host it came from, and so does every
exchange that asked for more than a row may move. Points halve every ten minutes. A peer with too many is cut off,
longer each time. A host is forgiven more than a node: several nodes may share it, and a liar may choose a new id at any
time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gossipw2v.config.address import Network, is_within, parse_ban
from gossipw2v.gossip.records import Member

HALF_LIFE = 600.0  # s
TOLERATED_OF_NODE, TOLERATED_OF_HOST = 3.0, 12.0  # points before one is cut off
FIRST_CUT, LONGEST_CUT = 10.0, 3600.0  # s, doubling
FORGOTTEN = 0.1  # points
MAX_MARKS = 1024  # a stranger cannot fill the memory with names; those with least against them go first

# Refusals that no honest node of any version or job earns but by accident.
BREACHES = frozenset(
    {"malformed", "size", "handshake", "protocol", "tree", "sequence", "rows", "values", "influence", "blob"}
)


@dataclass(slots=True)
class Mark:
    """What a host or a node has earned."""

    score: float = 0.0  # points
    at: float = 0.0  # when they were counted: they fade
    times: int = 0  # how often it was cut off
    until: float = float("-inf")  # until when it is


@dataclass(slots=True)
class PeerScores:
    """Bans as configured, and marks of hosts and of node ids. Times are seconds of a monotonic clock."""

    banned: tuple[str, ...] = ()  # as configured
    marks: dict[str | bytes, Mark] = field(default_factory=dict)  # by host, or node id
    _nodes: frozenset[bytes] = field(init=False)  # the node ids among the bans
    _networks: tuple[Network, ...] = field(init=False)  # the rest

    def __post_init__(self) -> None:
        self.ban(self.banned)

    def ban(self, banned: tuple[str, ...]) -> None:
        """Ban these, as configured, and no others any more. ValueError for what is none of what `parse_ban` reads."""
        parsed = [parse_ban(text) for text in banned]
        self.banned = banned
        self._nodes = frozenset(ban for ban in parsed if isinstance(ban, bytes))
        self._networks = tuple(ban for ban in parsed if not isinstance(ban, bytes))

    def against(self, whom: str | bytes, now: float) -> str | None:
        """Why a host, or a node, is not to be talked to, or None."""
        if self._bans_host(whom) if isinstance(whom, str) else whom in self._nodes:
            return "banned by configuration"
        mark = self.marks.get(whom)
        return f"cut off for {mark.until - now:.0f} s more" if mark is not None and now < mark.until else None

    def blame(self, whom: str | bytes, now: float) -> float:
        """A point against a host, or a node; until when that cuts it off, if it does so now, else -inf."""
        mark = self.marks.get(whom)
        if mark is None:
            self._make_room(now)
            mark = self.marks[whom] = Mark()
        mark.score, mark.at = _score(mark, now) + 1, now
        if mark.score < (TOLERATED_OF_HOST if isinstance(whom, str) else TOLERATED_OF_NODE) or now < mark.until:
            return float("-inf")
        mark.until = now + min(LONGEST_CUT, FIRST_CUT * 2.0 ** min(mark.times, 16))
        mark.times += 1
        return mark.until

    def describe(self, now: float) -> dict[str, Any]:
        """For people: the bans, and who has points, the worst first."""
        marks = sorted(self.marks.items(), key=lambda item: -_score(item[1], now))
        shown = [
            {
                "origin": whom if isinstance(whom, str) else whom.hex(),
                "score": round(_score(mark, now), 2),
                "times_cut_off": mark.times,
                "cut_off_seconds": max(0.0, mark.until - now),
            }
            for whom, mark in marks
            if not _is_over(mark, now)
        ]
        return {"banned": list(self.banned), "origins": shown}

    def _make_room(self, now: float) -> None:
        if len(self.marks) < MAX_MARKS:
            return
        self.marks = {whom: mark for whom, mark in self.marks.items() if not _is_over(mark, now)}
        if len(self.marks) >= MAX_MARKS:
            least = sorted(self.marks, key=lambda whom: (self.marks[whom].until, _score(self.marks[whom], now)))
            for whom in least[: MAX_MARKS // 8]:
                del self.marks[whom]

    def bans(self, member: Member) -> bool:
        """Whether the configuration bans a member: its id, or all hosts at which it can be reached."""
        hosts = (address.rpartition(":")[0].strip("[]") for address in member.addresses)
        return member.node in self._nodes or (bool(member.addresses) and all(map(self._bans_host, hosts)))

    def _bans_host(self, host: str) -> bool:
        """A name that is no address is never banned."""
        return bool(self._networks) and is_within(host, self._networks)


def _score(mark: Mark, now: float) -> float:
    return float(mark.score * 0.5 ** ((now - mark.at) / HALF_LIFE))


def _is_over(mark: Mark, now: float) -> bool:
    return now >= mark.until and _score(mark, now) < FORGOTTEN
