"""The replica: both matrices of a node, and the only place where their rows change hands.

`weights` float32[2V, D] holds `syn0` above `syn1neg`; `updates` int64[2V] counts the training pairs each row has
seen, its own and merged ones. What each link knows of the rows is a `LinkView`.

Trainer threads write rows while this class reads and merges them, without locks (Hogwild): a race loses, for some
floats of one row, one update or what one exchange brought. With a large vocabulary merging costs a trainer thread some
1e-6 of its updates, less than two threads cost each other (1e-5); `tests/w2v/training/test_races.py` bounds both. The
references are touched by this class alone, so both ends of a link keep theirs bit for bit equal. All methods but the
properties run in one thread, the row worker's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gossipw2v.delta import Batch, RowDelta, check
from gossipw2v.w2v.kernels.merge import Curve, Matrices, RowExchange, collect_rows, curve, merge_rows, settle_rows
from gossipw2v.w2v.kernels.priority import Waiting, add_counts, both, picked
from gossipw2v.w2v.kernels.quantize import Coded, blank, frozen
from gossipw2v.w2v.training.clipping import Clipping, ClippingLimits
from gossipw2v.w2v.training.curvature import Pairs, Spectrum, flat, spectra
from gossipw2v.w2v.training.link_view import MOST_COUNT, Counts, Floats, Ids, LinkView, Reference

LARGEST = 64.0  # no honest value moves by more: rows have norms of 1 to 10


@dataclass(slots=True)
class Model:
    """A node's vectors, from the initial ones on."""

    initial: Callable[[], Floats]  # makes the vectors that every node of the job starts from, float32[2V, D]
    budget: int  # pending rows that one end puts into one exchange
    last_budget: int = 0  # the same when its training is over and there is nothing to wait for
    alpha: float = 0.025  # step size of the training that is merged; the owner keeps it up to date
    bits: int = 4  # of a value in an exchange, 4 or 8
    limits: ClippingLimits = field(default_factory=ClippingLimits)  # of what others may do
    longest: float = np.inf  # norm above which a row is broken, as one that is not finite is: such a row goes to nobody
    now: float = 0.0  # seconds of a monotonic clock, which the owner sets
    weights: Floats = field(init=False)  # [2V, D]
    updates: NDArray[np.int64] = field(init=False)  # [2V]
    spectra: tuple[Spectrum, Spectrum] = field(init=False)  # the curvature of both matrices, as far as it is known
    clipping: Clipping = field(init=False)  # what others have done of late
    broken: int = 0  # how often a row was found so
    came: int = 0  # rows that others have sent
    links: dict[bytes, LinkView] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.weights = self.initial()
        self.updates = np.zeros(len(self.weights), np.int64)
        self.forget_curvature()
        self.clipping = Clipping(self.limits, len(self.weights), self.vector_size, self.weights, self.longest)

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

    def open_link(self, link: bytes, overlap: bool, catch_up: bool, host: str = "", take: bool = False) -> None:
        """Start a link from the initial vectors. With `overlap` a row is merged by AdaSum until the child has sent its
        own: until then what one end has beyond the other may be part of a common history.

        With `take`, which goes with it, nothing is pending, and a row that comes replaces the one that is here.
        `host` names the machine at the other end, whose moves are limited whatever links it opens.
        """
        self.clipping.open(link, host)
        self.links[link] = LinkView.opened(self.initial(), self.updates, overlap, catch_up, take)

    def references(self) -> dict[bytes, Reference]:
        """What to keep of every link, but of those where an end has yet to catch up; views, not copies."""
        known = {link: view for link, view in self.links.items() if not view.catch_up}
        return {link: view.kept(self.clipping.host_of(link)) for link, view in known.items()}

    def take_up(self, link: bytes, kept: Reference) -> None:
        """Go on with a link that was kept. Its arrays become the model's."""
        self.clipping.open(link, kept.host)
        self.links[link] = LinkView.resumed(kept)

    def drop_link(self, link: bytes) -> None:
        """Forget a link."""
        self.links.pop(link, None)
        self.clipping.close(link)

    # -- exchanges ------------------------------------------------------------------------------------------

    def collect(self, link: bytes, flush: bool, room: int = MOST_COUNT) -> Batch:
        """The child's half of a push: the most pending rows, quantised. KeyError if the link is gone.

        At most `room` of them, unless this is a `flush`. Broken rows are left out and stay pending.
        """
        view = self.links[link]
        own = self._waiting(view, flush, room)
        counts = view.unseen(self.updates, own.rows)  # before the rows: what is trained meanwhile is told of later
        coded, sound = self._room(own.rows, flush), np.ones(len(own.rows), np.bool_)
        self.broken += collect_rows(self._replica(view), own.rows, np.float32(self.longest), coded, sound)
        whole = slice(None) if sound.all() else sound
        view.sent = RowDelta(own.rows[whole], counts[whole], coded.scales[whole], coded.values[whole])
        return view.batch(view.sent, own._replace(rows=view.sent.rows))

    def merge(self, link: bytes, delta: RowDelta, flush: bool, overlap: bool, room: int = MOST_COUNT) -> Batch:
        """The parent's half: merge a child's rows with the pending ones here, and answer with the result.

        With `overlap` both may hold the same training in any row: each is merged by AdaSum until the child has sent it.
        A row that asks for more than the limits allow is cut back to them before it is merged. DeltaError if `delta`
        does not fit the model; nothing has changed then.
        """
        check(delta, len(self.weights), self.vector_size, LARGEST)
        view = self.links[link]
        delta, clipped = self.clipping.clip(link, delta, self.now)
        if overlap:
            view.overlap()
        if view.take:
            self._give_up(view, delta.rows)
        own = self._waiting(view, flush, room)
        rows, at, theirs = _spread(delta, own.rows)
        exchange = RowExchange(rows, at, np.stack((theirs, view.unseen(self.updates, rows))), view.disjoint[rows])
        coded, pushed = self._room(rows, flush), frozen(Coded(delta.scales, delta.values))
        longest = np.float32(self.longest)
        self.broken += merge_rows(self._replica(view), exchange, pushed, self._curves(), longest, coded)
        ours = exchange.counts[1]
        self._credit(view, rows, theirs, ours)
        view.disjoint[delta.rows] = True
        self.came += len(delta.rows)
        return replace(view.batch(RowDelta(rows, ours, *coded), own), clipped=clipped)

    def settle(self, link: bytes, sent: RowDelta, answer: RowDelta, overlap: bool = False) -> None:
        """The child's end of an exchange: take the parent's merged rows for what was sent.

        What was trained here since the rows were collected (all that was trained, for rows that were not sent) went
        on beside what the answer brings, so the two are merged by the same rule; the difference stays pending. With
        `overlap` as in `merge`.
        DeltaError if `answer` does not fit the model, or moves a row beyond the limits; nothing has changed then.
        """
        check(answer, len(self.weights), self.vector_size, 2 * LARGEST)
        view = self.links[link]
        rows, at, ours = _spread(sent, answer.rows)
        self.clipping.admit(link, answer, sent, at, self.now)
        unseen = view.unseen(self.updates, rows)
        since = unseen - np.minimum(unseen, ours)
        if overlap:
            view.overlap()
        exchange = RowExchange(rows, at, np.stack((since, answer.counts)), view.disjoint[rows])
        gone, brought = (frozen(Coded(delta.scales, delta.values)) for delta in (sent, answer))
        self.broken += settle_rows(self._replica(view), exchange, gone, brought, self._curves())
        self._credit(view, rows, answer.counts, ours)
        view.disjoint[sent.rows] = True
        view.sent = None
        self.came += len(rows)

    def _replica(self, view: LinkView) -> Matrices:
        return Matrices(self.weights, view.reference)

    def _give_up(self, view: LinkView, rows: Ids) -> None:
        """Make rows of which there is nothing new here as if they had never been trained; a child's settle does so."""
        old = view.untouched(self.updates, rows)
        self.weights[old] = view.reference[old]

    def _credit(self, view: LinkView, rows: Ids, theirs: Counts, ours: Counts) -> None:
        """The other end's updates count here, and neither they nor the own ones need go back to it."""
        add_counts(self.updates, rows, view.credit(rows, theirs, ours))
        for each in self.links.values():
            each.may_differ[rows] = True

    def _room(self, rows: Ids, flush: bool) -> Coded:
        """While training goes on, what rounding drops goes with a later exchange; at the end the last bits count."""
        return blank(len(rows), self.vector_size, 8 if flush else self.bits)

    def _waiting(self, view: LinkView, flush: bool, room: int) -> Waiting:
        """At most a budget of pending rows."""
        budget = max(self.budget, self.last_budget) if flush else min(self.budget, room)
        return view.waiting(self.weights, self.updates, budget, flush)

    # -- curvature ------------------------------------------------------------------------------------------

    def learn_curvature(self, pairs: Pairs) -> None:
        """Estimate both spectra from a sample of training pairs, if it tells anything."""
        self.spectra = spectra(self.syn0, self.syn1neg, pairs) or self.spectra

    def forget_curvature(self) -> None:
        """From now on nothing is known of it, so that merging is adding."""
        self.spectra = (flat(self.vector_size), flat(self.vector_size))

    def _curves(self) -> tuple[Curve, Curve]:
        one, other = (
            curve(each.directions, each.curvatures * self.alpha, each.rest * self.alpha) for each in self.spectra
        )
        return one, other


def _spread(delta: RowDelta, others: Ids) -> tuple[Ids, Ids, Counts]:
    """The rows of `delta` and `others`, ascending; where each stands in `delta` (-1: nowhere), and its count there.

    What comes from the wire is read-only, for which the loops would be compiled once more: hence the copies.
    """
    rows, at = both(delta.rows.copy(), others.copy())
    return rows, at, picked(delta.counts.copy(), at)
