"""Both merge rules of rows against their slow twins, and their algebra."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from support.naive_merge import slow_adasum, slow_sequential
from support.samples import repeatable

from gossipw2v.w2v.kernels.merge import adasum_row, curve, sequential_row
from gossipw2v.w2v.training.curvature import flat, spectrum

D = 6
rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
counts = st.sampled_from([0, 1, 7, 300, 50_000, 2**32 - 1])


class Side(NamedTuple):
    """Changes of n rows and the updates behind each."""

    change: np.ndarray
    counts: np.ndarray


def sequential(a: Side, b: Side, curvature, alpha: float) -> np.ndarray:
    out = np.empty_like(a.change)
    bent = curve(curvature.directions, curvature.curvatures * alpha, curvature.rest * alpha)
    room = np.empty((2, len(bent.steps)), np.float32)
    for i in range(len(out)):
        sequential_row(a.change[i], b.change[i], a.counts[i], b.counts[i], bent, room, out[i])
    return out


def adasum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = np.empty_like(a)
    for i in range(len(out)):
        adasum_row(a[i], b[i], out[i])
    return out


def side(rng: np.random.Generator, n: int, updates: int | None = None) -> Side:
    numbers = rng.integers(0, 1000, n) if updates is None else np.full(n, updates)
    return Side(rng.normal(size=(n, D)).astype(np.float32), numbers.astype(np.uint32))


def curvature(rng: np.random.Generator, directions: int = 3):
    pairs = rng.normal(size=(50, D))
    return spectrum(pairs.T @ pairs / 50, directions)


@repeatable()
@given(rngs)
def test_sequential_is_its_slow_twin(rng):
    a, b, curve = side(rng, 5), side(rng, 5), curvature(rng)
    expected = [
        slow_sequential(*args, curve, 0.02) for args in zip(a.change, a.counts, b.change, b.counts, strict=True)
    ]
    assert_allclose(sequential(a, b, curve, 0.02), expected, rtol=1e-4, atol=1e-5)


@repeatable()
@given(rngs)
def test_adasum_is_its_slow_twin(rng):
    a, b = side(rng, 5).change, side(rng, 5).change
    assert_allclose(adasum(a, b), [slow_adasum(x, y) for x, y in zip(a, b, strict=True)], rtol=1e-4, atol=1e-5)


@repeatable()
@given(rngs, counts, counts)
def test_sequential_does_not_care_who_is_who(rng, n, m):
    a, b, curve = side(rng, 4, n), side(rng, 4, m), curvature(rng)
    assert_allclose(sequential(a, b, curve, 0.02), sequential(b, a, curve, 0.02), rtol=1e-5, atol=1e-6)


@repeatable()
@given(rngs, counts)
def test_a_side_that_did_nothing_changes_nothing(rng, n):
    a, curve = side(rng, 4, n), curvature(rng)
    nothing = Side(np.zeros_like(a.change), np.zeros_like(a.counts))
    assert_allclose(sequential(a, nothing, curve, 0.02), a.change, rtol=1e-5, atol=1e-5)
    assert_allclose(adasum(a.change, nothing.change), a.change)


@repeatable()
@given(rngs, counts, counts)
def test_sequential_lies_between_mean_and_sum(rng, n, m):
    a, b, curve = side(rng, 4, n), side(rng, 4, m), curvature(rng, directions=D)
    total = (a.change + b.change) @ curve.directions.T
    merged = sequential(a, b, curve, 0.02) @ curve.directions.T
    ratio = merged / total
    assert (ratio > 0.5 - 1e-3).all()
    assert (ratio < 1 + 1e-3).all()


def test_rows_hardly_trained_are_summed_and_rows_at_rest_averaged():
    rng = np.random.default_rng(0)
    curve = spectrum(np.eye(D))
    few, many = (side(rng, 3, n) for n in (1, 1_000_000))
    assert_allclose(sequential(few, few, curve, 1e-4), 2 * few.change, rtol=1e-3)
    assert_allclose(sequential(many, many, curve, 1e-1), many.change, rtol=1e-5)


def test_it_ends_where_training_in_turn_ends():
    """A quadratic loss with one optimum: the merge of two sides is the end of one after the other."""
    optimum, c, alpha, n, m = np.float64(3.0), 0.7, 0.01, 120, 80
    way = lambda start, steps: optimum + (start - optimum) * np.exp(-c * alpha * steps)  # noqa: E731
    curve = spectrum(np.array([[c]]))
    sides = [Side(np.array([[way(0.0, k)]], np.float32), np.array([k], np.uint32)) for k in (n, m)]
    assert_allclose(sequential(*sides, curve, alpha), [[way(way(0.0, n), m)]], rtol=1e-5)


@repeatable()
@given(rngs)
def test_adasum_counts_equal_progress_once(rng):
    change = side(rng, 4).change
    assert_allclose(adasum(change, change), change, rtol=1e-5)


def test_adasum_adds_what_is_orthogonal():
    a, b = np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 2.0]], np.float32)
    assert_allclose(adasum(a, b), [[1.0, 2.0]])


@pytest.mark.parametrize("n", [0, 1])
def test_no_rows_and_flat_curvature(n):
    a = Side(np.ones((n, D), np.float32), np.ones(n, np.uint32))
    assert_allclose(sequential(a, a, flat(D), 0.02), 2 * a.change)
    assert adasum(a.change, a.change).shape == (n, D)
