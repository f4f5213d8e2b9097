"""CBOW: the mean of a window's rows is the input, the word in its middle the one output that is true.

As in gensim (`cbow_mean=1`) and word2vec.c, every row of the window takes the mean's whole gradient, not a share. Up to
`Plan.group` positions with different words are trained from the same old rows. Their windows share most words, so each
row is read once for all of them: near words with a table of the windows that have them, far ones of long windows by
sums that grow from one window's end to the next.
"""

from __future__ import annotations

import numpy as np

from gossipw2v.w2v.kernels import tiles
from gossipw2v.w2v.kernels.jit import inline
from gossipw2v.w2v.kernels.noise import (
    MEASURED,
    NEAR,
    count_set,
    draw_set,
    drawn,
    fetch_ahead,
    first_steps,
    set_step,
    train_block,
    usual_steps,
)
from gossipw2v.w2v.kernels.sampling import below, next_bits, subsample
from gossipw2v.w2v.kernels.tiles import TILE


@inline
def _gather(kept, n, i, begin, end, syn0, syn1neg, updates, params, most, state, scratch):
    """The next group from position `i` on, up to a word that is in it; `begin` and `end` are those of its sentence.

    Returns (where it ends, its size, begin, end).
    """
    size = 0
    while i < n and size < most:
        if i >= end:
            begin = end = i
            while end < n and kept[end] >= 0:
                end += 1
        if i < end:
            word = np.int64(kept[i])
            for p in range(size):
                if scratch.centers[p] == word:
                    return i, size, begin, end
            reached = 1 + below(next_bits(state), params.window)
            fetch_ahead(kept, n, i, params.window, syn1neg, syn0, updates)
            low, high = max(begin, i - reached), min(end - 1, i + reached)
            if low < high:
                scratch.centers[size], scratch.places[size] = word, i
                scratch.lows[size], scratch.highs[size] = low, high
                scratch.shares[size] = np.float32(1.0) / np.float32(high - low)
                size += 1
        i += 1
    return i, size, begin, end


@inline
def _share_out(kept, size, around, syn0, updates, scratch):
    """Cut the words of a group's windows in three: what is up to `around` places from it, far left, far right.

    Returns (number of near words, where they begin and end, whether there are far ones).
    """
    low, high = scratch.places[0], scratch.places[size - 1] + 1
    for p in range(size, TILE):
        scratch.lows[p], scratch.highs[p], scratch.shares[p] = 1, 0, np.float32(0.0)
    for p in range(size):
        low, high = min(low, scratch.lows[p]), max(high, scratch.highs[p] + 1)
    start, stop = max(low, scratch.places[0] - around), min(high, scratch.places[size - 1] + 1 + around)
    n = 0
    for t in range(start, stop):
        holders: int = tiles.holders(scratch.lows, scratch.highs, scratch.places, t, scratch.held, n)
        if holders > 0:
            word = np.int64(kept[t])
            scratch.near[n] = tiles.address(syn0, word)
            updates[word] += holders
            n += 1
    return n, start, stop, low < start or stop < high


@inline
def _sort(size, start, stop, scratch):
    """Sort a group's positions by how many words of their windows lie before `start`, and by how many from `stop` on.

    A branch for each comparison would be mispredicted half of the time.
    """
    for p in range(TILE):
        scratch.far[0, p] = max(0, start - scratch.lows[p]) if p < size else -1
        scratch.far[1, p] = max(0, scratch.highs[p] + 1 - stop) if p < size else -1
    for side in range(2):
        far = scratch.far[side]
        for p in range(TILE):
            rank = 0
            for q in range(TILE):
                rank += far[q] < far[p] or (far[q] == far[p] and q < p)
            scratch.nested[side, rank] = p


@inline
def _sum_far(kept, size, start, stop, syn0, scratch):
    """Sum the far words of each window, left and right; a window has all words that a smaller one has."""
    for side in range(2):
        known, near = 2 * TILE, 0
        for k in range(TILE - size, TILE):
            p = scratch.nested[side, k]
            far = scratch.far[side, p]
            first = stop + near if side else start - far
            tiles.sum_words(kept, first, first + far - near, syn0, scratch.sums, known, TILE * side + p)
            known, near = TILE * side + p, far


