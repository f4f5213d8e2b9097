"""Vectors of floats in LLVM's terms: how to read, write, sum and transform them in compiled code.

LLVM splits a vector of `LANES` floats into what the machine has (AVX2, NEON), so most code is the same everywhere. Code
that fills the registers asks `machine_lanes` how wide its vectors should be. Results are the same but for rounding.
`tiles` makes intrinsics of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

LANES = 16

I64, I32 = ir.IntType(64), ir.IntType(32)
FAST = ("fast",)  # lets multiplications and additions become FMAs

# tanh(t) = t * odd(t^2) / even(t^2) for |t| < 7.9: Eigen's rational approximation, to a few units in the last place
_BOUND = 7.9
_ODD = (-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
        1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03)  # fmt: skip
_EVEN = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)


def machine_lanes(_triple: str, _cpu: str, features: str) -> int:
    """Floats of a vector that tiles keep in registers: 16 with AVX-512's 32 registers, else 8, as of AVX2.

    The arguments are what numba compiles for (`magic_tuple` of its code generator): the host, or what NUMBA_CPU_NAME
    and NUMBA_CPU_FEATURES say instead.
    """
    return 16 if "+avx512f" in features.split(",") else 8


def integer(value: int):
    """An int64 constant."""
    return ir.Constant(I64, value)


def vector(lanes: int):
    """The type of a vector of floats."""
    return ir.VectorType(ir.FloatType(), lanes)


def same(value: float, lanes: int = LANES):
    """The vector whose lanes all hold a constant."""
    return ir.Constant(vector(lanes), [float(np.float32(value))] * lanes)


def call(builder, name: str, result, args):
    """Call an LLVM intrinsic by name."""
    function_type = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), args)


def fma(builder, x, y, z):
    """`x * y + z`."""
    return builder.fadd(builder.fmul(x, y, flags=FAST), z, flags=FAST)


def _shuffle(builder, x, y, order):
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(order)), order))


def splat(builder, value, lanes: int = LANES):
    """The vector whose lanes all hold `value`."""
    empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(I32, 0))
    return _shuffle(builder, first, empty, [0] * lanes)


class Array:
    """A 1-d or 2-d array argument: addresses of its rows and elements."""

    def __init__(self, context, builder, numba_type, value):
        self._builder = builder
        array = context.make_array(numba_type)(context, builder, value)
        self._data = array.data
        self.width = builder.extract_value(array.shape, numba_type.ndim - 1)
        self._stride = builder.extract_value(array.strides, 0)

    def row(self, index, plus: int = 0):
        """Address of row (or element) `index + plus`."""
        b = self._builder
        offset = b.mul(self._stride, b.add(index, integer(plus)))
        return b.inttoptr(b.add(b.ptrtoint(self._data, I64), offset), self._data.type)


class Span:
    """`lanes` floats from column `at` on: how to read and write them in a row."""

    def __init__(self, builder, at, mask=None, lanes: int = LANES):
        self._builder, self._at, self._mask, self._lanes = builder, at, mask, lanes

    def _address(self, row):
        return self._builder.bitcast(self._builder.gep(row, [self._at]), vector(self._lanes).as_pointer())

    def load(self, row, align: int = 4):
        """The floats of `row`, zeros where the mask is off; `align` is what the address is a multiple of."""
        address = self._address(row)
        if self._mask is None:
            return self._builder.load(address, align=align)
        args = [address, ir.Constant(I32, align), self._mask, same(0.0, self._lanes)]
        return call(self._builder, f"llvm.masked.load.v{self._lanes}f32.p0", vector(self._lanes), args)

    def store(self, floats, row, align: int = 4) -> None:
        """Write them to `row`, but where the mask is off."""
        address = self._address(row)
        if self._mask is None:
            self._builder.store(floats, address, align=align)
            return
        args = [floats, address, ir.Constant(I32, align), self._mask]
        call(self._builder, f"llvm.masked.store.v{self._lanes}f32.p0", ir.VoidType(), args)


class Half:
    """A `Span` of `lanes` floats of which the row has the first half: they are read as if zeros followed."""

    def __init__(self, builder, at, lanes: int):
        self._builder, self._lanes, self._span = builder, lanes, Span(builder, at, None, lanes // 2)

    def load(self, row):
        """The floats of `row`, then zeros."""
        return _shuffle(self._builder, self._span.load(row), same(0.0, self._lanes // 2), list(range(self._lanes)))

    def store(self, floats, row) -> None:
        """Write the first half to `row`."""
        self._span.store(_shuffle(self._builder, floats, floats, list(range(self._lanes // 2))), row)


def each_span(builder, width, body: Callable[[Span | Half], None], lanes: int = LANES) -> None:
    """Emit a loop of `body` over a row of `width` floats, the last ones under a mask.

    Without AVX-512 a store under a mask may take as long as ten (12 cycles of Zen 3): there half a vector is taken as
    such, which leaves nothing to mask of rows of 100 or 300 floats.
    """
    end = builder.and_(width, integer(-lanes))
    with cgutils.for_range_slice(builder, integer(0), end, integer(lanes), inc=True) as (at, _):
        body(Span(builder, at, None, lanes))
    if lanes < LANES:
        half = builder.and_(width, integer(lanes // 2))
        with builder.if_then(builder.icmp_signed("!=", half, integer(0))):
            body(Half(builder, end, lanes))
        end = builder.add(end, half)
    with builder.if_then(builder.icmp_signed("<", end, width)):
        numbers = ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
        rest = splat(builder, builder.trunc(builder.sub(width, end), I32), lanes)
        body(Span(builder, end, builder.icmp_signed("<", numbers, rest), lanes))


def each_strip(builder, width, count: int, body) -> None:
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


def number_at(builder, array, at):
    """An element of an int32 array, as int64."""
    return builder.sext(builder.load(array.row(at)), I64)


def each_number(builder, first, stop, body) -> None:
    """Emit a loop of `body` over the numbers from `first` to before `stop`."""
    with cgutils.for_range_slice(builder, first, stop, integer(1), inc=True) as (t, _):
        body(t)


def zeros(builder, spans):
    """A variable for each span, zero whenever the code gets here."""
    totals = [cgutils.alloca_once(builder, vector(LANES)) for _ in spans]
    for total in totals:
        builder.store(same(0.0), total)
    return totals


def splats(builder, array, at, count: int):
    """A vector for each of `count` elements from `at` on, which all its lanes hold."""
    return [splat(builder, builder.load(array.row(at, i))) for i in range(count)]


def sums(builder, vectors):
    """Lane `i * lanes / n` of the result is the sum of the lanes of vector i of n (a power of two).

    Two vectors' halves are put side by side and added, then their quarters, and so on: 15 additions for 16 sums.
    """
    lanes = vectors[0].type.count
    half = lanes // 2
    while half:
        n = len(vectors) // 2
        if n:
            blocks = [start + side for start in range(0, lanes, 2 * half) for side in (0, lanes)]
            low = [lane for block in blocks for lane in range(block, block + half)]
            pairs, high = list(zip(vectors[:n], vectors[n:], strict=True)), [lane + half for lane in low]
        else:
            pairs = [(vectors[0], vectors[0])]
            low, high = list(range(lanes)), [lane ^ half for lane in range(lanes)]
        vectors = [
            builder.fadd(_shuffle(builder, x, y, low), _shuffle(builder, x, y, high), flags=FAST) for x, y in pairs
        ]
        half //= 2
    return vectors[0]


def every(builder, n: int, x):
    """The vector of every n-th lane of `x`, from lane 0 on."""
    return _shuffle(builder, x, x, list(range(0, x.type.count, n)))


def sigmoid(builder, x):
    """Logistic function to about 1e-6; no table to miss the cache, no branch."""
    b = builder
    t = b.fmul(x, same(0.5), flags=FAST)
    t = call(b, f"llvm.maxnum.v{LANES}f32", vector(LANES), [t, same(-_BOUND)])
    t = call(b, f"llvm.minnum.v{LANES}f32", vector(LANES), [t, same(_BOUND)])
    square = b.fmul(t, t, flags=FAST)
    odd, even = same(_ODD[0]), same(_EVEN[0])
    for c in _ODD[1:]:
        odd = fma(b, odd, square, same(c))
    for c in _EVEN[1:]:
        even = fma(b, even, square, same(c))
    tanh = b.fdiv(b.fmul(t, odd, flags=FAST), even, flags=FAST)
    return fma(b, tanh, same(0.5), same(0.5))


def lower(emit):
    """Code generator of an intrinsic: `emit(builder, *arguments)` with arrays as `Array`."""
    return lower_for_machine(lambda builder, _lanes, *arguments: emit(builder, *arguments))


def lower_for_machine(emit):
    """The same for `emit(builder, lanes, *arguments)`, which is told how many floats a vector register holds."""

    def generate(context, builder, signature, values):
        arguments = [
            Array(context, builder, kind, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, values, strict=True)
        ]
        emit(builder, machine_lanes(*context.codegen().magic_tuple()), *arguments)
        return context.get_dummy_value()

    return generate
