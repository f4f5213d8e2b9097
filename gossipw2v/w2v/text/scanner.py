# mypy: disable-error-code="no-untyped-call"
"""Counting and looking up the words of a text, block by block.

Blocks are counted side by side into small tables that stay in a core's cache, and these are added to the large one in
the order of the text, so results do not depend on threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.hashing import (
    END,
    GAP,
    Table,
    compact,
    count_words,
    cut,
    encode,
    fill_keys,
    fill_slots,
    grown,
    indexed,
    merge,
    new_seed,
    new_table,
)
from gossipw2v.w2v.text.words import Words, ascending

__all__ = ["END", "GAP", "Part", "WordCounter", "WordIndex", "count_block", "warm_up"]

_BLOCK_WORDS = 1 << 15  # distinct words a block's table starts with room for: some 25,000 in 2 MiB of English


class Part(NamedTuple):
    """The distinct words of a block, in the order of their first occurrence; `table` is cut to them."""

    data: NDArray[np.uint8]
    table: Table
    tokens: int  # words read, without the dropped
    dropped: int  # words longer than allowed


def count_block(data: bytes, max_word: int, seed: np.uint64, room: int = _BLOCK_WORDS) -> Part:
    """Count the words of `data`; those of more than `max_word` bytes are dropped. Safe to call in many threads."""
    text = np.frombuffer(data, np.uint8)
    while True:
        table = new_table(room, seed)
        number, tokens, dropped = count_words(text, max_word, table)
        if number >= 0:
            return Part(text, cut(table, number), tokens, dropped)
        room *= 4


class WordCounter:
    """Adds up the parts of a text. Beyond `max_words` distinct words, the rarest are forgotten and accounted for."""

    def __init__(self, max_words: int, max_word: int) -> None:
        self.tokens = self.dropped = self.pruned_words = self.pruned_tokens = 0
        self._max_words, self._max_word = max_words, max_word
        self._table = new_table(_BLOCK_WORDS, new_seed())
        self._text = np.empty(1 << 18, np.uint8)
        self._number = self._used = 0

    def count(self, data: bytes) -> Part:
        """Count one block; the one method to call in threads."""
        return count_block(data, self._max_word, self._table.seed)

    def add(self, part: Part) -> None:
        """Add a block's counts."""
        self._make_room(part)
        self._number, self._used = merge(part.data, part.table, self._table, self._text, self._number, self._used)
        self.tokens += part.tokens
        self.dropped += part.dropped
        if self._number > self._max_words:
            self._prune()

    def add_words(self, words: Words, counts: NDArray[np.int64]) -> None:
        """Add words that were counted elsewhere, all different, int64[len(words)] times each."""
        table = table_of(words, self._table.seed)._replace(counts=counts.copy())
        self.add(Part(words.array, table, int(counts.sum()), 0))

    def result(self) -> tuple[Words, NDArray[np.int64]]:
        """The words, ascending as bytes, and their counts, int64."""
        starts, lengths, counts = (column[: self._number] for column in self._table[3:])
        order = ascending(self._text, starts, lengths)
        return Words.gather(self._text, starts[order], lengths[order]), counts[order]

    def _make_room(self, part: Part) -> None:
        number = self._number + part.table.keys.size
        if number > self._table.keys.size:
            self._table = grown(self._table, self._number, 2 * number)
        used = self._used + int(part.table.lengths.sum())
        if used > self._text.size:
            self._text = _longer(self._text, self._used, 2 * used)

    def _prune(self) -> None:
        """Forget every word as rare as the rarest that must go, down to three quarters or less, as word2vec.c does."""
        counts = self._table.counts[: self._number]
        keep = max(1, 3 * self._max_words // 4)
        kept = counts > np.partition(counts, counts.size - keep - 1)[counts.size - keep - 1]
        self.pruned_words += int(counts.size - np.count_nonzero(kept))
        self.pruned_tokens += int(counts[~kept].sum())
        self._number, self._used = compact(kept, self._table, self._text)
        fill_slots(self._table, self._number)


class WordIndex:
    """Finds the place of a word in `words`, which must be distinct."""

    def __init__(self, words: Words) -> None:
        self._text = words.array
        self._table = indexed(table_of(words, new_seed()))

    def encode(self, data: bytes) -> NDArray[np.int32]:
        """int32 places of the known words of `data`; END where a line ends, which may come first, never twice in a row.

        Safe to call in many threads.
        """
        return self._encode(data, gaps=False)

    def encode_all(self, data: bytes) -> NDArray[np.int32]:
        """The same with a GAP for each word that is not known: what stands around it is not next to each other."""
        return self._encode(data, gaps=True)

    def _encode(self, data: bytes, gaps: bool) -> NDArray[np.int32]:
        text = np.frombuffer(data, np.uint8)
        ids = np.empty(text.size + 1, np.int32)  # touched, and so taken, only as far as it is filled
        return ids[: encode(text, self._table, self._text, ids, gaps)].copy()


def warm_up() -> None:
    """Compile, or load from the cache, everything here."""
    counter = WordCounter(max_words=1, max_word=8)
    counter.add(counter.count(b"a a b\n"))  # a word more than may stay
    counter.add_words(*counter.result())
    WordIndex(Words.of([b"a"])).encode(b"a\n")


def _longer(text: NDArray[np.uint8], used: int, size: int) -> NDArray[np.uint8]:
    longer = np.empty(size, np.uint8)
    longer[:used] = text[:used]
    return longer


def table_of(words: Words, seed: np.uint64) -> Table:
    """The entries of `words`, whose bytes are in `words.array`; there are neither slots nor counts."""
    none, keys = np.empty(0, np.int64), np.empty(len(words), np.uint64)
    table = Table(seed, np.empty((0, 2), np.uint64), keys, words.starts[:-1], words.lengths, none)
    fill_keys(words.array, table)
    return table
