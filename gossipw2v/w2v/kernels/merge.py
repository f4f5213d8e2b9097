"""How two rows become one, and the exchange of rows between two ends of a link: compiled, a row at a time, without GIL.

A row is read, merged, rounded and written back while it is in the cache, so the moment in which a trainer thread can
lose an update to a merge is about a microsecond; whole batches in NumPy would hold them for milliseconds.

What both ends of a link compute alike (`reference += scale * value`) is compiled without contraction, so that machines
with and without fused multiply-add keep the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.jit import exact, finite, reordered
from gossipw2v.w2v.kernels.quantize import TINY, blank, frozen, pack_row, unpack_row
from gossipw2v.w2v.kernels.tiles import add_four, add_row, fetch_row, four_dots

AHEAD = 3  # rows between asking for one and working on it
ANY_LENGTH = np.float32(np.inf)


class Curve(NamedTuple):
    """Curvature times step size: `steps` float32[k + 1] along `directions` float32[k, D], and beside; 4 divides k."""

    directions: NDArray[np.float32]
    steps: NDArray[np.float32]


class Matrices(NamedTuple):
    """One end's rows, of both matrices: `weights` and the `reference` that both ends hold, float32[2V, D]."""

    weights: NDArray[np.float32]
    reference: NDArray[np.float32]


class RowExchange(NamedTuple):
    """What two ends know of the n rows that one exchange changes."""

    rows: NDArray[np.int32]  # [n], ascending
    at: NDArray[np.int32]  # [n], where each stands in what the child pushed, -1: it was not pushed
    counts: NDArray[np.uint32]  # [2, n], updates behind the first and the second of the changes that are merged
    disjoint: NDArray[np.bool_]  # [n], whether no update can be behind both changes


def curve(directions: NDArray[np.float32], steps: NDArray[np.float64], rest: float) -> Curve:
    """The curve of `steps` float64[k] along `directions` float32[k, D] and `rest` beside, for any k."""
    missing = -len(directions) % 4
    filled = np.concatenate([directions, np.zeros((missing, directions.shape[1]), np.float32)])
    return Curve(filled.astype(np.float32), np.concatenate([steps, np.zeros(missing), [rest]]).astype(np.float32))


# --- sound rows ----------------------------------------------------------------------------------------------------


@reordered
def is_sound(row, longest):
    """Whether a float32 row is finite and no longer than `longest`."""
    square = np.float32(0.0)
    for d in range(len(row)):
        square += row[d] * row[d]
    return square <= longest * longest  # which a NaN is not


@reordered
def first_unsound_row(weights, words, longest):
    """The first row of float32[2V, D] of the word ids `words` that is not sound, -1 if all are; ids below 0 are none.

    A word has two rows: its own, and V further on.
    """
    size = len(weights) // 2
    for i in range(len(words)):
        word = np.int64(words[i])
        for row in (word, word + size):
            if word >= 0 and not is_sound(weights[row], longest):
                return row
    return -1


@reordered
def row_lengths(weights, rows, out):
    """`out[i] = |weights[rows[i]]|` for float32[N, D], int32[n] and float64[n]."""
    for i in range(len(rows)):
        square = np.float32(0.0)
        for d in range(weights.shape[1]):
            square += weights[rows[i], d] * weights[rows[i], d]
        out[i] = np.sqrt(np.float64(square))


@reordered
def _change(weight, reference, longest, out):
    """`out = weight - reference`, zero if that is not finite or `weight` longer than `longest`; whether it is neither.

    What is measured is what is in `out`, since a trainer thread may be at work on `weight`.
    """
    size = np.float32(0.0)
    square = np.float32(0.0)
    for d in range(len(out)):
        value = weight[d]
        change = value - reference[d]
        out[d] = change
        size += abs(change)
        square += value * value
    if np.isfinite(size) and square <= longest * longest:
        return True
    out[:] = np.float32(0.0)
    return False


# --- both merge rules, of one row ----------------------------------------------------------------------------------


@reordered
def _way(x):
    """`1 - exp(-x)` for x >= 0 to 1e-6 (Pade, squared four times): no call that keeps a loop from being vectorised."""
    x = min(x, np.float32(64.0)) * np.float32(0.0625)
    even, odd = np.float32(1.0) + x * x * np.float32(1 / 12), x * np.float32(0.5)
    e = (even - odd) / (even + odd)
    e *= e
    e *= e
    e *= e
    return np.float32(1.0) - e * e


