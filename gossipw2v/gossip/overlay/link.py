"""One edge of the tree: numbered batches, one outstanding, each with its effect exactly once.

The child begins every exchange and the parent answers; since an answer carries the parent's pending rows too,
one initiator is enough and two pushes can never cross. After a reconnect the child repeats its batch, and the
parent, which keeps its last answer, repeats that: nothing is applied twice.

What came by two ways would count twice, so each exchange says which origins are new. An answer that names one which its
push named says that both ends have it; an end that names one anew, that it has come by another way too. Who hears so
merges with care, and says so in turn on the link by which it has that origin itself. The model works off what it is
asked in order: an origin counts as there from the moment its rows are ordered, and is named as of the moment in which
the rows that go out are. Else what is under way when a link drops would be there without a name.

Both classes are pure state: events in, instructions out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from gossipw2v.delta import Batch, RowDelta
from gossipw2v.gossip.instructions import Collect, Merge, Settle
from gossipw2v.gossip.messages import MAX_ROWS, Answer, ProtocolError, Push
from gossipw2v.gossip.overlay.pacing import Pace
from gossipw2v.gossip.overlay.provenance import Origins, Provenance, raise_to

FLUSH_PAUSE = 0.02  # s between exchanges when the child has trained its share and hands over what is left
END_PAUSE = 0.1  # s between a child's questions whether all have trained
IDLE_PAUSE = 0.5  # s between exchanges that had nothing to say
UNANSWERED = 30.0  # s from the beginning of an exchange until the child asks whether there is a link, doubling;
LONGER = 3.0  # or so many times what the last one took: a slow link must not carry everything twice
ROW_BYTES = 12  # of a row's id, count and scale, beside its values


@dataclass(slots=True)
class Flow:
    """What has gone over a link, for people to see."""

    exchanges: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    sent_rows: int = 0
    received_rows: int = 0


class Phase(Enum):
    """Where a child's exchange stands."""

    IDLE = "idle"
    COLLECTING = "collecting"
    AWAITING = "awaiting"
    SETTLING = "settling"


@dataclass(slots=True)
class Uplink:
    """The child's end of a link to its parent. `max_bandwidth`: Mbit/s of its rows, each way; 0 is no limit.

    `room`: rows that the link has time for; `room_there`: that the parent does; `most`: in the exchange under way.
    `resuming`: after a reconnect, until the parent says that it still holds the reference; nothing is pushed before.
    `patience`: s that an exchange may last. `lost_at`: when the parent vanished, if it did.
    """

    peer: bytes
    link: bytes
    next_at: float
    max_bandwidth: float = 0.0
    began_at: float = 0.0
    batch: int = 0
    phase: Phase = Phase.IDLE
    flush: bool = False
    news: Origins = field(default_factory=dict)
    again: list[bytes] = field(default_factory=list)
    outbox: Push | None = None
    answer: Answer | None = None
    known: Origins = field(default_factory=dict)
    final: bool = False
    resuming: bool = False
    flow: Flow = field(default_factory=Flow)
    pending: int = 0
    unsent_there: int | None = None
    pace: Pace = field(default_factory=Pace)
    room: int = MAX_ROWS
    room_there: int = MAX_ROWS
    most: int = MAX_ROWS
    patience: float = UNANSWERED
    lost_at: float | None = None

    def begin(self, now: float, flush: bool, provenance: Provenance, most: int = MAX_ROWS) -> list[Collect]:
        """Start an exchange of at most so many rows, if none is under way and it is time."""
        if self.phase is not Phase.IDLE or now < self.next_at:
            return []
        self.phase, self.began_at, self.flush, self.most = Phase.COLLECTING, now, flush, min(most, self.room)
        again = {origin: provenance.tokens[origin] for origin in self.again}
        self.news = provenance.news(self.known) | again | provenance.doubted(self.link)
        return [Collect(self.link, flush, min(self.most, self.room_there))]

    def collected(self, got: Batch, provenance: Provenance, clean: bool) -> Push:
        """The push for what the model gave; `clean` holds only if residuals were looked for and nothing was found."""
        self.phase = Phase.AWAITING
        self.pending = got.pending
        clean = clean and self.flush and not len(got.delta)
        news = provenance.newest(self.news, self.known)
        self.outbox = Push(self.link, self.batch + 1, clean, got.pending, got.unsent, news, got.delta, self.most)
        return self.outbox

    def answered(self, answer: Answer, provenance: Provenance) -> list[Settle]:
        """Check the answer against the outstanding batch and have it applied; repeats are ignored.

        What it brings may have come by another way since the push was gathered. Where its origins tell of that, the
        next push names them `again`; what was in doubt before, it names anyway.
        """
        if answer.batch <= self.batch or self.phase is Phase.SETTLING:
            return []
        if self.outbox is None or answer.batch != self.outbox.batch:
            raise ProtocolError("sequence", f"answer {answer.batch} to no outstanding batch")
        check_covers(answer.delta, self.outbox.delta)
        self.phase, self.answer = Phase.SETTLING, answer
        since = provenance.news(self.known | self.outbox.origins)
        self.again = [o for o, n in answer.origins.items() if o in since and n > self.known.get(o, 0)]
        echoed = {origin: self.known.get(origin, 0) for origin in self.outbox.origins}
        self.again += provenance.learn(answer.origins, self.link, echoed)
        met = self.again or self.link in provenance.doubts or self._named_anew(answer.origins, self.outbox.origins)
        return [Settle(self.link, self.outbox.delta, answer.delta, bool(met))]

    def _named_anew(self, origins: Origins, mine: Origins) -> bool:
        """Whether an answer names what this end has named, or what both knew already: the parent is in doubt of it."""
        return any(origin in mine or n <= self.known.get(origin, 0) for origin, n in origins.items())

    def overdue(self, now: float) -> bool:
        """Whether the answer should have come by now; from then on, in as long a time again."""
        late = self.phase is Phase.AWAITING and now - self.began_at > self.patience
        self.patience *= 1 + late
        return late

    def settled(self, now: float, interval: float) -> None:
        """Both ends now hold the same reference; the next batch may follow."""
        assert self.outbox is not None
        assert self.answer is not None
        sent, answer = self.outbox, self.answer
        raise_to(self.known, sent.origins)
        raise_to(self.known, answer.origins)
        self.batch, self.final, self.unsent_there = answer.batch, answer.final, answer.unsent
        self.outbox = self.answer = None
        self.phase = Phase.IDLE
        busy, least = now - self.began_at, self._least(sent, answer)
        self.patience = max(UNANSWERED, LONGER * busy)
        self.next_at = max(now + self._pause(sent, answer, max(0.0, interval - busy)), self.began_at + least)
        self.pace.saw(len(sent.delta) + len(answer.delta), max(busy, least))
        self.room, self.room_there = self.pace.room(interval), max(1, answer.room)
        self.flow.exchanges += 1
        self.flow.sent_rows += len(sent.delta)
        self.flow.received_rows += len(answer.delta)

    def _pause(self, sent: Push, answer: Answer, rest: float) -> float:
        if answer.unsent or sent.unsent:
            return 0.0  # somebody is catching up
        if not len(answer.delta):
            return END_PAUSE if sent.clean and not answer.final else max(rest, IDLE_PAUSE)
        return FLUSH_PAUSE if self.flush and sent.pending else rest

    def _least(self, sent: Push, answer: Answer) -> float:
        """Seconds that the larger of both deltas takes of what the link may carry, however much there is to say."""
        size = max(each.delta.values.nbytes + ROW_BYTES * len(each.delta) for each in (sent, answer))
        return size * 8 / (self.max_bandwidth * 1e6) if self.max_bandwidth else 0.0


