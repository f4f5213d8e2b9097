"""Small blocks of arithmetic on rows, written in vectors (`simd`) where a plain loop compiles to much less.

Each intrinsic does one thing to a few rows at once, so that a row that was loaded is used several times, and keeps
its sums in registers: a tile of 4 x 4 dot products takes 16 accumulators and 8 operands of AVX-512's 32 registers.
Rows may have any length and stride: the last `LANES` floats are read and written under a mask. Rows that stand far
apart are given by their addresses.
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
    fma,
    integer,
    lower,
    same,
    sigmoid,
    splat,
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


def _dots(builder, xs, ys, width):
    """Dot products of every row of `xs` with every row of `ys`, as vectors still to be summed; x-major."""
    totals = [cgutils.alloca_once_value(builder, same(0.0)) for _ in range(len(xs) * len(ys))]
    for total in totals:
        builder.store(same(0.0), total)

    def body(span):
        vectors = [span.load(x) for x in xs]
        for j, y in enumerate(ys):
            other = span.load(y)
            for i, vector in enumerate(vectors):
                total = totals[i * len(ys) + j]
                builder.store(fma(builder, vector, other, builder.load(total)), total)

    each_span(builder, width, body)
    return [builder.load(total) for total in totals]


def _gains(builder, array, at, count: int):
    return [splat(builder, builder.load(array.row(at, i))) for i in range(count)]


# --- intrinsics ------------------------------------------------------------------------------------------------------


@intrinsic
def address(_context, y, j):
    """Where row y[j] begins, int64."""

    def generate(context, builder, signature, values):
        row = Array(context, builder, signature.args[0], values[0]).row(values[1])
        return builder.ptrtoint(row, I64)

    return types.int64(y, j), generate


def _rows_at(builder, addresses, at):
    """`TILE` rows whose addresses stand in an int64 array from `at` on."""
    float_pointer = ir.FloatType().as_pointer()
    return [builder.inttoptr(builder.load(addresses.row(at, q)), float_pointer) for q in range(TILE)]


def _block(builder, inputs: int, x, y, k, like, pull, push, out):
    """One gradient step of `inputs` rows, whose addresses are in `x`, against `TILE` with addresses in `y` from `k` on.

    All scores come first, so that their latencies overlap; then both rows of a pair move, `TILE` inputs at a time.
    """
    xs = [row for i in range(0, inputs, TILE) for row in _rows_at(builder, x, integer(i))]
    ys = _rows_at(builder, y, k)
    tile = Span(builder, integer(0))
    for i in range(0, inputs, TILE):
        tile.store(sums(builder, _dots(builder, xs[i : i + TILE], ys, like.width)), out.row(integer(TILE * i)), 64)
    from_label, per_score = (tile.load(steps.row(builder.mul(k, integer(TILE))), 64) for steps in (pull, push))
    for i in range(0, inputs, TILE):
        probability = sigmoid(builder, tile.load(out.row(integer(TILE * i)), 64))
        step = builder.fsub(from_label, builder.fmul(per_score, probability, flags=FAST), flags=FAST)
        tile.store(probability, out.row(integer(TILE * i)), 64)
        tile.store(step, out.row(integer(TILE * (inputs + i))), 64)
    for i in range(0, inputs, TILE):
        steps = _gains(builder, out, integer(TILE * (inputs + i)), TILE * TILE)
        _move(builder, xs[i : i + TILE], ys, steps, like.width)


def _move(builder, xs, ys, steps, width):
    """Every pair's rows move by its step times the other's old row; `steps` are x-major."""

    def body(span):
        old = [span.load(row) for row in xs]
        new = list(old)
        for q, row in enumerate(ys):
            before = after = span.load(row)
            for p, vector in enumerate(old):
                step = steps[len(ys) * p + q]
                new[p] = fma(builder, step, before, new[p])
                after = fma(builder, step, vector, after)
            span.store(after, row)
        for row, vector in zip(xs, new, strict=True):
            span.store(vector, row)

    each_span(builder, width, body)


@intrinsic
def block4(_context, x, y, k, like, pull, push, out):
    """Rows at the 4 addresses x and at y[k : k + 4] move by (pull - push * probability) times each other.

    Probabilities are left in out[4 * p + q], steps behind them; `pull` and `push` have theirs at 4 * k + 4 * p + q.
    Rows are as wide as those of `like`, and differ, but for blank ones.
    """
    return _block_of(TILE, x, y, k, like, pull, push, out)


@intrinsic
def block8(_context, x, y, k, like, pull, push, out):
    """`block4` for 8 rows at x; the second 4 have the steps of the first, and move by what those made of the y."""
    return _block_of(2 * TILE, x, y, k, like, pull, push, out)


def _block_of(inputs: int, x, y, k, like, pull, push, out):
    def emit(builder, *arguments):
        _block(builder, inputs, *arguments)

    return types.void(x, y, k, like, pull, push, out), lower(emit)


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
        row, rows, factors = x.row(integer(0)), [y.row(j, q) for q in range(4)], _gains(b, gains, at, 4)

        def body(span):
            total = span.load(row)
            for factor, other in zip(factors, rows, strict=True):
                total = fma(b, factor, span.load(other), total)
            span.store(total, row)

        each_span(b, y.width, body)

    return types.void(gains, at, y, j, x), lower(emit)


@intrinsic
def copy_row(_context, source, i, target, j):
    """target[j] = source[i]."""

    def emit(b, source, i, target, j):
        a, z = source.row(i), target.row(j)
        each_span(b, source.width, lambda span: span.store(span.load(a), z))

    return types.void(source, i, target, j), lower(emit)


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
def add_scaled(_context, source, i, gain, target, j):
    """target[j] += gain * source[i], over the length of source's rows."""

    def emit(b, source, i, gain, target, j):
        a, z, gains = source.row(i), target.row(j), splat(b, gain)
        each_span(b, source.width, lambda span: span.store(fma(b, gains, span.load(a), span.load(z)), z))

    return types.void(source, i, gain, target, j), lower(emit)


@intrinsic
def add_change(_context, new, old, i, target, j):
    """target[j] += new[i] - old[i]."""

    def emit(b, new, old, i, target, j):
        n, o, z = new.row(i), old.row(i), target.row(j)

        def body(span):
            change = b.fsub(span.load(n), span.load(o), flags=FAST)
            span.store(b.fadd(span.load(z), change, flags=FAST), z)

        each_span(b, target.width, body)

    return types.void(new, old, i, target, j), lower(emit)


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
