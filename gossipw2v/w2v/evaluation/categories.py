"""Whether words of a class lie together: the purity of clusters that k-means finds among their vectors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.evaluation import learners
from gossipw2v.w2v.evaluation.embedding import BANDS, Embedding, Ids, band_of
from gossipw2v.w2v.evaluation.report import Result

KIND = "categories"


def score_categories(embedding: Embedding, classes: Mapping[str, str], name: str, seed: int = 1) -> list[Result]:
    """The purity of as many clusters of unit vectors as there are classes, and for each band its words' share in it.

    MissingExtraError without scikit-learn.
    """
    known = {word: row for word in classes if (row := embedding.row(word)) is not None}
    rows = np.array(list(known.values()), np.int64)
    names, truth = np.unique([classes[word] for word in known], return_inverse=True)
    pure = _pure(embedding, rows, truth, len(names), seed) if len(rows) else np.empty(0, bool)
    share = float(pure.mean()) if len(pure) else float("nan")
    zeroed = {"purity": float(pure.sum()) / len(classes)}
    unknown = embedding.unknown(classes)
    found = [Result(KIND, name, {"purity": share}, len(rows), len(classes), zeroed=zeroed, unknown=unknown)]
    bands = band_of(rows)
    for number, (band, _) in enumerate(BANDS):
        if count := int((bands == number).sum()):
            figures = {"purity": float(pure[bands == number].mean())}
            found.append(Result(KIND, name, figures, count, count, band=band))
    return found


def _pure(embedding: Embedding, rows: Ids, truth: Ids, classes: int, seed: int) -> NDArray[np.bool_]:
    """Which words are of the class that most words of their cluster are of."""
    clusters = learners.cluster(embedding.unit(rows), classes, seed)
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (clusters, truth), 1)
    return np.asarray(table.argmax(axis=1)[clusters] == truth)
