"""Words with their vectors, as Python programs use them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.queries import nearest, unit


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words, most frequent first, and one row for each: `vectors` is float32 [V, D].

    `vectors["word"]` is a row, `"word" in vectors`, `len(vectors)` and iteration go by words, as in gensim's
    KeyedVectors, which `to_gensim` makes. Rows are not copied.
    """

    words: Sequence[str]
    vectors: NDArray[np.float32]
    index: dict[str, int] = field(init=False, repr=False)  # row by word

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.words) != len(self.vectors):
            raise ValueError(f"{len(self.words)} words do not go with vectors of shape {self.vectors.shape}")
        object.__setattr__(self, "index", {word: row for row, word in enumerate(self.words)})

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        """The vector of a word, float32 [D]; KeyError if it is not known."""
        row: NDArray[np.float32] = self.vectors[self._row(word)]
        return row

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __repr__(self) -> str:
        return f"<{len(self.words):,} words of {self.vector_size} dimensions>"

    @property
    def vector_size(self) -> int:
        """D."""
        return int(self.vectors.shape[1])

    def similarity(self, one: str, other: str) -> float:
        """The cosine of two words' vectors, -1 to 1. KeyError; ValueError if one is zero or not finite."""
        a, b = (unit(self.vectors, self._row(word), word) for word in (one, other))
        return float(np.clip(a @ b, -1.0, 1.0))

    def most_similar(self, word: str, topn: int = 10) -> list[tuple[str, float]]:
        """The `topn` words nearest by cosine as they are now, nearest first, with their cosines.

        KeyError; ValueError if the word's vector is zero or not finite.
        """
        row = self._row(word)
        found = nearest(self.vectors, unit(self.vectors, row, word), topn, (row,))
        return [(self.words[other], cosine) for other, cosine in found]

    def to_gensim(self) -> Any:
        """gensim's KeyedVectors of the same memory, without a copy. ImportError says what to install."""
        try:
            from gensim.models import KeyedVectors  # noqa: PLC0415 - heavy, and only for this
        except ImportError as error:
            raise ImportError("to_gensim needs gensim: pip install gensim") from error
        keyed = KeyedVectors(self.vector_size, dtype=self.vectors.dtype)
        keyed.index_to_key, keyed.key_to_index, keyed.vectors = list(self.words), dict(self.index), self.vectors
        return keyed

    def _row(self, word: str) -> int:
        row = self.index.get(word)
        if row is None:
            raise KeyError(f"{word!r} is not among the {len(self.words):,} words")
        return row
