"""The members of the swarm: a table that every node keeps, spread by the frames that flow anyway.

Each node owns one record and raises its `beat` every second; everybody else passes it on (van Renesse et al. 1998).
What rose is told on within `dissemination.RELAY` seconds, so that a beat takes a fraction of a second through a large
swarm.

A member whose beat has not risen for a while is taken for dead (`suspicion`); a node that was late itself waits longer
(`slack`) before it thinks so of others (Lifeguard, Dadgar et al. 2018). The second half of an id is drawn afresh at
every start: a restarted node is a new member, and beats need no incarnation number. The first half,
the `stem`, is that of the data directory: who comes back has its old place in the tree, and is known again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gossipw2v.gossip.records import DEAD_AFTER, MAX_MEMBERS, SUSPECT_AFTER, Member, NodeId, Stage


@dataclass(slots=True)
class Entry:
    """What is held of another member."""

    member: Member  # its record
    rose_at: float  # when its beat last rose
    source: int  # the connection by which that came
    suspected_at: int = -1  # the beat at which others have taken it for dead
    confirmed_dead: int = -1  # the beat at which this node has


@dataclass(slots=True)
class MemberTable:
    """All members this node has heard of, itself included. Times are seconds of one monotonic clock."""

    me: Member  # the own record
    entries: dict[NodeId, Entry] = field(default_factory=dict)  # all others
    newest_at: float = 0.0  # when the last new member came
    full_until: float = float("-inf")  # until when a full table has no room for anybody
    slack: float = 0.0  # s by which this node's own lateness lengthens its patience with others
    untold: dict[NodeId, None] = field(default_factory=dict)  # whom neighbours do not know yet, as it is; in order
    urgent: bool = False  # whether to tell them at once: somebody left, or is wrongly said to be dead

    def update_self(self, **changes: object) -> None:
        """Replace fields of the own record."""
        self.me = replace(self.me, **changes)  # type: ignore[arg-type]  # fields of Member, by name

    def beat(self) -> None:
        """Say that this node is alive."""
        self.me = replace(self.me, beat=self.me.beat + 1)

    def witness(self, member: Member, now: float, source: int = -1) -> bool:
        """Take over a record that is newer than the one held; the own record is nobody else's to write.

        `source`: the connection by which it came. Returns whether it is from a member that was taken for dead.
        """
        if member.node == self.me.node:
            return False
        entry = self.entries.get(member.node)
        if entry is None:
            if member.state != Stage.LEFT and self._has_room(now):
                self.entries[member.node] = Entry(member, now, source)
                self.newest_at = now
                self._rose(member)
            return False
        if member.beat <= entry.member.beat or entry.member.state == Stage.LEFT:
            return False
        back = not self.is_fresh(entry, now)
        entry.member, entry.rose_at, entry.source = member, now, source
        self._rose(member)
        return back

    def _rose(self, member: Member) -> None:
        self.untold[member.node] = None
        if member.state == Stage.LEFT:
            self.urgent, self.full_until = True, float("-inf")

    def _has_room(self, now: float) -> bool:
        """Whether a newcomer fits; in a full table the dead make room, those who never trained first.

        Looking through the table for each of a flood of newcomers would hold the event loop up for seconds: when nobody
        was dead, nobody is before the longest silent has had its time, and who is found dead goes with others.
        """
        if len(self.entries) + 1 < MAX_MEMBERS:  # the own record travels with them
            return True
        if now < self.full_until:
            return False
        dead = [entry for entry in self.entries.values() if not self.is_fresh(entry, now)]
        for entry in sorted(dead, key=lambda entry: (entry.member.trained > 0, entry.rose_at))[: 1 + len(dead) // 8]:
            del self.entries[entry.member.node]
        if not dead:
            self.full_until = self.patience + min(entry.rose_at for entry in self.entries.values())
        return bool(dead)

    def left(self, node: NodeId) -> None:
        """Note that `node` said goodbye: it never comes back under this id."""
        entry = self.entries.get(node)
        if entry is not None and entry.member.state != Stage.LEFT:
            entry.member, entry.source = replace(entry.member, state=Stage.LEFT, beat=entry.member.beat + 1), -1
            self._rose(entry.member)

    def disown(self, source: int) -> None:
        """Forget whom only a stranger's connection has told of: they are of its swarm, not of this one."""
        self.entries = {node: entry for node, entry in self.entries.items() if entry.source != source}

    def get(self, node: NodeId) -> Member | None:
        """The record of `node`, or None."""
        entry = self.entries.get(node)
        return entry.member if entry else None

    def is_alive(self, node: NodeId, now: float, heard: bool = False) -> bool:
        """Whether `node` has neither left nor been silent for too long; and if it has to be `heard`, is no suspect."""
        entry = self.entries.get(node)
        return entry is not None and self.is_fresh(entry, now, heard)

    def has_left(self, node: NodeId) -> bool:
        """Whether `node` said goodbye."""
        entry = self.entries.get(node)
        return entry is not None and entry.member.state == Stage.LEFT

    def alive(self, now: float, heard: bool = False) -> Iterator[Member]:
        """The other members that are alive; without the suspects, if they have to be `heard`."""
        return (entry.member for entry in self.entries.values() if self.is_fresh(entry, now, heard))

    def is_anybody_above(self, node: NodeId, now: float) -> bool:
        """Whether a living member has a higher priority than `node`."""
        if max(self.entries, default=node) <= node:  # asked of a thousand, this saves most of the time
            return False
        return any(other > node and self.is_fresh(entry, now) for other, entry in self.entries.items())

    def everyone(self) -> Iterator[Member]:
        """All records, the own one first."""
        yield self.me
        for entry in self.entries.values():
            yield entry.member

    def addresses(self, now: float) -> list[tuple[str, ...]]:
        """Where others can be reached, the living first."""
        others = [entry for entry in self.entries.values() if entry.member.addresses]
        others.sort(key=lambda entry: not self.is_fresh(entry, now))
        return [entry.member.addresses for entry in others]

    def news(self, now: float) -> list[Member]:
        """The records worth passing on: those of the living and of the recently departed."""
        recent = (e.member for e in self.entries.values() if now - e.rose_at <= self.patience)
        return [self.me, *recent]

    def unsent_to(self, conn: int) -> list[Member]:
        """The records that neighbours do not know yet, but for those that came by `conn`."""
        known = (self.entries.get(node) for node in self.untold)
        return [entry.member for entry in known if entry is not None and entry.source != conn]

    def slept(self, seconds: float, now: float) -> None:
        """This node did not run for so long: that is no silence of others."""
        for entry in self.entries.values():
            entry.rose_at = min(now, entry.rose_at + seconds)

    @property
    def patience(self) -> float:
        """Seconds of silence after which a member is dead."""
        return DEAD_AFTER + self.slack

    def progress(self, now: float) -> tuple[int, int]:
        """(trained, to train) of the swarm: what the dead did counts, what they left undone does not."""
        trained, total = self.me.trained, max(self.me.total, self.me.trained)
        for entry in self.entries.values():
            member = entry.member
            trained += member.trained
            total += max(member.total, member.trained) if self.is_fresh(entry, now) else member.trained
        return trained, total

    def is_fresh(self, entry: Entry, now: float, heard: bool = False) -> bool:
        """Whether a member has neither left nor been silent for too long; if it has to be `heard`, is no suspect."""
        agreed = entry.suspected_at >= entry.member.beat  # another, who was not late, says so too
        patience = SUSPECT_AFTER if agreed else (SUSPECT_AFTER if heard else DEAD_AFTER) + self.slack
        return entry.member.state != Stage.LEFT and now - entry.rose_at <= patience
