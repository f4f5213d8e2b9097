"""Which of a model's words and numbers are written: the most frequent, those of a list, at length 1, rounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors.table import ExportError, Numbers, Rows, Vectors


@dataclass(frozen=True, slots=True)
class Selection:
    """What to write. `matrix` of MATRICES and `dtype` of TYPES, as in `formats`.

    `top`: so many of the most frequent words; `words`: these only, in the model's order. `normalize`: every row gets
    length 1, but for a zero row.
    """

    matrix: str = "in"
    top: int | None = None
    words: Words | None = None
    normalize: bool = False
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class SelectedRows:
    """Rows [V, D] that are computed when a block of them is asked for; `parts` are added up."""

    parts: tuple[Rows, ...]
    numbers: NDArray[np.int64]  # of the rows that are selected
    normalize: bool
    dtype: np.dtype[Any]
    release: Callable[[], None]  # called when a block has been computed

    @property
    def shape(self) -> tuple[int, int]:
        """(V, D)."""
        return len(self.numbers), self.parts[0].shape[1]

    def __getitem__(self, block: slice, /) -> Numbers:
        """The rows of a block."""
        rows = sum(_taken(part, self.numbers[block]) for part in self.parts)
        if self.normalize:
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            rows = rows / np.where(lengths > 0, lengths, 1)
        with np.errstate(over="ignore"):  # what float16 has no room for is refused by name
            made = np.asarray(rows).astype(self.dtype)
        self.release()
        return made


def _taken(rows: Rows, numbers: NDArray[np.int64]) -> Numbers:
    """Rows of ascending numbers, read from the one stretch that they stand in."""
    if not len(numbers):
        return np.empty((0, rows.shape[1]), np.float32)
    first, last = int(numbers[0]), int(numbers[-1]) + 1
    return rows[first:last][numbers - first].astype(np.float32)


def matrix_of(weights: Sequence[Rows], matrix: str) -> tuple[Rows, ...]:
    """The parts that add up to a matrix of MATRICES, of (word vectors, context vectors)."""
    return {"in": (weights[0],), "out": (weights[1],), "sum": tuple(weights)}[matrix]


def _nothing() -> None:
    """Rows that are in memory anyway stay there."""


def select(
    words: Words,
    parts: tuple[Rows, ...],
    selection: Selection,
    release: Callable[[], None] = _nothing,
    counts: NDArray[np.int64] | None = None,
) -> tuple[Words, Rows]:
    """The selected words and rows of a model, whose rows are the sum of `parts`, each float [V, D].

    `release` gives mapped rows back. `counts` int64[V]: by which the most frequent are found; None: they are the first.
    ExportError if a list of words has none of them.
    """
    numbers = np.arange(len(words))
    if selection.words is not None:
        wanted = set(selection.words)
        numbers = np.array([row for row, word in enumerate(words) if word in wanted], np.int64)
        if not len(numbers):
            raise ExportError("none of the words in the list is in the model; is it of the same language and case?")
    if selection.top is not None and counts is not None:  # of a vocabulary that has grown they are not the first
        numbers = np.sort(numbers[np.argsort(-counts[numbers], kind="stable")[: selection.top]])
    numbers = numbers[: selection.top]
    kept = words if len(numbers) == len(words) else words.take(numbers)
    return kept, SelectedRows(parts, numbers, selection.normalize, np.dtype(selection.dtype), release)


def selected(vectors: Vectors, selection: Selection) -> tuple[Words, Rows]:
    """As `select`, of what a file holds."""
    return select(vectors.words, (vectors.rows,), selection, vectors.release)
