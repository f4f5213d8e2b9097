"""Edges out of raw bytes, compiled: lines are split, names become numbers, weights become floats, the GIL is released.

Names are numbered in the order in which they are met, by the tables of `hashing`. Nothing is guessed here: what a line
has to look like comes from outside (`Rules`), and a line that does not ends the work with its place and what is wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gossipw2v.w2v.kernels.hashing import find, find_word, is_space, put
from gossipw2v.w2v.kernels.jit import exact, inline_exact

FINE, COLUMNS, SPACE, EMPTY, LONG, NUMBER, WEIGHT, COMMENT = range(8)  # what is wrong with a line
NAMES, BYTES, EDGES, LOOPS, COMMENTS, BLANK = range(6)  # what is counted: names and their bytes, kinds of lines
SPACES = 32  # as separator: any run of white space

LIGHTEST, HEAVIEST = 1e-30, 1e30  # weights; float32 has them, and sums of them

_MOST_DIGITS = 18  # of a number, which fit 64 bits; the others only move its point
_NEWLINE, _HASH, _PERCENT = 10, 35, 37
_FNV, _MIX, _S33 = np.uint64(0x100000001B3), np.uint64(0xFF51AFD7ED558CCD), np.uint64(33)


class Rules(NamedTuple):
    """`separator`: a byte, or SPACES; `columns`: 2, or 3 with weights; `longest` name in bytes."""

    separator: int
    columns: int
    longest: int


@inline_exact
def _trimmed(text, start, end, separator):
    """A line or a field without the white space around it, none of which separates."""
    while start < end and is_space(text[start]) and text[start] != separator:
        start += 1
    while end > start and is_space(text[end - 1]) and text[end - 1] != separator:
        end -= 1
    return start, end


@inline_exact
def _split(text, start, end, separator, fields):
    """Write where the first three fields of a line begin and end to `fields` int64[6]; how many there are, up to 4."""
    number = 0
    while number < 4:
        at = start
        if separator == SPACES:
            while at < end and not is_space(text[at]):
                at += 1
        else:
            while at < end and text[at] != separator:
                at += 1
        if number < 3:
            fields[2 * number], fields[2 * number + 1] = _trimmed(text, start, at, separator)
        number += 1
        if at >= end:
            return number
        start = at + 1
        while separator == SPACES and is_space(text[start]):  # a trimmed line does not end in white space
            start += 1
    return number


@inline_exact
def _digits(text, at, end):
    """The number that begins at `at`, digits and a point: its value without the point, the power of ten, its end."""
    value, power, digits, point = np.int64(0), 0, 0, False
    while at < end and (48 <= text[at] <= 57 or (text[at] == 46 and not point)):
        if text[at] == 46:
            point = True
        elif digits < _MOST_DIGITS:
            value = value * 10 + (text[at] - 48)
            digits += value > 0
            power -= point
        else:
            power += not point
        at += 1
    return value, power, at


@inline_exact
def _weight(text, start, end):
    """The decimal number in a field, and whether there is one."""
    at = start + (text[start] == 43 or text[start] == 45)
    value, power, after = _digits(text, at, end)
    if after == at or (after == at + 1 and text[at] == 46):
        return 0.0, False
    if after < end and (text[after] == 69 or text[after] == 101):
        after += 1
        negative = after < end and text[after] == 45
        after += after < end and (text[after] == 43 or text[after] == 45)
        exponent, fraction, last = _digits(text, after, min(end, after + 5))
        if last == after or fraction != 0:
            return 0.0, False
        power, after = power + (-exponent if negative else exponent), last
    number = np.float64(value) * 10.0 ** np.float64(power)
    return (-number if text[start] == 45 else number), after == end


@inline_exact
def _named(text, start, end, rules, table, names, sizes):
    """The number of a name, which may be new, and what is wrong."""
    if start == end:
        return -1, EMPTY
    if end - start > rules.longest:
        return -1, LONG
    at, key = find_word(text, start, end, table.seed)
    if at < end:
        return -1, SPACE
    entry, slot = find(table, names, key, text, start, end - start)
    if entry < 0:
        entry, used = sizes[NAMES], sizes[BYTES]
        put(table, slot, entry, key, used, end - start)
        for n in range(end - start):
            names[used + n] = text[start + n]
        sizes[NAMES] += 1
        sizes[BYTES] += end - start
    return entry, FINE


@inline_exact
def _weighed(text, start, end):
    """The weight in a field, and what is wrong with it."""
    if start == end:
        return 0.0, EMPTY
    weight, good = _weight(text, start, end)
    if not good:
        return 0.0, NUMBER
    return weight, (FINE if LIGHTEST <= weight <= HEAVIEST else WEIGHT)


@inline_exact
def _comment(columns, rules, sizes):
    """A line with a comment's sign: what is wrong if it may be an edge."""
    if columns == rules.columns and sizes[EDGES] + sizes[LOOPS] > 0:
        return COMMENT
    sizes[COMMENTS] += 1
    return FINE


