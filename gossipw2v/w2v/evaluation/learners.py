"""The only way to scikit-learn, which few need: it is asked for where it is used."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.evaluation.embedding import Floats, Ids

INITIALISATIONS = 10  # of k-means, of which the best counts
ITERATIONS = 1000  # of logistic regression, at most

F1 = tuple[float, float]  # micro, macro


class MissingExtraError(Exception):
    """A library is not installed that only some test sets need; the message says what to type."""


def check_installed() -> None:
    """MissingExtraError unless scikit-learn can be imported: said before anything is read."""
    try:
        import sklearn  # noqa: F401, PLC0415
    except ImportError:
        raise MissingExtraError("categories and labels need scikit-learn: pip install 'gossipw2v[evaluate]'") from None


def cluster(rows: Floats, clusters: int, seed: int) -> Ids:
    """The cluster of each of the rows float32[n, D], by k-means."""
    from sklearn.cluster import KMeans  # noqa: PLC0415

    model = KMeans(clusters, n_init=INITIALISATIONS, random_state=seed)
    return np.asarray(model.fit_predict(rows), np.int64)


def f1_scores(rows: Floats, labels: Sequence[Sequence[str]], share: float, seed: int) -> F1:
    """Micro and macro F1 of one-vs-rest logistic regression that a random `share` of the rows has taught.

    A node is given as many labels as it has, the likeliest (Perozzi et al. 2014). ValueError for too few rows.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.metrics import f1_score  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415
    from sklearn.multiclass import OneVsRestClassifier  # noqa: PLC0415
    from sklearn.preprocessing import MultiLabelBinarizer  # noqa: PLC0415

    truth = MultiLabelBinarizer().fit_transform(labels)
    train, test = train_test_split(np.arange(len(rows)), train_size=share, random_state=seed)
    model = OneVsRestClassifier(LogisticRegression(max_iter=ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # labels that no or every node of the training part has
        model.fit(rows[train], truth[train])
        given = most_likely(model.predict_proba(rows[test]), truth[test].sum(axis=1))
        micro, macro = (f1_score(truth[test], given, average=kind, zero_division=0) for kind in ("micro", "macro"))
    return float(micro), float(macro)


def most_likely(chances: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.bool_]:
    """Of chances [n, L] the `counts` [n] largest of each row."""
    ranks = np.argsort(np.argsort(-chances, axis=1, kind="stable"), axis=1, kind="stable")
    return np.asarray(ranks < counts[:, None])
