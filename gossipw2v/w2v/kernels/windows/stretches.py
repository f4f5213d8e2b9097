"""Long windows: running sums over the places of a stretch, and what its windows have in common.

Places are those of a stretch, from 0 on. A window is all from lows[p] to before ends[p], int32, but the place of its
own position, which is `own` + p.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gossipw2v.w2v.kernels.simd import (
    FAST,
    I32,
    I64,
    Span,
    call,
    each_number,
    each_span,
    each_strip,
    fma,
    integer,
    lower,
    number_at,
    same,
    splat,
    splats,
    vector,
    zeros,
)
from gossipw2v.w2v.kernels.tiles import TILE
from gossipw2v.w2v.kernels.windows.spans import STRETCH, alike, inside_of, load_numbers, windows

STRETCHED = ir.VectorType(I32, STRETCH)  # a number for each position of a stretch
ALONG = 8  # vectors of a row that are gone through at once, place by place
SHARED = 4  # vectors of a row that are summed at once for each of `TILE` windows


def _overlap(builder, low, end, other_low, other_end):
    """How many places are in both of two spans."""
    first = call(builder, f"llvm.smax.v{STRETCH}i32", STRETCHED, [low, other_low])
    last = call(builder, f"llvm.smin.v{STRETCH}i32", STRETCHED, [end, other_end])
    none = ir.Constant(STRETCHED, [0] * STRETCH)
    return call(builder, f"llvm.smax.v{STRETCH}i32", STRETCHED, [builder.sub(last, first), none])


@intrinsic
def count_common(_context, lows, ends, own, count, common):
    """common[STRETCH * p + q] = how many places windows p and q have in common, for p < `count` and q < `STRETCH`.

    A window is all from lows[p] to before ends[p], int32, but its own place, which is `own` + p.
    """

    def emit(b, lows, ends, own, count, common):
        low, end, places = windows(b, lows, ends, own)

        def one(p):
            low_p, end_p = (alike(b, number_at(b, array, p)) for array in (lows, ends))
            both = _overlap(b, low, end, low_p, end_p)
            for inside in (inside_of(b, low, alike(b, b.add(own, p)), end), inside_of(b, low_p, places, end_p)):
                both = b.add(both, b.sext(inside, STRETCHED))  # true is -1
            row = common.row(b.mul(p, integer(STRETCH)))
            Span(b, integer(0), None, STRETCH).store(b.sitofp(both, vector(STRETCH)), row)

        each_number(b, integer(0), count, one)

    return types.void(lows, ends, own, count, common), lower(emit)


@intrinsic
def hold(_context, lows, ends, own, count, places, start, number, held):
    """Bit k of held[p], uint64, becomes whether window p has place places[k] - `start`, for k < `number`, p < `count`.

    `number` is from 1 to 64. Windows are those of `count_common`. Whole vectors of places, int32, are read; bits from
    `number` on are 0.
    """

    def emit(b, lows, ends, own, count, places, start, number, held):
        known = b.lshr(ir.Constant(I64, -1), b.sub(integer(64), number))

        def one(p):
            low, end, mine = (alike(b, each) for each in (number_at(b, lows, p), number_at(b, ends, p), b.add(own, p)))
            bits = cgutils.alloca_once(b, I64)
            b.store(ir.Constant(I64, 0), bits)
            with cgutils.for_range_slice(b, integer(0), number, integer(STRETCH), inc=True) as (k, _):
                some = b.sub(load_numbers(b, places, k), alike(b, start))
                inside = b.and_(inside_of(b, low, some, end), b.icmp_signed("!=", some, mine))
                word = b.zext(b.bitcast(inside, ir.IntType(STRETCH)), I64)
                b.store(b.or_(b.load(bits), b.shl(word, k)), bits)
            b.store(b.and_(b.load(bits), known), held.row(p))

        each_number(b, integer(0), count, one)

    return types.void(lows, ends, own, count, places, start, number, held), lower(emit)


@intrinsic
def add_twins(_context, one, other, count, common):
    """Add to common[STRETCH * p + q] how many bits one[p] and other[q], and other[p] and one[q], have in common.

    Of uint64, for p < `count` and q < `STRETCH`.
    """

    def emit(b, one, other, count, common):
        longs = ir.VectorType(I64, STRETCH)
        sides = [b.load(b.bitcast(array.row(integer(0)), longs.as_pointer()), align=8) for array in (one, other)]

        def add(p):
            number = ir.Constant(longs, [0] * STRETCH)
            for array, words in zip((one, other), sides[::-1], strict=True):
                both = b.and_(splat(b, b.load(array.row(p)), STRETCH), words)
                number = b.add(number, call(b, f"llvm.ctpop.v{STRETCH}i64", longs, [both]))
            more = b.sitofp(b.trunc(number, STRETCHED), vector(STRETCH))
            row, span = common.row(b.mul(p, integer(STRETCH))), Span(b, integer(0), None, STRETCH)
            span.store(b.fadd(span.load(row), more, flags=FAST), row)

        each_number(b, integer(0), count, add)

    return types.void(one, other, count, common), lower(emit)


@intrinsic
def sum_along(_context, words, start, first, stop, rows, sums):
    """sums[t + 1] = sums[t] + the row of words[start + t], int32, for t from `first` to before `stop`.

    sums[first] becomes 0.
    """

    def emit(b, words, start, first, stop, rows, sums):
        def strip(spans, begin):
            totals = zeros(b, spans)
            for span in spans:
                span.store(same(0.0), begin(sums.row(first)))

            def add(t):
                row, after = begin(rows.row(number_at(b, words, b.add(start, t)))), begin(sums.row(t, 1))
                for span, total in zip(spans, totals, strict=True):
                    b.store(b.fadd(b.load(total), span.load(row), flags=FAST), total)
                    span.store(b.load(total), after)

            each_number(b, first, stop, add)

        each_strip(b, rows.width, ALONG, strip)

    return types.void(words, start, first, stop, rows, sums), lower(emit)


@intrinsic
def mean_along(_context, sums, lows, ends, centers, shares, common, first, x, before, rows):
    """x[p] = before[p - first] = shares[p] * what is summed over window p, for p from `first` to `first` + 3.

    That is sums[ends[p]] - sums[lows[p]] - the row of centers[p] + common[STRETCH * k + p] * x[k] for each k < `first`.
    """

    def emit(b, sums, lows, ends, centers, shares, common, first, x, before, rows):
        places = [b.add(first, integer(p)) for p in range(TILE)]
        scales = splats(b, shares, first, TILE)

        def strip(spans, begin):
            totals = [zeros(b, spans) for _ in places]
            for p, mine in zip(places, totals, strict=True):
                high, low = (begin(sums.row(number_at(b, array, p))) for array in (ends, lows))
                own = begin(rows.row(b.load(centers.row(p))))
                for span, total in zip(spans, mine, strict=True):
                    others = b.fsub(span.load(high), span.load(low), flags=FAST)
                    b.store(b.fsub(others, span.load(own), flags=FAST), total)

            def add(k):
                factors = splats(b, common, b.add(b.mul(k, integer(STRETCH)), first), TILE)
                changes = [span.load(begin(x.row(k))) for span in spans]
                for factor, mine in zip(factors, totals, strict=True):
                    for change, total in zip(changes, mine, strict=True):
                        b.store(fma(b, factor, change, b.load(total)), total)

            each_number(b, integer(0), first, add)
            for p, (scale, mine) in enumerate(zip(scales, totals, strict=True)):
                for span, total in zip(spans, mine, strict=True):
                    mean = b.fmul(b.load(total), scale, flags=FAST)
                    span.store(mean, begin(x.row(places[p])))
                    span.store(mean, begin(before.row(integer(p))))

        each_strip(b, rows.width, SHARED, strip)

    return types.void(sums, lows, ends, centers, shares, common, first, x, before, rows), lower(emit)


@intrinsic
def subtract(_context, before, n, x, first):
    """x[first + p] -= before[p], for p < n."""

    def emit(b, before, n, x, first):
        def one(p):
            old, new = before.row(p), x.row(b.add(first, p))

            def body(span):
                span.store(b.fsub(span.load(new), span.load(old), flags=FAST), new)

            each_span(b, x.width, body)

        each_number(b, integer(0), n, one)

    return types.void(before, n, x, first), lower(emit)


@intrinsic
def add_along(_context, words, start, first, stop, own, count, heads, following, held, x, rows):
    """Add to the row of words[start + t], t from `first` to before `stop`, the sum of x[p] over the windows it is in.

    The list of heads[t], followed until -1, has p where window p begins and p + STRETCH where it has ended. A word is
    not in the window of its own position, which is t - own if that is in 0 to `count`; rows with held[t] 0 stay. It
    begins with the last place: those rows have been read last.
    """

    def emit(b, words, start, first, stop, own, count, heads, following, held, x, rows):
        def strip(spans, begin):
            totals = zeros(b, spans)

            def note(end):
                ended = b.icmp_signed(">=", end, integer(STRETCH))
                p = b.select(ended, b.sub(end, integer(STRETCH)), end)
                sign = splat(b, b.select(ended, ir.Constant(ir.FloatType(), 1.0), ir.Constant(ir.FloatType(), -1.0)))
                for span, total in zip(spans, totals, strict=True):
                    b.store(fma(b, sign, span.load(begin(x.row(p))), b.load(total)), total)

            def add(forth):
                t = b.sub(b.sub(b.add(first, stop), forth), integer(1))
                _each_in_list(b, number_at(b, heads, b.add(t, integer(1))), following, note)
                row, p = begin(rows.row(number_at(b, words, b.add(start, t)))), b.sub(t, own)
                some = b.icmp_signed("!=", b.load(held.row(t)), ir.Constant(I32, 0))
                with b.if_then(some), b.if_else(b.icmp_unsigned("<", p, count)) as (center, other):
                    with center:
                        for span, total in zip(spans, totals, strict=True):
                            others = b.fsub(b.load(total), span.load(begin(x.row(p))), flags=FAST)
                            span.store(b.fadd(span.load(row), others, flags=FAST), row)
                    with other:
                        for span, total in zip(spans, totals, strict=True):
                            span.store(b.fadd(span.load(row), b.load(total), flags=FAST), row)

            each_number(b, first, stop, add)

        each_strip(b, rows.width, ALONG, strip)

    return types.void(words, start, first, stop, own, count, heads, following, held, x, rows), lower(emit)


def _each_in_list(builder, head, following, body) -> None:
    """Emit a loop of `body` over the numbers of a list: `head`, following[head] and so on, until -1."""
    at = cgutils.alloca_once(builder, I64)
    builder.store(head, at)
    test, inside, after = (builder.append_basic_block(name) for name in ("test", "inside", "after"))
    builder.branch(test)
    builder.position_at_end(test)
    builder.cbranch(builder.icmp_signed(">=", builder.load(at), integer(0)), inside, after)
    builder.position_at_end(inside)
    body(builder.load(at))
    builder.store(number_at(builder, following, builder.load(at)), at)
    builder.branch(test)
    builder.position_at_end(after)
