"""The replica: both matrices of a node, and the only place where their rows change hands.

`weights` float32[2V, D] holds `syn0` above `syn1neg`; `updates` int64[2V] counts the training pairs each row has
seen, its own and merged ones. Every link has a reference (what both of its ends last agreed on) and remembers which
updates the other end has; a row with more is *pending* on the link.

Trainer threads write rows while this class reads and merges them, without locks (Hogwild): a race loses, for some
floats of one row, one update or what one exchange brought. With a large vocabulary merging costs a trainer thread some
1e-6 of its updates, less than two threads cost each other (1e-5); `tests/w2v/training/test_races.py` bounds both. The
references are touched by this class alone, so both ends of a link keep theirs bit for bit equal. All methods but the
properties run in one thread, the merger's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gossipw2v.delta import Batch, RowDelta, check, empty
from gossipw2v.w2v.kernels import merge as rowwise
from gossipw2v.w2v.kernels import priority
from gossipw2v.w2v.kernels.priority import Ledger, Waiting, both, picked, waiting
from gossipw2v.w2v.kernels.quantize import Coded, blank, frozen
from gossipw2v.w2v.training import clipping, guard
from gossipw2v.w2v.training.clipping import Influence, Limits
from gossipw2v.w2v.training.curvature import Pairs, Spectrum, flat, spectra

TOLERANCE = 1e-4  # of a row's norm: residuals below it are not worth a frame when all training is over
LARGEST = 64.0  # no honest value moves by more: rows have norms of 1 to 10
MOST_COUNT = 2**32 - 1  # uint32
BLOCK_ROWS = 4096  # rows looked at at a time

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]


@dataclass(slots=True)
class _Link:
    """One link's view: what both ends hold, and what the other end has seen.

    `take`: rows of the other end take the place of those here that have not changed since the link was opened;
    `rough`: rows that may differ from the reference by what rounding dropped, with no update that tells of it;
    `sent`: the rows of a push that is not settled yet.
    """

    reference: Floats
    seen: NDArray[np.int64]
    sent_at: NDArray[np.int32]
    settled: NDArray[np.bool_]
    rough: NDArray[np.bool_]
    catch_up: bool
    take: bool = False
    exchange: int = 1
    sent: RowDelta | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A link's view while the node is down: `weights` float32[2V, D] that both ends hold, `seen` int64[2V] updates that
    the other has, rows bool[2V] that are `settled`; `take` and `origin` as when the link was opened.
    """

    weights: Floats
    seen: NDArray[np.int64]
    settled: NDArray[np.bool_]
    take: bool
    origin: str


def nothing_kept(_weights: Floats, _updates: NDArray[np.int64]) -> bool:
    """Where there is no checkpoint to come back to."""
    return False


