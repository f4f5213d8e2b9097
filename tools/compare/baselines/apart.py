"""Models that were trained apart, made one at the end as `gossipw2v merge` does: Procrustes, PCA or ALiR.

The mathematics and its sources are in `gossipw2v/w2v/alignment`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compare.baselines.rows import Floats
from gossipw2v.w2v.alignment.combine import Combination, combine
from gossipw2v.w2v.alignment.union import unite
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors.table import Vectors

Known = NDArray[np.bool_]


def merge(method: str, models: Sequence[Floats], known: Sequence[Known]) -> Floats:
    """float32[V, D] of models float32[V, D]; `known` bool[V]: the words of each model's own text.

    A word that none knows becomes a zero row. AlignmentError if too few words are common.
    """
    parts = [
        Vectors(f"node {n}", Words.of([b"%d" % row for row in np.flatnonzero(mask)]), np.ascontiguousarray(model[mask]))
        for n, (model, mask) in enumerate(zip(models, known, strict=True))
    ]
    merged, _ = combine(unite(parts), Combination(method))
    result = np.zeros_like(models[0])
    result[[int(word) for word in merged.words]] = merged.rows[:]
    return result
