"""A link, and the numbered exchanges of rows that go over it: one outstanding, each with its effect exactly once.

The child begins every exchange and the parent answers; since an answer carries the parent's pending rows too, one
initiator is enough and two pushes can never cross. After a reconnect the child repeats its push, and the parent, which
keeps its last answer, repeats that: nothing is applied twice. What the origins that both name mean is decided in
`provenance`.

All of it is pure state: events in, instructions out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeAlias

import numpy as np

from gossipw2v.delta import Batch, RowDelta
from gossipw2v.gossip.instructions import Collect, Instruction, Merge, Settle
from gossipw2v.gossip.messages import MAX_ROWS, Answer, LinkOpen, ProtocolError, Push
from gossipw2v.gossip.overlay.provenance import Provenance, VersionVector, raise_to
from gossipw2v.gossip.overlay.states import LinkInput, LinkState, after
from gossipw2v.gossip.pacing import Pacing
from gossipw2v.gossip.records import NodeId


@dataclass(slots=True)
class Flow:
    """What has gone over a link, for people to see."""

    exchanges: int = 0  # that are done
    sent_bytes: int = 0  # of frames
    received_bytes: int = 0
    sent_rows: int = 0
    received_rows: int = 0

    def exchanged(self, sent: RowDelta, received: RowDelta) -> None:
        """An exchange is over."""
        self.exchanges += 1
        self.sent_rows += len(sent)
        self.received_rows += len(received)


class There(NamedTuple):
    """What the other end last said of itself."""

    done: bool = False  # a child: its subtree is clean; a parent: no row will change any more
    unsent: int | None = None  # rows that it has not sent over this link yet; None before the first exchange
    room: int = MAX_ROWS  # rows for which it has time in an exchange


SILENT = There()


class Phase(Enum):
    """Where a child's exchange stands, by what is waited for."""

    IDLE = "the next exchange"
    GATHERING = "the rows of a push"
    IN_FLIGHT = "the parent's answer"
    APPLYING = "the answer's rows to be in the model"


@dataclass(slots=True, kw_only=True)
class LinkEnd:
    """What either end of a link knows of its exchanges."""

    link: bytes  # the link's name
    seq: int = 0  # the last exchange that is done
    flush: bool = False  # whether residuals of the quantiser go with the rows of this one
    most: int = MAX_ROWS  # rows of the other end in it
    named: VersionVector = field(default_factory=dict)  # origins that this end names in it
    acked: VersionVector = field(default_factory=dict)  # what both ends are known to have
    there: There = SILENT  # what the other end last said
    pending: int = 0  # rows that were left for later
    flow: Flow = field(default_factory=Flow)


@dataclass(slots=True, kw_only=True)
class ChildEnd(LinkEnd):
    """The child's half of a link's exchanges."""

    pacing: Pacing  # when to begin, and how many rows
    phase: Phase = Phase.IDLE  # of the exchange under way
    again: list[bytes] = field(default_factory=list)  # origins to be named once more in the next
    in_flight: Push | None = None  # its push, until it is done
    applying: Answer | None = None  # its answer, while the rows of that change hands

    @property
    def busy(self) -> bool:
        """Whether an exchange is under way."""
        return self.phase is not Phase.IDLE

    def begin(self, now: float, flush: bool, provenance: Provenance, most: int = MAX_ROWS) -> list[Instruction]:
        """Start an exchange of at most so many rows, if none is under way and it is time."""
        if self.busy or not self.pacing.begin(now):
            return []
        self.phase, self.flush, self.most = Phase.GATHERING, flush, min(most, self.pacing.room)
        self.named = provenance.announce(self.link, self.acked, self.again)
        return [Collect(self.link, flush, min(self.most, self.there.room))]

    def collected(self, got: Batch, provenance: Provenance, clean: bool) -> Push:
        """The push for what the model gave; `clean` holds only if residuals were looked for and nothing was found."""
        self.phase, self.pending = Phase.IN_FLIGHT, got.pending
        clean = clean and self.flush and not len(got.delta)
        named = provenance.newest(self.named, self.acked)
        self.in_flight = Push(self.link, self.seq + 1, clean, got.pending, got.unsent, named, got.delta, self.most)
        return self.in_flight

    def overdue(self, now: float) -> bool:
        """Whether an answer should have come by now."""
        return self.phase is Phase.IN_FLIGHT and self.pacing.overdue(now)

    def answered(self, answer: Answer, provenance: Provenance) -> list[Instruction]:
        """Check the answer against the outstanding push and have it applied; repeats are ignored."""
        if answer.seq <= self.seq or self.phase is Phase.APPLYING:
            return []
        if self.in_flight is None or answer.seq != self.in_flight.seq:
            raise ProtocolError("sequence", f"answer {answer.seq} to no outstanding push")
        check_covers(answer.delta, self.in_flight.delta)
        self.phase, self.applying = Phase.APPLYING, answer
        self.again, overlap = provenance.hear_answer(self.link, self.acked, self.in_flight.origins, answer.origins)
        return [Settle(self.link, self.in_flight.delta, answer.delta, overlap)]

    def settled(self, now: float, interval: float) -> None:
        """Both ends now hold the same reference; the next exchange may follow."""
        assert self.in_flight is not None
        assert self.applying is not None
        sent, answer = self.in_flight, self.applying
        raise_to(self.acked, sent.origins)
        raise_to(self.acked, answer.origins)
        self.seq, self.there = answer.seq, There(answer.final, answer.unsent, max(1, answer.room))
        self.in_flight = self.applying = None
        self.phase = Phase.IDLE
        self.pacing.ended(sent, answer, self.flush, now, interval)
        self.flow.exchanged(sent.delta, answer.delta)