@dataclass(slots=True)
class Model:
    """`initial()` makes the vectors that every node of the job starts from, float32[2V, D].

    `budget`: pending rows that one end puts into one exchange, `last_budget` when its training is over and there is
    nothing to wait for; `bits` of a value in it, 4 or 8. `limits` of what others may do; `longest`: norm of a row above
    which it is broken, as one that is not finite is: such a row goes to nobody. `now`: seconds of a monotonic clock,
    which the owner sets. `came`: rows that others have sent; `broken`: how often a row was found so.
    """

    initial: Callable[[], Floats]
    budget: int
    last_budget: int = 0
    alpha: float = 0.025
    bits: int = 4
    limits: Limits = field(default_factory=Limits)
    longest: float = np.inf
    now: float = 0.0
    weights: Floats = field(init=False)
    updates: NDArray[np.int64] = field(init=False)
    spectra: tuple[Spectrum, Spectrum] = field(init=False)
    influence: Influence = field(init=False)
    broken: int = 0
    came: int = 0
    links: dict[bytes, _Link] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.weights = self.initial()
        self.updates = np.zeros(len(self.weights), np.int64)
        self.spectra = (flat(self.vector_size), flat(self.vector_size))
        self.influence = Influence(self.limits, len(self.weights), self.vector_size, self.weights, self.longest)

    @property
    def vector_size(self) -> int:
        """D."""
        return int(self.weights.shape[1])

    @property
    def syn0(self) -> Floats:
        """The input vectors, a view float32[V, D]."""
        return self.weights[: len(self.weights) // 2]

    @property
    def syn1neg(self) -> Floats:
        """The output vectors, a view float32[V, D]."""
        return self.weights[len(self.weights) // 2 :]

    # -- links ----------------------------------------------------------------------------------------------

    def open_link(self, link: bytes, overlap: bool, catch_up: bool, origin: str = "", take: bool = False) -> None:
        """Start a link from the initial vectors. With `overlap` a row is merged by AdaSum until the child has sent its
        own: until then what one end has beyond the other may be part of a common history.

        With `take`, which goes with it, nothing is pending, and a row that comes replaces the one that is here.
        `origin` names the machine at the other end, whose influence is limited whatever links it opens.
        """
        n = len(self.weights)
        self.influence.open(link, origin)
        self.links[link] = _Link(
            reference=self.initial(),
            seen=self.updates.copy() if take else np.zeros(n, np.int64),
            sent_at=np.zeros(n, np.int32),
            settled=np.full(n, not overlap),
            rough=np.ones(n, np.bool_),
            catch_up=catch_up,
            take=take,
        )

    def references(self) -> dict[bytes, Reference]:
        """What to keep of every link, but of those where an end has yet to catch up; views, not copies."""
        return {
            link: Reference(held.reference, held.seen, held.settled, held.take, self.influence.origin_of(link))
            for link, held in self.links.items()
            if not held.catch_up
        }

    def take_up(self, link: bytes, kept: Reference) -> None:
        """Go on with a link that was kept. Its arrays become the model's."""
        n = len(self.weights)
        self.influence.open(link, kept.origin)
        sent_at, rough = np.zeros(n, np.int32), np.ones(n, np.bool_)
        self.links[link] = _Link(kept.weights, kept.seen, sent_at, kept.settled, rough, catch_up=False, take=kept.take)

    def drop_link(self, link: bytes) -> None:
        """Forget a link."""
        self.links.pop(link, None)
        self.influence.close(link)

    def collect(self, link: bytes, flush: bool, room: int = MOST_COUNT) -> Batch:
        """The child's half of a push: the most pending rows, quantised. KeyError if the link is gone.

        At most `room` of them, unless this is a `flush`. Broken rows are left out and stay pending.
        """
        state = self.links[link]
        own = self._waiting(state, flush, room)
        counts = self._unseen(state, own.rows)  # before the rows: what is trained meanwhile is not told of too early
        coded, sound = self._room(own.rows, flush), np.ones(len(own.rows), np.bool_)
        longest = np.float32(self.longest)
        self.broken += rowwise.collect_rows(self.weights, state.reference, own.rows, longest, coded, sound)
        whole = slice(None) if sound.all() else sound
        state.sent = RowDelta(own.rows[whole], counts[whole], coded.scales[whole], coded.values[whole])
        return self._batch(state, state.sent, own._replace(rows=state.sent.rows))

    def merge(self, link: bytes, delta: RowDelta, flush: bool, overlap: bool, room: int = MOST_COUNT) -> Batch:
        """The parent's half: merge a child's rows with the pending ones here, and answer with the result.

        With `overlap` both may hold the same training in any row: each is merged by AdaSum until the child has sent it.
        A row that asks for more than the limits allow is cut back to them before it is merged. DeltaError if `delta`
        does not fit the model; nothing has changed then.
        """
        check(delta, len(self.weights), self.vector_size, LARGEST)
        state = self.links[link]
        delta, clipped = self.influence.clip(link, delta, self.now)
        if overlap:
            state.settled[:] = False
        if state.take:
            self._give_up(state, delta.rows)
        own = self._waiting(state, flush, room)
        rows, at, theirs = _spread(delta, own.rows)
        ours = self._unseen(state, rows)
        apart = state.settled[rows]
        coded = self._room(rows, flush)
        pushed = frozen(Coded(delta.scales, delta.values))
        counts, longest = np.stack((theirs, ours)), np.float32(self.longest)
        arguments = (at, counts, apart, self._curves(), longest, coded)
        self.broken += rowwise.merge_rows(self.weights, state.reference, rows, pushed, *arguments)
        ours = counts[1]
        self._credit(state, rows, theirs, ours)
        state.settled[delta.rows] = True
        self.came += len(delta.rows)
        return replace(self._batch(state, RowDelta(rows, ours, *coded), own), clipped=clipped)

    def settle(self, link: bytes, sent: RowDelta, answer: RowDelta, overlap: bool = False) -> None:
        """The child's end of an exchange: take the parent's merged rows for what was sent.

        What was trained here since the rows were collected (all that was trained, for rows that were not sent) went
        on beside what the answer brings, so the two are merged by the same rule; the difference stays pending. With
        `overlap` as in `merge`.
        DeltaError if `answer` does not fit the model, or moves a row beyond the limits; nothing has changed then.
        """
        check(answer, len(self.weights), self.vector_size, 2 * LARGEST)
        state = self.links[link]
        rows, at, ours = _spread(sent, answer.rows)
        self.influence.admit(link, answer, sent, at, self.now)
        unseen = self._unseen(state, rows)
        since = unseen - np.minimum(unseen, ours)
        if overlap:
            state.settled[:] = False
        apart = state.settled[rows]
        coded = frozen(Coded(answer.scales, answer.values))
        gone = frozen(Coded(sent.scales, sent.values))
        arguments = (gone, at, coded, np.stack((since, answer.counts)), apart, self._curves())
        self.broken += rowwise.settle_rows(self.weights, state.reference, rows, *arguments)
        self._credit(state, rows, answer.counts, ours)
        state.settled[sent.rows] = True
        state.sent = None
        self.came += len(rows)

    def _give_up(self, state: _Link, rows: Ids) -> None:
        """Make rows of which there is nothing new here as if they had never been trained; a child's settle does so."""
        old = rows[~state.settled[rows] & (self._unseen(state, rows) == 0)]
        self.weights[old] = state.reference[old]

    def _credit(self, state: _Link, rows: Ids, theirs: NDArray[np.uint32], ours: NDArray[np.uint32]) -> None:
        """The other end's updates count here, and neither they nor the own ones need go back to it.

        Where histories overlapped, most of the other end's were counted before: such a row counts one.
        """
        credit = np.where(state.settled[rows], theirs, np.minimum(theirs, 1)).astype(np.uint32)
        rowwise.add_counts(self.updates, rows, credit)
        rowwise.add_counts(state.seen, rows, credit)
        rowwise.add_counts(state.seen, rows, ours)
        for each in self.links.values():
            each.rough[rows] = True

    def _batch(self, state: _Link, delta: RowDelta, own: Waiting) -> Batch:
        state.exchange += 1
        state.sent_at[delta.rows] = state.exchange
        return Batch(delta, own.pending - len(own.rows), max(0, own.unsent - len(own.rows)))

    def _room(self, rows: Ids, flush: bool) -> Coded:
        """While training goes on, what rounding drops goes with a later exchange; at the end the last bits count."""
        return blank(len(rows), self.vector_size, 8 if flush else self.bits)

    def _curves(self) -> tuple[rowwise.Curve, rowwise.Curve]:
        one, other = (
            rowwise.curve(curve.directions, curve.curvatures * self.alpha, curve.rest * self.alpha)
            for curve in self.spectra
        )
        return one, other

    def _waiting(self, state: _Link, flush: bool, room: int) -> Waiting:
        """At most a budget of pending rows; `unsent` counts only while the link catches up."""
        budget = max(self.budget, self.last_budget) if flush else min(self.budget, room)
        unequal = self._residuals(state) if flush else np.zeros(len(self.weights), np.bool_)
        ledger = Ledger(self.updates, state.seen, state.sent_at)
        found = waiting(ledger, unequal, state.exchange, budget, state.catch_up)
        state.catch_up = state.catch_up and found.unsent > 0
        return found if state.catch_up else found._replace(unsent=0)

    def _residuals(self, state: _Link) -> NDArray[np.bool_]:
        """The rows that differ from the reference by more than is worth a frame; most have not changed since a look."""
        unequal = np.zeros(len(self.weights), np.bool_)
        rowwise.unequal_rows(self.weights, state.reference, np.float32(TOLERANCE), state.rough, unequal)
        return unequal

    def _unseen(self, state: _Link, rows: Ids) -> NDArray[np.uint32]:
        behind: NDArray[np.int64] = self.updates[rows] - state.seen[rows]
        return behind.clip(0, MOST_COUNT).astype(np.uint32)

    # -- a model that has diverged --------------------------------------------------------------------------

    def come_back(self, kept: Callable[[Floats, NDArray[np.int64]], bool] = nothing_kept) -> None:
        """Give up what has been trained of late: each row comes back from where most is known of it.

        `kept` puts the rows of a checkpoint of this model into float32[2V, D], and into int64[2V] updates that are
        surely in them; False if there is none. Without anything else a row is its initial one. No trainer thread may
        be at work.

        Of the checkpoint and the references the one that has seen more updates of a row is the right one for it. If
        that is the checkpoint, no exchange since has had the row, since that would have raised `seen` above what the
        checkpoint counts: the reference is older, and the difference is still pending, as it was then. If it is a
        reference, the other end holds that row; going further back would make the difference a change against what it
        has, and undo there, at the next exchange, what others have trained. What was pushed and is not answered yet
        belongs to the reference, as the answer will be merged as one to it. So `updates` never fall below what any
        other end has seen, and nothing is told twice; what only this node had is lost, as if it had been killed.
        """
        first, self.spectra = self.initial(), (flat(self.vector_size), flat(self.vector_size))
        if not kept(self.weights, self.updates):
            self.weights[:], self.updates[:] = first, 0
        for start in range(0, len(first), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            lost = ~guard.sound(self.weights[block], self.longest)
            self.weights[block][lost], self.updates[block][lost] = first[block][lost], 0
        for state in self.links.values():
            self._take_back(state)

    def _take_back(self, state: _Link) -> None:
        sent = state.sent or empty(self.vector_size)
        at = np.full(len(self.weights), -1, np.int32)
        at[sent.rows] = np.arange(len(sent), dtype=np.int32)
        coded = frozen(Coded(sent.scales, sent.values))
        arguments = (state.reference, state.seen, coded, at, sent.counts, np.float32(self.longest))
        rowwise.take_back(self.weights, self.updates, *arguments)
        state.rough[:] = True  # rows may differ from the references with no update that tells of it

    # -- curvature ------------------------------------------------------------------------------------------

    def learn_curvature(self, pairs: Pairs) -> None:
        """Estimate both spectra from a sample of training pairs, if it tells anything."""
        self.spectra = spectra(self.syn0, self.syn1neg, pairs) or self.spectra


def _spread(delta: RowDelta, others: Ids) -> tuple[Ids, Ids, NDArray[np.uint32]]:
    """The rows of `delta` and `others`, ascending; where each stands in `delta` (-1: nowhere), and its count there.

    What comes from the wire is read-only, for which the loops would be compiled once more: hence the copies.
    """
    rows, at = both(delta.rows.copy(), others.copy())
    return rows, at, picked(delta.counts.copy(), at)


def warm_up(vector_size: int) -> None:
    """Compile, or load from the cache, all that merging needs."""
    guard.warm_up(vector_size)
    rowwise.warm_up(vector_size)
    priority.warm_up()
    clipping.warm_up(vector_size)
