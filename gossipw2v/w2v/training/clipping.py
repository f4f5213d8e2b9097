# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator"
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
from numba import njit
from numpy.typing import NDArray

from gossipw2v.delta import DeltaError, RowDelta

HOUR = 3600.0
KEPT = 64  # buckets kept of machines that are gone
SHARE = 0.9  # of the length at which a row is broken, up to which others may make it
LEAST = 0.01  # of a row that is allowed less than this share of its move, nothing is taken: not even its count

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ids = NDArray[np.int32]

_fast = njit(nogil=True, error_model="numpy", cache=True, boundscheck=False, fastmath={"reassoc", "contract"})
_FOUR = np.int8(4)


@dataclass(frozen=True, slots=True)
class Limits:
    """`move`: length that a row may move in an exchange; `budget`: in any hour. 0 is no limit."""

    move: float = 0.0
    budget: float = 0.0


@dataclass(slots=True)
class Bucket:
    """What one other end has moved so far. `largest`: the longest move it asked for; `used`: the largest share of
    the budget that a row's moves had taken; `clipped`: rows that were cut back or refused.

    `due` float64[rows]: where the drain, in lengths since the clock's beginning, has emptied the row's bucket.
    """

    due: NDArray[np.float64]
    clipped: int = 0
    largest: float = 0.0
    used: float = 0.0


@dataclass(slots=True)
class Influence:
    """The buckets of the other ends, by link, for a model of `rows` rows of `size` dimensions.

    `weights` float32[rows, size]: those rows, which are broken where they are longer than `longest`; None: any length
    will do. Times are seconds of one monotonic clock.
    """

    limits: Limits
    rows: int
    size: int
    weights: Floats | None = None
    longest: float = np.inf
    buckets: dict[bytes, Bucket] = field(default_factory=dict)
    _origins: dict[bytes, str] = field(default_factory=dict)
    _gone: list[tuple[str, Bucket]] = field(default_factory=list)

    def open(self, link: bytes, origin: str) -> None:
        """A link begins. `origin` names the machine at its other end; "" is not known, and shares with nobody."""
        known = next((i for i in reversed(range(len(self._gone))) if self._gone[i][0] == origin != ""), None)
        held = self._gone.pop(known)[1].due if known is not None else np.full(self.rows, -np.inf)
        self.buckets[link], self._origins[link] = Bucket(held), origin

    def origin_of(self, link: bytes) -> str:
        """The machine at the other end, as far as known."""
        return self._origins.get(link, "")

    def close(self, link: bytes) -> None:
        """A link has ended; what its other end has used of the budget is remembered."""
        bucket = self.buckets.pop(link, None)
        origin = self._origins.pop(link, "")
        if bucket is not None and origin:
            self._gone = [*self._gone, (origin, bucket)][-KEPT:]

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
        _distances(_bare(brought), _bare(kept), at, self.size, lengths)
        return lengths

    def _granted(self, bucket: Bucket, rows: Ids, lengths: Doubles, now: float) -> tuple[Doubles, int]:
        """float64[n]: how far each row may move, at most as far as is asked; how many ask for more."""
        most = self.limits.move or np.inf, self.limits.budget / 2 or np.inf
        granted = self._room(rows)
        clipped, largest = _grant(bucket.due, rows, lengths, most, self._drained(now), granted)
        bucket.clipped += clipped
        bucket.largest = max(bucket.largest, largest)
        return granted, clipped

    def _room(self, rows: Ids) -> Doubles:
        """float64[n]: how much longer others may make each row; one that is broken already is not their doing."""
        room = np.full(len(rows), np.inf)
        if self.weights is not None:
            _fill_room(self.weights, rows.copy(), self.longest, room)  # not read-only, as what comes from the wire is
        return room

    def _spend(self, bucket: Bucket, rows: Ids, granted: Doubles, now: float) -> None:
        if self.limits.budget:
            level = _charge(bucket.due, rows, granted, self._drained(now))
            bucket.used = max(bucket.used, level / (self.limits.budget / 2))

    def _drained(self, now: float) -> float:
        return self.limits.budget / 2 / HOUR * now


def _bare(delta: RowDelta) -> tuple[Floats, NDArray[np.int8]]:
    """Read-only views: arrays from the wire are, and one compiled form serves all."""
    views = np.ascontiguousarray(delta.scales).view(), np.ascontiguousarray(delta.values).view()
    for each in views:
        each.flags.writeable = False
    return views


