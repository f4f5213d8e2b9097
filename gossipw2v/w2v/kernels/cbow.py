"""CBOW: the mean of a window's rows is the input, the word in its middle the one output that is true.

As in gensim (`cbow_mean=1`) and word2vec.c, every row of the window takes the mean's whole gradient, not a share. Up to
`Plan.group` positions with different words are trained from the same old rows.

Neighbouring windows share most words. Short ones: each row is read once for a group, with a table of the windows that
have it. Long ones: the rows of a *stretch*, up to `STRETCH` positions, are read once before and written once after all
its groups. A window's sum is the difference of two running sums over the stretch's places, and what earlier groups
have changed since is added, as often as their windows and this one have a word in common. So all means are those of
rows that are written at once.
"""

from __future__ import annotations

import numpy as np

from gossipw2v.w2v.kernels import tiles
from gossipw2v.w2v.kernels.jit import inline
from gossipw2v.w2v.kernels.noise import (
    MEASURED,
    NEAR,
    TWINS,
    count_set,
    draw_set,
    drawn,
    fetch_ahead,
    first_steps,
    set_step,
    train_block,
    usual_steps,
)
from gossipw2v.w2v.kernels.sampling import GOLDEN, below, mix, subsample
from gossipw2v.w2v.kernels.tiles import TILE
from gossipw2v.w2v.kernels.windows import shared, stretches
from gossipw2v.w2v.kernels.windows.spans import STRETCH


@inline
def _close_up(kept, n, since, until):
    """Leave the words of sentences of at least two, without what ends them; returns how many there are.

    The sentence of the word at place t begins at since[t] and ends before until[t].
    """
    begin = to = 0
    for i in range(n + 1):
        if i < n and kept[i] >= 0:
            kept[to] = kept[i]
            to += 1
        else:
            to = to if to >= begin + 2 else begin
            since[begin:to] = begin
            until[begin:to] = to
            begin = to
    return to


@inline
def _chain(kept, n, earlier, scratch):
    """Make earlier[t] the last place before t that has the same slot of `newest`, or -1; equal words have."""
    newest = scratch.newest
    newest[:], scratch.found[:] = -1, 0
    for t in range(n):
        slot = np.int64(kept[t]) & (len(newest) - 1)
        earlier[t] = newest[slot]
        newest[slot] = t


@inline
def _gather(kept, since, until, n, i, start, first, most, params, randoms, scratch):
    """Make the next positions, from place `i` on, a group: those from `first` on, up to a word that is in it.

    Returns how many. Windows are noted by places from `start` on; their reaches follow from the places alone.
    """
    size = 0
    while size < most and i + size < n:
        t, p = i + size, first + size
        word = np.int64(kept[t])
        for q in range(first, p):
            if scratch.centers[q] == word:
                return size
        reached = params.least + below(mix(randoms + np.uint64(t + 1) * GOLDEN), params.window - params.least + 1)
        low, end = max(np.int64(since[t]), t - reached), min(np.int64(until[t]), t + 1 + reached)
        scratch.centers[p], scratch.lows[p], scratch.ends[p] = word, low - start, end - start
        scratch.shares[p] = np.float32(1.0) / np.float32(end - low - 1)
        size += 1
    return size


@inline
def _find_twins(kept, earlier, start, begin, end, number, scratch):
    """Add the pairs of places from `start` on with one word, the later of them in `begin` to `end`.

    Returns how many there are then, `TWINS` + 1 for more than there is room for.
    """
    twins = scratch.twins
    for t in range(begin, end):
        s = np.int64(earlier[t])
        while s >= start:
            if kept[s] == kept[t]:
                if number >= TWINS:
                    return TWINS + 1
                twins[0, number], twins[1, number] = s, t
                number += 1
            s = np.int64(earlier[s])
    return number


@inline
def _drop_twins(start, number, scratch):
    """Leave the pairs from `start` on; returns how many there are."""
    twins, left = scratch.twins, 0
    for k in range(number):
        twins[0, left], twins[1, left] = twins[0, k], twins[1, k]
        left += twins[0, k] >= start
    return left


