"""Eight bytes of a text at a time, as one number whose lowest byte is the first, and where white space is in them.

A loop over bytes costs a step for each, and a wrong guess of the processor where a word ends.
"""

from __future__ import annotations

import sys

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gossipw2v.w2v.kernels.jit import inline_exact

_LITTLE = sys.byteorder == "little"
_I64 = ir.IntType(64)

_LOW7 = np.uint64(0x7F7F7F7F7F7F7F7F)
_HIGH = np.uint64(0x8080808080808080)
_SPACE = np.uint64(0x2020202020202020)
_TO_TAB = np.uint64(0x7777777777777777)  # added to 9 or more, it sets a byte's highest bit
_TO_SHIFT_OUT = np.uint64(0x7272727272727272)  # the same of 14
_ONE, _S3 = np.uint64(1), np.uint64(3)


@intrinsic
def _load(_typing_context, text, at):
    """uint64: bytes `at` to `at + 7` of a contiguous uint8 array, which must be there."""
    if not (isinstance(text, types.Array) and text.dtype == types.uint8 and isinstance(at, types.Integer)):
        return None

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), _I64.as_pointer())
        value = builder.load(place, align=1)
        return value if _LITTLE else builder.bswap(value)

    return types.uint64(text, types.int64), generate


@intrinsic
def _zeros_below(_typing_context, _value):
    """How many zeros stand below the lowest bit of a uint64 that is not 0."""

    def generate(_context, builder, _signature, args):
        return builder.cttz(args[0], cgutils.true_bit)

    return types.uint64(types.uint64), generate


@inline_exact
def eight(text, at):
    """The bytes from `at` on, spaces for those that are behind the end."""
    if at + 8 <= text.size:
        return _load(text, at)
    value = _SPACE
    for n in range(text.size - at):
        shift = np.uint64(8 * n)
        value ^= (np.uint64(text[at + n]) ^ np.uint64(32)) << shift
    return value


@inline_exact
def whole(text, at):
    """The bytes `at` to `at + 7`, all of which must be there."""
    return _load(text, at)


@inline_exact
def before_space(value):
    """How many bytes come before the first that is white space of ASCII: 32, or 9 to 13; 8 if none is."""
    low = value & _LOW7
    controls = (low + _TO_TAB) & ~(low + _TO_SHIFT_OUT)
    spaces = ~((low ^ _SPACE) + _LOW7)
    found = (controls | spaces) & ~value & _HIGH
    return np.int64(_zeros_below(found) >> _S3) if found else 8


@inline_exact
def first(value, number):
    """Its first `number` bytes, at most 7, zeros behind them."""
    return value & ((_ONE << np.uint64(8 * number)) - _ONE)
