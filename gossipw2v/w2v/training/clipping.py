"""How far other nodes may move a row: a length in one exchange, and a budget of lengths in any hour.

What the other end of a link brings is its push for a parent, and for a child the answer less what the child itself had
pushed. Both are known before anything changes, from the coded rows alone. A parent scales a row that asks for more down
to what is allowed and answers with the result, which both ends add to the reference; a child cannot answer, so that it
takes an answer whole or refuses it and gives the link up. Either way the references stay equal.

Besides, a lying count can make the merge rule take back at most half of what this end itself has changed in a row since
the exchange before: it pulls towards the reference, never beyond, and not at all once the row's budget is used up.

The budget is a bucket of half its size that drains half of it in an hour (as in GCRA): whatever the timing, no more
than the budget passes in any hour. It belongs to the machine at the other end: who leaves and comes back, under
whatever name, finds what is left of it.

Nor may others make a row so long that this node would take its model for one that has diverged: it would fail for what
it has not done.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gossipw2v.delta import DeltaError, RowDelta
from gossipw2v.w2v.kernels.merge import row_lengths
from gossipw2v.w2v.kernels.quantize import Coded, distances, frozen

HOUR = 3600.0
KEPT = 64  # buckets kept of machines that are gone
SHARE = 0.9  # of the length at which a row is broken, up to which others may make it
LEAST = 0.01  # of a row that is allowed less than this share of its move, nothing is taken: not even its count

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ClippingLimits:
    """How far others may move a row; 0 is no limit."""

    move: float = 0.0  # length in one exchange
    budget: float = 0.0  # length in any hour


@dataclass(slots=True)
class Bucket:
    """What one other end has moved so far."""

    due: NDArray[np.float64]  # [rows]: where the drain, in lengths since the clock's beginning, has emptied the bucket
    clipped: int = 0  # rows that were cut back or refused
    largest: float = 0.0  # the longest move that was asked for
    used: float = 0.0  # the largest share of the budget that a row's moves had taken

    def charge(self, rows: Ids, granted: Doubles, drained: float) -> float:
        """Put float64[n] lengths into the buckets of int32[n] rows; returns the highest level."""
        levels = np.maximum(self.due[rows] - drained, 0.0) + granted
        self.due[rows] = drained + levels
        return float(levels.max(initial=0.0))


@dataclass(slots=True)
class Clipping:
    """The buckets of the other ends, for a model of `rows` rows of `size` dimensions.

    Times are seconds of one monotonic clock.
    """

    limits: ClippingLimits  # for each of the other ends
    rows: int  # of the model
    size: int  # of a row
    weights: Floats | None = None  # float32[rows, size], the rows themselves; None: they may have any length
    longest: float = np.inf  # above this length a row is broken
    buckets: dict[bytes, Bucket] = field(default_factory=dict)  # by link
    _hosts: dict[bytes, str] = field(default_factory=dict)  # by link, the machine at its other end
    _gone: list[tuple[str, Bucket]] = field(default_factory=list)  # of machines that closed their link, the last ones

    def open(self, link: bytes, host: str) -> None:
        """A link begins. `host` names the machine at its other end; "" is not known, and shares with nobody."""
        known = next((i for i in reversed(range(len(self._gone))) if self._gone[i][0] == host != ""), None)
        held = self._gone.pop(known)[1].due if known is not None else np.full(self.rows, -np.inf)
        self.buckets[link], self._hosts[link] = Bucket(held), host

    def host_of(self, link: bytes) -> str:
        """The machine at the other end, as far as known."""
        return self._hosts.get(link, "")

    def close(self, link: bytes) -> None:
        """A link has ended; what its other end has used of the budget is remembered."""
        bucket = self.buckets.pop(link, None)
        host = self._hosts.pop(link, "")
        if bucket is not None and host:
            self._gone = [*self._gone, (host, bucket)][-KEPT:]

    def gone(self) -> list[Bucket]:
        """The buckets that are kept of machines that are gone."""
        return [bucket for _, bucket in self._gone]

    def rename(self, names: dict[bytes, bytes]) -> None:
        """Links have new names, by the old ones."""
        self.buckets = {names.get(link, link): bucket for link, bucket in self.buckets.items()}
        self._hosts = {names.get(link, link): host for link, host in self._hosts.items()}

    def clip(self, link: bytes, push: RowDelta, now: float) -> tuple[RowDelta, int]:
        """What may be merged of a child's push, and how many of its rows ask for more than that."""
        bucket, nothing = self.buckets[link], np.full(len(push), -1, np.int32)
        lengths = self._lengths(push, push, nothing)
        granted, clipped = self._granted(bucket, push.rows, lengths, now)
        self._spend(bucket, push.rows, granted, now)
        if not clipped:
            return push, 0
        share = np.divide(granted, lengths, out=np.ones_like(lengths), where=granted < lengths)
        share[share < LEAST] = 0
        counts = np.where(share > 0, push.counts, 0).astype(np.uint32)
        return replace(push, scales=push.scales * share.astype(np.float32), counts=counts), clipped

    def admit(self, link: bytes, answer: RowDelta, sent: RowDelta, at: Ids, now: float) -> None:
        """Charge a parent's answer, whose row i stands at `at[i]` of what was `sent` (-1: nowhere).

        DeltaError if a row would move by more than is allowed; nothing is charged then.
        """
        bucket = self.buckets[link]
        lengths = self._lengths(answer, sent, at)
        granted, clipped = self._granted(bucket, answer.rows, lengths, now)
        if clipped:
            worst = int(np.argmax(lengths - granted))
            text = f"{clipped} rows would move too far, one by {lengths[worst]:.3g} where {granted[worst]:.3g} is left"
            raise DeltaError(text, "influence")
        self._spend(bucket, answer.rows, granted, now)

    def _lengths(self, brought: RowDelta, kept: RowDelta, at: Ids) -> Doubles:
        """float64[n]: how far each row of `brought` is from row `at[i]` of `kept`."""
        lengths = np.empty(len(brought))
        one, other = (frozen(Coded(delta.scales, delta.values)) for delta in (brought, kept))
        distances(one, other, at, self.size, lengths)
        return lengths

    def _granted(self, bucket: Bucket, rows: Ids, lengths: Doubles, now: float) -> tuple[Doubles, int]:
        """float64[n]: how far each row may move, at most as far as is asked; how many ask for more."""
        in_exchange, in_bucket = self.limits.move or np.inf, self.limits.budget / 2 or np.inf
        left = np.maximum(in_bucket - np.maximum(bucket.due[rows] - self._drained(now), 0.0), 0.0)
        allowed = np.minimum(np.minimum(self._room(rows), in_exchange), left)
        clipped = int(np.count_nonzero(lengths > allowed))
        bucket.clipped += clipped
        bucket.largest = max(bucket.largest, float(lengths.max(initial=0.0)))
        return np.minimum(lengths, allowed), clipped

    def _room(self, rows: Ids) -> Doubles:
        """float64[n]: how much longer others may make each row; one that is broken already is not their doing."""
        room = np.full(len(rows), np.inf)
        if self.weights is not None:
            row_lengths(self.weights, rows.copy(), room)  # not read-only, as what comes from the wire is
            room = np.where(room <= self.longest, np.maximum(SHARE * self.longest - room, 0.0), np.inf)
        return room

    def _spend(self, bucket: Bucket, rows: Ids, granted: Doubles, now: float) -> None:
        if self.limits.budget:
            level = bucket.charge(rows, granted, self._drained(now))
            bucket.used = max(bucket.used, level / (self.limits.budget / 2))

    def _drained(self, now: float) -> float:
        return self.limits.budget / 2 / HOUR * now
