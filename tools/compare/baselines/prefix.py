"""Averaging a prefix of the words by frequency: often the most frequent ones, all of them seldom (Ji et al. 2016).

In round n the first `least` * 2^k words are averaged, 2^k being the largest power of two that divides n: a word of
rank r takes part every r / `least` rounds or so. At the end all rows are averaged once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from compare.baselines.rows import Floats, Phase, Rows, ring

LEAST = 1024  # words of the shortest prefix
PARTS = 16  # of a small vocabulary it is one of so many parts


@dataclass
class PrefixAveraging:
    """`initial`: what all nodes begin with."""

    initial: Floats
    weakest: str = "rank 0"
    round: int = 0  # exchanges so far
    replicas: dict[int, Floats] = field(default_factory=dict)  # each node's rows as of its last exchange

    @property
    def words(self) -> int:
        """V."""
        return len(self.initial) // 2

    @property
    def prefix(self) -> int:
        """Words that were averaged in this round."""
        least = max(1, min(LEAST, self.words // PARTS))
        return min(self.words, least * (self.round & -self.round))

    def exchange(self, changed: Mapping[int, Rows]) -> dict[int, Rows]:
        """The mean of the prefix in both matrices; beyond it each node goes on with its own rows."""
        self.round += 1
        for node, rows in changed.items():
            self.replicas.setdefault(node, self.initial.copy())[rows.ids] += rows.values
        ids = np.concatenate([np.arange(self.prefix), self.words + np.arange(self.prefix)])
        values = np.mean([self.replicas[node][ids] for node in changed], axis=0, dtype=np.float64).astype(np.float32)
        for node in changed:
            self.replicas[node][ids] = values
        return dict.fromkeys(changed, Rows(ids, values))

    def traffic(self, pushed: Mapping[int, int], pulled: Mapping[int, int]) -> list[Phase]:  # noqa: ARG002 - a prefix
        """An allreduce of the prefix, all of it, whatever changed."""
        return [ring("prefix", list(pushed), 2 * self.prefix * 4 * self.initial.shape[1])]

    def last_traffic(self) -> list[Phase]:
        """The mean of all rows at the end."""
        return [ring("model", list(self.replicas), self.initial.nbytes)]

    def model(self) -> Floats:
        """The mean of all nodes."""
        if not self.replicas:
            return self.initial
        return np.mean(list(self.replicas.values()), axis=0, dtype=np.float64).astype(np.float32)
