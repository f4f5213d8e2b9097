"""What one link knows of a model's rows: what both of its ends hold, and which updates the other end has.

Both ends keep their references bit for bit equal. What of a row is beyond the reference is still to be exchanged; a
row whose updates the other end has not all seen is *pending*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gossipw2v.delta import Batch, RowDelta
from gossipw2v.w2v.kernels.merge import Matrices
from gossipw2v.w2v.kernels.priority import Ledger, Waiting, add_counts, unequal_rows, waiting

TOLERANCE = 1e-4  # of a row's norm: residuals below it are not worth a frame when all training is over
MOST_COUNT = 2**32 - 1  # uint32

Floats = NDArray[np.float32]
Updates = NDArray[np.int64]
Counts = NDArray[np.uint32]
Flags = NDArray[np.bool_]
Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Reference:
    """A link's view while the node is down."""

    weights: Floats  # [2V, D], what both ends hold
    seen: Updates  # [2V], as in `LinkView`
    disjoint: Flags  # [2V], as in `LinkView`
    take: bool  # as when the link was opened
    host: str  # of the machine at the other end, as when the link was opened


@dataclass(slots=True)
class LinkView:
    """One end's view of a link, of 2V rows. The arrays belong to it."""

    reference: Floats  # [2V, D], what both ends last agreed on
    seen: Updates  # [2V], the updates of each row that the other end has
    sent_at: Ids  # [2V], the exchange in which a row last went, 0: it never did
    disjoint: Flags  # [2V], whether no update is behind both what this end and what the other has beyond the reference
    may_differ: (
        Flags  # [2V], whether a row may be beyond the reference with no update that tells: what rounding dropped
    )
    catch_up: bool  # whether the other end still lacks rows that never went
    take: bool = False  # whether rows that come replace those here in which nothing has been trained since the opening
    exchange: int = 1  # number of the next
    sent: RowDelta | None = None  # the rows of a push that is not answered yet

    @classmethod
    def opened(cls, initial: Floats, updates: Updates, overlap: bool, catch_up: bool, take: bool) -> LinkView:
        """A new link's, from the initial vectors, with the model's updates int64[2V]; as `Model.open_link` says."""
        n = len(initial)
        seen = updates.copy() if take else np.zeros(n, np.int64)
        sent_at, disjoint = np.zeros(n, np.int32), np.full(n, not overlap)
        return cls(initial, seen, sent_at, disjoint, may_differ=np.ones(n, np.bool_), catch_up=catch_up, take=take)

    @classmethod
    def resumed(cls, kept: Reference) -> LinkView:
        """That of a link that was kept."""
        n = len(kept.weights)
        sent_at, may_differ = np.zeros(n, np.int32), np.ones(n, np.bool_)
        return cls(kept.weights, kept.seen, sent_at, kept.disjoint, may_differ, catch_up=False, take=kept.take)

    def kept(self, host: str) -> Reference:
        """What to keep of it; views, not copies."""
        return Reference(self.reference, self.seen, self.disjoint, self.take, host)

    def overlap(self) -> None:
        """From now on the other end may have of every row, beyond the reference, what this end has too.

        So it is until it has sent the row: then this end knows what the other has, and the reference holds it.
        """
        self.disjoint[:] = False

    def unseen(self, updates: Updates, rows: Ids) -> Counts:
        """uint32[n]: how many of the model's updates the other end has not seen of some rows."""
        behind: Updates = updates[rows] - self.seen[rows]
        return behind.clip(0, MOST_COUNT).astype(np.uint32)

    def untouched(self, updates: Updates, rows: Ids) -> Ids:
        """Those of the rows of which there is nothing new here, and which the other end may have too."""
        found: Ids = rows[~self.disjoint[rows] & (self.unseen(updates, rows) == 0)]
        return found

    def waiting(self, weights: Floats, updates: Updates, budget: int, flush: bool) -> Waiting:
        """At most `budget` pending rows, with a `flush` also those that differ; `unsent` counts while it catches up."""
        unequal = np.zeros(len(weights), np.bool_)
        if flush:
            unequal_rows(Matrices(weights, self.reference), np.float32(TOLERANCE), self.may_differ, unequal)
        found = waiting(Ledger(updates, self.seen, self.sent_at), unequal, self.exchange, budget, self.catch_up)
        self.catch_up = self.catch_up and found.unsent > 0
        return found if self.catch_up else found._replace(unsent=0)

    def batch(self, delta: RowDelta, own: Waiting) -> Batch:
        """The exchange in which `delta` goes, of whose rows `own` were pending here."""
        self.exchange += 1
        self.sent_at[delta.rows] = self.exchange
        return Batch(delta, own.pending - len(own.rows), max(0, own.unsent - len(own.rows)))

    def credit(self, rows: Ids, theirs: Counts, ours: Counts) -> Counts:
        """The other end has seen uint32[n] updates of both; returns those of its own that are new here.

        Where histories may overlap, most of the other end's were counted before: such a row counts one.
        """
        new: Counts = np.where(self.disjoint[rows], theirs, np.minimum(theirs, 1)).astype(np.uint32)
        add_counts(self.seen, rows, new)
        add_counts(self.seen, rows, ours)
        return new
