"""How training notices that the model has diverged: by the loss, and by the rows that it touched last.

Both are cheap enough to look at after every slice, and each finds what the other misses: steps that are too large drive
the loss up while all rows are still finite, and a loss that is computed with fast arithmetic may look like a number
when the rows no longer are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.merge import first_unsound_row

LONGEST = 100.0  # norm of a row; models of all settings that learn stay below 20, and in one that diverges rows double
# A model of zeros has a loss of (1 + negative) ln 2 a pair, and one that learns never had more: at most 1.00 of that in
# any slice, also where the text changed to an unrelated one. Models that diverge passed 2 of it within some slices.
MARGIN = 1.2
ENOUGH = 20_000  # pairs to judge by: one in eight is measured, so that their mean is known to 2 %
# Verdicts in a row that are a breach. Others may move rows so far that the loss is no better; skip-gram has taken that
# back within 14 slices, and the loss fell all the time. Where steps are too large it stays up. It takes 0.1 s.
PATIENCE = 20
FALLING = 0.9  # of the first of them: by then training takes back what has happened
LOOKED_AT = 24  # of a slice's last words, whose rows are looked at; a cache miss each, 0.3 % of a slice

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]


class DivergedError(Exception):
    """The model has diverged for the second time; the message says by what settings and what to try."""


def first_unsound(weights: Floats, words: Ids | None = None, longest: float = LONGEST) -> int | None:
    """The first row of `weights` float32[2V, D] that is not finite or longer than `longest`; None if there is none.

    Looks at both rows of each of the word ids `words` int32[n], of which those below 0 stand for no word; without them
    at all rows.
    """
    if words is None:
        words = np.arange(len(weights) // 2, dtype=np.int32)
    found = int(first_unsound_row(weights, _bare(words), np.float32(longest)))
    return found if found >= 0 else None


def sound(weights: Floats, longest: float = LONGEST) -> NDArray[np.bool_]:
    """bool[n]: which rows of float32[n, D] are finite and no longer than `longest`."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares: Floats = np.einsum("ij,ij->i", weights, weights)
        found: NDArray[np.bool_] = np.isfinite(squares) & (squares <= np.float64(longest) ** 2)
        return found


def describe(weights: Floats, row: int) -> str:
    """What is wrong with a row, for people."""
    matrix, word = ("input", row) if row < len(weights) // 2 else ("output", row - len(weights) // 2)
    length = float(np.linalg.norm(weights[row].astype(np.float64)))
    what = f"has length {length:.3g}" if math.isfinite(length) else "holds a value that is not finite"
    return f"the {matrix} vector of word {word} {what}"


def is_worse_than_nothing(mean: float, negative: int) -> bool:
    """Whether a model that knows nothing would have a clearly lower loss than `mean` a pair."""
    return mean > MARGIN * untrained(negative)


def untrained(negative: int) -> float:
    """The loss of a pair and its `negative` noise words while all scores are 0."""
    return (1 + negative) * math.log(2)


@dataclass(slots=True)
class Guard:
    """What one thread's slices say of a model."""

    weights: Floats  # [2V, D], the model's
    negative: int  # noise words of a pair
    _pairs: float = 0.0  # measured since the last verdict
    _loss: float = 0.0  # of these, summed
    _bad: list[float] = field(default_factory=list)  # means of the verdicts in a row that were bad

    def look(self, words: Ids, pairs: float, loss: float) -> str | None:
        """Why the model has diverged, after a slice of so many pairs with that sum of losses; None if it has not.

        `words` int32[n]: the slice, -1 between sentences; only its end is looked at.
        """
        if not math.isfinite(loss):
            return "the loss is not a finite number"
        row = first_unsound(self.weights, words[-LOOKED_AT:])
        return self._judge(pairs, loss) if row is None else describe(self.weights, row)

    def _judge(self, pairs: float, loss: float) -> str | None:
        """By the mean loss of enough pairs; a sum of 0 says that the slice was too short to be measured."""
        if loss:
            self._pairs, self._loss = self._pairs + pairs, self._loss + loss
        if self._pairs < ENOUGH:
            return None
        mean = self._loss / self._pairs
        self._pairs = self._loss = 0.0
        self._note(mean)
        return too_high(mean, self.negative) if len(self._bad) >= PATIENCE else None

    def _note(self, mean: float) -> None:
        """Bad verdicts in a row; one that is much better than the first begins anew."""
        if not is_worse_than_nothing(mean, self.negative):
            self._bad.clear()
        elif self._bad and mean < FALLING * self._bad[0]:
            self._bad = [mean]
        else:
            self._bad.append(mean)


def too_high(mean: float, negative: int) -> str:
    """What is wrong with a mean loss, for people."""
    return f"the loss of a pair is {mean:.3g}, and {untrained(negative):.3g} without any training"


def _bare(words: Ids) -> Any:
    """A read-only view: a mapped text is, and one compiled form serves all."""
    view = np.ascontiguousarray(words).view()
    view.flags.writeable = False
    return view
