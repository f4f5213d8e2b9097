"""The rows of a matrix nearest to a direction, compiled, with the GIL released.

Each row is read once, and lengths are computed beside the products. Memory is what such a pass waits for: it goes
through several parts of the matrix at a time, since one stream alone does not use what a core can fetch.
"""

from __future__ import annotations

import numpy as np

from gossipw2v.w2v.kernels.jit import reordered

_STREAMS = 4  # parts of the matrix; with eight it was slower again


@reordered
def nearest_rows(vectors, query, without, rows, best):
    """Fill `rows` int64[k] and `best` float32[k] with the rows of highest cosine; returns how many there are.

    `vectors` float32[V, D]; `query` float32[D] of length 1; the best first, of equal ones the lowest row. Rows of
    `without` int64[n] are left out, and so are rows that hold a value that is not finite; a zero row scores 0.
    """
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
    nearest_rows(matrix, matrix[0], np.empty(0, np.int64), np.empty(1, np.int64), np.empty(1, np.float32))
