"""How two sides that trained apart from one reference become one, and the curvature that this needs.

*Sequential merge.* Both sides should end where training one after the other would have ended. Near an optimum
with curvature `c` along a direction, `n` updates of step `alpha` go `1 - exp(-c alpha n)` of the way, so along
each direction of the loss the two changes are added and scaled by

    s = (1 - exp(-c alpha (n_a + n_b))) / ((1 - exp(-c alpha n_a)) + (1 - exp(-c alpha n_b)))

which is 1 (the sum) where the loss is flat or the rows were seldom trained, and 1/2 (the mean) where each side
had already arrived. The rows of one matrix share nearly one Hessian, `E[p (1 - p) y y']` over training pairs,
whose few large eigenvalues carry all the disagreement; the rest of the space uses their mean.

*AdaSum* (Maleki et al., arXiv 2006.02924) needs no curvature and takes parallel progress once
(`adasum(d, d) = d`): the rule for sides whose histories overlap.

Both rules, for a row each, are compiled loops in `kernels.merge`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
DIRECTIONS = 16  # eigenvectors with a scale of their own; 4 lose half a point of analogy, more gain nothing
# Of the largest curvature of `syn1neg`, how much is real. Its direction is the mean input vector: there a row holds a
# bias that all rows share and that moves as long as training goes on, together with the inputs themselves. A single
# row seems to arrive at once (the loss is steep), the rows together do not; averaged as if they had, they fall behind
# by half in every exchange, and word similarity drops below that of a single node.
COLLECTIVE = 0.1
# By how much an input row is stiffer than the sample of pairs says, which holds the outputs of all inputs: those that a
# row does meet agree with each other. At N = 8: 1 loses three points of analogy against 4, and 8 gains nothing.
KINSHIP = 4.0

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


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The curvature of one matrix's loss: `directions` float32[k, D], `curvatures` float64[k], `rest` beside."""

    directions: Floats
    curvatures: Doubles
    rest: float


def flat(vector_size: int) -> Spectrum:
    """The spectrum before anything is known: no curvature, so that merging is adding."""
    return Spectrum(np.empty((0, vector_size), np.float32), np.empty(0), 0.0)


def spectrum(hessian: Doubles, directions: int = DIRECTIONS) -> Spectrum:
    """The `directions` largest eigenpairs of a symmetric `hessian` float64[D, D] and the mean of the others."""
    values, vectors = np.linalg.eigh(hessian)
    values = np.maximum(values, 0.0)
    k = min(directions, len(values))
    top = slice(len(values) - k, None)
    others = values[: len(values) - k]
    rest = float(others.mean()) if len(others) else 0.0
    return Spectrum(np.ascontiguousarray(vectors[:, top].T, np.float32), values[top], rest)


def hessians(inputs: Floats, outputs: Floats) -> tuple[Doubles, Doubles]:
    """The curvatures of an input row's loss and of an output row's: `E[p (1 - p) y y']`, `y` the other side of a pair.

    Row i of `inputs` float32[n, D] meets the m rows of `outputs` float32[n, m, D]; `p` is the sigmoid of their product,
    and the means, float64[D, D], are over all n * m pairs.
    """
    score = np.clip(np.einsum("nd,nmd->nm", inputs, outputs), -30, 30)
    p = 1 / (1 + np.exp(-score))
    weights = p * (1 - p) / max(score.size, 1)
    flat_outputs = outputs.reshape(-1, outputs.shape[2])
    of_inputs = (flat_outputs * weights.reshape(-1, 1)).T @ flat_outputs
    of_outputs = (inputs * weights.sum(axis=1, keepdims=True)).T @ inputs
    return of_inputs.astype(np.float64), of_outputs.astype(np.float64)


def loosen(curvature: Spectrum, factor: float) -> Spectrum:
    """The same spectrum with its largest curvature, the last, scaled by `factor`."""
    curvatures = curvature.curvatures.copy()
    curvatures[-1:] *= factor
    return replace(curvature, curvatures=curvatures)
