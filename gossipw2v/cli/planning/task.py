"""What is asked: a task to train, and a fleet of equal machines to train it on."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

ALPHAS = (0.05, 0.025)  # by `sg`: what the manual recommends; kernels draw more noise rows for larger steps


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is trained. `words`: of the whole text, those of the vocabulary, each counted as often as it occurs."""

    words: float
    epochs: int = 3
    vocab: int = 100_000
    vector_size: int = 128
    window: int = 5
    negative: int = 5
    sg: int = 1

    @property
    def alpha(self) -> float:
        """Step size that goes with the kind of model."""
        return ALPHAS[self.sg]

    @property
    def rows(self) -> int:
        """Of both matrices together."""
        return 2 * self.vocab

    @property
    def model_bytes(self) -> int:
        """Of both float32 matrices."""
        return 4 * self.rows * self.vector_size


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """`nodes` machines of `cores` cores each; `megabits`: a second, each way, of a node's one cable, 0 without limit;
    `latency`: seconds from one machine to another."""

    nodes: int = 1
    cores: int = 4
    megabits: float = 1000.0
    latency: float = 0.0002

    @property
    def bandwidth(self) -> float:
        """Bytes a second each way."""
        return self.megabits * 1e6 / 8 or inf
