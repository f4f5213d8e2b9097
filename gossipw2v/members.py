"""Who is in the swarm: a table that every node keeps, spread by the frames that flow anyway.

Each node owns one record and raises its `beat` every second; everybody else only passes it on (van Renesse et
al. 1998). A member whose beat has not risen for DEAD_AFTER seconds of the local monotonic clock is dead, until it
rises again. Node ids are drawn afresh at every start, so a restarted node is a new member.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum

DEAD_AFTER = 8.0  # s; a busy machine may stall a daemon for several seconds, a dead one must not block for long
MAX_MEMBERS = 4096  # records kept; a stranger cannot fill the memory with invented ones

NodeId = bytes  # 16 random bytes; the larger id has the higher priority in the tree


class State(IntEnum):
    """What a member is doing, in the order in which it does it."""

    COUNTING = 0
    GATHERING = 1
    ENCODING = 2
    JOINING = 3
    TRAINING = 4
    DRAINING = 5
    COMPLETE = 6
    LEFT = 7


@dataclass(frozen=True, slots=True)
class Member:
    """One node's record, written by that node alone; token counts are in-vocabulary tokens times epochs."""

    node: NodeId
    beat: int
    state: State
    addresses: tuple[str, ...] = ()
    trained: int = 0
    total: int = 0
    min_peers: int = 0


@dataclass(slots=True)
class _Entry:
    member: Member
    rose_at: float


@dataclass(slots=True)
class MemberTable:
    """All members this node has heard of, itself included. Times are seconds of one monotonic clock."""

    me: Member
    entries: dict[NodeId, _Entry] = field(default_factory=dict)
    newest_at: float = 0.0
    full_until: float = float("-inf")

    def update_self(self, **changes: object) -> None:
        """Replace fields of the own record."""
        self.me = replace(self.me, **changes)  # type: ignore[arg-type]

    def beat(self) -> None:
        """Say that this node is alive."""
        self.me = replace(self.me, beat=self.me.beat + 1)

    def witness(self, member: Member, now: float) -> None:
        """Take over a record that is newer than the one held; the own record is nobody else's to write."""
        if member.node == self.me.node:
            return
        entry = self.entries.get(member.node)
        if entry is None:
            if member.state != State.LEFT and self._has_room(now):
                self.entries[member.node] = _Entry(member, now)
                self.newest_at = now
        elif member.beat > entry.member.beat and entry.member.state != State.LEFT:
            entry.member, entry.rose_at = member, now
            if member.state == State.LEFT:
                self.full_until = float("-inf")

    def _has_room(self, now: float) -> bool:
        """Whether a newcomer fits; in a full table the dead make room, those who never trained first.

        Looking through the table for each of a flood of newcomers would hold the event loop up for seconds: when nobody
        was dead, nobody is before the longest silent has had its time, and who is found dead goes with others.
        """
        if len(self.entries) + 1 < MAX_MEMBERS:  # the own record travels with them
            return True
        if now < self.full_until:
            return False
        dead = [entry for entry in self.entries.values() if not _fresh(entry, now)]
        for entry in sorted(dead, key=lambda entry: (entry.member.trained > 0, entry.rose_at))[: 1 + len(dead) // 8]:
            del self.entries[entry.member.node]
        if not dead:
            self.full_until = DEAD_AFTER + min(entry.rose_at for entry in self.entries.values())
        return bool(dead)

    def left(self, node: NodeId) -> None:
        """Note that `node` said goodbye: it never comes back under this id."""
        entry = self.entries.get(node)
        if entry is not None:
            entry.member = replace(entry.member, state=State.LEFT, beat=entry.member.beat + 1)
            self.full_until = float("-inf")

    def get(self, node: NodeId) -> Member | None:
        """The record of `node`, or None."""
        entry = self.entries.get(node)
        return entry.member if entry else None

    def is_alive(self, node: NodeId, now: float) -> bool:
        """Whether `node` has neither left nor been silent for too long."""
        entry = self.entries.get(node)
        return entry is not None and _fresh(entry, now)

    def alive(self, now: float) -> Iterator[Member]:
        """The other members that are alive."""
        return (entry.member for entry in self.entries.values() if _fresh(entry, now))

    def everyone(self) -> Iterator[Member]:
        """All records, the own one first."""
        yield self.me
        for entry in self.entries.values():
            yield entry.member

    def news(self, now: float) -> list[Member]:
        """The records worth passing on: those of the living and of the recently departed."""
        recent = (e.member for e in self.entries.values() if now - e.rose_at <= DEAD_AFTER)
        return [self.me, *recent]

    def progress(self, now: float) -> tuple[int, int]:
        """(trained, to train) of the swarm: what the dead did counts, what they left undone does not."""
        trained, total = self.me.trained, max(self.me.total, self.me.trained)
        for entry in self.entries.values():
            member = entry.member
            trained += member.trained
            total += max(member.total, member.trained) if _fresh(entry, now) else member.trained
        return trained, total


def _fresh(entry: _Entry, now: float) -> bool:
    return entry.member.state != State.LEFT and now - entry.rose_at <= DEAD_AFTER


def parents(me: NodeId, members: Iterator[Member], seats: int) -> list[NodeId]:
    """The members above `me` in the priority tree to ask for a seat, best parent first; empty only if nobody is above.

    Links only go up, so no view of the membership, however stale, can close a cycle. The first choice is the place that
    `me` has in a heap of `seats` children a node, so that N nodes with one view make a tree of log N levels. Then come
    some below it, each twice as far: most of those far below have no children yet, and log N questions are few.
    """
    above = sorted((member.node for member in members if member.node > me), reverse=True)
    place = max(0, len(above) - 1) // max(1, seats)
    steps = (2**k - 1 for k in range((len(above) - place).bit_length()))
    return [above[place + step] for step in steps]
