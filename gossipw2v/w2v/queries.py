"""Questions to a model that is being trained: which words are near, how near two are, and what a word may have meant.

The weights are read where they are, once, and lengths computed anew each time, so that a question takes memory for a
number a word. Training goes on meanwhile, and an answer may hold the old half of one row and the new half of another:
that moves a cosine by less than a thousandth. `similarity` is for matrices that nobody changes.

Words are found in the text that the vocabulary is: an index of them would take more memory than it saves time.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.search.lookup import find_word
from gossipw2v.w2v.kernels.search.nearest import nearest_rows
from gossipw2v.w2v.text.words import Words

Floats = NDArray[np.float32]
Scored = list[tuple[int, float]]  # rows with their cosine, the best first

PIECE_BYTES = 1 << 18  # of words searched at a time: between two pieces other threads have their turn
CANDIDATES = 500  # words compared letter by letter, for each half of an unknown word: some 10 ms
LONGEST_CLOSE = 40  # letters of an unknown word for which others are sought: comparing takes their square
CLOSE_WORDS = 5  # most words named in place of an unknown one
ALIKE = 0.6  # share of letters in common, as `difflib` counts them, from which on words are close


class UnknownWordError(LookupError):
    """`word` is not in the vocabulary; `close` are words of it that may have been meant, the closest first."""

    def __init__(self, word: str, close: list[str]) -> None:
        super().__init__(f"{word[:100]!r} is not in the vocabulary")
        self.word, self.close = word, close


# -- what is near -------------------------------------------------------------------------------------------


def neighbors(words: Words, vectors: Floats, word: str, topn: int) -> list[tuple[str, float]]:
    """The `topn` words of highest cosine with `word`, without itself; `vectors` float32[V, D] has a row for each word.

    UnknownWordError; ValueError if the word's row is zero or holds a value that is not finite.
    """
    row = known(words, word)
    return _named(words, nearest(vectors, unit(vectors, row, word), topn, (row,)))


def analogy(words: Words, vectors: Floats, terms: tuple[str, str, str], topn: int) -> list[tuple[str, float]]:
    """What is to the third of the terms as the second is to the first (3CosAdd), without the three themselves.

    Errors as in `neighbors`.
    """
    rows = [known(words, term) for term in terms]
    a, b, c = (unit(vectors, row, term) for row, term in zip(rows, terms, strict=True))
    return _named(words, nearest(vectors, _scaled(b - a + c, " ".join(terms)), topn, rows))


def similarity(words: Words, vectors: Floats, a: str, b: str) -> float:
    """The cosine of two words' rows. Errors as in `neighbors`."""
    one, other = (unit(vectors, known(words, word), word) for word in (a, b))
    return float(np.clip(one @ other, -1.0, 1.0))


def nearest(vectors: Floats, query: Floats, topn: int, without: Sequence[int] = ()) -> Scored:
    """The `topn` rows of float32[V, D] of highest cosine with `query` float32[D] of length 1, ties by row.

    Rows `without` are left out, and so are rows that hold a value that is not finite; a zero row scores 0.
    """
    rows, scores = nearest_rows(vectors, query, np.asarray(without, np.int64), min(topn, len(vectors)))
    return [(int(row), float(score)) for row, score in zip(rows, scores, strict=True)]


def unit(vectors: Floats, row: int, word: str) -> Floats:
    """A row scaled to length 1. ValueError, naming `word`, if it is zero or not finite."""
    return _scaled(vectors[row].copy(), word)


def finite_row(vectors: Floats, row: int, word: str) -> Floats:
    """A copy of a row, float32[D]. ValueError, naming `word`, if it is not finite."""
    vector: Floats = vectors[row].copy()
    if not np.isfinite(vector).all():
        raise ValueError(f"the vector of {word[:100]!r} holds a value that is not finite")
    return vector


def _scaled(vector: Floats, name: str) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        length = np.sqrt(vector @ vector)
    if not (np.isfinite(length) and length > 0):
        raise ValueError(f"the vector of {name[:100]!r} is zero or holds a value that is not finite")
    return np.asarray(vector / length)


def _named(words: Words, scored: Scored) -> list[tuple[str, float]]:
    return [(shown(words, row), score) for row, score in scored]


# -- words --------------------------------------------------------------------------------------------------


def shown(words: Words, row: int) -> str:
    """The word of a row as text."""
    return words[row].decode("utf-8", "replace")


def known(words: Words, word: str) -> int:
    """The row of a word; UnknownWordError with words that may have been meant."""
    row = find_row(words, word.encode("utf-8", "replace"))
    if row is None:
        raise UnknownWordError(word, close_words(words, word))
    return row


def find_row(words: Words, word: bytes) -> int | None:
    """The row of a word, or None; in time that grows with the vocabulary, some 2 ms for a million words."""
    return find_word(words.text, words.starts, word) if word else None


def complete(words: Words, prefix: str, limit: int) -> list[str]:
    """The most frequent words that begin with `prefix`, at most `limit`, the most frequent first."""
    return [shown(words, row) for row in islice(_beginning(words, prefix.encode("utf-8", "replace")), limit)]


def close_words(words: Words, word: str, number: int = CLOSE_WORDS) -> list[str]:
    """Words of the vocabulary that `word` may be a slip of: in other case, or with much the same letters.

    One slip leaves one half of a word as it was: the most frequent words that share a half are compared, no others.
    """
    cases = dict.fromkeys((word.lower(), word.capitalize(), word.upper()))
    found = [case for case in cases if find_row(words, case.encode("utf-8", "replace")) is not None]
    if len(word) > LONGEST_CLOSE:
        return found[:number]
    half = (len(word) + 1) // 2
    heads, tails = (part.encode("utf-8", "replace") for part in (word[:half], word[-half:]))
    rows = {*islice(_beginning(words, heads), CANDIDATES), *islice(_ending(words, tails), CANDIDATES)}
    candidates = [text for row in sorted(rows) if len(text := shown(words, row)) <= 2 * LONGEST_CLOSE]
    close = difflib.get_close_matches(word, candidates, number, ALIKE)
    return list(dict.fromkeys([*found, *close]))[:number]


def _beginning(words: Words, prefix: bytes) -> Iterator[int]:
    """The rows of words that begin so, the most frequent first."""
    if b"\n" in prefix:
        return
    if not prefix:
        yield from range(len(words))
        return
    if words.text.startswith(prefix):
        yield 0
    for at in _places(words.text, b"\n" + prefix):
        yield int(np.searchsorted(words.starts, at + 1))


def _ending(words: Words, suffix: bytes) -> Iterator[int]:
    """The rows of words that end so, the most frequent first."""
    if not suffix or b"\n" in suffix:
        return
    for at in _places(words.text, suffix + b"\n"):
        yield int(np.searchsorted(words.starts, at, "right")) - 1


def _places(text: bytes, pattern: bytes) -> Iterator[int]:
    """Where `pattern` begins in `text`, in order; no search holds the interpreter for longer than a piece takes."""
    for start in range(0, len(text), PIECE_BYTES):
        end = start + PIECE_BYTES + len(pattern) - 1
        at = text.find(pattern, start, end)
        while at >= 0:
            yield at
            at = text.find(pattern, at + 1, end)
