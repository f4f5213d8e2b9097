"""Tables of words, compiled: found, counted, added up and looked up in raw bytes, with the GIL released.

Words are found as `bytes.split()` finds them and kept in open-addressing tables of their raw bytes, with linear
probing, as word2vec.c keeps its vocabulary. A word's hash starts from a random seed, so that collisions cannot simply
be prepared in a text or a peer's vocabulary; no result depends on it. Words of at most 8 bytes are compared as numbers,
and so are the last 8 of longer ones: a loop over bytes whose end nobody can predict costs more than finding the word.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.jit import exact

END = -1  # ends a sentence among word ids
GAP = -2  # stands for a word that has no id, where that matters

_FNV = np.uint64(0x100000001B3)  # FNV-1a's prime; then murmur3's last mix
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_S33 = np.uint64(33)
_S8 = np.uint64(8)
_TAIL = 8  # bytes


class Table(NamedTuple):
    """An open-addressing table. `slots` hold entry + 1, or 0, and are at least twice as many as there are entries."""

    slots: NDArray[np.int32]  # [a power of 2]
    hashes: NDArray[np.uint64]  # [room]
    tails: NDArray[np.uint64]  # [room], the last 8 bytes of a word as a number
    starts: NDArray[np.int64]  # [room], where in the bytes a word begins
    lengths: NDArray[np.int64]  # [room]
    counts: NDArray[np.int64]  # [room]


def new_table(room: int) -> Table:
    """Room for so many words; slots empty, the rest not set."""
    hashes, tails = (np.empty(room, np.uint64) for _ in range(2))
    return Table(_slots(room), hashes, tails, *(np.empty(room, np.int64) for _ in range(3)))


def indexed(table: Table) -> Table:
    """The same, whose words must be distinct, so that they can be found; there are no hashes."""
    table = table._replace(slots=_slots(table.hashes.size))
    fill_slots(table, table.hashes.size)
    return table._replace(hashes=table.hashes[:0].copy())


def cut(table: Table, number: int) -> Table:
    """Copies of the first `number` entries, without slots: the large columns can go."""
    hashes, tails = (column[:number].copy() for column in (table.hashes, table.tails))
    numbers = (column[:number].copy() for column in (table.starts, table.lengths, table.counts))
    return Table(table.slots[:0], hashes, tails, *numbers)


def grown(table: Table, number: int, room: int) -> Table:
    """The first `number` entries in a table with more room."""
    larger = new_table(room)
    for old, new in zip(table[1:], larger[1:], strict=True):
        new[:number] = old[:number]
    fill_slots(larger, number)
    return larger


def _slots(room: int) -> NDArray[np.int32]:
    return np.zeros(1 << max(4, (2 * room - 1).bit_length()), np.int32)


# --- compiled ------------------------------------------------------------------------------------------


@exact
def is_space(byte):
    return byte == 32 or 9 <= byte <= 13


@exact
def _skip(text, at):
    """The next byte at or after `at` that is no whitespace, and whether a newline was passed."""
    newline = False
    while at < text.size and is_space(text[at]):
        newline |= text[at] == 10
        at += 1
    return at, newline


@exact
def hash_word(text, start, limit, seed):
    """Of the word that begins at `start`: its end, `limit` at most, and its mark, which is its hash and its tail."""
    state, tail, at = seed, np.uint64(0), start
    while at < limit and not is_space(text[at]):
        byte = np.uint64(text[at])
        state = (state ^ byte) * _FNV
        tail = (tail << _S8) | byte
        at += 1
    state = (state ^ (state >> _S33)) * _MIX
    return at, (state ^ (state >> _S33), tail)


@exact
def _same(one, start, other, other_start, length):
    for n in range(length):  # noqa: SIM110 - compiled code has no generators
        if one[start + n] != other[other_start + n]:
            return False
    return True


@exact
def find(table, words, mark, text, start, length):
    """The entry of a word, or -1, and the slot where it is or would be."""
    hashed, tail = mark
    mask = table.slots.size - 1
    slot = np.int64(hashed & np.uint64(mask))
    while table.slots[slot] != 0:
        entry = np.int64(table.slots[slot]) - 1
        if (
            table.tails[entry] == tail
            and table.lengths[entry] == length
            and _same(words, table.starts[entry], text, start, length - _TAIL)
        ):
            return entry, slot
        slot = (slot + 1) & mask
    return -1, slot


@exact
def put(table, slot, entry, mark, start, length):
    table.slots[slot] = entry + 1
    table.hashes[entry], table.tails[entry] = mark
    table.starts[entry] = start
    table.lengths[entry] = length


@exact
def count_words(text, seed, max_word, table):
    """Fill an empty `table` from `text`: entries (-1: they do not fit), tokens, words dropped."""
    number = tokens = dropped = 0
    at, _ = _skip(text, 0)
    while at < text.size:
        start = at
        at, mark = hash_word(text, start, text.size, seed)
        if at - start > max_word:
            dropped += 1
        else:
            tokens += 1
            entry, slot = find(table, text, mark, text, start, at - start)
            if entry < 0:
                if number == table.hashes.size:
                    return -1, 0, 0
                entry = number
                number += 1
                put(table, slot, entry, mark, start, at - start)
                table.counts[entry] = 0
            table.counts[entry] += 1
        at, _ = _skip(text, at)
    return number, tokens, dropped


@exact
def merge(text, part, table, words, number, used):
    """Add `part`, whose words are in `text`, to `table`, whose words are in `words`; there must be room."""
    for n in range(part.hashes.size):
        start, length, mark = part.starts[n], part.lengths[n], (part.hashes[n], part.tails[n])
        entry, slot = find(table, words, mark, text, start, length)
        if entry < 0:
            entry = number
            put(table, slot, entry, mark, used, length)
            table.counts[entry] = 0
            words[used : used + length] = text[start : start + length]
            number += 1
            used += length
        table.counts[entry] += part.counts[n]
    return number, used


@exact
def compact(kept, table, words):
    """Move the kept entries, and their words, to the front: entries and bytes left."""
    number = used = 0
    for entry in range(kept.size):
        if kept[entry]:
            start, length = table.starts[entry], table.lengths[entry]
            for n in range(length):
                words[used + n] = words[start + n]
            table.hashes[number] = table.hashes[entry]
            table.tails[number] = table.tails[entry]
            table.counts[number] = table.counts[entry]
            table.starts[number] = used
            table.lengths[number] = length
            number += 1
            used += length
    return number, used


@exact
def fill_slots(table, number):
    """Enter the first `number` entries, all different, anew."""
    mask = table.slots.size - 1
    table.slots[:] = 0
    for entry in range(number):
        slot = np.int64(table.hashes[entry] & np.uint64(mask))
        while table.slots[slot] != 0:
            slot = (slot + 1) & mask
        table.slots[slot] = entry + 1


@exact
def hash_all(words, table, seed):
    for entry in range(table.hashes.size):
        start = table.starts[entry]
        _, (table.hashes[entry], table.tails[entry]) = hash_word(words, start, start + table.lengths[entry], seed)


@exact
def encode(text, seed, table, words, ids, gaps):
    """Fill `ids`, one more than `text` has bytes, with the entries of known words and END; how many there are.

    With `gaps`, each word that is not known is a GAP.
    """
    number = 0
    at, newline = _skip(text, 0)
    while True:
        if newline and (number == 0 or ids[number - 1] != END):
            ids[number] = END
            number += 1
        if at == text.size:
            return number
        start = at
        at, mark = hash_word(text, start, text.size, seed)
        entry, _ = find(table, words, mark, text, start, at - start)
        if entry >= 0 or gaps:
            ids[number] = entry if entry >= 0 else GAP
            number += 1
        at, newline = _skip(text, at)
