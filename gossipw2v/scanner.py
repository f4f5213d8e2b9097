# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator"
"""Counting and looking up the words of a block of text, compiled: both walk the bytes once and release the GIL.

Words are found as `bytes.split()` finds them and kept in open-addressing tables of their raw bytes, with linear
probing, as word2vec.c keeps its vocabulary. A word's hash starts from a random seed, so that collisions cannot
simply be prepared in a text or a peer's vocabulary; no result depends on it. Blocks are counted into small tables that
stay in a core's cache and are added to the large one in the order of the text, so results do not depend on threads.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

END = -1  # ends a sentence among word ids

_compiled = njit(nogil=True, cache=True, boundscheck=False)

_FNV = np.uint64(0x100000001B3)  # FNV-1a's prime; then murmur3's last mix
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_S33 = np.uint64(33)
_BLOCK_WORDS = 1 << 15  # distinct words a block's table starts with room for: some 35,000 in 2 MiB of English


class Table(NamedTuple):
    """An open-addressing table. `slots` hold entry + 1, or 0, and are at least twice as many as there are entries."""

    slots: NDArray[np.int32]  # [a power of 2]
    hashes: NDArray[np.uint64]  # [room]
    starts: NDArray[np.int64]  # [room], where in the bytes a word begins
    lengths: NDArray[np.int64]  # [room]
    counts: NDArray[np.int64]  # [room]


class Part(NamedTuple):
    """The distinct words of a block, in the order of their first occurrence; `table` is cut to them."""

    data: NDArray[np.uint8]
    table: Table
    tokens: int  # words read, without the dropped
    dropped: int  # words longer than allowed


def count_block(data: bytes, max_word: int, seed: int, room: int = _BLOCK_WORDS) -> Part:
    """Count the words of `data`; those of more than `max_word` bytes are dropped. Safe to call in many threads."""
    text = np.frombuffer(data, np.uint8)
    while True:
        table = _new_table(room)
        number, tokens, dropped = _count(text, np.uint64(seed), max_word, table)
        if number >= 0:
            return Part(text, _cut(table, number), tokens, dropped)
        room *= 4


class WordCounter:
    """Adds up the parts of a text. Beyond `max_words` distinct words, the rarest are forgotten and accounted for."""

    def __init__(self, max_words: int, max_word: int) -> None:
        self.tokens = self.dropped = self.pruned_words = self.pruned_tokens = 0
        self._max_words, self._max_word = max_words, max_word
        self._seed = secrets.randbits(64)
        self._table = _new_table(_BLOCK_WORDS)
        self._text = np.empty(1 << 18, np.uint8)
        self._number = self._used = 0

    def count(self, data: bytes) -> Part:
        """Count one block; the one method to call in threads."""
        return count_block(data, self._max_word, self._seed)

    def add(self, part: Part) -> None:
        """Add a block's counts."""
        self._make_room(part)
        self._number, self._used = _merge(part.data, part.table, self._table, self._text, self._number, self._used)
        self.tokens += part.tokens
        self.dropped += part.dropped
        if self._number > self._max_words:
            self._prune()

    def result(self) -> tuple[list[bytes], NDArray[np.int64]]:
        """The words, ascending as bytes, and their counts, int64."""
        text = self._text[: self._used].tobytes()
        starts, lengths = (column[: self._number].tolist() for column in (self._table.starts, self._table.lengths))
        words = [text[start : start + length] for start, length in zip(starts, lengths, strict=True)]
        order = sorted(range(len(words)), key=words.__getitem__)
        return [words[entry] for entry in order], self._table.counts[order]

    def _make_room(self, part: Part) -> None:
        number = self._number + part.table.hashes.size
        if number > self._table.hashes.size:
            self._table = _grown(self._table, self._number, 2 * number)
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
        self._number, self._used = _compact(kept, self._table, self._text)
        _fill_slots(self._table, self._number)


class WordIndex:
    """Finds the place of a word in `words`, which must be distinct."""

    def __init__(self, words: Sequence[bytes]) -> None:
        self._text = np.frombuffer(b"".join(words), np.uint8)
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        empty = _new_table(len(words))
        self._seed = np.uint64(secrets.randbits(64))
        self._table = empty._replace(lengths=lengths, starts=np.cumsum(lengths) - lengths)
        _hash_all(self._text, self._table, self._seed)
        _fill_slots(self._table, len(words))

    def encode(self, data: bytes) -> NDArray[np.int32]:
        """int32 places of the known words of `data`; END where a line ends, which may come first, never twice in a row.

        Safe to call in many threads.
        """
        text = np.frombuffer(data, np.uint8)
        ids = np.empty(text.size + 1, np.int32)  # touched, and so taken, only as far as it is filled
        return ids[: _encode(text, self._seed, self._table, self._text, ids)].copy()


def warm_up() -> None:
    """Compile, or load from the cache, everything here."""
    counter = WordCounter(max_words=1, max_word=8)
    counter.add(counter.count(b"a a b\n"))  # a word more than may stay
    WordIndex([b"a"]).encode(b"a\n")


def _new_table(room: int) -> Table:
    slots = np.zeros(1 << max(4, (2 * room - 1).bit_length()), np.int32)
    numbers = (np.empty(room, np.int64) for _ in range(3))
    return Table(slots, np.empty(room, np.uint64), *numbers)


