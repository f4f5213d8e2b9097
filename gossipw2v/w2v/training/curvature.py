"""The curvature that training meets in both matrices, from a sample of training pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.training.spectrum import COLLECTIVE, KINSHIP, Spectrum, hessians, loosen, spectrum

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Pairs:
    """A sample of n training pairs, word ids int32.

    `inputs` [n, m]: the words whose mean is the input vector, -1 where there are fewer than m; `outputs` [n];
    `noise` [n, negative].
    """

    inputs: Ids
    outputs: Ids
    noise: Ids


def spectra(syn0: Floats, syn1neg: Floats, pairs: Pairs) -> tuple[Spectrum, Spectrum] | None:
    """The spectra of `syn0` and `syn1neg` float32[V, D]; None if there are no pairs, or a row is not finite.

    `updates` counts true pairs of an input row, each of which comes with `negative` noise pairs: hence that factor.
    All rows of a mean take its whole gradient, so that for them too it is the mean's curvature that counts.
    """
    if not len(pairs.outputs):
        return None
    means = _means(syn0, pairs.inputs)
    others = syn1neg[np.concatenate([pairs.outputs[:, None], pairs.noise], axis=1)]
    if not (np.isfinite(means).all() and np.isfinite(others).all()):
        return None
    of_inputs, of_outputs = hessians(means, others)
    return spectrum(of_inputs * (KINSHIP * others.shape[1])), loosen(spectrum(of_outputs), COLLECTIVE)


def _means(syn0: Floats, inputs: Ids) -> Floats:
    """The input vectors float32[n, D]: means of the rows of `inputs`, but for -1."""
    there = (inputs >= 0)[:, :, None]
    means: Floats = np.where(there, syn0[inputs], np.float32(0)).sum(axis=1) / there.sum(axis=1)
    return means.astype(np.float32)
