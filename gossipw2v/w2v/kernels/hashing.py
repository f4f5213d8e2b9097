"""Tables of words, compiled: found, counted, added up and looked up in raw bytes, with the GIL released.

Words are found as `bytes.split()` finds them and kept in open-addressing tables with linear probing, as word2vec.c
keeps its vocabulary. A word's key is its bytes as a number where they are 8 at most, so that one cache line tells
whether a slot has it; the key of a longer one is a hash, and its bytes are compared as well. Where a key's slot is
follows from a random seed, so that collisions cannot simply be prepared in a text or a peer's vocabulary; no result
depends on it.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.jit import exact, inline_exact
from gossipw2v.w2v.kernels.text.eights import before_space, eight, first, whole

END = -1  # ends a sentence among word ids
GAP = -2  # stands for a word that has no id, where that matters

_MIX = np.uint64(0xFF51AFD7ED558CCD)  # murmur3's last two mixes
_MIX_AGAIN = np.uint64(0xC4CEB9FE1A85EC53)
_S32 = np.uint64(32)
_LOW32 = np.uint64(0xFFFFFFFF)
_EIGHT = 8  # bytes of a key


class Table(NamedTuple):
    """An open-addressing table, at most half full. A slot is a key and, behind it, length << 32 | entry + 1, or 0."""

    seed: np.uint64  # of its slots, and of the keys of long words
    slots: NDArray[np.uint64]  # [a power of 2, 2]
    keys: NDArray[np.uint64]  # [room]
    starts: NDArray[np.int64]  # [room], where in the bytes a word begins
    lengths: NDArray[np.int64]  # [room]
    counts: NDArray[np.int64]  # [room]


def new_seed() -> np.uint64:
    """What nobody can foresee."""
    return np.uint64(secrets.randbits(64))


def new_table(room: int, seed: np.uint64) -> Table:
    """Room for so many words; slots empty, the rest not set."""
    return Table(seed, _slots(room), np.empty(room, np.uint64), *(np.empty(room, np.int64) for _ in range(3)))


def indexed(table: Table) -> Table:
    """The same, whose words must be distinct, so that they can be found; there are no keys."""
    table = table._replace(slots=_slots(table.keys.size))
    fill_slots(table, table.keys.size)
    return table._replace(keys=table.keys[:0].copy())


def cut(table: Table, number: int) -> Table:
    """Copies of the first `number` entries, without slots: the large columns can go."""
    numbers = (column[:number].copy() for column in (table.starts, table.lengths, table.counts))
    return Table(table.seed, table.slots[:0], table.keys[:number].copy(), *numbers)


def grown(table: Table, number: int, room: int) -> Table:
    """The first `number` entries in a table with more room."""
    larger = new_table(room, table.seed)
    for old, new in zip(table[2:], larger[2:], strict=True):
        new[:number] = old[:number]
    fill_slots(larger, number)
    return larger


def _slots(room: int) -> NDArray[np.uint64]:
    return np.zeros((1 << max(4, (2 * room - 1).bit_length()), 2), np.uint64)


# --- compiled ------------------------------------------------------------------------------------------


@inline_exact
def is_space(byte):
    return byte == 32 or 9 <= byte <= 13


@inline_exact
def _skip(text, at):
    """The next byte at or after `at` that is no whitespace, and whether a newline was passed."""
    newline = False
    while at < text.size and is_space(text[at]):
        newline |= text[at] == 10
        at += 1
    return at, newline


@inline_exact
def find_word(text, start, limit, seed):
    """Of the word that begins at `start`: its end, `limit` at most, and its key."""
    value = eight(text, start)
    number = min(before_space(value), limit - start)
    if number < _EIGHT:
        return start + number, first(value, number)
    key, state, at = value, seed, start
    while number == _EIGHT:
        at += _EIGHT
        state = (state ^ value) * _MIX
        state ^= state >> _S32
        value = eight(text, at)
        number = min(before_space(value), limit - at)
    if number == 0 and at == start + _EIGHT:
        return at, key
    state = (state ^ first(value, number)) * _MIX
    return at + number, state ^ (state >> _S32)


@inline_exact
def _same(one, start, other, other_start, length):
    """Whether two words of a length above 8 are the same."""
    for at in range(0, length - _EIGHT, _EIGHT):
        if whole(one, start + at) != whole(other, other_start + at):
            return False
    return whole(one, start + length - _EIGHT) == whole(other, other_start + length - _EIGHT)


@inline_exact
def _home(table, key):
    """The slot where a key is, unless others have filled it."""
    hashed = (key ^ table.seed) * _MIX
    hashed = (hashed ^ (hashed >> _S32)) * _MIX_AGAIN
    return np.int64(hashed >> _S32) & (table.slots.shape[0] - 1)


@inline_exact
def find(table, words, key, text, start, length):
    """The entry of a word, or -1, and the slot where it is or would be."""
    slot, wanted = _home(table, key), np.uint64(length)
    while table.slots[slot, 1] != 0:
        held = table.slots[slot, 1]
        if table.slots[slot, 0] == key and held >> _S32 == wanted:
            entry = np.int64(held & _LOW32) - 1
            if length <= _EIGHT or _same(words, table.starts[entry], text, start, length):
                return entry, slot
        slot = (slot + 1) & (table.slots.shape[0] - 1)
    return -1, slot


@inline_exact
def _fill(table, slot, entry, key, length):
    table.slots[slot, 0] = key
    table.slots[slot, 1] = (np.uint64(length) << _S32) | np.uint64(entry + 1)


@inline_exact
def put(table, slot, entry, key, start, length):
    _fill(table, slot, entry, key, length)
    table.keys[entry] = key
    table.starts[entry] = start
    table.lengths[entry] = length


@exact
def count_words(text, max_word, table):
    """Fill an empty `table` from `text`: entries (-1: they do not fit), tokens, words dropped."""
    number = tokens = dropped = 0
    at, _ = _skip(text, 0)
    while at < text.size:
        start = at
        at, key = find_word(text, start, text.size, table.seed)
        if at - start > max_word:
            dropped += 1
        else:
            tokens += 1
            entry, slot = find(table, text, key, text, start, at - start)
            if entry < 0:
                if number == table.keys.size:
                    return -1, 0, 0
                entry = number
                number += 1
                put(table, slot, entry, key, start, at - start)
                table.counts[entry] = 0
            table.counts[entry] += 1
        at, _ = _skip(text, at)
    return number, tokens, dropped


@exact
def merge(text, part, table, words, number, used):
    """Add `part`, whose words are in `text`, to `table`, whose words are in `words`; there must be room."""
    for n in range(part.keys.size):
        start, length, key = part.starts[n], part.lengths[n], part.keys[n]
        entry, slot = find(table, words, key, text, start, length)
        if entry < 0:
            entry = number
            put(table, slot, entry, key, used, length)
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
            table.keys[number] = table.keys[entry]
            table.counts[number] = table.counts[entry]
            table.starts[number] = used
            table.lengths[number] = length
            number += 1
            used += length
    return number, used


@exact
def fill_slots(table, number):
    """Enter the first `number` entries, all different, anew."""
    table.slots[:] = 0
    for entry in range(number):
        slot = _home(table, table.keys[entry])
        while table.slots[slot, 1] != 0:
            slot = (slot + 1) & (table.slots.shape[0] - 1)
        _fill(table, slot, entry, table.keys[entry], table.lengths[entry])


@exact
def fill_keys(words, table):
    for entry in range(table.keys.size):
        start = table.starts[entry]
        _, table.keys[entry] = find_word(words, start, start + table.lengths[entry], table.seed)


@exact
def encode(text, table, words, ids, gaps):
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
        at, key = find_word(text, start, text.size, table.seed)
        entry, _ = find(table, words, key, text, start, at - start)
        if entry >= 0 or gaps:
            ids[number] = entry if entry >= 0 else GAP
            number += 1
        at, newline = _skip(text, at)
