"""Tables of pairs, compiled: neighbours counted, found and joined in streams of ids, with the GIL released.

A table is int64[a power of 2, 2]: a pair as one number, and a value that is never 0, so that zeros are an empty table
and both are in one cache line; open addressing with linear probing. Its hash starts from a random seed, so that
collisions cannot simply be prepared in a text; no result depends on it. An id below 0 is no word: nothing that stands
on different sides of it is a pair.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.hashing import END
from gossipw2v.w2v.kernels.jit import exact, inline_exact

NOTHING = -1  # a pair or a unit that is not there

Pairs = NDArray[np.int64]

_MIX = np.uint64(0xFF51AFD7ED558CCD)  # murmur3's last mix
_S32, _S6, _LOW6, _BIT = np.uint64(32), np.uint64(6), np.uint64(63), np.uint64(1)
_SHIFT = 32
_AHEAD = 64  # pairs whose cache lines are fetched together
_SIEVE_BITS = 16  # for each pair of a sieve: one in that many others passes, or fewer


def empty(room: int) -> Pairs:
    """A table for so many pairs, at most three quarters full then."""
    return np.zeros((1 << max(4, (4 * room // 3).bit_length()), 2), np.int64)


def empty_sieve(pairs: int) -> NDArray[np.uint64]:
    """Bits for so many pairs: those that are `sifted` into it pass, and few others."""
    return np.zeros(1 << max(0, (_SIEVE_BITS * pairs - 1).bit_length() - 6), np.uint64)


def room_in(table: Pairs) -> int:
    """How many pairs a table is for."""
    return 3 * len(table) // 4


# --- compiled ------------------------------------------------------------------------------------------


@inline_exact
def _pair(left, right):
    return (np.int64(left) << _SHIFT) | np.int64(right)


@inline_exact
def _hash(pair, seed):
    hashed = (np.uint64(pair) ^ seed) * _MIX
    return hashed ^ (hashed >> _S32)


@inline_exact
def _slot(table, pair, seed):
    """Where a pair is, or would be."""
    mask = table.shape[0] - 1
    slot = np.int64(_hash(pair, seed) & np.uint64(mask))
    while table[slot, 1] != 0 and table[slot, 0] != pair:
        slot = (slot + 1) & mask
    return slot


@inline_exact
def _touch(left, ids, at, end, table, seed):
    """Have the cache lines of the next pairs come from memory side by side; what is returned is of no use."""
    seen = np.int64(0)
    for n in range(at, end):
        slot = np.int64(_hash(_pair(left[n - 1], ids[n]), seed) & np.uint64(table.shape[0] - 1))
        seen |= table[slot, 1]
    return seen


@exact
def count_pairs(left, ids, at, table, number, most, seed):
    """Count `left[n - 1], ids[n]` for n from `at`, in a table that holds `number` pairs and may hold `most`.

    Returns the n that it came to, which is the end or where the table is full, and the number of pairs.
    """
    touched = at
    while at < ids.size and number < most:
        if at == touched:
            touched = min(at + _AHEAD, ids.size)
            if _touch(left, ids, at, touched, table, seed) < 0:  # never: no count is
                return at, number
        if left[at - 1] >= 0 and ids[at] >= 0:
            pair = _pair(left[at - 1], ids[at])
            slot = _slot(table, pair, seed)
            if table[slot, 1] == 0:
                table[slot, 0] = pair
                number += 1
            table[slot, 1] += 1
        at += 1
    return at, number


@exact
def enter(pairs, values, table, seed):
    """Put pairs, which must be new and different, with their values into a table, which must have room."""
    for n in range(pairs.size):
        slot = _slot(table, pairs[n], seed)
        table[slot, 0], table[slot, 1] = pairs[n], values[n]


@exact
def entries(table, least, pairs, values):
    """Fill `pairs` and `values`, which must have room, with those of at least that value, in any order; how many."""
    number = 0
    for slot in range(table.shape[0]):
        if table[slot, 1] >= least:
            pairs[number], values[number] = table[slot, 0], table[slot, 1]
            number += 1
    return number


@exact
def values_of(pairs, table, seed):
    """int64[len(pairs)]: the value of each pair, all of which must be in the table."""
    values = np.empty(pairs.size, np.int64)
    for n in range(pairs.size):
        values[n] = table[_slot(table, pairs[n], seed), 1]
    return values


@exact
def only_units(ids, most):
    """int32[n]: the units of `ids` below `most`, and whatever ends a sentence, in their order."""
    kept = np.empty(ids.size, np.int32)
    number = 0
    for n in range(ids.size):
        kept[number] = ids[n]
        number += END <= ids[n] < most
    return kept[:number]


@exact
def find_pairs(left, ids, table, seed):
    """int32[len(ids)]: the value - 1 of the pair `left[n - 1], ids[n]` for each n, or NOTHING."""
    found = np.full(ids.size, NOTHING, np.int32)
    for n in range(1, ids.size):
        if left[n - 1] >= 0 and ids[n] >= 0:
            found[n] = table[_slot(table, _pair(left[n - 1], ids[n]), seed), 1] - 1
    return found


@inline_exact
def _passes(sieve, pair, seed):
    """Whether a pair may be one of those in a sieve; of most others that is told without a look at their table."""
    bit = _hash(pair, seed) & np.uint64(64 * sieve.size - 1)
    return (sieve[np.int64(bit >> _S6)] >> (bit & _LOW6)) & _BIT != 0


@exact
def sift(pairs, sieve, seed):
    """Put pairs into a sieve."""
    for n in range(pairs.size):
        bit = _hash(pairs[n], seed) & np.uint64(64 * sieve.size - 1)
        sieve[np.int64(bit >> _S6)] |= _BIT << (bit & _LOW6)


@exact
def join_pairs(ids, held, table, sieve, seed, out):
    """Put each pair's value - 1 in its place, from left to right; a unit is part of one pair at most.

    `held`: the unit before `ids` that may yet be joined, or NOTHING. `sieve`: with the pairs of `table`. Fills `out`,
    which is one longer than `ids`; returns how far, and the unit that is held now.
    """
    number = 0
    for n in range(ids.size):
        unit, joined = ids[n], NOTHING
        if held >= 0:
            if unit >= 0 and _passes(sieve, _pair(held, unit), seed):
                joined = table[_slot(table, _pair(held, unit), seed), 1] - 1
            out[number] = joined if joined >= 0 else held
            number += 1
        if joined >= 0:
            held = NOTHING
        elif unit >= 0:
            held = unit
        else:
            out[number] = unit
            number += 1
            held = NOTHING
    return number, held
