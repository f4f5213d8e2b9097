"""The words of several models together, and each model's rows in their order, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors.table import Floats, Vectors

BLOCK_ROWS = 1024  # of each model in memory at a time: 1.2 MB at 300 dimensions
GATHERED_ROWS = 128  # between which mapped rows are given back: the system maps 64 KB around each of them
MOST_MODELS = 32  # products of every two are in memory: 380 MB at 300 dimensions
ABSENT = -1

Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]


class AlignmentError(ValueError):
    """Models that cannot be made one; the message has their names and the figures."""


@dataclass(slots=True)
class Union:
    """All words, those first that are frequent in many models; `weights` float64[K] add up to 1."""

    words: Words
    models: Sequence[Vectors]
    weights: Doubles
    places: list[NDArray[np.int32]]  # of each model int32[V]: the row of each word in it, or ABSENT
    means: list[Floats] = field(default_factory=list)  # of each model float32[D]: its mean row
    scales: list[float] = field(default_factory=list)  # of each model: the root mean square length of rows without it

    @property
    def dimensions(self) -> int:
        """D, the same in all models."""
        return self.models[0].dimensions

    def blocks(self) -> Iterator[slice]:
        """The words in pieces."""
        for start in range(0, len(self.words), BLOCK_ROWS):
            yield slice(start, min(start + BLOCK_ROWS, len(self.words)))

    def has(self, number: int, block: slice) -> Mask:
        """bool[n]: which words of a block model `number` has."""
        return np.asarray(self.places[number][block] != ABSENT)

    def rows(self, number: int, block: slice) -> Floats:
        """float32[k, D]: the rows of the words of a block that model `number` has, as they stand in it."""
        places = self.places[number][block]
        places, model = places[places != ABSENT], self.models[number]
        rows = np.empty((len(places), self.dimensions), np.float32)
        for start in range(0, len(places), GATHERED_ROWS):
            rows[start : start + GATHERED_ROWS] = model.rows[places[start : start + GATHERED_ROWS]]
            model.release()
        return rows

    def centred(self, number: int, block: slice) -> Floats:
        """float32[k, D]: as `rows`, about their mean and with a mean square length of 1."""
        return (self.rows(number, block) - self.means[number]) / np.float32(self.scales[number])

    def shared(self, block: slice) -> Doubles:
        """float64[n]: the weights of the models that have each word of a block, added up."""
        return np.asarray(sum(self.weights[k] * self.has(k, block) for k in range(len(self.models))))


def unite(models: Sequence[Vectors], weights: Sequence[float] | None = None) -> Union:
    """The union of two models or more; `weights` are equal by default. AlignmentError if they do not go together."""
    _check(models)
    given = np.ones(len(models)) if weights is None else np.asarray(weights, np.float64)
    if len(given) != len(models) or not (np.isfinite(given) & (given > 0)).all():
        raise AlignmentError(f"{len(given)} weights for {len(models)} models; give each a number above 0")
    words, places = _places(models, given)
    union = Union(words, models, given / given.sum(), places)
    _measure(union)
    return union


def _check(models: Sequence[Vectors]) -> None:
    if not 2 <= len(models) <= MOST_MODELS:
        raise AlignmentError(
            f"{len(models)} models: 2 to {MOST_MODELS} can be merged at a time; merge results, with --weights, for more"
        )
    if len({model.dimensions for model in models}) > 1:
        told = ", ".join(f"{model.name} has {model.dimensions}" for model in models)
        raise AlignmentError(f"models of different dimensions cannot be turned onto each other: {told}")


def _places(models: Sequence[Vectors], weights: Doubles) -> tuple[Words, list[NDArray[np.int32]]]:
    """All words in falling order of their frequency, as far as ranks tell it (Zipf), and where each model has them."""
    numbers: dict[bytes, int] = {}
    found = [np.array([numbers.setdefault(word, len(numbers)) for word in model.words], np.int64) for model in models]
    frequency = np.zeros(len(numbers))
    for rows, weight in zip(found, weights, strict=True):
        frequency[rows] += weight / np.arange(1, len(rows) + 1)
    order = np.argsort(-frequency, kind="stable")
    words = Words.of(list(numbers)).take(order)
    numbers.clear()
    at = np.empty(len(order), np.int64)
    at[order] = np.arange(len(order))
    places = [np.full(len(order), ABSENT, np.int32) for _ in models]
    for place, rows in zip(places, found, strict=True):
        place[at[rows]] = np.arange(len(rows), dtype=np.int32)
    return words, places


def _measure(union: Union) -> None:
    """Find every model's mean row and scale. AlignmentError for a model whose rows are all the same."""
    for model in union.models:
        total, squares = np.zeros(model.dimensions), 0.0
        for start in range(0, len(model.words), BLOCK_ROWS):
            rows = model.rows[start : start + BLOCK_ROWS].astype(np.float32)
            total += rows.sum(axis=0, dtype=np.float64)
            squares += float(np.square(rows, dtype=np.float64).sum())
            model.release()
        mean = total / len(model.words)
        variance = squares / len(model.words) - float(mean @ mean)
        if not variance > 1e-12 * squares / len(model.words):
            raise AlignmentError(f"{model.name}: all vectors are the same, so nothing says how to turn them")
        union.means.append(mean.astype(np.float32))
        union.scales.append(float(np.sqrt(variance)))
