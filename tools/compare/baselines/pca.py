"""Models that were trained apart, side by side, and of that as many directions of most variance as one model had.

Rows are turned onto the first model before, so that a word that a model lacks can have there what the others say of
it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compare.baselines.procrustes import Known, mean, rotation
from compare.baselines.rows import Floats


def merge(models: Sequence[Floats], known: Sequence[Known]) -> Floats:
    """float32[V, D] of models float32[V, D]; `known` bool[V]: the words of each model's own text."""
    first, size = models[0], models[0].shape[1]
    turned = [first, *[m @ rotation(m, first, k & known[0]) for m, k in zip(models[1:], known[1:], strict=True)]]
    consensus = mean(turned, known)
    filled = [np.where(k[:, None], model, consensus) for model, k in zip(turned, known, strict=True)]
    wide = np.concatenate(filled, axis=1).astype(np.float64)
    _, directions = np.linalg.eigh(wide.T @ wide)
    return np.asarray(wide @ directions[:, ::-1][:, :size] / np.sqrt(len(models)), np.float32)
