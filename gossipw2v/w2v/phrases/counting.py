# mypy: disable-error-code="no-untyped-call"
"""Counting the grams of a text, block by block, in bounded memory.

A pass counts the grams of one length. Grams of two words are all counted; longer ones only where what is before their
last word is there twice or more, and kept if they are too, as most long grams never come again.
"""

from __future__ import annotations

import secrets
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.phrases.pairs import (
    Pairs,
    count_pairs,
    empty,
    empty_sieve,
    enter,
    entries,
    find_pairs,
    join_pairs,
    only_units,
    room_in,
    sift,
    values_of,
)
from gossipw2v.w2v.phrases.grams import Grams, Ints, pair_numbers

Ids = NDArray[np.int32]

TOKENS_A_PAIR = 4  # of a text of tens of millions of words: a table starts with room for the pairs there are then
EXTENDED = 2  # a gram of three words or more, and what is before its last word, occur at least so often


class GramCounter:
    """Counts the grams of one length in a text of the ids 0 to `words` - 1, given block after block in its order.

    `known` are the shorter grams: the text's, all lengths up to one less; `tokens`: about how many words the text has.
    Beyond `most` grams the rarest are forgotten, and `pruned` of them counted.
    """

    def __init__(self, words: int, known: Grams, tokens: int, most: int) -> None:
        self.pruned = 0
        self._words, self._most = words, most
        self._seed = np.uint64(secrets.randbits(64))
        self._lower = self._tables(known)  # one for each shorter length
        self._tail = np.empty(0, np.int32)  # the last ids, as many as there may be before a word in a gram
        self._table = empty(min(tokens // TOKENS_A_PAIR, most) + 1)
        self._number = 0

    def add(self, ids: Ids) -> None:
        """Count the grams that end in the next block, whose ids below 0 are no words; a gram does not go across one."""
        text = np.concatenate((self._tail, ids))
        self._tail = text[max(0, text.size - 1 - len(self._lower)) :]
        left = text
        for table, offset in self._lower:
            left = _after(find_pairs(left, text, table, self._seed), offset)
        at = 1
        while at < text.size:
            at, self._number = count_pairs(left, text, at, self._table, self._number, self._room, self._seed)
            if self._number >= self._room:
                self._make_room()

    def result(self) -> tuple[Ints, Ints]:
        """The pairs (left << 32 | right), ascending, with left as in `Grams`, and their counts, both int64[n]."""
        pairs, _ = self._entries(EXTENDED if self._lower else 1)
        pairs.sort()  # and look the counts up: sorting what the order is takes twice as long
        return pairs, values_of(pairs, self._table, self._seed)

    def _entries(self, least: int) -> tuple[Ints, Ints]:
        pairs, counts = (np.empty(self._number, np.int64) for _ in range(2))
        number = entries(self._table, least, pairs, counts)
        return pairs[:number], counts[:number]

    @property
    def _room(self) -> int:
        return min(room_in(self._table), self._most + 1)

    def _tables(self, known: Grams) -> list[tuple[Pairs, int]]:
        """For each length that is known, its grams' numbers; and what makes units of these."""
        tables, bounds, pairs = [], known.bounds(self._words), known.pairs
        for begin, end in pairwise(bounds):
            often = begin + np.flatnonzero(known.counts[begin:end] >= EXTENDED)
            table = empty(often.size)
            enter(pairs[often], often + 1, table, self._seed)
            tables.append((table, self._words))
        return tables

    def _make_room(self) -> None:
        """In a larger table; or, if there are more than may be, without the rarest, down to three quarters or less."""
        pairs, counts = self._entries(1)
        if self._number > self._most:
            drop = self._number - max(1, 3 * self._most // 4)
            kept = counts > np.partition(counts, drop - 1)[drop - 1]
            pairs, counts = pairs[kept], counts[kept]
            self.pruned += self._number - pairs.size
        self._table = empty(min(2 * self._room, self._most + 1))
        self._number = pairs.size
        enter(pairs, counts, self._table, self._seed)


def _after(found: Ids, offset: int) -> Ids:
    """Numbers of grams as units, what was not found as it is."""
    return np.where(found >= 0, found + np.int32(offset), found)


def warm_up() -> None:
    """Compile, or load from the cache, everything that counts and joins pairs."""
    ids, seed, table = np.array([0, 1, -1], np.int32), np.uint64(1), empty(4)
    count_pairs(ids, ids, 1, table, 0, 4, seed)
    enter(pair_numbers(ids[:1], ids[:1]), np.ones(1, np.int64), table, seed)
    entries(table, 1, *(np.empty(4, np.int64) for _ in range(2)))
    find_pairs(ids, ids, table, seed)
    values_of(pair_numbers(ids[:1], ids[:1]), table, seed)
    only_units(ids, 1)
    sieve = empty_sieve(4)
    sift(pair_numbers(ids[:1], ids[:1]), sieve, seed)
    join_pairs(ids, -1, table, sieve, seed, np.empty(4, np.int32))
