"""Which rows of a link wait, and which of them go first: compiled, two passes over the counts and nothing sorted.

A row's urgency is the updates that the other end has not seen, times the exchanges since it last went: frequent rows go
often, and a rare row's turn comes however busy the others are. Urgencies are put into buckets 1.6 % wide; the most
urgent buckets go, and of the last one that fits in part the rows with the lowest ids.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.jit import exact, reordered
from gossipw2v.w2v.kernels.merge import Matrices

_SHIFT = np.int32(17)  # leaves a float's exponent and 6 bits of its mantissa
_BUCKETS = 1 << 14  # of positive floats
_FIRST = _BUCKETS - 1  # what the other end never had, while it catches up; no number falls in it


class Ledger(NamedTuple):
    """Of each of N rows: its `updates`, how many of them the other end has `seen`, and the exchange it was `sent_at`.

    int64[N] twice and int32[N]; exchanges count from 1, 0 is a row that never went.
    """

    updates: NDArray[np.int64]
    seen: NDArray[np.int64]
    sent_at: NDArray[np.int32]


class Waiting(NamedTuple):
    """`rows` int32[n], ascending: those to send; how many wait in all, and how many of these never went."""

    rows: NDArray[np.int32]
    pending: int
    unsent: int


def waiting(ledger: Ledger, unequal: NDArray[np.bool_], exchange: int, budget: int, catch_up: bool) -> Waiting:
    """At most `budget` of the rows with unseen updates, or which are `unequal` bool[N], at the given exchange.

    With `catch_up` those that never went are first.
    """
    counts = np.zeros(_BUCKETS, np.int64)
    buckets = np.empty(len(ledger.updates), np.int16)
    pending, unsent = _rank(ledger, unequal, np.int32(exchange), catch_up, buckets, counts)
    rows = np.empty(min(pending, budget), np.int32)
    _choose(buckets, counts, rows)
    return Waiting(rows, int(pending), int(unsent))


@exact
def _rank(ledger, unequal, exchange, catch_up, buckets, counts):
    """Fill `buckets` int16[N] (-1: does not wait) and `counts` int64[_BUCKETS]; returns who waits, and never went."""
    pending = unsent = 0
    for r in range(len(buckets)):
        behind = ledger.updates[r] - ledger.seen[r]
        if behind <= 0 and not unequal[r]:
            buckets[r] = -1
            continue
        never = ledger.sent_at[r] == 0
        pending += 1
        unsent += never
        urgency = np.float32(max(behind, 1)) * np.float32(exchange - ledger.sent_at[r])
        buckets[r] = _FIRST if catch_up and never else np.float32(urgency).view(np.int32) >> _SHIFT
        counts[buckets[r]] += 1
    return pending, unsent


@exact
def _choose(buckets, counts, rows):
    """The rows of the highest buckets, ascending, as many as `rows` int32[n] has room for."""
    room, last = len(rows), _FIRST
    while last > 0 and counts[last] <= room:
        room -= counts[last]
        last -= 1
    n = 0
    for r in range(len(buckets)):
        if buckets[r] > last or (buckets[r] == last and room > 0):
            room -= buckets[r] == last
            rows[n] = r
            n += 1


@exact
def both(one, other):
    """The rows in either of two ascending int32 arrays, and where each stands in the first (-1: nowhere)."""
    rows, at = np.empty(len(one) + len(other), np.int32), np.empty(len(one) + len(other), np.int32)
    i = j = n = 0
    while i < len(one) or j < len(other):
        first = j == len(other) or (i < len(one) and one[i] <= other[j])
        rows[n], at[n] = (one[i], i) if first else (other[j], -1)
        j += j < len(other) and other[j] == rows[n]
        i += first
        n += 1
    return rows[:n].copy(), at[:n].copy()


@exact
def picked(counts, at):
    """`counts[at[i]]` uint32[n], 0 where `at` is -1."""
    out = np.zeros(len(at), np.uint32)
    for i in range(len(at)):
        if at[i] >= 0:
            out[i] = counts[at[i]]
    return out


@exact
def add_counts(target, rows, counts):
    """`target[rows[i]] += counts[i]` for int64[N], int32[n], uint32[n]."""
    for i in range(len(rows)):
        target[rows[i]] += np.int64(counts[i])


@reordered
def unequal_rows(here, tolerance, may_differ, out):
    """Mark in `out` bool[N] the rows that differ from the reference by more than `tolerance` of its norm.

    Only rows that `may_differ` bool[N] are looked at; those that do not, do so no more. `here`: a `Matrices`.
    """
    weights, reference = here.weights, here.reference
    for r in range(len(weights)):
        if not may_differ[r]:
            continue
        norm = np.float32(0.0)
        worst = np.float32(0.0)
        for d in range(weights.shape[1]):
            norm += reference[r, d] * reference[r, d]
            worst = max(worst, abs(weights[r, d] - reference[r, d]))
        out[r] = may_differ[r] = worst > tolerance * np.sqrt(norm)


def warm_up() -> None:
    """Compile, or load from the cache, all of the above."""
    ledger = Ledger(np.ones(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int32))
    rows = waiting(ledger, np.zeros(1, np.bool_), 1, 1, catch_up=True).rows
    picked(np.ones(1, np.uint32), both(rows, rows)[1])
    add_counts(np.zeros(1, np.int64), rows, np.ones(1, np.uint32))
    matrix = np.zeros((1, 1), np.float32)
    unequal_rows(Matrices(matrix, matrix), np.float32(0.0), np.ones(1, np.bool_), np.zeros(1, np.bool_))
