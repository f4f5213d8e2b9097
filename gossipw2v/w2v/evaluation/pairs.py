"""How well cosines agree with people's ratings: Spearman's and Pearson's correlation.

Equal to gensim's `evaluate_word_pairs`: only pairs whose words are both known count; `zeroed` has what comes of it if
the others count as pairs of cosine 0 (there: `dummy4unknown`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.evaluation.embedding import BANDS, Embedding, band_of
from gossipw2v.w2v.evaluation.layouts import RatedPair
from gossipw2v.w2v.evaluation.report import Result

Numbers = NDArray[np.float64]
KIND = "pairs"


def score_pairs(embedding: Embedding, pairs: Sequence[RatedPair], name: str) -> list[Result]:
    """The whole set, then each band of frequency of a pair's rarer word that holds any."""
    rows = [embedding.rows(pair[:2]) for pair in pairs]
    known = np.array([found is not None for found in rows], bool)
    places = np.array([found for found in rows if found is not None], np.int64).reshape(-1, 2)
    ratings, cosines = np.array([pair.rating for pair in pairs]), np.zeros(len(pairs))
    cosines[known] = cosines_of(embedding, places)
    unknown = embedding.unknown(word for pair in pairs for word in pair[:2])
    total, few = len(pairs), int(known.sum())
    figures, zeroed = correlations(cosines[known], ratings[known]), correlations(cosines, ratings)
    return [
        Result(KIND, name, figures, few, total, zeroed=zeroed, unknown=unknown),
        *_bands(name, band_of(places.max(axis=1, initial=0)), cosines[known], ratings[known]),
    ]


def _bands(name: str, bands: NDArray[np.int64], cosines: Numbers, ratings: Numbers) -> list[Result]:
    found = []
    for number, (band, _) in enumerate(BANDS):
        inside = bands == number
        if count := int(inside.sum()):
            found.append(Result(KIND, name, correlations(cosines[inside], ratings[inside]), count, count, band=band))
    return found


def cosines_of(embedding: Embedding, places: NDArray[np.int64]) -> Numbers:
    """The cosines of pairs of rows int64[n, 2]."""
    one, other = (embedding.vectors[column].astype(np.float64) for column in places.T)
    lengths = np.sqrt(np.einsum("nd,nd->n", one, one) * np.einsum("nd,nd->n", other, other))
    found = np.einsum("nd,nd->n", one, other) / np.where(lengths > 0, lengths, 1)
    return np.where((places[:, 0] == places[:, 1]) & (lengths > 0), 1.0, found)  # of one word: exactly, so that all tie


def correlations(cosines: Numbers, ratings: Numbers) -> dict[str, float]:
    """Spearman's rho and Pearson's r, -1 to 1; nan below two pairs or where one side is constant."""
    return {"spearman": spearman(cosines, ratings), "pearson": pearson(cosines, ratings)}


def spearman(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Rank correlation of two sequences, ties sharing their mean rank; nan where one of them is constant."""
    return pearson(_ranks(one), _ranks(other))


def pearson(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Correlation of two sequences; nan where one of them is constant."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    a, b = (values - values.mean() for values in (one, other))
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")


def _ranks(values: NDArray[np.floating]) -> Numbers:
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(ties)
    return np.asarray((last - (ties - 1) / 2)[place], np.float64)
