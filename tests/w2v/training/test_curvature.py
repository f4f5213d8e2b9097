"""The curvature of both matrices: a loop over every pair of the sample says the same, and nothing broken teaches it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gossipw2v.w2v.training.curvature import COLLECTIVE, KINSHIP, Pairs, flat, hessians, loosen, spectra, spectrum

V, D, N, NEGATIVE = 30, 8, 40, 3


def sample(rng: np.random.Generator, width: int) -> Pairs:
    inputs = rng.integers(0, V, (N, width)).astype(np.int32)
    inputs[:, 1:][rng.random((N, width - 1)) < 0.4] = -1
    outputs, noise = rng.integers(0, V, N), rng.integers(0, V, (N, NEGATIVE))
    return Pairs(inputs, outputs.astype(np.int32), noise.astype(np.int32))


def slow_hessians(syn0, syn1neg, pairs):
    of_inputs, of_outputs = np.zeros((D, D)), np.zeros((D, D))
    for words, word, noise in zip(pairs.inputs, pairs.outputs, pairs.noise, strict=True):
        mean = np.mean([syn0[each] for each in words if each >= 0], axis=0)
        for other in (word, *noise):
            p = 1 / (1 + np.exp(-mean @ syn1neg[other]))
            of_inputs += p * (1 - p) * np.outer(syn1neg[other], syn1neg[other])
            of_outputs += p * (1 - p) * np.outer(mean, mean)
    return of_inputs / (N * (1 + NEGATIVE)), of_outputs / (N * (1 + NEGATIVE))


@pytest.mark.parametrize("width", [1, 6], ids=["skip-gram", "cbow"])
def test_both_spectra_are_those_of_all_pairs(width):
    rng = np.random.default_rng(width)
    syn0, syn1neg = (rng.normal(0, 0.6, (V, D)).astype(np.float32) for _ in range(2))
    pairs = sample(rng, width)
    found = spectra(syn0, syn1neg, pairs)
    of_inputs, of_outputs = slow_hessians(syn0, syn1neg, pairs)
    expected = [spectrum(of_inputs).curvatures * KINSHIP * (1 + NEGATIVE), spectrum(of_outputs).curvatures]
    expected[1][-1] *= COLLECTIVE
    for each, slow in zip(found, expected, strict=True):
        assert_allclose(each.curvatures, slow, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("broken", [0, 1])
def test_rows_that_are_not_finite_teach_nothing(broken):
    rng = np.random.default_rng(9)
    matrices = [rng.normal(0, 0.6, (V, D)).astype(np.float32) for _ in range(2)]
    matrices[broken][:] = np.nan
    assert spectra(*matrices, sample(rng, 1)) is None


def test_no_pairs_teach_nothing():
    none = np.zeros((0, 1), np.int32)
    matrix = np.ones((V, D), np.float32)
    assert spectra(matrix, matrix, Pairs(none, none[:, 0], np.zeros((0, NEGATIVE), np.int32))) is None


def test_hessians_are_means_over_pairs():
    rng = np.random.default_rng(1)
    inputs, outputs = rng.normal(size=(13, D)).astype(np.float32), rng.normal(size=(13, 3, D)).astype(np.float32)
    of_inputs, of_outputs = np.zeros((D, D)), np.zeros((D, D))
    for x, ys in zip(inputs.astype(float), outputs.astype(float), strict=True):
        for y in ys:
            p = 1 / (1 + np.exp(-(x @ y)))
            of_inputs += p * (1 - p) * np.outer(y, y) / 39
            of_outputs += p * (1 - p) * np.outer(x, x) / 39
    for found, expected in zip(hessians(inputs, outputs), (of_inputs, of_outputs), strict=True):
        assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_spectrum_keeps_the_large_and_averages_the_rest():
    curve = spectrum(np.diag([5.0, 1.0, 2.0, 3.0]), directions=2)
    assert_allclose(sorted(curve.curvatures), [3.0, 5.0])
    assert curve.rest == pytest.approx(1.5)
    assert_allclose(np.abs(curve.directions), [[0, 0, 0, 1], [1, 0, 0, 0]], atol=1e-7)


def test_loosening_touches_the_largest_curvature_alone():
    tight = spectrum(np.diag([5.0, 1.0, 2.0, 3.0]), directions=2)
    loose = loosen(tight, COLLECTIVE)
    assert_allclose(loose.curvatures, [3.0, 5.0 * COLLECTIVE])
    assert tight.curvatures[-1] == 5.0
    assert loosen(flat(D), COLLECTIVE).curvatures.shape == (0,)
