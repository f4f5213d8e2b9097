"""CBOW: the mean of a window's rows is the input, the word in its middle the one output that is true.

As in gensim (`cbow_mean=1`) and word2vec.c, every row of the window takes the mean's whole gradient, not a share. Up to
`Plan.group` positions with different words are trained from the same old rows.
"""

from __future__ import annotations

import numpy as np

from gossipw2v.w2v.kernels import tiles
from gossipw2v.w2v.kernels.jit import inline
from gossipw2v.w2v.kernels.noise import (
    MEASURED,
    count_set,
    draw_set,
    drawn,
    fetch_ahead,
    reach,
    set_step,
    train_block,
    usual_steps,
)
from gossipw2v.w2v.kernels.sampling import below, next_bits, subsample
from gossipw2v.w2v.kernels.tiles import TILE


@inline
def _begin(alpha, rate, last, scratch):
    """The usual steps: input p's true word is in slot p, and slots from `TILE` on are noise."""
    for slot in range(last):
        for p in range(TILE):
            true = alpha if p == slot else np.float32(0.0)
            set_step(scratch.pull, p, slot, true)
            set_step(scratch.push, p, slot, rate if slot >= TILE else true)
    scratch.odd[0] = False


@inline
def _mean(kept, window, syn0, x, p):
    """Row `p` of `x` becomes the mean of the rows of a window: the place of its middle, its reach left and right."""
    i, left, right = window[0], window[1], window[2]
    share = np.float32(1.0) / np.float32(left + right)
    x[p] = np.float32(0.0)
    for t in range(i - left, i + right + 1):
        if t != i:
            tiles.add_scaled(syn0, np.int64(kept[t]), share, x, p)


@inline
def _gather(kept, n, i, syn0, syn1neg, params, most, state, scratch):
    """The next group from position `i` on, up to a word that is in it: (where it ends, its size)."""
    size = 0
    while i < n and size < most:
        if kept[i] >= 0:
            word = np.int64(kept[i])
            for p in range(size):
                if scratch.windows[p, 3] == word:
                    return i, size
            reached = 1 + below(next_bits(state), params.window)
            fetch_ahead(kept, n, i, params.window, syn1neg, syn0)
            left, right = reach(kept, n, i, reached)
            if left + right > 0:
                window = scratch.windows[size]
                window[0], window[1], window[2], window[3] = i, left, right, word
                _mean(kept, window, syn0, scratch.x, size)
                tiles.copy_row(scratch.x, size, scratch.before, size)
                size += 1
        i += 1
    return i, size


@inline
def _aim(syn1neg, size, end, last, rate, scratch, b):
    """Make set `b` that of a group: the rows of its words, and steps without noise that hits the own one."""
    odd = end < last
    for p in range(TILE):
        known = p < size
        scratch.rows[b, p] = tiles.address(syn1neg, scratch.windows[p, 3]) if known else tiles.address(scratch.blank, 1)
        odd |= known and drawn(scratch.windows[p, 3], TILE, end, scratch, b)
    if odd or scratch.odd[0]:
        usual_steps(syn1neg, TILE, end, last, rate, scratch, b)
        for p in range(size):
            for slot in range(TILE, end):
                if scratch.draws[b, slot] == scratch.windows[p, 3]:
                    set_step(scratch.push, p, slot, np.float32(0.0))
                    scratch.missed[b, slot] += 1
    scratch.odd[0] = odd


@inline
def _give(kept, size, syn0, updates, scratch):
    """Add the gradients of the group's means to the rows of their windows."""
    for p in range(size):
        i, left, right = scratch.windows[p, 0], scratch.windows[p, 1], scratch.windows[p, 2]
        for t in range(i - left, i + right + 1):
            if t != i:
                word = np.int64(kept[t])
                tiles.add_change(scratch.x, scratch.before, p, syn0, word)
                updates[word] += 1


@inline
def train(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, kept, result):
    """See `kernels.cbow_train`; `result` as in `skipgram.train`."""
    n = subsample(tokens, keep, state, kept)
    outputs = updates[len(syn1neg) :]
    alpha, rows, last = np.float32(params.alpha), plan.noise, plan.noise + TILE
    rate = alpha * np.float32(params.negative) / np.float32(rows)
    draws_per_step = params.negative / (rows * np.float64(rate)) if rate > 0 else 0.0
    _begin(alpha, rate, last, scratch)
    i = b = served = groups = 0
    end = draw_set(syn1neg, noise, TILE, rows, state, scratch, b)
    coming = draw_set(syn1neg, noise, TILE, rows, state, scratch, 1 - b)
    while i < n:
        i, size = _gather(kept, n, i, syn0, syn1neg, params, plan.group, state, scratch)
        if size == 0:
            break
        if served >= plan.serves:
            count_set(outputs, TILE, end, served, params.negative, rows, scratch, b)
            end, coming = coming, draw_set(syn1neg, noise, TILE, rows, state, scratch, b)
            b, served = 1 - b, 0
        _aim(syn1neg, size, end, last, rate, scratch, b)
        for p in range(size):
            scratch.xs[p] = tiles.address(scratch.x, p)
            outputs[scratch.windows[p, 3]] += 1
        measure = groups % MEASURED == 0
        train_block(syn1neg, size, last, scratch, b, result, draws_per_step, measure)
        _give(kept, size, syn0, updates, scratch)
        served += size
        result[0] += size
        if measure:
            result[2] += size
        groups += 1
    count_set(outputs, TILE, end, served, params.negative, rows, scratch, b)
