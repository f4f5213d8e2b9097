"""A map of frequent words: their vectors in a plane, in places that stay where they are while training goes on.

The plane is that of the two principal components (PCA) of the rows, each scaled to length 1, so that it is cosines that
are shown. The same rows give the same map. Components come in any direction, so each map is turned and mirrored onto
the one before (orthogonal Procrustes): what moves on it has moved in the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.text.words import Words

MOST_MAPPED = 1000  # words of a map
MAP_SECONDS = 5.0  # for which a map is good

Floats = NDArray[np.float32]
Points = NDArray[np.float64]


class Places(NamedTuple):
    """`points` float64[n, 2], of mean 0 and mean square 1; `share`: how much of the variance they show, 0 to 1."""

    points: Points
    share: float


@dataclass(slots=True)
class WordMap:
    """The map of one model, for one thread at a time; it is made anew when somebody asks and it is old."""

    clock: Callable[[], float] = time.monotonic
    _places: Places | None = None  # the last map
    _words: Words | None = None  # whose map it is
    _made_at: float = 0.0  # by the clock

    def places(self, words: Words, vectors: Floats) -> Places:
        """Where the most frequent words are, MOST_MAPPED at most; `vectors` float32[V, D] has a row for each word.

        ValueError if a row is not finite; the map before stays then.
        """
        before = self._places if words is self._words else None
        if before is not None and self.clock() - self._made_at < MAP_SECONDS:
            return before
        found = project(vectors[:MOST_MAPPED])
        if before is not None:
            found = found._replace(points=turned(found.points, before.points))
        self._places, self._words, self._made_at = found, words, self.clock()
        return found


def project(rows: Floats) -> Places:
    """The plane that shows most of float32[n, D], n and D above 0. ValueError if a value is not finite."""
    whole = rows.astype(np.float64)  # training goes on in them
    if not np.isfinite(whole).all():
        raise ValueError("a frequent word's vector holds a value that is not finite")
    lengths = np.linalg.norm(whole, axis=1, keepdims=True)
    unit = whole / np.where(lengths > 0, lengths, 1)
    unit -= unit.mean(axis=0)
    points, total = _components(unit), (unit**2).sum()
    shown = (points**2).sum()
    scale = np.sqrt(shown / len(points)) if shown > 0 else 1.0
    return Places(points / scale, float(min(1.0, shown / total)) if total > 0 else 0.0)


def turned(points: Points, onto: Points) -> Points:
    """`points` float64[n, 2] turned and mirrored about 0, whichever brings them nearest to `onto` float64[n, 2]."""
    left, _, right = np.linalg.svd(points.T @ onto)
    return np.asarray(points @ left @ right)


def _components(centred: Points) -> Points:
    """Where rows float64[n, D] are along the two axes of their largest variance: float64[n, 2].

    What is decomposed is the smaller of both products. The farthest row of each axis is on its positive side: else that
    would be the library's choice.
    """
    n, size = centred.shape
    flat = size <= n
    variances, axes = np.linalg.eigh(centred.T @ centred if flat else centred @ centred.T)
    found = centred @ axes[:, :-3:-1] if flat else (axes * np.sqrt(np.maximum(variances, 0)))[:, :-3:-1]
    points = np.zeros((n, 2))
    points[:, : found.shape[1]] = found
    farthest = points[np.abs(points).argmax(axis=0), [0, 1]]
    return points * np.where(farthest < 0, -1, 1)