def _cut(table: Table, number: int) -> Table:
    """Copies of the first `number` entries, without slots: the large columns can go."""
    numbers = (column[:number].copy() for column in (table.starts, table.lengths, table.counts))
    return Table(table.slots[:0], table.hashes[:number].copy(), *numbers)


def _grown(table: Table, number: int, room: int) -> Table:
    larger = _new_table(room)
    for old, new in zip(table[1:], larger[1:], strict=True):
        new[:number] = old[:number]
    _fill_slots(larger, number)
    return larger


def _longer(text: NDArray[np.uint8], used: int, size: int) -> NDArray[np.uint8]:
    longer = np.empty(size, np.uint8)
    longer[:used] = text[:used]
    return longer


# --- compiled ------------------------------------------------------------------------------------------


@_compiled
def _is_space(byte):
    return byte == 32 or 9 <= byte <= 13


@_compiled
def _skip(text, at):
    """The next byte at or after `at` that is no whitespace, and whether a newline was passed."""
    newline = False
    while at < text.size and _is_space(text[at]):
        newline |= text[at] == 10
        at += 1
    return at, newline


@_compiled
def _hash(text, start, limit, seed):
    """The end of the word that begins at `start`, `limit` at most, and its hash."""
    state, at = seed, start
    while at < limit and not _is_space(text[at]):
        state = (state ^ np.uint64(text[at])) * _FNV
        at += 1
    state = (state ^ (state >> _S33)) * _MIX
    return at, state ^ (state >> _S33)


@_compiled
def _same(one, start, other, other_start, length):
    for n in range(length):  # noqa: SIM110 - compiled code has no generators
        if one[start + n] != other[other_start + n]:
            return False
    return True


@_compiled
def _find(table, words, hashed, text, start, length):
    """The entry of a word, or -1, and the slot where it is or would be."""
    mask = table.slots.size - 1
    slot = np.int64(hashed & np.uint64(mask))
    while table.slots[slot] != 0:
        entry = np.int64(table.slots[slot]) - 1
        if (
            table.hashes[entry] == hashed
            and table.lengths[entry] == length
            and _same(words, table.starts[entry], text, start, length)
        ):
            return entry, slot
        slot = (slot + 1) & mask
    return -1, slot


@_compiled
def _put(table, slot, entry, hashed, start, length):
    table.slots[slot] = entry + 1
    table.hashes[entry] = hashed
    table.starts[entry] = start
    table.lengths[entry] = length


@_compiled
def _count(text, seed, max_word, table):
    """Fill an empty `table` from `text`: entries (-1: they do not fit), tokens, words dropped."""
    number = tokens = dropped = 0
    at, _ = _skip(text, 0)
    while at < text.size:
        start = at
        at, hashed = _hash(text, start, text.size, seed)
        if at - start > max_word:
            dropped += 1
        else:
            tokens += 1
            entry, slot = _find(table, text, hashed, text, start, at - start)
            if entry < 0:
                if number == table.hashes.size:
                    return -1, 0, 0
                entry = number
                number += 1
                _put(table, slot, entry, hashed, start, at - start)
                table.counts[entry] = 0
            table.counts[entry] += 1
        at, _ = _skip(text, at)
    return number, tokens, dropped


@_compiled
def _merge(text, part, table, words, number, used):
    """Add `part`, whose words are in `text`, to `table`, whose words are in `words`; there must be room."""
    for n in range(part.hashes.size):
        start, length, hashed = part.starts[n], part.lengths[n], part.hashes[n]
        entry, slot = _find(table, words, hashed, text, start, length)
        if entry < 0:
            entry = number
            _put(table, slot, entry, hashed, used, length)
            table.counts[entry] = 0
            words[used : used + length] = text[start : start + length]
            number += 1
            used += length
        table.counts[entry] += part.counts[n]
    return number, used


@_compiled
def _compact(kept, table, words):
    """Move the kept entries, and their words, to the front: entries and bytes left."""
    number = used = 0
    for entry in range(kept.size):
        if kept[entry]:
            start, length = table.starts[entry], table.lengths[entry]
            for n in range(length):
                words[used + n] = words[start + n]
            table.hashes[number] = table.hashes[entry]
            table.counts[number] = table.counts[entry]
            table.starts[number] = used
            table.lengths[number] = length
            number += 1
            used += length
    return number, used


@_compiled
def _fill_slots(table, number):
    """Enter the first `number` entries, all different, anew."""
    mask = table.slots.size - 1
    table.slots[:] = 0
    for entry in range(number):
        slot = np.int64(table.hashes[entry] & np.uint64(mask))
        while table.slots[slot] != 0:
            slot = (slot + 1) & mask
        table.slots[slot] = entry + 1


@_compiled
def _hash_all(words, table, seed):
    for entry in range(table.hashes.size):
        start = table.starts[entry]
        _, table.hashes[entry] = _hash(words, start, start + table.lengths[entry], seed)


@_compiled
def _encode(text, seed, table, words, ids):
    number = 0
    at, newline = _skip(text, 0)
    while True:
        if newline and (number == 0 or ids[number - 1] != END):
            ids[number] = END
            number += 1
        if at == text.size:
            return number
        start = at
        at, hashed = _hash(text, start, text.size, seed)
        entry, _ = _find(table, words, hashed, text, start, at - start)
        if entry >= 0:
            ids[number] = entry
            number += 1
        at, newline = _skip(text, at)
