# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, call-arg, unreachable"
# ruff: noqa: PLR0913, PLR0917
"""What CBOW makes of a position: the mean of its window's rows is the input, the word itself the one output.

As in gensim (`cbow_mean=1`) and word2vec.c, every row of the window takes the mean's whole gradient, not a share.
"""

from __future__ import annotations

import numpy as np

from gossipw2v import tiles
from gossipw2v.chunks import GROUP, fetch_ahead, inline, make_train, reach
from gossipw2v.sampling import below, next_bits


@inline
def _mean(kept, window, syn0, x, p):
    """Row `p` of `x` becomes the mean of the rows of a window: the place of its middle, its reach left and right."""
    i, left, right = window
    share = np.float32(1.0) / np.float32(left + right)
    x[p] = np.float32(0.0)
    for t in range(i - left, i + right + 1):
        if t != i:
            tiles.add_scaled(syn0, np.int64(kept[t]), share, x, p)


@inline
def _gather(kept, n, i, syn0, syn1neg, params, state, scratch):
    """List the next group from position `i` on: (where it ends, its size, no couples, a single each)."""
    size = 0
    while i < n and size < GROUP:
        if kept[i] >= 0:
            most = 1 + below(next_bits(state), params.window)
            fetch_ahead(kept, n, i, params.window, syn1neg, syn0)
            left, right = reach(kept, n, i, most)
            if left + right > 0:
                window = scratch.windows[size]
                window[0], window[1], window[2] = i, left, right
                scratch.singles[size, 0], scratch.singles[size, 1] = size, kept[i]
                scratch.words[size, 0], scratch.words[size, 1] = kept[i], 1
                _mean(kept, window, syn0, scratch.x, size)
                size += 1
        i += 1
    return i, size, 0, size


@inline
def _give(kept, size, syn0, updates, scratch):
    """Add the group's gradients to the rows of its windows."""
    for p in range(size):
        i, left, right = scratch.windows[p]
        for t in range(i - left, i + right + 1):
            if t != i:
                tiles.add_row(scratch.step, p, syn0, np.int64(kept[t]))
                updates[kept[t]] += 1


train = make_train(_gather, _give)
