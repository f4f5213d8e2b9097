"""Short windows: the rows of a group's windows are gone through once, with a table of the windows that have each."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gossipw2v.w2v.kernels.simd import (
    FAST,
    I64,
    Array,
    each_strip,
    fma,
    integer,
    lower,
    splats,
    zeros,
)
from gossipw2v.w2v.kernels.tiles import TILE
from gossipw2v.w2v.kernels.windows.spans import alike, inside_of, windows

SHARED = 4  # vectors of a row that are summed at once for each of `TILE` windows


@intrinsic
def holders(_context, lows, ends, own, t, held, n):
    """How many windows p < 4 have place t; held[4 * n + p] becomes 1.0 there, else 0.0.

    A window is all from lows[p] to before ends[p], int32, but its own place, which is `own` + p.
    """

    def emit(context, builder, signature, values):
        b, (own, t, n) = builder, (values[2], values[3], values[5])
        lows, ends, held = (Array(context, b, signature.args[k], values[k]) for k in (0, 1, 4))
        low, end, places = windows(b, lows, ends, own, TILE)
        at, floats = alike(b, t, TILE), ir.VectorType(ir.FloatType(), TILE)
        inside = b.and_(inside_of(b, low, at, end), b.icmp_signed("!=", at, places))
        b.store(b.uitofp(inside, floats), b.bitcast(held.row(b.mul(n, integer(TILE))), floats.as_pointer()), align=4)
        return b.ctpop(b.zext(b.bitcast(inside, ir.IntType(TILE)), I64))

    return types.int64(lows, ends, own, t, held, n), emit


def _shared_rows(builder, rows, n, held, body) -> None:
    """Emit a loop of `body` over n rows, whose addresses are in `rows`, with the splats of held[4 * k : 4 * k + 4]."""
    with cgutils.for_range_slice(builder, integer(0), n, integer(1), inc=True) as (k, _):
        row = builder.inttoptr(builder.load(rows.row(k)), ir.FloatType().as_pointer())
        body(row, splats(builder, held, builder.mul(k, integer(TILE)), TILE))


@intrinsic
def average(_context, rows, n, held, shares, like, x, before):
    """x[p] = before[p] = shares[p] * the sum of held[4 * k + p] * the row at rows[k], for k < n and each p < 4.

    Rows are as wide as those of `like`.
    """

    def emit(b, rows, n, held, shares, like, x, before):
        scales = splats(b, shares, integer(0), TILE)

        def strip(spans, begin):
            totals = [zeros(b, spans) for _ in range(TILE)]

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

        each_strip(b, like.width, SHARED, strip)

    return types.void(rows, n, held, shares, like, x, before), lower(emit)


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

        each_strip(b, like.width, SHARED, strip)

    return types.void(x, before, rows, n, held, like), lower(emit)
