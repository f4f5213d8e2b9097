"""The quantiser loses no more than half a step, and no delta that does not fit the model gets past `check`."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.naive_merge import floats, slow_quantise
from support.samples import delta, repeatable

from gossipw2v.delta import DeltaError, RowDelta, check, empty
from gossipw2v.w2v.kernels import merge as rowwise
from gossipw2v.w2v.kernels.quantize import blank

D = 3
numbers = st.one_of(st.just(0.0), st.floats(-64, 64, width=32), st.floats(-(2.0**-100), 2.0**-100, width=32))
changes = st.lists(st.lists(numbers, min_size=D, max_size=D), max_size=5).map(
    lambda rows: np.array(rows, np.float32).reshape(-1, D)
)


def coded(change, bits: int = 8) -> RowDelta:
    """`change` rounded as the model rounds it."""
    n = len(change)
    rows, room = np.arange(n, dtype=np.int32), blank(n, D, bits)
    nothing, any_length = np.zeros((n, D), np.float32), np.float32(np.inf)
    assert rowwise.collect_rows(rowwise.Matrices(change, nothing), rows, any_length, room, np.ones(n, np.bool_)) == 0
    return RowDelta(rows, np.ones(n, np.uint32), *room)


@repeatable(300)
@given(changes, st.sampled_from((4, 8)))
def test_a_change_comes_back_within_half_a_step(change, bits):
    got = coded(change, bits)
    error = np.abs(floats(got, D).astype(np.float64) - change)
    assert (error <= got.scales[:, None] * 0.5001 + np.finfo(np.float32).tiny).all()
    check(got, len(change), D, 65.0)


@repeatable(300)
@given(changes)
def test_the_quantiser_is_its_slow_twin(change):
    got = coded(np.where(np.abs(change) < 1e-20, 0, change).astype(np.float32))
    for row, scale, values in zip(np.where(np.abs(change) < 1e-20, 0, change), got.scales, got.values, strict=True):
        slow_scale, slow_values = slow_quantise(row)
        assert scale == pytest.approx(slow_scale, rel=1e-6)
        assert np.abs(values - np.array(slow_values)).max() <= 1  # a tie may fall either way in float32
        assert values[np.abs(row).argmax()] == slow_values[np.abs(row).argmax()]


@pytest.mark.parametrize(("bits", "most"), [(8, 127), (4, 7)])
def test_zero_and_whole_steps_come_back_exactly(bits, most):
    change = np.array([[0, 0, 0], [most, -most, 1], [0, 5, 0], [-0.0, 2.0**-100, 0]], np.float32)
    got = coded(change, bits)
    assert (floats(got, D) == change).all()
    assert got.scales[0] == 0


def test_coding_what_was_decoded_changes_nothing():
    change = np.random.default_rng(0).normal(size=(50, D)).astype(np.float32)
    once = floats(coded(change))
    np.testing.assert_allclose(floats(coded(once)), once, rtol=1e-6)


def test_four_bits_that_could_move_a_row_too_far_are_refused():
    one = np.array([1], np.int32)
    few = RowDelta(one, one.astype(np.uint32), np.array([0.1428], np.float32), np.ones((1, 2), np.int8))
    check(few, 10, D, 1.0)
    with pytest.raises(DeltaError, match="more than 1"):
        check(replace(few, scales=few.scales * 1.01), 10, D, 1.0)


def test_no_rows_have_a_shape_too():
    assert len(empty(D)) == 0
    assert floats(empty(D)).shape == (0, D)
    check(empty(D), 10, D, 1.0)


def test_a_delta_that_fits_passes_to_the_last_row():
    check(delta([0, 9], [0, 2**32 - 1], [0, 1 / 127], [[0, 0, 0], [127, -127, 1]]), 10, D, 1.0)


FINE = {"rows": [2, 5], "counts": [1, 1], "scales": [0.001, 0.001], "values": [[1, 2, 3], [4, 5, 6]]}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rows": [-1, 5]}, "row id outside 0..9"),
        ({"rows": [2, 10]}, "row id outside 0..9"),
        ({"rows": [2, 2**31 - 1]}, "row id outside 0..9"),
        ({"rows": [5, 2]}, "ascending"),
        ({"rows": [5, 5]}, "ascending"),
        ({"scales": [0.001, np.nan]}, "finite"),
        ({"scales": [np.inf, 0.001]}, "finite"),
        ({"scales": [-np.inf, 0.001]}, "finite"),
        ({"scales": [0.001, -0.001]}, "more than 1"),
        ({"scales": [0.001, 0.00788]}, "more than 1"),
        ({"scales": [3e38, 0.001]}, "more than 1"),
        ({"scales": [0.001]}, "differ in length"),
        ({"counts": [1, 1, 1]}, "differ in length"),
        ({"values": [[1], [3]]}, r"expected \(2, 3\) or \(2, 2\)"),
        ({"values": [[1, 2, 3, 4], [3, 4, 5, 6]]}, r"expected \(2, 3\)"),
    ],
    ids=str,
)
def test_a_bad_delta_is_refused_with_the_reason(change, text):
    with pytest.raises(DeltaError, match=text):
        check(delta(**(FINE | change)), 10, D, 1.0)


def test_row_ids_that_leap_over_the_end_of_int32_are_not_ascending():
    """Each step taken in int32 is positive, and yet the ids in the middle point outside the model."""
    rows = np.array([0, 2**31 - 1, -(2**31), -1, 5], np.int32)
    assert (np.diff(rows) > 0).all()
    bad = RowDelta(rows, np.ones(5, np.uint32), np.ones(5, np.float32), np.ones((5, D), np.int8))
    with pytest.raises(DeltaError, match="ascending"):
        check(bad, 10, D, 1e9)