@inline
def _stretch(kept, since, until, earlier, n, i, start, most, params, randoms, scratch):
    """Gather groups from place `i` on, as many as there is room for: (positions, groups, pairs of twins).

    There are more twins than fit only where there is one group, which needs none. Those of the last stretch are known.
    """
    number, looked_at = scratch.found
    number = _drop_twins(start, number, scratch)
    count = groups = 0
    stop = max(start, looked_at)
    while count + most <= STRETCH and i + count < n:
        size = _gather(kept, since, until, n, i + count, start, count, most, params, randoms, scratch)
        last = stop
        for p in range(count, count + size):
            last = max(last, start + np.int64(scratch.ends[p]))
        found = _find_twins(kept, earlier, start, stop, last, number, scratch)
        if found > TWINS and groups > 0:
            break
        number, stop, count, groups = found, last, count + size, groups + 1
        scratch.groups[groups] = count
    scratch.centers[count : count + TILE] = 0  # there is such a row, whatever was there
    scratch.found[0], scratch.found[1] = (number, stop) if number <= TWINS else (0, 0)
    return count, groups, number


@inline
def _read(kept, start, own, count, groups, twins, syn0, scratch):
    """Sum the rows of a stretch, and count what its windows have in common; returns its first place and its end."""
    lows, ends = scratch.lows, scratch.ends
    low, stop = np.int64(lows[0]), np.int64(ends[0])
    for p in range(1, count):
        low, stop = min(low, np.int64(lows[p])), max(stop, np.int64(ends[p]))
    stretches.sum_along(kept, start, low, stop, syn0, scratch.sums)
    if groups > 1:
        others = scratch.groups[groups - 1]  # no group comes after the last one
        stretches.count_common(lows, ends, own, others, scratch.common)
        if twins > 0:
            for side in range(2):
                stretches.hold(lows, ends, own, count, scratch.twins[side], start, twins, scratch.holds[side])
            stretches.add_twins(scratch.holds[0], scratch.holds[1], others, scratch.common)
    return low, stop


@inline
def _write(kept, start, own, count, low, stop, syn0, updates, scratch):
    """Add to the row of each place the changes of the windows that have it, which are in `x`, and count these."""
    heads, following, held = scratch.heads, scratch.following, scratch.held
    heads[low : stop + 1], held[low : stop + 1] = -1, 0
    for p in range(count):
        first, last = scratch.lows[p], scratch.ends[p]
        following[p], heads[first] = heads[first], p
        following[STRETCH + p], heads[last] = heads[last], STRETCH + p
        held[first] += 1
        held[last] -= 1
    windows = 0
    for t in range(low, stop):
        windows += held[t]
        held[t] = windows - (own <= t < own + count)
        updates[kept[start + t]] += held[t]
    stretches.add_along(kept, start, low, stop, own, count, heads, following, held, scratch.x, syn0)


@inline
def _share_out(kept, start, own, size, syn0, updates, scratch):
    """Note the rows of a group's windows and which of these have each; returns how many rows."""
    low, stop = np.int64(scratch.lows[0]), np.int64(scratch.ends[0])
    for p in range(1, size):
        low, stop = min(low, np.int64(scratch.lows[p])), max(stop, np.int64(scratch.ends[p]))
    scratch.lows[size:TILE], scratch.ends[size:TILE], scratch.shares[size:TILE] = 0, 0, 0
    n = 0
    for t in range(low, stop):
        holders: int = shared.holders(scratch.lows, scratch.ends, own, t, scratch.held_by, n)
        if holders > 0:
            word = np.int64(kept[start + t])
            scratch.near[n] = tiles.address(syn0, word)
            updates[word] += holders
            n += 1
    return n