@inline_exact
def _line(text, start, end, rules, table, names, sizes, fields, pairs, weights, edge):
    """Read a line into row `edge` of `pairs` and `weights`: what is wrong, and whether there is an edge."""
    start, end = _trimmed(text, start, end, 0 if rules.separator == SPACES else rules.separator)
    if start == end:
        sizes[BLANK] += 1
        return FINE, False
    columns = _split(text, start, end, rules.separator, fields)
    if text[start] == _HASH or text[start] == _PERCENT:
        return _comment(columns, rules, sizes), False
    weights[edge], wrong = 1.0, FINE if columns == rules.columns else COLUMNS
    if wrong == FINE and columns == 3:
        weights[edge], wrong = _weighed(text, fields[4], fields[5])
    for side in range(2):
        if wrong == FINE:
            pairs[edge, side], wrong = _named(text, fields[2 * side], fields[2 * side + 1], rules, table, names, sizes)
    loop = wrong == FINE and pairs[edge, 0] == pairs[edge, 1]
    sizes[LOOPS] += loop
    return wrong, wrong == FINE and not loop


@inline_exact
def _end_of_line(text, at):
    while text[at] != _NEWLINE:
        at += 1
    return at


@exact
def parse(text, rules, table, names, sizes, fields, pairs, weights):
    """Read whole lines: fill int32[m, 2] `pairs` and float32[m] `weights` (1 where there are none).

    `sizes` int64[6] is counted on. There must be room for two names a line in `table`, and for the whole text in
    `names`. `fields` int64[6] is scratch. Returns (edges, what is wrong, where in the text the line begins).
    """
    edges = at = 0
    while at < text.size:
        end = _end_of_line(text, at)
        wrong, is_edge = _line(text, at, end, rules, table, names, sizes, fields, pairs, weights, edges)
        if wrong != FINE:
            return edges, wrong, at
        edges += is_edge
        sizes[EDGES] += is_edge
        at = end + 1
    return edges, FINE, at


@exact
def lookup(text, starts, lengths, table, words, places):
    """Fill int32[n] `places` with the entries of `table`, whose words are in `words`, of n words of `text`; or -1."""
    for n in range(places.size):
        _, key = find_word(text, starts[n], starts[n] + lengths[n], table.seed)
        places[n], _ = find(table, words, key, text, starts[n], lengths[n])


@exact
def hashes_of(text, starts, lengths, seed, hashes):
    """Fill uint64[n] `hashes` with those of n words of `text`: always the same, as nodes deal by them.

    FNV-1a, then murmur3's last mix.
    """
    for n in range(hashes.size):
        state = seed
        for at in range(starts[n], starts[n] + lengths[n]):
            state = (state ^ np.uint64(text[at])) * _FNV
        state = (state ^ (state >> _S33)) * _MIX
        hashes[n] = state ^ (state >> _S33)