@reordered
def shares(steps, count_a, count_b, out):
    """How much of the sum two sides keep along each direction: `s` of `merge`, written as 1 - AB / (A + B)."""
    n_a, n_b = np.float32(count_a), np.float32(count_b)
    for k in range(len(steps)):
        a, b = _way(steps[k] * n_a), _way(steps[k] * n_b)
        out[k] = np.float32(1.0) - a * b / max(a + b, TINY)


@reordered
def _dot(a, b):
    total = np.float32(0.0)
    for d in range(len(a)):
        total += a[d] * b[d]
    return total


@reordered
def sequential_row(a, b, count_a, count_b, curve, room, out):
    """The sequential merge of changes `a` and `b` float32[D] with their update counts, into `out`.

    `room`: float32[2, k + 1] to work in, for the k directions of `curve`.
    """
    for d in range(len(out)):
        out[d] = a[d] + b[d]
    if count_a == 0 or count_b == 0:
        return
    kept, along, k = room[0], room[1], len(curve.directions)
    shares(curve.steps, count_a, count_b, kept)
    for j in range(0, k, 4):
        four_dots(out, curve.directions, j, along, j)
    for j in range(k):
        along[j] *= kept[j] - kept[k]
    for d in range(len(out)):
        out[d] *= kept[k]
    for j in range(0, k, 4):
        add_four(along, j, curve.directions, j, out)


@reordered
def adasum_row(a, b, out):
    """AdaSum of `a` and `b` float32[D], into `out`."""
    dot, aa, bb = np.float64(_dot(a, b)), np.float64(_dot(a, a)), np.float64(_dot(b, b))
    keep_a = np.float32(1.0 - dot / (2 * aa)) if aa > 0.0 else np.float32(1.0)
    keep_b = np.float32(1.0 - dot / (2 * bb)) if bb > 0.0 else np.float32(1.0)
    for d in range(len(out)):
        out[d] = keep_a * a[d] + keep_b * b[d]


@finite
def _alike(theirs, ours, scale):
    """Whether two histories came to the same row, as far as the rounding of one of them can tell."""
    largest = np.float32(0.0)
    for d in range(len(ours)):
        largest = max(largest, abs(theirs[d] - ours[d]))
    return largest <= np.float32(0.51) * scale


# --- exchanges -----------------------------------------------------------------------------------------------------


@exact
def collect_rows(here, rows, longest, out, sound):
    """Round what `rows` int32[n] have beyond the reference into `out`; returns how many rows are broken.

    That is not finite, or longer than `longest`; `out` has zeros for them, and `sound` bool[n] says which are not.
    """
    weights, reference = here.weights, here.reference
    change, broken = np.empty(weights.shape[1], np.float32), 0
    for i in range(len(rows)):
        _fetch(weights, reference, rows, i)
        sound[i] = _change(weights[rows[i]], reference[rows[i]], longest, change)
        broken += not sound[i]
        pack_row(change, out, i)
    return broken


@exact
def merge_rows(here, exchange, pushed, curves, longest, out):
    """The parent's half of an exchange; returns how many rows are broken, as in `collect_rows`.

    The changes are the child's, of the rows that it `pushed`, and the own ones. `out` takes what both ends add to the
    reference; what its rounding drops stays in the weights. `curves`: of `syn0` and of `syn1neg`. A broken row answers
    with what was pushed alone, and its own updates become 0: they are still to be told of.
    """
    weights, reference = here.weights, here.reference
    rows, at, counts, disjoint = exchange.rows, exchange.at, exchange.counts, exchange.disjoint
    theirs, ours, merged = _buffers(weights)
    room, broken = _workspace(curves), 0
    for i in range(len(rows)):
        _fetch(weights, reference, rows, i)
        r = rows[i]
        unpack_row(pushed, at[i], theirs)
        if not _change(weights[r], reference[r], longest, ours):
            counts[1, i] = 0
            broken += 1
        # no update is behind both changes: they add up as if the ones had been trained after the others
        use_sequential = disjoint[i]
        is_same_history = not use_sequential and at[i] >= 0 and _alike(theirs, ours, pushed.scales[at[i]])
        if is_same_history:  # then the row that is not rounded is the better one
            merged[:] = ours
        elif use_sequential:
            curve = curves[0] if r < len(weights) // 2 else curves[1]
            sequential_row(theirs, ours, counts[0, i], counts[1, i], curve, room, merged)
        else:
            adasum_row(theirs, ours, merged)
        _move(weights[r], merged, ours)
        pack_row(merged, out, i)
        unpack_row(out, i, theirs)
        add_row(theirs, 0, reference[r], 0)
    return broken