@inline
def _give_far(kept, size, start, stop, syn0, updates, scratch):
    """Add the changes of the means, which are in `x`, to the rows of far words, from the furthest on."""
    for side in range(1, -1, -1):
        known = 2 * TILE
        for k in range(TILE - 1, TILE - size - 1, -1):
            p = scratch.nested[side, k]
            far = scratch.far[side, p]
            near = scratch.far[side, scratch.nested[side, k - 1]] if k > TILE - size else 0
            first = stop + near if side else start - far
            last = first + far - near
            tiles.add_to_words(scratch.sums, known, scratch.x, p, p, kept, first, last, syn0)
            for t in range(first, last):
                updates[kept[t]] += TILE - k
            known = p


@inline
def _aim(syn1neg, size, end, last, rate, scratch, b):
    """Make set `b` that of a group: the rows of its words, and steps without noise that hits the own one."""
    odd = end < last
    for p in range(TILE):
        known = p < size
        scratch.rows[b, p] = tiles.address(syn1neg, scratch.centers[p]) if known else tiles.address(scratch.blank, 1)
        odd |= known and drawn(scratch.centers[p], TILE, end, scratch, b)
    if odd or scratch.odd[0]:
        usual_steps(syn1neg, TILE, end, last, rate, scratch, b)
        for p in range(size):
            for slot in range(TILE, end):
                if scratch.draws[b, slot] == scratch.centers[p]:
                    set_step(scratch.push, p, slot, np.float32(0.0))
                    scratch.missed[b, slot] += 1
    scratch.odd[0] = odd


@inline
def train(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, kept, result):
    """See `kernels.cbow_train`; `result` as in `skipgram.train`."""
    n = subsample(tokens, keep, state, kept)
    outputs = updates[len(syn1neg) :]
    alpha, rows, last = np.float32(params.alpha), plan.noise, plan.noise + TILE
    rate = alpha * np.float32(params.negative) / np.float32(rows)
    draws_per_step = params.negative / (rows * np.float64(rate)) if rate > 0 else 0.0
    first_steps(alpha, rate, TILE, last, scratch)
    i = b = served = groups = first = stop = 0
    around = params.window if params.window <= NEAR else 0
    end = draw_set(syn1neg, outputs, noise, TILE, rows, state, scratch, b)
    coming = draw_set(syn1neg, outputs, noise, TILE, rows, state, scratch, 1 - b)
    while i < n:
        i, size, first, stop = _gather(
            kept, n, i, first, stop, syn0, syn1neg, updates, params, plan.group, state, scratch
        )
        if size == 0:
            break
        if served >= plan.serves:
            count_set(outputs, TILE, end, served, params.negative, rows, scratch, b)
            end, coming = coming, draw_set(syn1neg, outputs, noise, TILE, rows, state, scratch, b)
            b, served = 1 - b, 0
        near, low, high, far = _share_out(kept, size, around, syn0, updates, scratch)
        if far:
            _sort(size, low, high, scratch)
            _sum_far(kept, size, low, high, syn0, scratch)
        tiles.average(
            scratch.near, near, scratch.held, scratch.shares, scratch.sums, int(far), syn0, scratch.x, scratch.before
        )
        _aim(syn1neg, size, end, last, rate, scratch, b)
        for p in range(size):
            scratch.xs[p] = tiles.address(scratch.x, p)
            outputs[scratch.centers[p]] += 1
        measure = groups % MEASURED == 0
        train_block(syn1neg, size, last, scratch, b, result, draws_per_step, measure)
        tiles.add_changes(scratch.x, scratch.before, scratch.near, near, scratch.held, syn0)
        if far:
            _give_far(kept, size, low, high, syn0, updates, scratch)
        served += size
        result[0] += size
        if measure:
            result[2] += size
        groups += 1
    count_set(outputs, TILE, end, served, params.negative, rows, scratch, b)
