"""A model as test sets see it: words, most frequent first, and where their vectors are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

RESTRICT = 300_000  # words that pairs and analogies are asked of, as in gensim
BANDS = (("words 1 to 1,000", 1000), ("words 1,001 to 10,000", 10_000), ("rarer words", 1 << 62))


@dataclass(frozen=True, slots=True)
class Embedding:
    """`words`, most frequent first, float32[V, D] `vectors`, the rows of words that can be found, and how these are.

    There may be no `words`: what scores a model takes its index.
    """

    words: Sequence[str]
    vectors: Floats
    index: dict[str, int]
    case_sensitive: bool = False

    @classmethod
    def of(cls, words: Sequence[str], vectors: Floats, case_sensitive: bool = False) -> Embedding:
        """That of words of which equal ones are the first; the vectors are not copied. ValueError if shapes differ."""
        if vectors.ndim != 2 or len(words) != len(vectors):
            raise ValueError(f"{len(words)} words do not go with vectors of shape {vectors.shape}")
        index = {word: len(words) - 1 - at for at, word in enumerate(reversed(words))}
        return cls(words, vectors, index, case_sensitive)

    def restricted(self, words: int) -> Embedding:
        """That of its most frequent words."""
        index = {word: row for word, row in self.index.items() if row < words}
        return Embedding(self.words[:words], self.vectors[:words], index, self.case_sensitive)

    def row(self, word: str) -> int | None:
        """The row of a word as it is written, or else, unless case matters, in lower case; None if it is unknown."""
        found = self.index.get(word)
        return self.index.get(word.lower()) if found is None and not self.case_sensitive else found

    def rows(self, words: Iterable[str]) -> list[int] | None:
        """The rows of all words; None if one is unknown."""
        found = [self.row(word) for word in words]
        known = [row for row in found if row is not None]
        return known if len(known) == len(found) else None

    def unknown(self, words: Iterable[str]) -> tuple[str, ...]:
        """The words that it does not hold, each once, in their order."""
        return tuple(word for word in dict.fromkeys(words) if self.row(word) is None)

    def unit(self, rows: Ids | slice) -> Floats:
        """Some rows as float32[n, D], scaled to length 1; a zero vector stays zero."""
        return unit_rows(self.vectors[rows])


def unit_rows(vectors: Floats) -> Floats:
    """Rows of float32[n, D] scaled to length 1, as a copy; a zero vector stays zero."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1)[:, None], np.float32)


def band_of(rows: Ids) -> NDArray[np.int64]:
    """Which of `BANDS` each word is in, by its rank."""
    return np.searchsorted([end for _, end in BANDS], rows, side="right")