@exact
def settle_rows(here, exchange, sent, answer, curves):
    """The child's half: row i of `answer` is what both ends add to the reference of `exchange.rows[i]`.

    What was trained here since the rows were `sent` went on beside what the answer brings: these two are the changes
    that are merged, and their difference stays pending. Returns how many rows were not finite.
    """
    weights, reference = here.weights, here.reference
    rows, at, counts, disjoint = exchange.rows, exchange.at, exchange.counts, exchange.disjoint
    ours, since, theirs = _buffers(weights)
    merged, room, broken = np.empty_like(ours), _workspace(curves), 0
    for i in range(len(rows)):
        _fetch(weights, reference, rows, i)
        r = rows[i]
        unpack_row(sent, at[i], ours)
        broken += not _change(weights[r], reference[r], ANY_LENGTH, since)
        unpack_row(answer, i, theirs)
        add_row(theirs, 0, reference[r], 0)
        for d in range(len(ours)):
            since[d] -= ours[d]
            theirs[d] -= ours[d]
        use_sequential = disjoint[i]  # as in `merge_rows`
        # no update since: what is left here is what rounding dropped, of a history that the other end may have too
        is_rounding = not use_sequential and counts[0, i] == 0
        if is_rounding:
            merged[:] = theirs
        elif use_sequential:
            curve = curves[0] if r < len(weights) // 2 else curves[1]
            sequential_row(since, theirs, counts[0, i], counts[1, i], curve, room, merged)
        else:
            adasum_row(since, theirs, merged)
        _move(weights[r], merged, since)
    return broken


@exact
def take_back(here, updates, seen, sent, at, counts, longest):
    """Where the other end of a link has seen more updates than there are here, take the row that both ends hold.

    With what has been sent but not answered: row r as row `at[r]` of `sent`, of `counts` uint32[n] updates, or not at
    all (-1). A row that is broken, as in `collect_rows`, stays as it is.
    """
    row = np.empty(here.weights.shape[1], np.float32)
    for r in range(len(here.weights)):
        known = seen[r] + (np.int64(counts[at[r]]) if at[r] >= 0 else 0)
        if known <= updates[r]:
            continue
        unpack_row(sent, at[r], row)
        add_row(here.reference[r], 0, row, 0)
        if is_sound(row, longest):
            here.weights[r] = row
            updates[r] = known


@reordered
def _move(weight, target, held):
    """`weight += target - held`, leaving what a trainer thread adds meanwhile in place."""
    for d in range(len(weight)):
        weight[d] += target[d] - held[d]


@exact
def _fetch(weights, reference, rows, i):
    """Rows lie anywhere in memory: ask for those that come after the next one."""
    if i + AHEAD < len(rows):
        r = np.int64(rows[i + AHEAD])
        fetch_row(weights, r)
        fetch_row(reference, r)


@exact
def _buffers(weights):
    """Three rows to work in."""
    size = weights.shape[1]
    return np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)


@exact
def _workspace(curves):
    return np.empty((2, max(len(curves[0].steps), len(curves[1].steps))), np.float32)


def warm_up(vector_size: int) -> None:
    """Compile, or load from the cache, all of the above."""
    here = Matrices(np.zeros((2, vector_size), np.float32), np.zeros((2, vector_size), np.float32))
    rows = np.array([1], np.int32)
    coded = blank(1, vector_size, bits=8)
    received = frozen(coded)
    curves = (curve(np.zeros((1, vector_size), np.float32), np.zeros(1), 0.0),) * 2
    exchange = RowExchange(rows, np.zeros(1, np.int32), np.ones((2, 1), np.uint32), np.ones(1, np.bool_))
    collect_rows(here, rows, ANY_LENGTH, coded, np.ones(1, np.bool_))
    merge_rows(here, exchange, received, curves, ANY_LENGTH, coded)
    settle_rows(here, exchange, received, received, curves)
    seen, nowhere = np.zeros(2, np.int64), np.full(2, -1, np.int32)
    take_back(here, seen, seen, received, nowhere, exchange.counts[0], ANY_LENGTH)
    row_lengths(here.weights, rows, np.zeros(1))
    rows.flags.writeable = False  # as a mapped text is
    first_unsound_row(here.weights, rows, ANY_LENGTH)
