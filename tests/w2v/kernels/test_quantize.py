"""Rows come back from 8 and 4 bits a value within half a step, whatever their length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.samples import repeatable

from gossipw2v.w2v.kernels.quantize import blank, frozen, pack_row, unpack_row, width_of

LEVELS = {8: 127, 4: 7}


@repeatable()
@given(st.integers(0, 2**32 - 1).map(np.random.default_rng), st.integers(2, 9), st.sampled_from((4, 8)))
def test_a_row_comes_back_within_half_a_step_and_its_largest_value_whole(rng, size, bits):
    rows = (rng.normal(size=(3, size)) * 10.0 ** rng.integers(-6, 4)).astype(np.float32)
    coded, out = blank(len(rows), size, bits), np.empty(size, np.float32)
    for i, row in enumerate(rows):
        pack_row(row, coded, i)
    assert coded.values.shape == (3, width_of(size, bits))
    for i, row in enumerate(rows):
        unpack_row(frozen(coded), i, out)
        step = np.abs(row).max() / LEVELS[bits]
        assert coded.scales[i] == pytest.approx(step, rel=1e-6)
        assert_allclose(out, row, rtol=0, atol=0.501 * step)
        largest = np.abs(row).argmax()
        assert out[largest] == pytest.approx(row[largest], rel=1e-6)


@pytest.mark.parametrize("bits", [4, 8])
def test_nothing_and_what_was_not_sent_are_zero(bits):
    coded, out = blank(1, 5, bits), np.ones(5, np.float32)
    pack_row(np.zeros(5, np.float32), coded, 0)
    for i in (0, -1):
        out[:] = 1
        unpack_row(coded, i, out)
        assert_array_equal(out, np.zeros(5))


def test_frozen_arrays_cannot_be_written_and_share_memory():
    pair = blank(3, 5, 8)
    same = frozen(pair)
    assert np.shares_memory(same.values, pair.values)
    with pytest.raises(ValueError, match="read-only"):
        same.scales[0] = 1