@inline
def _aim(syn1neg, first, size, end, last, rate, scratch, b):
    """Make set `b` that of a group: the rows of its words, and steps without noise that hits the own one."""
    odd = end < last
    for p in range(TILE):
        word, known = scratch.centers[first + p], p < size
        scratch.rows[b, p] = tiles.address(syn1neg, word) if known else tiles.address(scratch.blank, 1)
        odd |= known and drawn(word, TILE, end, scratch, b)
    if odd or scratch.odd[0]:
        usual_steps(syn1neg, TILE, end, last, rate, scratch, b)
        for p in range(size):
            for slot in range(TILE, end):
                if scratch.draws[b, slot] == scratch.centers[first + p]:
                    set_step(scratch.push, p, slot, np.float32(0.0))
                    scratch.missed[b, slot] += 1
    scratch.odd[0] = odd


@inline
def _step(syn1neg, outputs, first, size, end, last, rate, scratch, b, result, draws_per_step, measure):
    """Train a group's means, which are in `x`, and its words against set `b`."""
    _aim(syn1neg, first, size, end, last, rate, scratch, b)
    for p in range(size):
        scratch.xs[p] = tiles.address(scratch.x, first + p)
        outputs[scratch.centers[first + p]] += 1
    train_block(syn1neg, size, last, scratch, b, result, draws_per_step, measure)
    result[0] += size
    if measure:
        result[2] += size


@inline
def train(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, places, result):
    """See `kernels.cbow_train`; `result` as in `skipgram.train`, `places` as in `sgns.PLACES`."""
    kept, since, until, earlier = places[0], places[1], places[2], places[3]
    n = _close_up(kept, subsample(tokens, keep, state, kept), since, until)
    long = params.window > NEAR
    if long:
        _chain(kept, n, earlier, scratch)
    randoms = state[0]
    state[0] += np.uint64(n) * GOLDEN
    outputs = updates[len(syn1neg) :]
    alpha, rows, last = np.float32(params.alpha), plan.noise, plan.noise + TILE
    rate = alpha * np.float32(params.negative) / np.float32(rows)
    draws_per_step = params.negative / (rows * np.float64(rate)) if rate > 0 else 0.0
    first_steps(alpha, rate, TILE, last, scratch)
    i = b = served = trained = 0
    end = draw_set(syn1neg, outputs, noise, TILE, rows, state, scratch, b)
    coming = draw_set(syn1neg, outputs, noise, TILE, rows, state, scratch, 1 - b)
    while i < n:
        start = max(np.int64(since[i]), i - params.window)
        own, groups, near, low, stop = i - start, 1, 0, 0, 0
        if long:
            count, groups, twins = _stretch(
                kept, since, until, earlier, n, i, start, plan.group, params, randoms, scratch
            )
            low, stop = _read(kept, start, own, count, groups, twins, syn0, scratch)
        else:
            count = _gather(kept, since, until, n, i, start, 0, plan.group, params, randoms, scratch)
            scratch.groups[1] = count
            near = _share_out(kept, start, own, count, syn0, updates, scratch)
        for group in range(groups):
            first, size = scratch.groups[group], scratch.groups[group + 1] - scratch.groups[group]
            if served >= plan.serves:
                count_set(outputs, TILE, end, served, params.negative, rows, scratch, b)
                end, coming = coming, draw_set(syn1neg, outputs, noise, TILE, rows, state, scratch, b)
                b, served = 1 - b, 0
            for p in range(first, first + size):
                fetch_ahead(kept, n, i + p + (STRETCH if long else TILE), params.window, syn1neg, syn0, updates)
            if long:
                stretches.mean_along(
                    scratch.sums, scratch.lows, scratch.ends, scratch.centers, scratch.shares, scratch.common, first,
                    scratch.x, scratch.before, syn0,
                )  # fmt: skip
            else:
                shared.average(scratch.near, near, scratch.held_by, scratch.shares, syn0, scratch.x, scratch.before)
            measure = trained % MEASURED == 0
            _step(syn1neg, outputs, first, size, end, last, rate, scratch, b, result, draws_per_step, measure)
            if long:
                stretches.subtract(scratch.before, size, scratch.x, first)
            else:
                shared.add_changes(scratch.x, scratch.before, scratch.near, near, scratch.held_by, syn0)
            served += size
            trained += 1
        if long:
            _write(kept, start, own, count, low, stop, syn0, updates, scratch)
        i += count
    count_set(outputs, TILE, end, served, params.negative, rows, scratch, b)
