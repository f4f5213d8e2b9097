"""The loops over rows that all baselines share, compiled: each row is read and written once."""

import numpy as np

from gossipw2v.w2v.kernels.jit import reordered


@reordered
def take_changes(weights, base, ids, changes):
    """`changes[i] = weights[ids[i]] - base[ids[i]]`, which then is 0; for float32[R, D] twice and float32[n, D]."""
    for i in range(len(ids)):
        r = ids[i]
        for d in range(weights.shape[1]):
            changes[i, d] = weights[r, d] - base[r, d]
            base[r, d] = weights[r, d]


@reordered
def move_rows(weights, base, ids, values, moved):
    """Rows `ids` of `base` become `values` float32[n, D], those of `weights` go along; `moved` bool[n]: which do."""
    for i in range(len(ids)):
        r, size = ids[i], np.float32(0.0)
        for d in range(weights.shape[1]):
            news = values[i, d] - base[r, d]
            size += abs(news)
            weights[r, d] += news
            base[r, d] = values[i, d]
        moved[i] = size != 0


@reordered
def add_rows(total, counts, ids, values):
    """`total[ids[i]] += values[i]` for float32[R, D] and float32[n, D], and int32[R] one more each."""
    for i in range(len(ids)):
        counts[ids[i]] += 1
        for d in range(total.shape[1]):
            total[ids[i], d] += values[i, d]


@reordered
def approach(target, source, share):
    """`target += share * (source - target)` for float32[R, D]."""
    for r in range(len(target)):
        for d in range(target.shape[1]):
            target[r, d] += share * (source[r, d] - target[r, d])


@reordered
def adasum_rows(a, b, out):
    """AdaSum of float32[n, D] and float32[n, D], each row alone."""
    for i in range(len(a)):
        dot = aa = bb = 0.0
        for d in range(a.shape[1]):
            dot += a[i, d] * b[i, d]
            aa += a[i, d] * a[i, d]
            bb += b[i, d] * b[i, d]
        keep_a = 1 - dot / (2 * aa) if aa > 0 else 1.0
        keep_b = 1 - dot / (2 * bb) if bb > 0 else 1.0
        for d in range(a.shape[1]):
            out[i, d] = keep_a * a[i, d] + keep_b * b[i, d]
