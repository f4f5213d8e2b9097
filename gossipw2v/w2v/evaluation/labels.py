"""How well the labels of a graph's nodes follow from their vectors, as DeepWalk and node2vec are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gossipw2v.w2v.evaluation import learners
from gossipw2v.w2v.evaluation.embedding import Embedding
from gossipw2v.w2v.evaluation.report import Result

KIND = "labels"
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the nodes, whose labels are known
SPLITS = 5
FEWEST = 10  # nodes: a tenth is one


def score_labels(
    embedding: Embedding,
    labels: Mapping[str, Sequence[str]],
    name: str,
    shares: Sequence[float] = SHARES,
    seeds: Sequence[int] = range(SPLITS),
) -> list[Result]:
    """Micro and macro F1 for each share of nodes that teach, means of a split for each seed.

    nan below ten nodes or two labels. MissingExtraError without scikit-learn.
    """
    known = {node: row for node in labels if (row := embedding.row(node)) is not None}
    rows, given = embedding.vectors[list(known.values())], [labels[node] for node in known]
    enough = len(rows) >= FEWEST and len({label for each in given for label in each}) > 1
    unknown = embedding.unknown(labels)
    found = []
    for share in shares:
        scores = [learners.f1_scores(rows, given, share, seed) for seed in seeds] if enough else [(np.nan, np.nan)]
        micro, macro = np.mean(scores, axis=0).tolist()
        section = f"{share:.0%} of the labels known"
        figures = {"micro_f1": micro, "macro_f1": macro}
        found.append(Result(KIND, name, figures, len(known), len(labels), section, unknown=unknown))
        unknown = ()
    return found
