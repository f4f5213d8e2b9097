# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, import-untyped"
# ruff: noqa: PLR0913, PLR0917
"""Small blocks of arithmetic on rows, written in vectors (`simd`) where a plain loop compiles to much less.

Each intrinsic does one thing to a few rows at once, so that a row that was loaded is used several times, and keeps
its sums in registers: a tile of 4 x 4 dot products takes 16 accumulators and 8 operands of AVX-512's 32 registers.
Rows of the model may have any length and stride: the last `LANES` floats are read and written under a mask. Rows of
scratch arrays (`aligned`) are padded with zeros and aligned, and need no mask.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from gossipw2v.simd import FAST, I32, LANES, Span, call, each_span, fma, integer, lower, same, sigmoid, splat, sums

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


def _dots(builder, xs, ys, width, *, whole: bool, align: int = 64):
    """Dot products of every row of `xs` with every row of `ys`, as vectors still to be summed; x-major.

    `align`: what the addresses of `xs` are multiples of.
    """
    totals = [cgutils.alloca_once_value(builder, same(0.0)) for _ in range(len(xs) * len(ys))]
    for total in totals:
        builder.store(same(0.0), total)

    def body(span):
        vectors = [span.load(x, align) for x in xs]
        for j, y in enumerate(ys):
            other = span.load(y, 64 if whole else 4)
            for i, vector in enumerate(vectors):
                total = totals[i * len(ys) + j]
                builder.store(fma(builder, vector, other, builder.load(total)), total)

    each_span(builder, width, body, whole=whole)
    return [builder.load(total) for total in totals]


def _move(builder, xs, steps, ys, gains, width, *, whole: bool):
    """One gradient step of all pairs, by the old rows: `steps[i] += gain * ys[j]`, `ys[j] += gain * xs[i]`."""

    def body(span):
        vectors = [span.load(x, 64) for x in xs]
        totals = [span.load(step, 64) for step in steps]
        for j, y in enumerate(ys):
            old = new = span.load(y, 64 if whole else 4)
            for i, vector in enumerate(vectors):
                gain = gains[i * len(ys) + j]
                totals[i] = fma(builder, gain, old, totals[i])
                new = fma(builder, gain, vector, new)
            span.store(new, y, 64 if whole else 4)
        for step, total in zip(steps, totals, strict=True):
            span.store(total, step, 64)

    each_span(builder, width, body, whole=whole)


def _gains(builder, array, at, count: int):
    return [splat(builder, builder.load(array.row(at, i))) for i in range(count)]


# --- intrinsics ------------------------------------------------------------------------------------------------------


@intrinsic
def tile_dots(_context, x, i, y, j, out, at):
    """out[at + 4 * p + q] = x[i + p] . y[j + q] for p, q < 4; aligned arrays."""

    def emit(b, x, i, y, j, out, at):
        xs, ys = [x.row(i, p) for p in range(TILE)], [y.row(j, q) for q in range(TILE)]
        totals = sums(b, _dots(b, xs, ys, x.width, whole=True))
        Span(b, integer(0)).store(totals, out.row(at), 64)

    return types.void(x, i, y, j, out, at), lower(emit)


@intrinsic
def tile_move(_context, x, step, i, y, j, gains, at):
    """Gradient step of 4 x 4 pairs: step[i + p] and y[j + q] move by gains[at + 4 * p + q]; aligned arrays."""

    def emit(b, x, step, i, y, j, gains, at):
        xs, steps = [x.row(i, p) for p in range(TILE)], [step.row(i, p) for p in range(TILE)]
        ys = [y.row(j, q) for q in range(TILE)]
        _move(b, xs, steps, ys, _gains(b, gains, at, TILE * TILE), x.width, whole=True)

    return types.void(x, step, i, y, j, gains, at), lower(emit)


@intrinsic
def pair_dots(_context, x, i, y, j, k, out, at):
    """out[at] = x[i] . y[j] and out[at + 1] = x[i] . y[k]; only x is aligned."""

    def emit(b, x, i, y, j, k, out, at):
        totals = sums(b, _dots(b, [x.row(i)], [y.row(j), y.row(k)], y.width, whole=False))
        for p in range(2):
            b.store(b.extract_element(totals, ir.Constant(I32, p * LANES // 2)), out.row(at, p))

    return types.void(x, i, y, j, k, out, at), lower(emit)


@intrinsic
def pair_move(_context, x, step, i, y, j, k, gains, at):
    """Gradient step of the pairs of `pair_dots`; only x and step are aligned, j and k differ."""

    def emit(b, x, step, i, y, j, k, gains, at):
        _move(b, [x.row(i)], [step.row(i)], [y.row(j), y.row(k)], _gains(b, gains, at, 2), y.width, whole=False)

    return types.void(x, step, i, y, j, k, gains, at), lower(emit)


@intrinsic
def one_dot(_context, x, i, y, j, out, at):
    """out[at] = x[i] . y[j]; only x is aligned."""

    def emit(b, x, i, y, j, out, at):
        totals = sums(b, _dots(b, [x.row(i)], [y.row(j)], y.width, whole=False))
        b.store(b.extract_element(totals, ir.Constant(I32, 0)), out.row(at))

    return types.void(x, i, y, j, out, at), lower(emit)


@intrinsic
def one_move(_context, x, step, i, y, j, gains, at):
    """Gradient step of the pair of `one_dot`."""

    def emit(b, x, step, i, y, j, gains, at):
        _move(b, [x.row(i)], [step.row(i)], [y.row(j)], _gains(b, gains, at, 1), y.width, whole=False)

    return types.void(x, step, i, y, j, gains, at), lower(emit)


@intrinsic
def four_dots(_context, x, y, j, out, at):
    """out[at + q] = x . y[j + q] for q < 4 and one row x."""

    def emit(b, x, y, j, out, at):
        totals = sums(b, _dots(b, [x.row(integer(0))], [y.row(j, q) for q in range(4)], y.width, whole=False, align=4))
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

        each_span(b, y.width, body, whole=False)

    return types.void(gains, at, y, j, x), lower(emit)


@intrinsic
def sigmoids(_context, x, at):
    """x[at : at + LANES] becomes its logistic function; aligned."""

    def emit(b, x, at):
        span, row = Span(b, integer(0)), x.row(at)
        span.store(sigmoid(b, span.load(row, 64)), row, 64)

    return types.void(x, at), lower(emit)


@intrinsic
def copy_row(_context, source, i, target, j):
    """target[j] = source[i]."""

    def emit(b, source, i, target, j):
        a, z = source.row(i), target.row(j)
        each_span(b, source.width, lambda span: span.store(span.load(a), z), whole=False)

    return types.void(source, i, target, j), lower(emit)


@intrinsic
def add_row(_context, source, i, target, j):
    """target[j] += source[i]."""

    def emit(b, source, i, target, j):
        a, z = source.row(i), target.row(j)

        def body(span):
            span.store(b.fadd(span.load(z), span.load(a), flags=FAST), z)

        each_span(b, target.width, body, whole=False)

    return types.void(source, i, target, j), lower(emit)


@intrinsic
def add_scaled(_context, source, i, gain, target, j):
    """target[j] += gain * source[i], over the length of source's rows."""

    def emit(b, source, i, gain, target, j):
        a, z, gains = source.row(i), target.row(j), splat(b, gain)
        each_span(b, source.width, lambda span: span.store(fma(b, gains, span.load(a), span.load(z)), z), whole=False)

    return types.void(source, i, gain, target, j), lower(emit)


@intrinsic
def add_change(_context, new, old, i, target, j):
    """target[j] += new[i] - old[i]."""

    def emit(b, new, old, i, target, j):
        n, o, z = new.row(i), old.row(i), target.row(j)

        def body(span):
            change = b.fsub(span.load(n), span.load(o), flags=FAST)
            span.store(b.fadd(span.load(z), change, flags=FAST), z)

        each_span(b, target.width, body, whole=False)

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
