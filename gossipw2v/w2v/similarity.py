"""What vectors know: nearest neighbours, analogies (3CosAdd, Mikolov et al. 2013), agreement with human scores.

The matrix is copied once, scaled to rows of length 1, when a `Space` is made; products of a block of rows with it
answer everything else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Question = tuple[str, str, str, str, str]  # kind, a, b, c, d: a is to b as c is to d
Pair = tuple[str, str, float]  # two words and how alike people find them

BLOCK = 256  # questions per matrix product: 30 MB of scores for 30,000 words


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


class Score(NamedTuple):
    """Questions answered right, of those whose words are all known."""

    right: int
    asked: int


class Agreement(NamedTuple):
    """Spearman's rho (-1 to 1, nan below two pairs) over the pairs whose words are both known."""

    rho: float
    found: int


def most_similar(space: Space, word: str, topn: int = 10) -> list[tuple[str, float]]:
    """The `topn` words nearest to `word` by cosine, nearest first, without itself; KeyError if it is unknown."""
    row = space.index[word]
    scores = space.unit @ space.unit[row]
    scores[row] = -np.inf
    topn = min(topn, len(scores) - 1)
    nearest = np.argpartition(-scores, topn)[:topn]  # the word itself scores lowest, so it is never among them
    nearest = nearest[np.argsort(-scores[nearest], kind="stable")]
    return [(space.words[other], float(scores[other])) for other in nearest]


def solve_analogies(space: Space, questions: Iterable[Question]) -> dict[str, Score]:
    """Per kind, in order of appearance: how often the word nearest to b - a + c, not one of the three, is d."""
    kinds: dict[str, list[list[int]]] = {}
    for kind, *words in questions:
        known = kinds.setdefault(kind, [])
        if all(word in space.index for word in words):
            known.append([space.index[word] for word in words])
    return {kind: Score(_count_right(space.unit, rows), len(rows)) for kind, rows in kinds.items()}


def word_similarity(space: Space, pairs: Iterable[Pair]) -> Agreement:
    """How well cosines rank pairs of words as people do (WordSim-353, SimLex-999)."""
    at = space.index
    known = [(at[a], at[b], score) for a, b, score in pairs if a in at and b in at]
    if len(known) < 2:
        return Agreement(float("nan"), len(known))
    left, right, human = (np.array(column) for column in zip(*known, strict=True))
    cosines = np.einsum("nd,nd->n", space.unit[left], space.unit[right])
    return Agreement(spearman(cosines, human), len(known))


def spearman(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Rank correlation of two sequences, ties sharing their mean rank; nan where one of them is constant."""
    a, b = (ranks - ranks.mean() for ranks in (_ranks(one), _ranks(other)))
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")


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


def _count_right(unit: Floats, rows: list[list[int]]) -> int:
    right = 0
    for start in range(0, len(rows), BLOCK):
        asked = np.array(rows[start : start + BLOCK])
        a, b, c, d = asked.T
        scores = (unit[b] - unit[a] + unit[c]) @ unit.T
        np.put_along_axis(scores, asked[:, :3], -np.inf, axis=1)
        right += int((scores.argmax(axis=1) == d).sum())
    return right


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(ties)
    return np.asarray((last - (ties - 1) / 2)[place], np.float64)


def _lengths(rows: Floats) -> Floats:
    return np.asarray(np.sqrt(np.einsum("vd,vd->v", rows, rows)))


def _unit_rows(vectors: Floats) -> Floats:
    lengths = _lengths(vectors)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1)[:, None], np.float32)
