"""When the curvature that merging needs is estimated anew, and the training pairs that it is estimated from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.training.curvature import Pairs
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Tokens, Trainer

PAIRS = 512  # training pairs behind an estimate of the curvature, which takes some 5 ms
OFTEN = 0.5  # s between estimates while everything is new
SELDOM = 3.0  # s between them later
AGE = 6  # between the two: a sixth of the time that the model has been trained


@dataclass(slots=True)
class Estimates:
    """The spectrum grows with the vectors: estimated anew when the last one is old for the model's age."""

    model: Model  # whose curvature it is
    trainer: Trainer  # of that model
    began_at: float  # seconds, as those of `refresh`
    _rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    _made_at: float = float("-inf")  # when the last one was made

    def refresh(self, now: float) -> None:
        """Look at the clock, in seconds, before a merge."""
        pause = min(SELDOM, max(OFTEN, (now - self.began_at) / AGE))
        if now - self._made_at < pause:
            return
        self._made_at = now
        self.model.alpha = self.trainer.alpha
        self.model.learn_curvature(sample_pairs(self.trainer, PAIRS, self._rng))


def sample_pairs(trainer: Trainer, n: int, rng: np.random.Generator) -> Pairs:
    """About `n` training pairs, drawn as training draws them; none where there is no text."""
    recipe, size = trainer.recipe, len(trainer.cursor.text)
    window, skipgram = recipe.window, bool(recipe.sg)
    centers = rng.integers(0, max(1, size), 4 * n if size else 0)
    reach = rng.integers(1, window + 1, (len(centers), 1))
    one = reach * rng.choice((-1, 1), reach.shape)
    offsets = one if skipgram else np.delete(np.arange(-window, window + 1), window)
    words, around = _kept(trainer, centers, rng), _kept(trainer, centers[:, None] + offsets, rng)
    around[np.abs(np.broadcast_to(offsets, around.shape)) > reach] = -1
    good = (words >= 0) & (around >= 0).any(axis=1)
    words, around = words[good][:n], around[good][:n]
    noise = _draw_noise(trainer.noise, rng, (len(words), recipe.negative))
    return Pairs(words[:, None], around[:, 0], noise) if skipgram else Pairs(around, words, noise)


def _kept(trainer: Trainer, at: NDArray[np.int64], rng: np.random.Generator) -> Tokens:
    """The words at some places of the text; -1 where there is none, or where subsampling takes it away."""
    text = trainer.cursor.text
    inside = (at >= 0) & (at < len(text))
    words = np.full(at.shape, -1, np.int32)
    words[inside] = text.at(at[inside])
    stay = rng.integers(0, 1 << 32, words.shape, dtype=np.uint64) <= trainer.keep[words]
    return np.where(stay, words, np.int32(-1))


def _draw_noise(table: NDArray[np.uint64], rng: np.random.Generator, shape: tuple[int, int]) -> Tokens:
    words = rng.integers(0, len(table), shape)
    entries = table[words]
    stay = rng.integers(0, 1 << 32, shape, dtype=np.uint64) <= entries >> np.uint64(32)
    return np.where(stay, words, entries & np.uint64(0xFFFFFFFF)).astype(np.int32)