@dataclass(slots=True, kw_only=True)
class ParentEnd(LinkEnd):
    """The parent's half of a link's exchanges."""

    applying: Push | None = None  # the push, while its rows change hands
    last_answer: Answer | None = None  # repeated if its push comes again

    @property
    def busy(self) -> bool:
        """Whether an exchange is under way."""
        return self.applying is not None

    @property
    def told_final(self) -> bool:
        """Whether the child has been told that no row will change any more."""
        return self.last_answer is not None and self.last_answer.final

    def can_go_on(self, seq: int) -> bool:
        """Whether a child that is done with `seq` holds the same reference, or gets it by what it is answered."""
        return self.seq == seq or (self.seq == seq + 1 and self.last_answer is not None)

    def pushed(
        self, push: Push, provenance: Provenance, flush: bool, most: int = MAX_ROWS
    ) -> list[Instruction] | Answer:
        """What to do with a push: merge it with at most so many rows, or answer it again if it is a repeat."""
        if self.last_answer is not None and push.seq == self.seq:
            return self.last_answer
        if self.applying is not None and push.seq == self.applying.seq:
            return []
        if self.applying is not None or push.seq != self.seq + 1:
            raise ProtocolError("sequence", f"push {push.seq} after {self.seq}")
        self.applying, self.flush, self.most = push, flush, most
        self.named, overlap = provenance.hear_push(self.link, self.acked, push.origins)
        return [Merge(self.link, push.delta, flush, overlap, min(push.room, most))]

    def merged(self, got: Batch, provenance: Provenance, final: bool) -> Answer:
        """The answer to the push under way. `final` holds only if both ends had looked for residuals and found none."""
        assert self.applying is not None
        push = self.applying
        final = final and push.clean and self.flush and not len(got.delta)
        named = provenance.newest(self.named, self.acked)
        answer = Answer(self.link, push.seq, final, got.pending, got.unsent, named, got.delta, self.most)
        raise_to(self.acked, push.origins)
        raise_to(self.acked, named)
        self.applying, self.last_answer, self.seq = None, answer, push.seq
        self.there, self.pending = There(push.clean, push.unsent, push.room), got.pending
        self.flow.exchanged(got.delta, push.delta)
        return answer


def check_covers(answer: RowDelta, sent: RowDelta) -> None:
    """Raise ProtocolError unless `answer` has a row for every row `sent`."""
    missing = np.setdiff1d(sent.rows, answer.rows, assume_unique=True)
    if len(missing):
        raise ProtocolError("rows", f"answer lacks {len(missing)} of the rows that were pushed")


# -- the record ---------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Link:
    """One link of this node, with what is the same of a link up and one down."""

    peer: NodeId  # the node at the other end
    name: bytes  # random bytes by which both ends know it
    state: LinkState = LinkState.WANTED
    lost_at: float | None = None  # since when the other end is missed; None while it is connected
    awaited: bool = False  # whether the other end's rows are to be here before this node trains
    farewell: bool = False  # whether the other end said goodbye, and may come back by another id
    made_as: bytes | None = None  # its name when both ends last knew the same, if it has been renamed since

    def move(self, what: LinkInput) -> None:
        """Something has befallen the link. RuntimeError if nothing of the kind can in its state."""
        self.state = after(self.state, what)


@dataclass(slots=True, kw_only=True)
class Uplink(Link):
    """A link to this node's parent, or to the node that is to become it."""

    end: ChildEnd
    wanted_at: float = 0.0  # when the parent was chosen
    insist: bool = False  # whether the parent is to make room, since nobody has any left
    asked_at: float = float("-inf")  # when the parent was last asked for a link, or to go on


@dataclass(slots=True, kw_only=True)
class Downlink(Link):
    """A link to a child."""

    end: ParentEnd
    ask: LinkOpen | None = None  # the child's question, while it waits until there is a model


AnyLink: TypeAlias = Uplink | Downlink
