"""The compiled loops against slow twins, a row at a time in float64; and what the two ends of a link must share."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.naive_merge import slow_adasum, slow_merge, slow_quantise, slow_sequential, slow_settle
from support.samples import repeatable

from gossipw2v.w2v.kernels import merge as rowwise
from gossipw2v.w2v.kernels.merge import Matrices, RowExchange
from gossipw2v.w2v.kernels.quantize import Coded, blank, frozen
from gossipw2v.w2v.training.curvature import Spectrum, flat, spectrum

D, N = 5, 12
ALPHA = 0.02
ANY = np.float32(np.inf)  # length
rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def matrix(rng, n=N) -> np.ndarray:
    return rng.normal(size=(n, D)).astype(np.float32)


def some_rows(rng) -> np.ndarray:
    return np.sort(rng.choice(N, rng.integers(0, N + 1), replace=False)).astype(np.int32)


def curvature(rng) -> Spectrum:
    pairs = rng.normal(size=(30, D))
    return spectrum(pairs.T @ pairs / 30, 2)


def curve(of: Spectrum) -> rowwise.Curve:
    return rowwise.curve(of.directions, of.curvatures * ALPHA, of.rest * ALPHA)


def coded(rng, n) -> Coded:
    scales = rng.uniform(0, 0.01, n).astype(np.float32)
    return Coded(scales, rng.integers(-127, 128, (n, D)).astype(np.int8))


def room(n, bits: int = 8) -> Coded:
    return blank(n, D, bits)


def widened(of: Coded) -> Coded:
    """4 bits a value as 8, one after the other."""
    low = [[((int(byte) + 8) % 16) - 8 for byte in row] for row in of.values]
    high = [[int(byte) // 16 for byte in row] for row in of.values]
    return Coded(of.scales, np.array([(a + b)[:D] for a, b in zip(low, high, strict=True)], np.int8))


def floats(of: Coded) -> np.ndarray:
    return of.values.astype(np.float64) * of.scales[:, None].astype(np.float64)


def places(rng, n) -> tuple[np.ndarray, int]:
    """Where each of n rows stands in what was sent, -1 for nowhere; and how many were sent."""
    there = rng.random(n) < 0.6
    return np.where(there, np.cumsum(there) - 1, -1).astype(np.int32), int(there.sum())


def picked(of: Coded, at: np.ndarray) -> np.ndarray:
    out = np.zeros((len(at), D))
    out[at >= 0] = floats(of)[at[at >= 0]]
    return out


def collect(weights, reference, rows, out, longest=ANY) -> int:
    """How many rows are broken; that just these are not sound."""
    sound = np.zeros(len(rows), np.bool_)
    broken = rowwise.collect_rows(Matrices(weights, reference), rows, longest, out, sound)
    assert broken == (~sound).sum()
    return int(broken)


@repeatable()
@given(rngs, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.booleans())
def test_the_row_merges_are_their_slow_twins(rng, n, m, straight):
    a, b = matrix(rng, 2)
    of = flat(D) if straight else curvature(rng)
    out = np.empty(D, np.float32)
    rowwise.sequential_row(a, b, np.uint32(n), np.uint32(m), curve(of), np.empty((2, 9), np.float32), out)
    assert_allclose(out, slow_sequential(a, n, b, m, of, ALPHA), rtol=2e-3, atol=1e-3)
    rowwise.adasum_row(a, b, out)
    assert_allclose(out, slow_adasum(a, b), rtol=1e-4, atol=1e-4)


@repeatable()
@given(rngs)
def test_collecting_rounds_the_change_of_each_row(rng):
    weights, reference, rows = matrix(rng), matrix(rng), some_rows(rng)
    out = room(len(rows))
    assert collect(weights, reference, rows, out) == 0
    for i, row in enumerate(rows):
        scale, values = slow_quantise(weights[row] - reference[row])
        assert out.scales[i] == pytest.approx(scale, rel=1e-6)
        assert np.abs(out.values[i] - np.array(values)).max() <= 1
        assert_allclose(floats(out)[i], weights[row] - reference[row], atol=scale * 0.501)


@repeatable()
@given(rngs)
def test_four_bits_are_the_nearest_of_fifteen_steps(rng):
    weights, reference, rows = matrix(rng), matrix(rng), some_rows(rng)
    out = room(len(rows), bits=4)
    assert out.values.shape[1] == (D + 1) // 2
    assert collect(weights, reference, rows, out) == 0
    change = (weights - reference)[rows]
    if len(rows):
        assert_allclose(out.scales, np.abs(change).max(axis=1) / 7, rtol=1e-6)
        assert np.abs(widened(out).values).max() == 7
        assert_array_equal(widened(out).values, np.rint(change / out.scales[:, None]))


@repeatable()
@given(rngs)
def test_what_came_in_four_bits_is_merged_and_settled_as_in_eight(rng):
    rows, n = np.arange(N, dtype=np.int32), N
    few = room(n, bits=4)
    collect(matrix(rng), matrix(rng), rows, few)
    exchange = RowExchange(rows, rows, rng.integers(0, 300, (2, n)).astype(np.uint32), rng.random(n) < 0.5)
    curves = (curve(curvature(rng)), curve(curvature(rng)))
    weights, reference = matrix(rng), matrix(rng)
    results = []
    for form in map(frozen, (few, widened(few))):
        here, out = Matrices(weights.copy(), reference.copy()), room(n)
        rowwise.merge_rows(here, exchange, form, curves, ANY, out)
        rowwise.settle_rows(here, exchange, form, form, curves)
        results.append((*here, out.values, out.scales))
    for one, other in zip(*results, strict=True):
        assert_array_equal(one, other)


@repeatable()
@given(rngs)
def test_merging_is_its_slow_twin(rng):
    weights, reference, rows = matrix(rng), matrix(rng), some_rows(rng)
    n, spectra = len(rows), [curvature(rng), curvature(rng)]
    at, k = places(rng, n)
    pushed, disjoint = coded(rng, k), rng.random(n) < 0.5
    counts = rng.integers(0, 300, (2, n)).astype(np.uint32)
    before, base, out = weights.copy(), reference.copy(), room(n)
    here, exchange = Matrices(weights, reference), RowExchange(rows, at, counts, disjoint)
    curves = (curve(spectra[0]), curve(spectra[1]))
    assert rowwise.merge_rows(here, exchange, frozen(pushed), curves, ANY, out) == 0
    expected, theirs = before.astype(np.float64), picked(pushed, at)
    for i, row in enumerate(rows):
        ours = before[row].astype(np.float64) - base[row]
        sides = (theirs[i], counts[0, i]), (ours, counts[1, i])
        merged = slow_merge(*sides, disjoint[i], spectra[int(row >= N // 2)], ALPHA)
        expected[row] += merged - ours
        assert_allclose(floats(out)[i], merged, atol=out.scales[i] * 0.51 + 1e-3)
    assert_allclose(weights, expected, rtol=1e-3, atol=1e-3)
    steps = out.values.astype(np.float32) * out.scales[:, None]
    base[rows] += steps
    assert_array_equal(reference, base)  # to the bit: the other end computes the same


@repeatable()
@given(rngs)
def test_settling_is_its_slow_twin(rng):
    weights, reference, rows = matrix(rng), matrix(rng), some_rows(rng)
    n, spectra = len(rows), [curvature(rng), curvature(rng)]
    at, k = places(rng, n)
    sent, answer, disjoint = coded(rng, k), coded(rng, n), rng.random(n) < 0.5
    counts = rng.integers(0, 300, (2, n)).astype(np.uint32)
    before, base = weights.copy(), reference.copy()
    curves = (curve(spectra[0]), curve(spectra[1]))
    here, exchange = Matrices(weights, reference), RowExchange(rows, at, counts, disjoint)
    assert rowwise.settle_rows(here, exchange, frozen(sent), frozen(answer), curves) == 0
    expected, gone = before.astype(np.float64), picked(sent, at)
    for i, row in enumerate(rows):
        since = before[row].astype(np.float64) - base[row] - gone[i]
        sides = (since, counts[0, i]), (floats(answer)[i] - gone[i], counts[1, i])
        expected[row] += slow_settle(*sides, disjoint[i], spectra[int(row >= N // 2)], ALPHA) - since
    assert_allclose(weights, expected, rtol=1e-3, atol=1e-3)
    base[rows] += answer.values.astype(np.float32) * answer.scales[:, None]
    assert_array_equal(reference, base)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, np.float32(3e38)])
def test_a_row_that_is_not_finite_counts_and_says_nothing(bad):
    weights, reference = np.ones((N, D), np.float32), np.zeros((N, D), np.float32)
    weights[3, 2] = bad
    weights[3, 4] = bad  # two large values whose sum overflows are no better than an infinite one
    out = room(2)
    assert collect(weights, reference, np.array([3, 4], np.int32), out) == 1
    assert not floats(out)[0].any()
    assert_allclose(floats(out)[1], np.ones(D), rtol=1e-6)


def test_a_row_that_is_too_long_counts_and_says_nothing():
    weights = np.ones((N, D), np.float32)
    weights[3] *= 10
    for longest, broken in ((np.float32(10 * D**0.5 - 0.1), 1), (np.float32(10 * D**0.5 + 0.1), 0)):
        out = room(2)
        assert collect(weights, weights * 0, np.array([3, 4], np.int32), out, longest) == broken
        assert floats(out)[0].any() == (not broken)
        assert floats(out)[1].any()


def test_a_broken_row_answers_with_what_was_pushed_and_none_of_its_own_updates():
    weights, reference = np.full((N, D), 2, np.float32), np.ones((N, D), np.float32)
    weights[3], weights[4, 1], rows = 50, np.nan, np.arange(3, 6, dtype=np.int32)
    counts, curves, out = np.full((2, 3), 7, np.uint32), (curve(flat(D)), curve(flat(D))), room(3)
    pushed = Coded(np.full(3, 0.5, np.float32), np.ones((3, D), np.int8))
    here = Matrices(weights, reference)
    exchange = RowExchange(rows, np.arange(3, dtype=np.int32), counts, np.ones(3, np.bool_))
    assert rowwise.merge_rows(here, exchange, frozen(pushed), curves, np.float32(20), out) == 2
    assert counts.tolist() == [[7, 7, 7], [0, 0, 7]]
    assert_allclose(floats(out), [[0.5] * D, [0.5] * D, [1.5] * D], rtol=1e-5)
    assert_allclose(reference[rows], [[1.5] * D, [1.5] * D, [2.5] * D], rtol=1e-5)


def test_rows_are_taken_back_from_the_other_end_where_it_has_seen_more():
    rng = np.random.default_rng(1)
    weights, reference = matrix(rng), matrix(rng)
    reference[5, 0], reference[6] = np.nan, 100
    before, updates, seen = weights.copy(), np.full(N, 3), np.zeros(N, np.int64)
    seen[1:7], seen[4] = 4, 3
    sent = Coded(np.full(2, 0.5, np.float32), np.ones((2, D), np.int8))
    at = np.full(N, -1, np.int32)
    at[2], at[4] = 0, 1
    here, counts = Matrices(weights, reference), np.array([9, 2], np.uint32)
    rowwise.take_back(here, updates, seen, frozen(sent), at, counts, np.float32(20))
    assert updates[:8].tolist() == [3, 4, 13, 4, 5, 3, 3, 3]
    assert_array_equal(weights[[1, 3]], reference[[1, 3]])
    assert_allclose(weights[[2, 4]], reference[[2, 4]] + 0.5, rtol=1e-5)
    untouched = [n for n in range(N) if n not in (1, 2, 3, 4)]
    assert_array_equal(weights[untouched], before[untouched])


def test_no_rows_change_nothing():
    weights, reference, rows = np.ones((N, D), np.float32), np.zeros((N, D), np.float32), np.empty(0, np.int32)
    assert collect(weights, reference, rows, room(0)) == 0
    assert weights.all()
    assert not reference.any()


EXCHANGE = """
import numpy as np
from gossipw2v.w2v.kernels import merge, priority, quantize
from gossipw2v.w2v.warmup import warm_up
from gossipw2v.system.launch import prepare_machine
from gossipw2v.w2v.training.model import Model
from gossipw2v.gossip.messages import Answer, Push
from gossipw2v.gossip.codec import HEADER, decode, encode

prepare_machine()
warm_up(5)
modules = [vars(module) for module in (merge, priority, quantize)]
forms = [each for module in modules for each in module.values() if hasattr(each, "signatures")]
before = [len(form.signatures) for form in forms]
child, parent = (Model(lambda: np.ones((12, 5), np.float32), budget=5) for _ in range(2))
for each in (child, parent):
    each.open_link(b"linkname", False, False)
    each.weights[:4] += 1
    each.updates[:4] += 1
carried = lambda message: decode(encode(message)[HEADER.size:]).delta
sent = child.collect(b"linkname", True).delta
answer = parent.merge(b"linkname", carried(Push(b"linkname", 1, False, 0, 0, {}, sent)), True, False).delta
child.settle(b"linkname", sent, carried(Answer(b"linkname", 1, False, 0, 0, {}, answer)))
print(before == [len(form.signatures) for form in forms])
"""


def test_an_exchange_over_the_wire_meets_only_what_was_compiled_at_the_start():
    """Arrays from the wire are read-only, and another compiled form would stall the daemon for a second."""
    done = subprocess.run([sys.executable, "-c", EXCHANGE], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
