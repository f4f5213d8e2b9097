"""What is near in a model: nearest neighbours, and how far two models are apart.

The matrix is copied once, scaled to rows of length 1, when a `Space` is made. Scores on test sets are in `evaluation`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Space:
    """Words, most frequent first, and their vectors scaled to length 1 (a zero vector stays zero)."""

    words: Sequence[str]
    unit: Floats
    index: dict[str, int]

    @classmethod
    def of(cls, words: Sequence[str], vectors: Floats, restrict: int | None = None) -> "Space":
        """The space of float32[V, D] `vectors`, or of its first `restrict` rows; ValueError if shapes differ."""
        if vectors.ndim != 2 or len(words) != len(vectors):
            raise ValueError(f"{len(words)} words do not go with vectors of shape {vectors.shape}")
        kept = words[:restrict]
        return cls(kept, _unit_rows(vectors[:restrict]), {word: row for row, word in enumerate(kept)})


def most_similar(space: Space, word: str, topn: int = 10) -> list[tuple[str, float]]:
    """The `topn` words nearest to `word` by cosine, nearest first, without itself; KeyError if it is unknown."""
    row = space.index[word]
    scores = space.unit @ space.unit[row]
    scores[row] = -np.inf
    topn = min(topn, len(scores) - 1)
    nearest = np.argpartition(-scores, topn)[:topn]  # the word itself scores lowest, so it is never among them
    nearest = nearest[np.argsort(-scores[nearest], kind="stable")]
    return [(space.words[other], float(scores[other])) for other in nearest]


def largest_difference(one: Floats, other: Floats) -> float:
    """The largest difference of any value of two float32[V, D], relative to the longer of its two rows.

    Infinite where a value is not a finite number.
    """
    if one.shape != other.shape:
        raise ValueError(f"shapes {one.shape} and {other.shape} cannot be compared")
    if one.size == 0:
        return 0.0
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return float("inf")
    apart = np.abs(one - other).max(axis=1)
    lengths = np.maximum(_lengths(one), _lengths(other))
    return float((apart / np.where(lengths > 0, lengths, 1)).max())


def _lengths(rows: Floats) -> Floats:
    return np.asarray(np.sqrt(np.einsum("vd,vd->v", rows, rows)))


def _unit_rows(vectors: Floats) -> Floats:
    lengths = _lengths(vectors)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1)[:, None], np.float32)
