"""When the curvature that merging needs is estimated anew."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Trainer

PAIRS = 512  # training pairs behind an estimate of the curvature, which takes some 5 ms
OFTEN = 0.5  # s between estimates while everything is new
SELDOM = 3.0  # s between them later
AGE = 6  # between the two: a sixth of the time that the model has been trained


@dataclass(slots=True)
class Estimates:
    """The spectrum grows with the vectors: estimated anew when the last one is old for the model's age."""

    model: Model
    trainer: Trainer
    began_at: float
    _rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    _made_at: float = float("-inf")

    def refresh(self, now: float) -> None:
        """Look at the clock, in seconds, before a merge."""
        pause = min(SELDOM, max(OFTEN, (now - self.began_at) / AGE))
        if now - self._made_at < pause:
            return
        self._made_at = now
        self.model.alpha = self.trainer.alpha
        self.model.learn_curvature(self.trainer.sample_pairs(PAIRS, self._rng))
