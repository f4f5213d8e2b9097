"""Slow, obvious twins of the merge rules and of a model's exchange: one row at a time, float64, no common code."""

import math

import numpy as np


def _share(way_a, way_b):
    apart = (1 - math.exp(-way_a)) + (1 - math.exp(-way_b))
    if way_a + way_b < 1e-8:  # the limit: a flat loss adds
        return 1.0
    return (1 - math.exp(-(way_a + way_b))) / apart


def slow_sequential(change_a, count_a, change_b, count_b, spectrum, alpha):
    """The sequential merge of one row: its part along every direction scaled alone, then what is left."""
    total = np.asarray(change_a, np.float64) + np.asarray(change_b, np.float64)
    left, merged = total.copy(), np.zeros_like(total)
    for direction, curvature in zip(spectrum.directions.astype(np.float64), spectrum.curvatures, strict=True):
        along = (total @ direction) * direction
        left -= along
        merged += along * _share(curvature * alpha * float(count_a), curvature * alpha * float(count_b))
    return merged + left * _share(spectrum.rest * alpha * float(count_a), spectrum.rest * alpha * float(count_b))


def slow_adasum(a, b):
    """AdaSum of one row (Maleki et al.): of parallel parts, half of each side's is left out."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not a.any() or not b.any():
        return a + b
    return a - a * (a @ b) / (2 * (a @ a)) + b - b * (a @ b) / (2 * (b @ b))


def slow_quantise(change):
    """One row as (scale, integers): the largest value becomes 127."""
    largest = max(abs(float(x)) for x in change) if len(change) else 0.0
    scale = float(np.float32(np.float32(largest) / np.float32(127)))
    if scale == 0:
        return 0.0, [0] * len(change)
    return scale, [round(float(x) / scale) for x in change]


def slow_merge(one, other, apart, spectrum, alpha):
    """One row of two (change, count): in turn where they trained apart, AdaSum where their histories overlap."""
    return slow_sequential(*one, *other, spectrum, alpha) if apart else slow_adasum(one[0], other[0])


def slow_settle(since, theirs, apart, spectrum, alpha):
    """One row at the child, what it trained since its push against what came: see `slow_merge`.

    A rest without updates is what rounding dropped; of a history that both ends have, it is let go.
    """
    if since[1] == 0:
        return since[0] + theirs[0] if apart else theirs[0]
    return slow_merge(since, theirs, apart, spectrum, alpha)


def floats(delta, vector_size=None):
    """The change that a RowDelta stands for, float32[n, D]; D is `vector_size` or the width of its values."""
    values = delta.values
    if vector_size not in (None, values.shape[1]):
        values = np.concatenate([(values << 4).astype(np.int8) >> 4, values >> 4], axis=1)[:, :vector_size]
    return values.astype(np.float32) * delta.scales[:, None]
