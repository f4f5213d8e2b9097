"""Several models made one: a row of the result is the mean of what the models, turned into one space, say of a word.

Rows are taken about their model's mean, which all of them have in common and which says nothing of a word, and models
are brought to one scale. The result is written to a temporary file a block at a time, so that it need not fit into
memory, nor do the models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gossipw2v.w2v.alignment.maps import alir, connected, onto_first
from gossipw2v.w2v.alignment.union import AlignmentError, Doubles, Union
from gossipw2v.w2v.vectors.table import Floats, KeptRows, Progress, Vectors

METHODS = ("alir", "procrustes", "pca")
MOST_WHITENING = 0.5
LEAST_VARIANCE = 1e-6  # of the largest, that a direction is taken to have: what is rounded off is not made large


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a model went with the others.

    `words` that it has, `alone` among them that no other has; `cosine`, from -1 to 1: the mean cosine of its turned
    rows with those of the result, over the words that others have, too.
    """

    name: str
    words: int
    alone: int
    cosine: float


def _ignore(*_: object) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Combination:
    """How models are made one: `method` of METHODS, and how much of whitening there is, from 0 to MOST_WHITENING.

    Whitening by x scales the result along each direction by its variance to the power of -x: at 1/2 all directions vary
    alike, at less the strong ones are held down.
    """

    method: str = "alir"
    whitening: float = 0.0


def combine(
    union: Union,
    recipe: Combination = Combination(),
    progress: Progress = _ignore,
    tell: Callable[[str], None] = _ignore,
) -> tuple[Vectors, list[Fit]]:
    """The merged vectors of a union's words, float32[V, D], and how well each model went with the others.

    `progress(words, all)` and `tell(what is done)` hear how far it is. AlignmentError.
    """
    maps = onto_first(union) if recipe.method == "procrustes" else alir(union, tell)
    last = _directions(union, maps) if recipe.method == "pca" else np.eye(union.dimensions, dtype=np.float32)
    if recipe.whitening:
        last = last @ _whitening(union, maps, last, recipe.whitening)
    scale = np.float32(union.weights @ union.scales)
    tally = _Tally(union)
    with KeptRows(union.dimensions) as spool:
        for block in union.blocks():
            rows = _merged(union, block, maps, last, tally)
            spool.write((rows * scale).astype("<f4").tobytes())
            progress(block.stop, len(union.words))
        return spool.vectors("the merged vectors", union.words), tally.fits()


def _merged(union: Union, block: slice, maps: Sequence[Floats], last: Floats, tally: _Tally | None = None) -> Floats:
    """float32[n, D]: the words of a block: `last`, float32[D or K * D, D], of the mean or of all side by side."""
    mean = _consensus(union, block, maps, tally)
    return (mean if len(last) == union.dimensions else _side_by_side(union, block, maps, mean)) @ last


def _whitening(union: Union, maps: Sequence[Floats], last: Floats, power: float) -> Floats:
    """float32[D, D]: what scales merged rows along each direction by its variance to the power of -`power`.

    All together they vary as before.
    """
    products = np.zeros((union.dimensions, union.dimensions))
    for block in union.blocks():
        rows = _merged(union, block, maps, last)
        products += rows.T @ rows
    variances, directions = np.linalg.eigh(products)
    variances = np.maximum(variances, LEAST_VARIANCE * variances[-1])
    scaled = directions * variances**-power @ directions.T
    return np.asarray(scaled * np.sqrt(variances.sum() / (variances ** (1 - 2 * power)).sum()), np.float32)


def _turned(union: Union, block: slice, maps: Sequence[Floats]) -> Iterator[tuple[int, Floats]]:
    for number, turn in enumerate(maps):
        yield number, union.centred(number, block) @ turn


def _consensus(union: Union, block: slice, maps: Sequence[Floats], tally: _Tally | None = None) -> Floats:
    """float32[n, D]: the weighted mean of the turned rows of the models that have a word."""
    total = np.zeros((block.stop - block.start, union.dimensions), np.float32)
    for number, rows in _turned(union, block, maps):
        total[union.has(number, block)] += rows * np.float32(union.weights[number])
    total /= union.shared(block).astype(np.float32)[:, None]
    if tally is not None:
        for number, rows in _turned(union, block, maps):
            tally.add(number, block, rows, total)
    return total


class _Tally:
    """What the fits are made of, counted up block by block."""

    def __init__(self, union: Union) -> None:
        self._union = union
        self._cosines = [0.0] * len(union.models)
        self._together = [0] * len(union.models)

    def add(self, number: int, block: slice, rows: Floats, mean: Floats) -> None:
        """Compare a model's turned rows of a block with the mean, where others have the word, too."""
        union = self._union
        has = union.has(number, block)
        others = np.sum([union.has(k, block) for k in range(len(union.models))], axis=0)[has] > 1
        rows, mean = rows[others], mean[has][others]
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(mean, axis=1)
        products = np.einsum("ij,ij->i", rows, mean)
        self._cosines[number] += float((products / np.where(lengths > 0, lengths, 1)).sum(dtype=np.float64))
        self._together[number] += len(rows)

    def fits(self) -> list[Fit]:
        """Of all models."""
        counted = zip(self._union.models, self._cosines, self._together, strict=True)
        return [
            Fit(model.name, len(model.words), len(model.words) - together, cosines / max(1, together))
            for model, cosines, together in counted
        ]


# -- side by side ------------------------------------------------------------------------------------------------


def _directions(union: Union, maps: Sequence[Floats]) -> Floats:
    """float32[K * D, D]: the directions of most variance of all models side by side, on the words that all have.

    AlignmentError if these are fewer than there are dimensions.
    """
    connected(union)
    size, shared = union.dimensions * len(maps), 0
    products: Doubles = np.zeros((size, size))
    for block in union.blocks():
        everywhere = np.all([union.has(number, block) for number in range(len(maps))], axis=0)
        wide = _side_by_side(union, block, maps, _consensus(union, block, maps))[everywhere]
        products += wide.T @ wide
        shared += int(everywhere.sum())
    if shared < union.dimensions:
        raise AlignmentError(
            f"all models together share {shared:,} words; {union.dimensions:,}, as many as there are dimensions, are "
            "the least that say which directions to keep. Merge fewer at a time, or with --method alir"
        )
    _, directions = np.linalg.eigh(products)
    return np.ascontiguousarray(directions[:, ::-1][:, : union.dimensions], np.float32)


def _side_by_side(union: Union, block: slice, maps: Sequence[Floats], mean: Floats) -> Floats:
    """float32[n, K * D]: every model's turned rows, and the mean where it lacks the word."""
    parts = []
    for number, rows in _turned(union, block, maps):
        part = mean.copy()
        part[union.has(number, block)] = rows
        parts.append(part * np.float32(np.sqrt(union.weights[number])))
    return np.concatenate(parts, axis=1)
