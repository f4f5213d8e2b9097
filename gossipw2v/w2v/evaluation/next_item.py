"""Whether the last item of a sequence is found among those near the former ones; popularity is what must be beaten.

Recommended are all items but those of the sequence, by cosine to the mean of the former items' vectors or to the last
of these, or by how often an item is a former one in any sequence. Where many score the same, the item comes last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gossipw2v.w2v.evaluation.embedding import BANDS, Embedding, Floats, Ids, band_of, unit_rows
from gossipw2v.w2v.evaluation.report import Result

KIND = "next-item"
CUTOFFS = (10, 20, 50)
USERS = 256  # sequences in a matrix product
ITEMS = 8192  # and items
DRAW = 1e-6  # cosines that differ by less may be equal ones


@dataclass(frozen=True, slots=True)
class Asked:
    """Sequences as rows: the former items that are known, and the item to be found."""

    former: list[list[int]]
    target: Ids


def score_next_items(
    embedding: Embedding, sequences: Sequence[Sequence[str]], name: str, cutoffs: Sequence[int] = CUTOFFS
) -> list[Result]:
    """Hit rate, nDCG and MRR at each cutoff of both predictions and of popularity, in all and by the item's band.

    A sequence counts if its last item is known, and any other.
    """
    asked = _looked_up(embedding, sequences)
    ranks = {
        "mean": ranks_of(embedding, _means(embedding, asked), asked),
        "last": ranks_of(embedding, embedding.vectors[[former[-1] for former in asked.former]], asked),
        "popularity": popularity_ranks(len(embedding.vectors), asked),
    }
    unknown = embedding.unknown(item for sequence in sequences for item in sequence)
    bands, total = band_of(asked.target), len(sequences)
    found = []
    for method, cutoff in ((method, cutoff) for method in ranks for cutoff in cutoffs):
        figures, section = figures_at(ranks[method], cutoff), f"{method} at {cutoff}"
        known = len(asked.target)
        zeroed = {figure: value * known / total if known else 0.0 for figure, value in figures.items()}
        found.append(Result(KIND, name, figures, known, total, section, None, zeroed, unknown))
        unknown = ()
        for number, (band, _) in enumerate(BANDS):
            if count := int((inside := bands == number).sum()):
                of_band = figures_at(ranks[method][inside], cutoff)
                found.append(Result(KIND, name, of_band, count, count, section, band))
    return found


def figures_at(ranks: Ids, cutoff: int) -> dict[str, float]:
    """Means over sequences of what it is worth that the item has that rank, 1 the best; nan for none."""
    if not len(ranks):
        return dict.fromkeys(("hit", "ndcg", "mrr"), float("nan"))
    inside = ranks <= cutoff
    worth = {"hit": inside * 1.0, "ndcg": inside / np.log2(ranks + 1.0), "mrr": inside / ranks}
    return {figure: float(values.mean()) for figure, values in worth.items()}


def _looked_up(embedding: Embedding, sequences: Sequence[Sequence[str]]) -> Asked:
    former, targets = [], []
    for *items, last in sequences:
        known, target = [row for item in items if (row := embedding.row(item)) is not None], embedding.row(last)
        if known and target is not None:
            former.append(known)
            targets.append(target)
    return Asked(former, np.array(targets, np.int64))


def _means(embedding: Embedding, asked: Asked) -> Floats:
    means = [embedding.vectors[items].mean(axis=0) for items in asked.former]
    return np.array(means, np.float32).reshape(-1, embedding.vectors.shape[1])


def ranks_of(embedding: Embedding, wanted: Floats, asked: Asked) -> Ids:
    """The rank of each sequence's item by cosine to its row of float32[n, D] `wanted`, among all but former ones."""
    above = np.zeros(len(wanted), np.int64)
    wanted = unit_rows(wanted)
    least = np.einsum("nd,nd->n", wanted, embedding.unit(asked.target)) - DRAW
    for item in range(0, len(embedding.vectors), ITEMS):
        unit = embedding.unit(slice(item, item + ITEMS))
        for user in range(0, len(wanted), USERS):
            part = slice(user, user + USERS)
            scores = wanted[part] @ unit.T
            _leave_out(scores, asked, user, item)
            above[part] += (scores >= least[part, None]).sum(axis=1)
    return above + 1


def _leave_out(scores: Floats, asked: Asked, user: int, item: int) -> None:
    """Take the items of a sequence out of its scores; the one to be found is counted apart."""
    for at, row in enumerate(scores):
        places = np.array([*asked.former[user + at], asked.target[user + at]]) - item
        row[places[(places >= 0) & (places < len(row))]] = -np.inf


def popularity_ranks(items: int, asked: Asked) -> Ids:
    """The rank of each sequence's item by how often items are former ones; of equal ones the first row comes first."""
    counts = np.bincount([row for former in asked.former for row in former], minlength=items)
    place = np.empty(items, np.int64)
    place[np.argsort(-counts, kind="stable")] = np.arange(items)
    found = []
    for former, target in zip(asked.former, asked.target.tolist(), strict=True):
        others = {row for row in former if row != target}
        found.append(1 + place[target] - sum(place[row] < place[target] for row in others))
    return np.array(found, np.int64)
