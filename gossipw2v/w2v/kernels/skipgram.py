"""Skip-gram: each word of a window is an input, the word in its middle the one output that is true.

As in word2vec.c and gensim an input's pairs are trained one after the other, each with the row that the last one left;
only different words share a block, up to `Plan.block` neighbours in the window of one position.
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
    first_steps,
    reach,
    set_step,
    train_block,
    usual_steps,
)
from gossipw2v.w2v.kernels.sampling import below, next_bits, subsample
from gossipw2v.w2v.kernels.tiles import TILE


@inline
def _aim(syn1neg, center, end, last, rate, scratch, b):
    """Make set `b` that of a true word: its row, and steps without noise that hits it; returns whether any did."""
    scratch.rows[b, 0] = tiles.address(syn1neg, center)
    hit = drawn(center, 1, end, scratch, b)
    odd = hit or end < last
    if odd or scratch.odd[0]:
        usual_steps(syn1neg, 1, end, last, rate, scratch, b)
        for slot in range(1, end):
            if scratch.draws[b, slot] == center:  # the row is in the block already
                scratch.rows[b, slot] = tiles.address(scratch.blank, 1)
                for p in range(TILE):
                    set_step(scratch.push, p, slot, np.float32(0.0))
    scratch.odd[0] = odd
    return hit


@inline
def _miss(center, end, pairs, scratch, b):
    """Note that the true word was no noise of these pairs."""
    for slot in range(1, end):
        if scratch.draws[b, slot] == center:
            scratch.missed[b, slot] += pairs


@inline
def _take(kept, i, j, most, syn0, updates, scratch):
    """The next inputs of position `i`, from place `j` on, up to a word that is among them: (how many, their end)."""
    size = 0
    while size < most:
        if j == i:
            j += 1
        word = np.int64(kept[j])
        for p in range(size):
            if scratch.inputs[p] == word:
                return size, j
        scratch.inputs[size] = word
        scratch.xs[size] = tiles.address(syn0, word)
        updates[word] += 1
        size += 1
        j += 1
    return size, j


@inline
def train(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, places, result):
    """See `kernels.sgns_train`; `result` float64[3] becomes pairs, the loss of some of them, and how many those are."""
    kept = places[0]
    n = subsample(tokens, keep, state, kept)
    outputs = updates[len(syn1neg) :]
    alpha, rows, last = np.float32(params.alpha), plan.noise, plan.noise + 1
    rate = alpha * np.float32(params.negative) / np.float32(rows)
    draws_per_step = params.negative / (rows * np.float64(rate)) if rate > 0 else 0.0
    first_steps(alpha, rate, 1, last, scratch)
    b = served = centers = 0
    end = draw_set(syn1neg, outputs, noise, 1, rows, state, scratch, b)
    coming = draw_set(syn1neg, outputs, noise, 1, rows, state, scratch, 1 - b)
    for i in range(n):
        if kept[i] < 0:
            continue
        center = np.int64(kept[i])
        most = params.least + below(next_bits(state), params.window - params.least + 1)
        fetch_ahead(kept, n, i + TILE, params.window, syn1neg, syn0, updates)
        left, right = reach(kept, n, i, most)
        j, pairs, aimed, hit, measure = i - left, left + right, False, False, centers % MEASURED == 0
        while pairs > 0:
            if served >= plan.serves:
                count_set(outputs, 1, end, served, params.negative, rows, scratch, b)
                end, coming = coming, draw_set(syn1neg, outputs, noise, 1, rows, state, scratch, b)
                b, served, aimed = 1 - b, 0, False
            if not aimed:
                hit, aimed = _aim(syn1neg, center, end, last, rate, scratch, b), True
            size, j = _take(kept, i, j, min(plan.block, pairs), syn0, updates, scratch)
            train_block(syn0, size, last, scratch, b, result, draws_per_step, measure)
            if hit:
                _miss(center, end, size, scratch, b)
            pairs -= size
            served += size
        outputs[center] += left + right
        result[0] += left + right
        if measure:
            result[2] += left + right
        centers += left + right > 0
    count_set(outputs, 1, end, served, params.negative, rows, scratch, b)
