"""The loss of the model on text that nobody trains, by pairs and noise words that stay the same for a whole run.

The loss that training meets is that of a model which has just adapted to the passage it is in: with a large alpha it
rises on a small text while the vectors get better. This one falls with what the model knows.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.training.curvature import Pairs
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Trainer

PAIRS = 20_000  # at most; their mean is within a few hundredths of that of all pairs of a text
COPIES = 8  # times that a short text is drawn from at most, each time with other windows and noise words
CONTEXT = 1 << 19  # places looked at for context words: very wide windows give fewer pairs
BATCH = 256  # pairs at a time: a few MB of float64, and short turns of the interpreter's lock
POINTS = 100  # of the history; when it is full, every other one goes
REST = 200  # times what a measurement took pass before the next: half a percent of one core

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Point:
    """The mean `loss` of a pair when this node had trained so many tokens, and the whole swarm so many."""

    trained_tokens: int
    swarm_trained_tokens: int
    loss: float


@dataclass(slots=True)
class Evaluation:
    """Measures a model on held-out pairs; without pairs there is no loss.

    `measure` is for a thread of its own; the rest never waits.
    """

    model: Model
    pairs: Pairs  # drawn from the held-out text
    words: int  # of that text
    history: tuple[Point, ...] = ()  # at most POINTS, evenly over the run
    seconds: float = 0.0  # of CPU time that the last measurement took
    _seen: tuple[int, ...] = ()  # what told the model of the last measurement from others
    _began_at: float = float("-inf")  # when that was due
    _measuring: threading.Lock = field(default_factory=threading.Lock)  # one measurement at a time

    def due(self, seen: tuple[int, ...], now: float, last: bool) -> bool:
        """Whether to measure at the time `now` (seconds), which then has to follow.

        Not again what was measured when `seen`, which tells models apart, was the same; unless it is the `last` time,
        not before the rest after the one before.
        """
        early = now - self._began_at < REST * self.seconds
        if not len(self.pairs.outputs) or seen == self._seen or (early and not last):
            return False
        self._seen, self._began_at = seen, now
        return True

    def measure(self, trained_tokens: int, swarm_trained_tokens: int) -> float:
        """The mean loss of a pair now, which becomes a point of the history. Training may go on meanwhile."""
        with self._measuring:
            began = time.thread_time()
            loss = mean_loss(self.model.syn0, self.model.syn1neg, self.pairs)
            self.seconds = time.thread_time() - began
            points = (*self.history, Point(trained_tokens, swarm_trained_tokens, loss))
            self.history = points if len(points) <= POINTS else points[::2]  # of an odd number: both ends stay
        return loss

    def describe(self) -> dict[str, Any]:
        """For `/status`; `loss` is null where there is none."""
        return {
            "words": self.words,
            "pairs": len(self.pairs.outputs),
            "loss": self.history[-1].loss if self.history else None,
            "seconds": self.seconds,
            "history": [asdict(point) for point in self.history],
        }


def mean_loss(syn0: Floats, syn1neg: Floats, pairs: Pairs) -> float:
    """The mean loss of a pair in float64, -log s(x y) - sum of log s(-x y') over its noise words but the true one.

    `syn0`, `syn1neg` float32[V, D]; x is the mean of the pair's input rows. ValueError if there are no pairs.
    """
    number = len(pairs.outputs)
    if not number:
        raise ValueError("no pairs: there is no loss of nothing")
    with np.errstate(over="ignore", invalid="ignore"):  # of a model that has diverged: the loss says so
        return sum(_loss(syn0, syn1neg, _batch(pairs, at)) for at in range(0, number, BATCH)) / number


def _batch(pairs: Pairs, at: int) -> Pairs:
    part = slice(at, at + BATCH)
    return Pairs(pairs.inputs[part], pairs.outputs[part], pairs.noise[part])


def _loss(syn0: Floats, syn1neg: Floats, pairs: Pairs) -> float:
    """The sum of the pairs' losses."""
    there = pairs.inputs >= 0
    rows = np.where(there[:, :, None], syn0[pairs.inputs], 0).astype(np.float64)
    means = rows.sum(axis=1) / there.sum(axis=1, keepdims=True)
    others = np.concatenate([pairs.outputs[:, None], pairs.noise], axis=1)
    scores = np.einsum("nd,nkd->nk", means, syn1neg[others].astype(np.float64))
    scores[:, 0] *= -1
    losses = np.logaddexp(0, scores)
    losses[:, 1:][pairs.noise == pairs.outputs[:, None]] = 0
    return float(losses.sum())


# --- the pairs ----------------------------------------------------------------------------------------------------


def draw_pairs(text: Ids, trainer: Trainer) -> Pairs:
    """At most `PAIRS` pairs of `text` int32[n], -1 after each sentence, drawn as training draws them, with noise words.

    The job's seed decides: the same text gives the same pairs. There are none where no two words are neighbours.
    """
    recipe, rng = trainer.recipe, np.random.default_rng(trainer.recipe.seed)
    words = int(np.count_nonzero(text >= 0))
    kept = _subsampled(np.tile(text, min(COPIES, PAIRS // max(1, words) + 1)), trainer.keep, rng)
    most = min(2 * PAIRS, CONTEXT // (2 * recipe.window))
    places = rng.permutation(np.flatnonzero(kept >= 0))[:most]
    around = _windows(kept, places, (recipe.least, recipe.window), rng)
    pairs = _skipgrams if recipe.sg else _bags
    inputs, outputs = pairs(kept[places], around, rng)
    chances = trainer.counts.astype(np.float64) ** recipe.ns_exponent
    noise = rng.choice(len(chances), (len(outputs), recipe.negative), p=chances / chances.sum())
    return Pairs(inputs, outputs, noise.astype(np.int32))


def _subsampled(tokens: Ids, keep: NDArray[np.uint32], rng: np.random.Generator) -> Ids:
    """The tokens that stay, and every -1."""
    drawn = rng.integers(0, 1 << 32, len(tokens), dtype=np.uint64)
    return np.asarray(tokens[(tokens < 0) | (drawn <= keep[tokens])])


def _windows(kept: Ids, places: Places, reaches: tuple[int, int], rng: np.random.Generator) -> Ids:
    """The words around each place, int32[n, 2 * window], -1 beyond its sentence and the reach drawn for it."""
    least, window = reaches
    offsets = np.delete(np.arange(-window, window + 1), window)
    reach = rng.integers(least, window + 1, len(places))
    at = places[:, None] + offsets
    inside = (at >= 0) & (at < len(kept)) & (np.abs(offsets) <= reach[:, None])
    at[~inside] = 0
    sentence = np.cumsum(kept < 0)
    inside &= sentence[at] == sentence[places][:, None]
    return np.where(inside, kept[at], np.int32(-1))


def _skipgrams(words: Ids, around: Ids, rng: np.random.Generator) -> tuple[Ids, Ids]:
    """Inputs [n, 1] and outputs [n]: each word with one word of its window."""
    rows, columns = np.nonzero(around >= 0)
    chosen = rng.permutation(len(rows))[:PAIRS]
    return words[rows[chosen], None], around[rows[chosen], columns[chosen]]


def _bags(words: Ids, around: Ids, _: np.random.Generator) -> tuple[Ids, Ids]:
    """Inputs [n, 2 * window] and outputs [n]: the words of a window, and the word in its middle."""
    chosen = np.flatnonzero((around >= 0).any(axis=1))[:PAIRS]
    return around[chosen], words[chosen]
