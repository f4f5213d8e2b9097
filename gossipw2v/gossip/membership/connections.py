"""Connections of the protocol core: who is at the other end, whom to dial and when to try again.

A connection begins with a Hello from both ends. One connection is kept per pair of nodes: if both dialled at once,
the one that the smaller id dialled survives, which both ends work out alike. Addresses are hints; they are dialled
with a jittered, growing pause until a live member answers there. An address of a node behind which somebody else
answers (every machine with docker has 172.17.0.1) is not tried for that node again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from gossipw2v.gossip.instructions import Close, Dial, Instruction, Refused, Send, turn_away
from gossipw2v.gossip.messages import PROTOCOL, FileListing, Hello, ProtocolError
from gossipw2v.gossip.records import DEAD_AFTER, NodeId
from gossipw2v.gossip.tasks.listing import CORPUS, cut, first_difference

HELLO_DEADLINE = 5.0  # s from connecting to the other end's Hello
SILENCE = DEAD_AFTER  # s without a frame until a connection counts as dead; State comes every second
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # s between dials of one address, doubling
QUARREL_PAUSE = 60.0  # s before an address that refused us, or that we refused, is dialled again
MAX_TARGETS = 512  # addresses kept; discovery may be fed by strangers


@dataclass(slots=True)
class Connection:
    """One TCP connection."""

    conn: int  # the owner's number of it
    outbound: bool  # whether this node dialled
    opened_at: float
    heard_at: float  # when the last message came
    target: str | None = None  # the key that was dialled
    node: NodeId | None = None  # the other end; None until its Hello has come
    host: str = ""  # the other end's address
    address: str | None = None  # which of the target's addresses answered


@dataclass(slots=True)
class Target:
    """Addresses that lead to one node, and when they may be dialled."""

    addresses: tuple[str, ...]
    next_at: float  # when to dial again
    failures: int = 0  # dials since somebody was reached
    node: NodeId | None = None  # the node that answered last
    dialling: bool = False  # whether a dial is under way
    wrong: set[str] = field(default_factory=set)  # addresses behind which somebody else was
    best: str | None = None  # the address that led to the node
    shunned_until: float = float("-inf")  # after a quarrel, whatever else speaks for dialling

    def usable(self, mine: tuple[str, ...]) -> tuple[str, ...]:
        """What may be dialled, the best first; never an address of this node."""
        useful = [each for each in self.addresses if each not in self.wrong and each not in mine]
        return tuple(sorted(useful, key=lambda each: each != self.best))


@dataclass(slots=True)
class Connections:
    """All connections of one node, and where others may be reached."""

    hello: Hello  # what this node says first
    rng: random.Random
    listing: bytes = b""  # the files of a text that all nodes share; b"": each has its own
    by_conn: dict[int, Connection] = field(default_factory=dict)  # all of them, by number
    by_node: dict[NodeId, Connection] = field(default_factory=dict)  # the one in use with each node
    targets: dict[str, Target] = field(default_factory=dict)  # by the key that discovery or a member's record gives

    def moved(self, addresses: tuple[str, ...]) -> None:
        """This node is now reached at `addresses`."""
        self.hello = replace(self.hello, addresses=list(addresses))

    def opened(
        self, conn: int, target: str | None, now: float, host: str = "", address: str | None = None
    ) -> list[Instruction]:
        """A connection is up; `target` is the key that was dialled and `address` what answered, None if it came in."""
        self.by_conn[conn] = Connection(conn, target is not None, now, now, target, host=host, address=address)
        if target in self.targets:
            self.targets[target].dialling = False
        return [Send(conn, self.hello)]

    def greeted(self, conn: int, hello: Hello, now: float) -> list[Instruction]:
        """Check the other end's Hello; after it the connection has a node, or is closed."""
        here = self.by_conn[conn]
        target = self.targets.get(here.target or "")
        if target is not None and self._mistaken(here, target, hello.node):
            return [Close(here.conn, "another node has this address")]
        if target is not None:
            target.node = hello.node
        if hello.node == self.hello.node:
            return self._turn_away(here, ("self", "connected to itself"), now)
        if here.node is not None:
            return self._turn_away(here, ("protocol", "a second Hello"), now)
        if self._has_other_files(hello):  # it is turned away once it has said which
            return [Send(conn, FileListing(cut(self.listing)))]
        if (against := objection(self.hello.job, hello)) is not None:
            return self._turn_away(here, against, now)
        if target is not None:
            target.failures, target.best = 0, here.address
        here.node = hello.node
        return self._settle_duplicate(here)

    def _has_other_files(self, hello: Hello) -> bool:
        """Whether a node is of the same job but for its files of the shared text."""
        mine = self.hello.job.get(CORPUS)
        same = objection(self.hello.job, replace(hello, job=hello.job | {CORPUS: mine or ""})) is None
        return same and mine != hello.job.get(CORPUS)

    def listed(self, conn: int, listing: FileListing, now: float) -> list[Instruction]:
        """The other end says which files it has, since they are not the same: tell which differs first."""
        here = self.by_conn[conn]
        if here.node is not None or not self.listing:
            raise ProtocolError("handshake" if here.node is None else "protocol", "FileListing out of place")
        text = f"--shared-corpus: {first_difference(self.listing, listing.files)}"
        return self._turn_away(here, (CORPUS, text), now)

    def _mistaken(self, here: Connection, target: Target, node: NodeId) -> bool:
        """Whether a node was wanted and another has answered; the rest of its addresses may be tried at once."""
        wanted = claimed(here.target or "")
        if wanted is None or node == wanted or here.address is None:
            return False
        target.wrong.add(here.address)
        if target.usable(tuple(self.hello.addresses)):
            target.next_at = here.opened_at
        return True

    def closed(self, conn: int) -> NodeId | None:
        """A connection has gone; returns the node that can no longer be reached, if this was its only one."""
        here = self.by_conn.pop(conn, None)
        if here is None or here.node is None or self.by_node.get(here.node) is not here:
            return None
        del self.by_node[here.node]
        return here.node

    def conns(self) -> dict[NodeId, int]:
        """The connection to each node that is reached."""
        return {node: here.conn for node, here in self.by_node.items()}

    def learn(self, key: str, addresses: tuple[str, ...], now: float, within: float = 0.2) -> None:
        """Remember where a node may be; the first dial may come after a random pause of at most `within` seconds."""
        target = self.targets.get(key)
        if target is None:
            self._make_room()
            self.targets[key] = Target(addresses, now + self.rng.uniform(0, within))
        elif target.addresses != addresses:
            target.addresses = addresses
            target.wrong.clear()

    def _make_room(self) -> None:
        """In a full table the one that failed most often gives way; what was configured came first and stays."""
        if len(self.targets) >= MAX_TARGETS:
            keys = [key for key in self.targets if claimed(key)] or list(self.targets)
            del self.targets[max(keys, key=lambda key: self.targets[key].failures)]

    def hasten(self, key: str, now: float) -> None:
        """There are signs that the target can be reached again: its pause is over, but not everybody's at once."""
        target = self.targets.get(key)
        if target is not None and target.failures:
            target.failures = 0
            soon = max(target.shunned_until, now + self.rng.uniform(0, FIRST_PAUSE))
            target.next_at = min(target.next_at, soon)

    def dial(self, key: str, now: float) -> list[Instruction]:
        """Dial a target unless that is under way or its pause has not passed."""
        target = self.targets.get(key)
        if target is None or target.dialling or now < target.next_at:
            return []
        addresses = target.usable(tuple(self.hello.addresses))
        if not addresses:
            return []
        target.dialling = True
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**target.failures) * self.rng.uniform(0.75, 1.25)
        target.next_at = now + pause
        target.failures = min(target.failures + 1, 16)
        return [Dial(key, addresses)]

    def dial_failed(self, key: str) -> None:
        """Nobody answered at a target's addresses."""
        if key in self.targets:
            self.targets[key].dialling = False

    def dial_refused(self, key: str, now: float) -> None:
        """A stranger answered at a target's addresses: leave them alone for a while."""
        if key in self.targets:
            self.targets[key].dialling = False
            self.targets[key].next_at = self.targets[key].shunned_until = now + QUARREL_PAUSE

    def quarrelled(self, conn: int, now: float) -> None:
        """The other end refused us: leave its addresses alone for a while."""
        here = self.by_conn.get(conn)
        if here is None:
            return
        for key, target in self.targets.items():  # one node may stand under its id and under its address
            if key == here.target or (here.node is not None and target.node == here.node):
                target.next_at = target.shunned_until = now + QUARREL_PAUSE

    def slept(self, seconds: float, now: float) -> None:
        """This node did not run for so long, and heard nobody."""
        for here in self.by_conn.values():
            here.heard_at = min(now, here.heard_at + seconds)
            here.opened_at = min(now, here.opened_at + seconds)

    def overdue(self, now: float) -> list[Instruction]:
        """Close connections that never said Hello or have fallen silent."""
        late: list[Instruction] = []
        for here in self.by_conn.values():
            if here.node is None and now - here.opened_at > HELLO_DEADLINE:
                late += [Refused("timeout", "no Hello in time"), Close(here.conn, "no Hello in time")]
            elif now - here.heard_at > SILENCE:
                late.append(Close(here.conn, "silent"))
        return late

    def _turn_away(self, here: Connection, why: tuple[str, str], now: float) -> list[Instruction]:
        self.quarrelled(here.conn, now)
        return turn_away(here.conn, *why)

    def _settle_duplicate(self, here: Connection) -> list[Instruction]:
        assert here.node is not None
        other = self.by_node.get(here.node)
        if other is None or other.outbound == here.outbound:  # the newer of two alike: the older may be half open
            self.by_node[here.node] = here
            return [] if other is None else [Close(other.conn, "replaced by a newer connection")]
        smaller_dialled = here if here.outbound == (self.hello.node < here.node) else other
        self.by_node[here.node] = smaller_dialled
        loser = other if smaller_dialled is here else here
        return [Close(loser.conn, "the other of two crossed connections stays")]


def objection(mine: dict[str, str], hello: Hello) -> tuple[str, str] | None:
    """Why a node of the job `mine` has nothing to do with one that says `hello`: a word and a text; None if it has."""
    if not hello.oldest <= PROTOCOL <= hello.newest:
        return "protocol", f"protocol {hello.oldest}..{hello.newest} there, {PROTOCOL} here"
    differing = sorted(k for k in mine.keys() | hello.job.keys() if mine.get(k) != hello.job.get(k))
    if differing:
        parts = (f"{k} is {hello.job.get(k)!r} there and {mine.get(k)!r} here" for k in differing[:4])
        return "job", "another job: " + ", ".join(parts)
    return None


def claimed(key: str) -> NodeId | None:
    """The node id that a target's key claims: discovery and the member table name targets by it."""
    try:
        return bytes.fromhex(key) if len(key) == 32 else None
    except ValueError:
        return None
