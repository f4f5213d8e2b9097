"""Models that were trained apart, turned onto the first one, and averaged.

Only products of rows matter to word2vec, so two trainings of one text differ by a rotation; the orthogonal map that
brings one nearest to another over their common words is Schoenemann's (1966).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compare.baselines.rows import Floats

Known = NDArray[np.bool_]


def rotation(model: Floats, target: Floats, common: Known) -> Floats:
    """The orthogonal float32[D, D] that brings the rows of `model` nearest to those of `target` where `common`.

    ValueError if fewer rows are common than there are dimensions.
    """
    if int(common.sum()) < model.shape[1]:
        raise ValueError(f"{int(common.sum())} words in common do not say how to turn {model.shape[1]} dimensions")
    left, _, right = np.linalg.svd(model[common].T.astype(np.float64) @ target[common].astype(np.float64))
    return np.asarray(left @ right, np.float32)


def mean(models: Sequence[Floats], known: Sequence[Known]) -> Floats:
    """The mean of each row over the models that know it; of all where none does."""
    masks = np.array([*known], bool)
    masks[:, ~masks.any(axis=0)] = True
    total = sum(mask[:, None] * model for mask, model in zip(masks, models, strict=True))
    return np.asarray(total / masks.sum(axis=0)[:, None], np.float32)


def merge(models: Sequence[Floats], known: Sequence[Known]) -> Floats:
    """float32[V, D] of models float32[V, D]; `known` bool[V]: the words of each model's own text."""
    first = models[0]
    turned = [model @ rotation(model, first, one & known[0]) for model, one in zip(models[1:], known[1:], strict=True)]
    return mean([first, *turned], known)
