# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, import-untyped"
# ruff: noqa: PLR0913, PLR0917
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
        row, rows, factors = x.row(integer(0)), [y.row(j, q) for q in range(4)], _gains(b, gains, at, 4)

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


# --- windows of words ------------------------------------------------------------------------------------------------

RUN = 8  # vectors of a row that are summed at once over a run of words
SHARED = 4  # those that are summed at once for each of `TILE` windows over the words they share


def _each_strip(builder, width, count: int, body) -> None:
    """Emit a loop of `body` over strips of `count` vectors of a row, then over shorter ones under masks.

    It gets the spans of a strip, and a function that takes the address of a row to where the strip begins in it.
    """
    size, short = count * LANES, min(count, 4) * LANES
    end = builder.and_(width, integer(-size))
    with cgutils.for_range_slice(builder, integer(0), end, integer(size), inc=True) as (at, _):
        body([Span(builder, integer(v)) for v in range(0, size, LANES)], lambda row: builder.gep(row, [at]))
    lanes = ir.Constant(ir.VectorType(I32, LANES), list(range(LANES)))
    with cgutils.for_range_slice(builder, end, width, integer(short), inc=True) as (at, _):
        rest = builder.trunc(builder.sub(width, at), I32)
        left = [splat(builder, builder.sub(rest, ir.Constant(I32, v))) for v in range(0, short, LANES)]
        masks = [builder.icmp_signed("<", lanes, each) for each in left]
        spans = [Span(builder, integer(v * LANES), mask) for v, mask in enumerate(masks)]
        body(spans, lambda row: builder.gep(row, [at]))


def _each_word(builder, words, start, stop, rows, body) -> None:
    """Emit a loop of `body` over the addresses of the rows of words[start : stop]."""
    with cgutils.for_range_slice(builder, start, stop, integer(1), inc=True) as (t, _):
        body(rows.row(builder.sext(builder.load(words.row(t)), I64)))


@intrinsic
def sum_words(_context, words, start, stop, rows, sums, i, j):
    """sums[j] = sums[i] + the rows of words[start : stop], int32."""

    def emit(b, words, start, stop, rows, sums, i, j):
        def strip(spans, begin):
            totals = [cgutils.alloca_once_value(b, span.load(begin(sums.row(i)))) for span in spans]

            def add(row):
                for span, total in zip(spans, totals, strict=True):
                    b.store(b.fadd(b.load(total), span.load(begin(row)), flags=FAST), total)

            _each_word(b, words, start, stop, rows, add)
            for span, total in zip(spans, totals, strict=True):
                span.store(b.load(total), begin(sums.row(j)))

        _each_strip(b, rows.width, RUN, strip)

    return types.void(words, start, stop, rows, sums, i, j), lower(emit)


@intrinsic
def add_to_words(_context, sums, i, changes, p, j, words, start, stop, rows):
    """sums[j] = sums[i] + changes[p] is added to the rows of words[start : stop], as often as a word stands there."""

    def emit(b, sums, i, changes, p, j, words, start, stop, rows):
        def strip(spans, begin):
            old, more, new = (begin(row) for row in (sums.row(i), changes.row(p), sums.row(j)))
            totals = [b.fadd(span.load(old), span.load(more), flags=FAST) for span in spans]
            for span, total in zip(spans, totals, strict=True):
                span.store(total, new)

            def add(row):
                for span, total in zip(spans, totals, strict=True):
                    span.store(b.fadd(span.load(begin(row)), total, flags=FAST), begin(row))

            _each_word(b, words, start, stop, rows, add)

        _each_strip(b, rows.width, RUN, strip)

    return types.void(sums, i, changes, p, j, words, start, stop, rows), lower(emit)


