"""A node as all baselines have it: the product's model and trainer, its part of the text, and what it told of its rows.

Rows that were trained since a node last told of them are those whose updates the model has counted since.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scenarios import Scenario, recipe_of

from compare.baselines.loops import move_rows, take_changes
from compare.baselines.rows import Floats, Rows
from compare.runs import Run
from compare.texts import Material, Tokens
from gossipw2v.node.session import initial_weights
from gossipw2v.w2v.similarity import largest_difference
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Trainer

LARGEST_SLICE = 20_000  # ids of one kernel call, as in the daemon
SLICES = 4  # at least, of the words between two exchanges


class DivergedError(ArithmeticError):
    """The vectors are no numbers any more."""


@dataclass
class Replica:
    """`base`: its rows as of its last exchange, with what came since; `seen`: its updates then."""

    model: Model
    trainer: Trainer
    slice_ids: int  # of one kernel call
    base: Floats = field(init=False)
    seen: NDArray[np.int64] = field(init=False)
    cpu_seconds: float = 0.0  # of the kernels

    def __post_init__(self) -> None:
        self.base, self.seen = self.model.weights.copy(), self.model.updates.copy()
        self._steps = self.trainer.steps(0, self.slice_ids)
        self._owed = 0  # words that were asked for and not trained; less than a slice, of either sign

    @property
    def left(self) -> int:
        """Words that it has yet to train."""
        return self.trainer.total - self.trainer.trained

    def train(self, words: int, others: tuple[int, int]) -> int:
        """Train about so many more words; how many it were. `others`: trained and total of the other nodes."""
        self.trainer.others = others
        self._owed += words
        began, before = time.process_time(), self.trainer.trained
        while self.trainer.trained - before < self._owed and next(self._steps, self) is not self:
            pass
        self.cpu_seconds += time.process_time() - began
        self._owed -= self.trainer.trained - before
        return self.trainer.trained - before

    def changed(self) -> Rows:
        """By how much each row that was trained since the last call has changed; from now on it is told."""
        ids = np.flatnonzero(self.model.updates != self.seen)
        values = np.empty((len(ids), self.base.shape[1]), np.float32)
        take_changes(self.model.weights, self.base, ids, values)
        self.seen[ids] = self.model.updates[ids]
        return Rows(ids, values)

    def apply(self, rows: Rows) -> NDArray[np.bool_]:
        """Rows as they should stand after the last `changed`: what was trained since goes on from there.

        Which of them are not what this node had: bool[n].
        """
        moved = np.empty(len(rows.ids), np.bool_)
        move_rows(self.model.weights, self.base, rows.ids, np.ascontiguousarray(rows.values), moved)
        return moved

    def take(self, weights: Floats) -> None:
        """Forget all rows and begin again with these."""
        self.model.weights[:] = weights
        self.base[:] = weights
        self.seen[:] = self.model.updates

    def check(self) -> None:
        """DivergedError if a value is no number."""
        if not np.isfinite(self.model.weights).all():
            raise DivergedError("diverged: a value is not a finite number")


def scenario_of(run: Run, words: int, speeds: tuple[float, ...], events: tuple[str, ...]) -> Scenario:
    """The run as the product's simulator knows it; `words`: of the whole text."""
    seconds = words * run.epochs / run.nodes / run.speed
    rule = {"gossip-adasum": "adasum", "gossip-mean": "mean"}.get(run.baseline, "sequential")
    return Scenario(
        run.nodes, run.rounds, 16_384, rule, run.seed, seconds, 0.5, 0.0, 0.001, 0.0, 0.0, (1.0,), speeds, events, 4,
        run.epochs, run.vector_size, run.window, run.negative, run.alpha,
    )  # fmt: skip


def make_replica(material: Material, part: Tokens, run: Run) -> Replica:
    """A node with the job's first vectors and its part of the text."""

    def fresh() -> Floats:
        return initial_weights(material.vocab, run.seed, run.vector_size)

    model = Model(fresh, 1, alpha=run.alpha)
    recipe = recipe_of(scenario_of(run, len(material.tokens), (1.0,), ()))
    trainer = Trainer(model, part, material.vocab.counts, recipe, guarded=False)  # what diverges is to be seen
    interval = trainer.total / max(1, run.rounds)
    return Replica(model, trainer, int(min(LARGEST_SLICE, max(50.0, interval / SLICES))))


def largest_disagreement(weights: list[Floats]) -> float:
    """The largest difference of any value between the first replica and another, relative to its row's length."""
    return max((largest_difference(weights[0], other) for other in weights[1:]), default=0.0)
