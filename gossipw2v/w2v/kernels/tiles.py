"""Small blocks of arithmetic on rows, written in vectors (`simd`) where a plain loop compiles to much less.

Each intrinsic does one thing to a few rows at once, so that a row that was loaded is used several times, and keeps
its sums in registers: 4 x 4 dot products take 16 accumulators and 8 operands of AVX-512's 32 registers, 2 x 4 take 8
accumulators and 6 operands of AVX2's 16. Rows may have any length and stride: what fills no vector at their end is
read and written under a mask. Rows that stand far apart are given by their addresses.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.simd import (
    FAST,
    I32,
    I64,
    LANES,
    Array,
    Span,
    call,
    each_span,
    every,
    fma,
    integer,
    lower,
    lower_for_machine,
    same,
    sigmoid,
    splat,
    splats,
    sums,
)

TILE = 4


def padded(vector_size: int) -> int:
    """Floats of a row that is filled up to whole vectors."""
    return -(-vector_size // LANES) * LANES


def aligned(rows: int, width: int) -> NDArray[np.float32]:
    """Zeros [rows, width] whose rows start on cache lines; the floats up to `padded(width)` are there, unseen."""
    stride = padded(width)
    memory = np.zeros(rows * stride + LANES, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + rows * stride].reshape(rows, stride)[:, :width]


def _dots(builder, xs, ys, width, lanes: int = LANES):
    """Dot products of every row of `xs` with every row of `ys`, as vectors still to be summed; x-major."""
    zero = same(0.0, lanes)
    totals = [cgutils.alloca_once_value(builder, zero) for _ in range(len(xs) * len(ys))]
    for total in totals:
        builder.store(zero, total)

    def body(span):
        vectors = [span.load(x) for x in xs]
        for j, y in enumerate(ys):
            other = span.load(y)
            for i, vector in enumerate(vectors):
                total = totals[i * len(ys) + j]
                builder.store(fma(builder, vector, other, builder.load(total)), total)

    each_span(builder, width, body, lanes)
    return [builder.load(total) for total in totals]


# --- intrinsics ------------------------------------------------------------------------------------------------------


@intrinsic
def address(_context, y, j):
    """Where row y[j] begins, int64."""

    def generate(context, builder, signature, values):
        row = Array(context, builder, signature.args[0], values[0]).row(values[1])
        return builder.ptrtoint(row, I64)

    return types.int64(y, j), generate


def _rows_at(builder, addresses, at, count: int):
    """Rows whose addresses stand in an int64 array from `at` on."""
    float_pointer = ir.FloatType().as_pointer()
    return [builder.inttoptr(builder.load(addresses.row(at, q)), float_pointer) for q in range(count)]


def _block(builder, lanes: int, inputs: int, x, y, k, like, pull, push, out):
    """One gradient step of `inputs` rows, whose addresses are in `x`, against `TILE` with addresses in `y` from `k` on.

    All scores come first, so that their latencies overlap; then both rows of a pair move, `TILE` inputs at a time.
    """
    xs, ys = _rows_at(builder, x, integer(0), inputs), _rows_at(builder, y, k, TILE)
    full = -(-inputs // TILE) * TILE
    _scores(builder, lanes, xs, ys, like.width, out)
    tile = Span(builder, integer(0))
    from_label, per_score = (tile.load(steps.row(builder.mul(k, integer(TILE))), 64) for steps in (pull, push))
    for i in range(0, inputs, TILE):
        probability = sigmoid(builder, tile.load(out.row(integer(TILE * i)), 64))
        step = builder.fsub(from_label, builder.fmul(per_score, probability, flags=FAST), flags=FAST)
        tile.store(probability, out.row(integer(TILE * i)), 64)
        tile.store(step, out.row(integer(TILE * (full + i))), 64)
    for i in range(0, inputs, TILE):
        _move(builder, lanes, xs[i : i + TILE], ys, out.row(integer(TILE * (full + i))), like.width)


def _scores(builder, lanes: int, xs, ys, width, out):
    """out[TILE * p + q] = xs[p] . ys[q], as many at once as a vector holds: each has a register for its sums."""
    rows = lanes // TILE
    for i in range(0, len(xs), rows):
        dots = _dots(builder, xs[i : i + rows], ys, width, lanes)
        scores = every(builder, lanes // len(dots), sums(builder, dots))
        Span(builder, integer(0), None, len(dots)).store(scores, out.row(integer(TILE * i)), 4 * len(dots))


def _move(builder, lanes: int, xs, ys, steps, width):
    """Every pair's rows move by its step times the other's old row; the steps stand at an address, x-major.

    AVX-512 has registers for all of them. Elsewhere each is read where it is used, which costs no more than to read it
    back from the stack, and leaves the registers to the rows.
    """

    def step(place):
        return splat(builder, builder.load(builder.gep(steps, [integer(place)])), lanes)

    held = [step(place) for place in range(len(xs) * len(ys))] if lanes == LANES else None

    def body(span):
        old = [span.load(row) for row in xs]
        new = list(old)
        for q, row in enumerate(ys):
            before = after = span.load(row)
            for p, vector in enumerate(old):
                place = len(ys) * p + q
                gain = held[place] if held else step(place)
                new[p] = fma(builder, gain, before, new[p])
                after = fma(builder, gain, vector, after)
            span.store(after, row)
        for row, vector in zip(xs, new, strict=True):
            span.store(vector, row)

    each_span(builder, width, body, lanes)


@intrinsic
def block4(_context, x, y, k, like, pull, push, out):
    """Rows at the 4 addresses x and at y[k : k + 4] move by (pull - push * probability) times each other.

    Probabilities are left in out[4 * p + q], steps behind them; `pull` and `push` have theirs at 4 * k + 4 * p + q.
    Rows are as wide as those of `like`, and differ, but for blank ones; where the last two of x are the same they are
    left out, and so are their steps.
    """
    return _block_of(TILE, x, y, k, like, pull, push, out)


@intrinsic
def block8(_context, x, y, k, like, pull, push, out):
    """`block4` for 8 rows at x; the second 4 have the steps of the first, and move by what those made of the y."""
    return _block_of(2 * TILE, x, y, k, like, pull, push, out)


def _block_of(inputs: int, x, y, k, like, pull, push, out):
    def emit(builder, lanes, *arguments):
        *_, before_last, last = (builder.load(arguments[0].row(integer(i))) for i in range(inputs))
        with builder.if_else(builder.icmp_unsigned("==", before_last, last)) as (blank, different):
            with blank:  # windows have mostly even numbers of words: half of all blocks would work on two blank rows
                _block(builder, lanes, inputs - 2, *arguments)
            with different:
                _block(builder, lanes, inputs, *arguments)

    return types.void(x, y, k, like, pull, push, out), lower_for_machine(emit)


@intrinsic
def four_dots(_context, x, y, j, out, at):
    """out[at + q] = x . y[j + q] for q < 4 and one row x."""

    def emit(b, x, y, j, out, at):
        totals = sums(b, _dots(b, [x.row(integer(0))], [y.row(j, q) for q in range(4)], y.width))
        for q in range(4):
            b.store(b.extract_element(totals, ir.Constant(I32, q * LANES // 4)), out.row(at, q))

    return types.void(x, y, j, out, at), lower(emit)


@intrinsic
def add_four(_context, gains, at, y, j, x):
    """x += gains[at + q] * y[j + q] for q < 4 and one row x."""

    def emit(b, gains, at, y, j, x):
        row, rows, factors = x.row(integer(0)), [y.row(j, q) for q in range(4)], splats(b, gains, at, 4)

        def body(span):
            total = span.load(row)
            for factor, other in zip(factors, rows, strict=True):
                total = fma(b, factor, span.load(other), total)
            span.store(total, row)

        each_span(b, y.width, body)

    return types.void(gains, at, y, j, x), lower(emit)


@intrinsic
def add_row(_context, source, i, target, j):
    """target[j] += source[i]."""

    def emit(b, source, i, target, j):
        a, z = source.row(i), target.row(j)

        def body(span):
            span.store(b.fadd(span.load(z), span.load(a), flags=FAST), z)

        each_span(b, target.width, body)

    return types.void(source, i, target, j), lower(emit)


@intrinsic
def fetch_row(_context, y, j):
    """Ask for the cache lines of y[j], to be there when they are needed."""

    def emit(b, y, j):
        byte = ir.IntType(8).as_pointer()
        row = y.row(j)
        with cgutils.for_range_slice(b, integer(0), y.width, integer(LANES), inc=True) as (at, _):
            args = [b.bitcast(b.gep(row, [at]), byte), *(ir.Constant(I32, v) for v in (0, 2, 1))]
            call(b, "llvm.prefetch.p0", ir.VoidType(), args)

    return types.void(y, j), lower(emit)


@intrinsic
def fetch_item(_context, array, i):
    """Ask for the cache line of array[i], to be there when it is needed."""

    def emit(b, array, i):
        args = [b.bitcast(array.row(i), ir.IntType(8).as_pointer()), *(ir.Constant(I32, v) for v in (0, 2, 1))]
        call(b, "llvm.prefetch.p0", ir.VoidType(), args)

    return types.void(array, i), lower(emit)