@_fast
def _square(row, size):
    """Sum of the squared levels of a coded row; of 4 bits a value where it is less wide than `size`."""
    total = np.float32(0.0)
    if len(row) == size:
        for d in range(size):
            level = np.float32(row[d])
            total += level * level
        return total
    for d in range(size - len(row)):
        low, high = np.float32(np.int8(row[d] << _FOUR) >> _FOUR), np.float32(row[d] >> _FOUR)
        total += low * low + high * high
    if size % 2:
        low = np.float32(np.int8(row[-1] << _FOUR) >> _FOUR)
        total += low * low
    return total


@_fast
def _apart(one, scale, other, other_scale, size):
    """Squared distance of two coded rows of the same width."""
    total = np.float32(0.0)
    if len(one) == size:
        for d in range(size):
            step = scale * np.float32(one[d]) - other_scale * np.float32(other[d])
            total += step * step
        return total
    for d in range(size - len(one)):
        low = np.float32(np.int8(one[d] << _FOUR) >> _FOUR), np.float32(np.int8(other[d] << _FOUR) >> _FOUR)
        high = np.float32(one[d] >> _FOUR), np.float32(other[d] >> _FOUR)
        step, next_step = scale * low[0] - other_scale * low[1], scale * high[0] - other_scale * high[1]
        total += step * step + next_step * next_step
    if size % 2:
        low = np.float32(np.int8(one[-1] << _FOUR) >> _FOUR), np.float32(np.int8(other[-1] << _FOUR) >> _FOUR)
        step = scale * low[0] - other_scale * low[1]
        total += step * step
    return total


@_fast
def _widen(row, size, out):
    """A coded row as 8 bits a value."""
    for d in range(size):
        if len(row) == size:
            out[d] = row[d]
        else:
            out[d] = np.int8(row[d] << _FOUR) >> _FOUR if d < len(row) else row[d - len(row)] >> _FOUR


@_fast
def _distances(brought, kept, at, size, out):
    """`out[i] = |row i of brought - row at[i] of kept|`, which is zero where `at[i]` is -1. Both: scales and values."""
    (scales, values), (kept_scales, kept_values) = brought, kept
    same = values.shape[1] == kept_values.shape[1]
    one, other = np.empty(size, np.int8), np.empty(size, np.int8)
    for i in range(len(out)):
        if at[i] < 0:
            out[i] = scales[i] * np.sqrt(_square(values[i], size))
        elif same:
            out[i] = np.sqrt(_apart(values[i], scales[i], kept_values[at[i]], kept_scales[at[i]], size))
        else:
            _widen(values[i], size, one)
            _widen(kept_values[at[i]], size, other)
            out[i] = np.sqrt(_apart(one, scales[i], other, kept_scales[at[i]], size))


@_fast
def _fill_room(weights, rows, longest, out):
    """`out[i]` becomes what is left up to `SHARE * longest` beyond the norm of row `rows[i]`, if that is not broken."""
    for i in range(len(rows)):
        square = np.float32(0.0)
        for d in range(weights.shape[1]):
            square += weights[rows[i], d] * weights[rows[i], d]
        norm = np.sqrt(np.float64(square))
        if norm <= longest:
            out[i] = max(SHARE * longest - norm, 0.0)


@_fast
def _grant(due, rows, lengths, most, drained, out):
    """Lower `out` to what may be granted of `lengths`; returns how many are more than that, and the largest.

    `most`: of a move, and that a bucket holds.
    """
    clipped, largest = 0, 0.0
    for i in range(len(rows)):
        allowed = min(out[i], most[0], max(most[1] - max(due[rows[i]] - drained, 0.0), 0.0))
        out[i] = min(lengths[i], allowed)
        clipped += lengths[i] > allowed
        largest = max(largest, lengths[i])
    return clipped, largest


@_fast
def _charge(due, rows, granted, drained):
    """Put `granted` into the rows' buckets; returns the highest level."""
    highest = 0.0
    for i in range(len(rows)):
        level = max(due[rows[i]] - drained, 0.0) + granted[i]
        due[rows[i]] = drained + level
        highest = max(highest, level)
    return highest


def warm_up(vector_size: int) -> None:
    """Compile, or load from the cache, what reads rows."""
    influence = Influence(Limits(1.0, 1.0), 1, vector_size, np.zeros((1, vector_size), np.float32))
    empty_values = np.zeros((1, vector_size), np.int8)
    row = RowDelta(np.zeros(1, np.int32), np.zeros(1, np.uint32), np.zeros(1, np.float32), empty_values)
    influence.open(b"", "")
    influence.admit(b"", row, row, np.zeros(1, np.int32), 0.0)
