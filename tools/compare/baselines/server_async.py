"""An asynchronous parameter server: each change is added as it comes, and answered with the rows of that moment.

Nobody waits for anybody, but for the staleness bound: a node may be at most so many exchanges ahead of the slowest one
(Ho et al. 2013); without it this is Downpour SGD. `divided`: each change counts an N-th.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compare.baselines.rows import Floats, Ids, Phase, Rows, from_server, row_bytes, to_server


@dataclass
class AsyncServer:
    """`weights`: the server's rows; `bound`: exchanges that a node may be ahead; `divided`: by how much changes are."""

    weights: Floats
    bound: int
    divided: float = 1.0
    weakest: str = "server"
    version: int = 0  # changes so far
    changed_at: NDArray[np.int64] = field(init=False)  # [2V], the version in which each row changed last
    answered: dict[int, int] = field(default_factory=dict)  # the version that each node has

    def __post_init__(self) -> None:
        self.changed_at = np.zeros(len(self.weights), np.int64)

    def partners(self, node: int) -> tuple[int, ...]:
        """Who takes part when a node has come to an exchange."""
        return (node,)

    def exchange(self, changed: Mapping[int, Rows]) -> dict[int, Rows]:
        """Add what one node changed; it gets all that changed since it was last answered."""
        ((node, rows),) = changed.items()
        self.version += 1
        self.weights[rows.ids] += rows.values / self.divided
        self.changed_at[rows.ids] = self.version
        news: Ids = np.flatnonzero(self.changed_at > self.answered.get(node, 0))
        self.answered[node] = self.version
        return {node: Rows(news, self.weights[news])}

    def traffic(self, pushed: Mapping[int, int], pulled: Mapping[int, int]) -> list[Phase]:
        """Rows up, then rows down."""
        size = row_bytes(self.weights.shape[1])
        return [to_server("changes", pushed, size), from_server("rows", pulled, size)]

    def model(self) -> Floats:
        """The server's."""
        return self.weights
