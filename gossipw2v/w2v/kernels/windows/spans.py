"""Where windows are: what the compiled code of both ways to sum them has in common."""

from __future__ import annotations

from llvmlite import ir

from gossipw2v.w2v.kernels.simd import (
    I32,
    integer,
    splat,
)

STRETCH = 16  # positions of CBOW whose rows are read and written at once; the lanes of a vector


def windows(builder, lows, ends, own, count=STRETCH):
    """Where the first `count` windows begin and end, and their own places, which are `own` and the next ones."""
    low, end = (load_numbers(builder, array, integer(0), count) for array in (lows, ends))
    return low, end, builder.add(alike(builder, own, count), ir.Constant(low.type, list(range(count))))


def load_numbers(builder, array, at, count=STRETCH):
    """The int32 of an array from `at` on."""
    pointer = ir.VectorType(I32, count).as_pointer()
    return builder.load(builder.bitcast(array.row(at), pointer), align=4)


def alike(builder, number, count=STRETCH):
    """The vector whose int32 are all the same int64."""
    return splat(builder, builder.trunc(number, I32), count)


def inside_of(builder, low, place, end):
    """Where low <= place < end."""
    return builder.and_(builder.icmp_signed("<=", low, place), builder.icmp_signed("<", place, end))
