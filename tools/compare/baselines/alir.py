"""Models that were trained apart, each turned onto a consensus that is their mean, in turns until it rests (ALiR).

Anand et al., WSDM 2019. A word that a model lacks counts for it as the consensus says, so that it is the mean of the
models that have it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compare.baselines.procrustes import Known, mean, rotation
from compare.baselines.procrustes import merge as first_consensus
from compare.baselines.rows import Floats

PASSES = 10  # at most
SETTLED = 1e-3  # of its length, by which the consensus may still move


def merge(models: Sequence[Floats], known: Sequence[Known]) -> Floats:
    """float32[V, D] of models float32[V, D]; `known` bool[V]: the words of each model's own text."""
    consensus = first_consensus(models, known)
    for _ in range(PASSES):
        turned = [model @ rotation(model, consensus, one) for model, one in zip(models, known, strict=True)]
        before, consensus = consensus, mean(turned, known)
        if np.linalg.norm(consensus - before) < SETTLED * np.linalg.norm(consensus):
            break
    return consensus
