"""Training that can be audited: every token adds one to a row that only its node trains, and the books note it.

Whole ones survive rounding, so what a replica holds tells what has arrived: a row above the books has taken something
twice, one below it has lost something.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.training.model import Model

ROUNDING = 1e-2  # of a one: what float32 and a mean of means may be off


@dataclass(slots=True)
class TokenLedger:
    """Room for `origins` trainers of `each` rows; `truth` float32[2V]: the tokens that each row was really trained."""

    origins: int
    each: int
    truth: NDArray[np.float32] = field(init=False)
    given: int = 0

    def __post_init__(self) -> None:
        self.truth = np.zeros(self.origins * self.each, np.float32)

    def model(self, budget: int) -> Model:
        """A replica that holds nothing yet."""
        return Model(lambda: np.zeros((len(self.truth), 2), np.float32), budget)

    def rows(self) -> NDArray[np.int64]:
        """Rows for one more origin, in both matrices. IndexError if there are none left."""
        if self.given == self.origins:
            raise IndexError("no rows are left for another origin")
        self.given += 1
        return np.arange(self.given - 1, len(self.truth), self.origins)

    def excess(self, model: Model) -> float:
        """By how much any row of a replica is above what was trained."""
        return float((model.weights[:, 0] - self.truth).max())

    def deficit(self, model: Model, rows: NDArray[np.int64]) -> float:
        """By how much any of some rows is below what was trained."""
        return float((self.truth[rows] - model.weights[rows, 0]).max())


@dataclass(slots=True)
class Counter:
    """Trains `total` tokens, `speed` a second, on rows of its own."""

    ledger: TokenLedger
    rng: Random
    total: int
    speed: float
    model: Model
    rows: NDArray[np.int64] = field(init=False)
    trained: int = 0
    owed: float = 0.0

    def __post_init__(self) -> None:
        self.rows = self.ledger.rows()

    def train(self, seconds: float, others: tuple[int, int]) -> None:  # noqa: ARG002 - as Worker says
        """Go on for so long, a standstill included."""
        self.owed += seconds * self.speed
        tokens = min(int(self.owed), self.total - self.trained)
        self.owed -= tokens
        self.trained += tokens
        for _ in range(tokens):
            row = self.rng.choice(self.rows)
            self.model.weights[row, 0] += 1
            self.model.updates[row] += 1
            self.ledger.truth[row] += 1

    def before_merge(self, now: float) -> None:
        """No curvature: merging is adding."""

    def restart(self) -> None:
        """Another vocabulary has won: forget everything."""
        self.trained, self.owed = 0, 0.0
        self.model.weights[:] = 0
        self.model.updates[:] = 0
        self.model.links.clear()
        self.ledger.truth[self.rows] = 0
