"""The rows of a matrix nearest to a direction, compiled, with the GIL released.

Each row is read once, and lengths are computed beside the products. Memory is what such a pass waits for: it goes
through several parts of the matrix at a time, since one stream alone does not use what a core can fetch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.jit import reordered

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_STREAMS = 4  # parts of the matrix; with eight it was slower again


def nearest_rows(vectors: Floats, query: Floats, without: Ints, most: int) -> tuple[Ints, Floats]:
    """The `most` rows of float32[V, D] of highest cosine with `query` float32[D] of length 1, and these cosines.

    The best first, of equal ones the lowest row. Rows of `without` int64[n] are left out, and so are rows that hold a
    value that is not finite; a zero row scores 0.
    """
    seen = vectors.view()
    seen.flags.writeable = False  # one compiled form for live matrices and those that are mapped from files
    rows, best = np.empty(most, np.int64), np.empty(most, np.float32)
    found = _search(seen, query, without, rows, best) if most else 0
    return rows[:found], best[:found]


@reordered
def _search(vectors, query, without, rows, best):
    """Fill `rows` int64[k] and `best` float32[k], k > 0; returns how many there are."""
    cosines = np.empty(len(vectors), np.float32)
    part = len(vectors) // _STREAMS
    for r in range(part):
        for k in range(_STREAMS):
            cosines[r + k * part] = _cosine(vectors, r + k * part, query)
    for r in range(part * _STREAMS, len(vectors)):
        cosines[r] = _cosine(vectors, r, query)
    for row in without:
        if 0 <= row < len(cosines):
            cosines[row] = np.nan
    return _choose(cosines, rows, best)


@reordered
def _cosine(vectors, r, query):
    product = squares = np.float32(0.0)
    for d in range(len(query)):
        product += vectors[r, d] * query[d]
        squares += vectors[r, d] * vectors[r, d]
    return np.float32(product / np.sqrt(squares)) if squares != 0 else np.float32(0.0)


@reordered
def _choose(cosines, rows, best):
    """The highest of float32[V] in order, ties by row; returns how many are finite, `rows` at most."""
    n, worst = 0, np.float32(-np.inf)
    for r in range(len(cosines)):
        if cosines[r] > worst and np.isfinite(cosines[r]):
            at = min(n, len(rows) - 1)
            while at > 0 and best[at - 1] < cosines[r]:
                rows[at], best[at] = rows[at - 1], best[at - 1]
                at -= 1
            rows[at], best[at] = r, cosines[r]
            n = min(n + 1, len(rows))
            worst = best[n - 1] if n == len(rows) else worst
    return n


def warm_up() -> None:
    """Compile the search, or load it from the cache."""
    matrix = np.zeros((1, 1), np.float32)
    nearest_rows(matrix, matrix[0], np.empty(0, np.int64), 1)