@dataclass(slots=True)
class Downlink:
    """The parent's end of a link to one child. `lost_at`: when its connection went away, if it did.

    `most`: rows that this node has time for.
    """

    peer: bytes
    link: bytes
    batch: int = 0
    merging: Push | None = None
    news: Origins = field(default_factory=dict)
    flush: bool = False
    kept: Answer | None = None
    known: Origins = field(default_factory=dict)
    clean: bool = False
    unsent_there: int | None = None
    lost_at: float | None = None
    most: int = MAX_ROWS
    flow: Flow = field(default_factory=Flow)
    pending: int = 0

    @property
    def told_final(self) -> bool:
        """Whether the child has been told that no row will change any more."""
        return self.kept is not None and self.kept.final

    def can_go_on(self, batch: int) -> bool:
        """Whether a child that is done with `batch` holds the same reference, or gets it by what it is answered."""
        return self.batch == batch or (self.batch == batch + 1 and self.kept is not None)

    def pushed(self, push: Push, provenance: Provenance, flush: bool, most: int = MAX_ROWS) -> list[Merge] | Answer:
        """What to do with a push: merge it with at most so many rows, or answer it again if it is a repeat."""
        if self.kept is not None and push.batch == self.batch:
            return self.kept
        if self.merging is not None and push.batch == self.merging.batch:
            return []
        if self.merging is not None or push.batch != self.batch + 1:
            raise ProtocolError("sequence", f"batch {push.batch} after {self.batch}")
        self.merging, self.flush, self.most = push, flush, most
        mine = provenance.news(self.known)
        both = {origin: n for origin, n in push.origins.items() if origin in mine or n <= self.known.get(origin, 0)}
        both |= {origin: push.origins[origin] for origin in provenance.learn(push.origins, self.link)}
        both |= provenance.doubted(self.link)
        self.news = both | mine
        return [Merge(self.link, push.delta, flush, bool(both), min(push.room, most))]

    def merged(self, got: Batch, provenance: Provenance, final: bool) -> Answer:
        """The answer to the push under way. `final` holds only if both ends had looked for residuals and found none."""
        assert self.merging is not None
        push = self.merging
        quiet = push.clean and self.flush and not len(got.delta)
        news = provenance.newest(self.news, self.known)
        answer = Answer(self.link, push.batch, final and quiet, got.pending, got.unsent, news, got.delta, self.most)
        raise_to(self.known, push.origins)
        raise_to(self.known, news)
        self.merging, self.kept, self.batch = None, answer, push.batch
        self.clean, self.unsent_there, self.pending = push.clean, push.unsent, got.pending
        self.flow.exchanges += 1
        self.flow.received_rows += len(push.delta)
        self.flow.sent_rows += len(got.delta)
        return answer


def check_covers(answer: RowDelta, sent: RowDelta) -> None:
    """Raise ProtocolError unless `answer` has a row for every row `sent`."""
    missing = np.setdiff1d(sent.rows, answer.rows, assume_unique=True)
    if len(missing):
        raise ProtocolError("rows", f"answer lacks {len(missing)} of the rows that were pushed")
