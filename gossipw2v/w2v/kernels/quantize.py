"""A row as it travels: a scale and 8 or 4 bits a value, packed and unpacked by compiled loops.

Packing and unpacking are compiled without contraction, so that both ends of a link add the same bits to their
references.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.jit import exact, reordered

LEVELS = np.float32(127)  # of 8 bits a value, without -128, so that the code is symmetric
FEW_LEVELS = np.float32(7)  # of 4 bits
_FOUR, _EIGHT, _NIBBLE = np.int32(4), np.int32(8), np.int32(15)
_ZERO, _SIXTEEN = np.float32(0.0), np.float32(16.0)
_ABSOLUTE = np.int32(0x7FFFFFFF)  # all bits of a float but its sign
TINY = np.float32(np.finfo(np.float32).tiny)


class Coded(NamedTuple):
    """Rows as they travel: row i is `scales[i] * values[i]`, float32[n] and int8[n, D].

    With 4 bits a value, int8[n, (D + 1) // 2]: the first half of a row in the low bits, the second in the high ones.
    """

    scales: NDArray[np.float32]
    values: NDArray[np.int8]


def width_of(vector_size: int, bits: int) -> int:
    """Bytes of a row's values, of 8 or 4 bits each."""
    return vector_size if bits == 8 else (vector_size + 1) // 2


def blank(n: int, vector_size: int, bits: int) -> Coded:
    """Where `n` rows can be packed."""
    return Coded(np.empty(n, np.float32), np.empty((n, width_of(vector_size, bits)), np.int8))


def frozen(coded: Coded) -> Coded:
    """Read-only views: arrays from the wire are, and one compiled form serves all."""
    scales, values = np.ascontiguousarray(coded.scales).view(), np.ascontiguousarray(coded.values).view()
    scales.flags.writeable = values.flags.writeable = False
    return Coded(scales, values)


@exact
def unpack_row(coded, i, out):
    """Row `i` of `coded` into `out`; -1 is the row that was not sent, which is zero."""
    if i < 0:
        out[:] = np.float32(0.0)
        return
    values, scale, size, width = coded.values[i], coded.scales[i], len(out), coded.values.shape[1]
    if width == size:
        for d in range(size):
            out[d] = np.float32(values[d]) * scale
        return
    low, high = out[:width], out[width:]
    for d in range(len(low)):
        low[d] = np.float32(((np.int32(values[d]) + _EIGHT) & _NIBBLE) - _EIGHT) * scale
    for d in range(len(high)):
        high[d] = np.float32(np.int32(values[d]) >> _FOUR) * scale


@exact
def _largest(row):
    """The largest absolute value of a float32 row without NaN: as integers, floats without a sign are in order too."""
    bits, largest = row.view(np.int32), np.int32(0)
    for d in range(len(bits)):
        largest = max(largest, bits[d] & _ABSOLUTE)
    return np.int32(largest).view(np.float32)


@exact
def pack_row(row, coded, i):
    """Round a float32 row to row `i` of `coded`, half to even."""
    largest = _largest(row)
    values, size, width = coded.values[i], len(row), coded.values.shape[1]
    scale = largest / (LEVELS if width == size else FEW_LEVELS)
    coded.scales[i] = scale
    steps = np.float32(1.0) / max(scale, TINY)
    if width == size:
        for d in range(size):
            values[d] = np.int8(np.rint(row[d] * steps))
        return
    low, high = row[:width], row[width:]
    for d in range(len(high)):
        one, other = np.rint(low[d] * steps), np.rint(high[d] * steps)
        values[d] = np.int8(other * _SIXTEEN + (one if one >= _ZERO else one + _SIXTEEN))
    for d in range(len(high), width):
        values[d] = np.int8(np.int32(np.rint(low[d] * steps)) & _NIBBLE)


@reordered
def distances(brought, kept, at, size, out):
    """`out[i] = |row i of brought - row at[i] of kept|` for rows of `size` values; -1 is the row that is zero."""
    one, other = np.empty(size, np.float32), np.empty(size, np.float32)
    for i in range(len(out)):
        unpack_row(brought, i, one)
        if at[i] >= 0:
            unpack_row(kept, at[i], other)
            for d in range(size):
                one[d] -= other[d]
        square = np.float32(0.0)
        for d in range(size):
            square += one[d] * one[d]
        out[i] = np.sqrt(square)


def warm_up(vector_size: int) -> None:
    """Compile, or load from the cache, what is called from Python."""
    coded = frozen(blank(1, vector_size, bits=8))
    distances(coded, coded, np.zeros(1, np.int32), vector_size, np.zeros(1))