@intrinsic
def holders(_context, lows, highs, places, t, held, n):
    """How many p < 4 have lows[p] <= t <= highs[p] and t != places[p]; held[4 * n + p] becomes 1.0 there, else 0.0."""

    def emit(context, builder, signature, values):
        b, (t, n) = builder, (values[3], values[5])
        lows, highs, places, held = (Array(context, b, signature.args[k], values[k]) for k in (0, 1, 2, 4))
        integers, floats = ir.VectorType(I64, TILE), ir.VectorType(ir.FloatType(), TILE)
        low, high, place = (
            b.load(b.bitcast(array.row(integer(0)), integers.as_pointer()), align=8) for array in (lows, highs, places)
        )
        at = ir.Constant(integers, ir.Undefined)
        for p in range(TILE):
            at = b.insert_element(at, t, ir.Constant(I32, p))
        inside = b.and_(b.icmp_signed("<=", low, at), b.icmp_signed("<=", at, high))
        inside = b.and_(inside, b.icmp_signed("!=", at, place))
        ones = b.uitofp(inside, floats)
        b.store(ones, b.bitcast(held.row(b.mul(n, integer(TILE))), floats.as_pointer()), align=4)
        bits = b.zext(b.bitcast(inside, ir.IntType(TILE)), I64)
        return b.ctpop(bits)

    return types.int64(lows, highs, places, t, held, n), emit


def _shared_rows(builder, rows, n, held, body) -> None:
    """Emit a loop of `body` over n rows, whose addresses are in `rows`, with the splats of held[4 * k : 4 * k + 4]."""
    with cgutils.for_range_slice(builder, integer(0), n, integer(1), inc=True) as (k, _):
        row = builder.inttoptr(builder.load(rows.row(k)), ir.FloatType().as_pointer())
        body(row, _gains(builder, held, builder.mul(k, integer(TILE)), TILE))


@intrinsic
def average(_context, rows, n, held, shares, sums, far, like, x, before):
    """x[p] = before[p] = shares[p] * the sum of held[4 * k + p] * the row at rows[k], for k < n and each p < 4.

    If `far` is not 0, sums[p] and sums[4 + p] are part of the sum. Rows are as wide as those of `like`.
    """

    def emit(b, rows, n, held, shares, sums, far, like, x, before):
        scales = _gains(b, shares, integer(0), TILE)

        def strip(spans, begin):
            totals = [[cgutils.alloca_once_value(b, same(0.0)) for _ in spans] for _ in range(TILE)]
            with b.if_then(b.icmp_signed("!=", far, integer(0))):
                for p, mine in enumerate(totals):
                    left, right = (begin(sums.row(integer(side + p))) for side in (0, TILE))
                    for span, total in zip(spans, mine, strict=True):
                        b.store(b.fadd(span.load(left), span.load(right), flags=FAST), total)

            def add(row, factors):
                vectors = [span.load(begin(row)) for span in spans]
                for factor, mine in zip(factors, totals, strict=True):
                    for vector, total in zip(vectors, mine, strict=True):
                        b.store(fma(b, factor, vector, b.load(total)), total)

            _shared_rows(b, rows, n, held, add)
            for p, (scale, mine) in enumerate(zip(scales, totals, strict=True)):
                for span, total in zip(spans, mine, strict=True):
                    mean = b.fmul(b.load(total), scale, flags=FAST)
                    span.store(mean, begin(x.row(integer(p))))
                    span.store(mean, begin(before.row(integer(p))))

        _each_strip(b, like.width, SHARED, strip)

    return types.void(rows, n, held, shares, sums, far, like, x, before), lower(emit)


@intrinsic
def add_changes(_context, x, before, rows, n, held, like):
    """x[p] -= before[p], for p < 4; held[4 * k + p] times that is added to the row at rows[k], for k < n."""

    def emit(b, x, before, rows, n, held, like):
        def strip(spans, begin):
            changes = []
            for p in range(TILE):
                new, old = (begin(array.row(integer(p))) for array in (x, before))
                changes.append([b.fsub(span.load(new), span.load(old), flags=FAST) for span in spans])
                for span, change in zip(spans, changes[p], strict=True):
                    span.store(change, new)

            def add(row, factors):
                for v, span in enumerate(spans):
                    total = span.load(begin(row))
                    for factor, mine in zip(factors, changes, strict=True):
                        total = fma(b, factor, mine[v], total)
                    span.store(total, begin(row))

            _shared_rows(b, rows, n, held, add)

        _each_strip(b, like.width, SHARED, strip)

    return types.void(x, before, rows, n, held, like), lower(emit)


@intrinsic
def fetch_item(_context, array, i):
    """Ask for the cache line of array[i], to be there when it is needed."""

    def emit(b, array, i):
        args = [b.bitcast(array.row(i), ir.IntType(8).as_pointer()), *(ir.Constant(I32, v) for v in (0, 2, 1))]
        call(b, "llvm.prefetch.p0", ir.VoidType(), args)

    return types.void(array, i), lower(emit)
