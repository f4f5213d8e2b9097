"""Elastic averaging: each node is pulled towards a centre, and the centre towards each node (Zhang et al. 2015).

In an exchange both move by `pull` of their difference; with N nodes `pull` is 0.9 / N, the authors' choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from compare.baselines.rows import Floats, Phase, Rows, from_server, to_server


@dataclass
class ElasticAveraging:
    """`weights`: the centre, on a server."""

    weights: Floats
    pull: float
    weakest: str = "server"
    bound: int = 1 << 30  # nobody waits for anybody
    replicas: dict[int, Floats] = field(default_factory=dict)  # each node's rows as of its last exchange

    def __post_init__(self) -> None:
        self.initial = self.weights.copy()

    def partners(self, node: int) -> tuple[int, ...]:
        """A node and the centre, which is no node."""
        return (node,)

    def exchange(self, changed: Mapping[int, Rows]) -> dict[int, Rows]:
        """Both ends approach each other."""
        ((node, rows),) = changed.items()
        replica = self.replicas.setdefault(node, self.initial.copy())
        replica[rows.ids] += rows.values
        step = np.float32(self.pull) * (replica - self.weights)
        self.weights += step
        replica -= step
        return {node: Rows(np.arange(len(replica)), replica)}

    def traffic(self, pushed: Mapping[int, int], pulled: Mapping[int, int]) -> list[Phase]:  # noqa: ARG002 - all rows
        """The node's model up, the difference down."""
        whole, size = dict.fromkeys(pushed, len(self.weights)), 4 * self.weights.shape[1]
        return [to_server("model", whole, size), from_server("model", whole, size)]

    def model(self) -> Floats:
        """The centre."""
        return self.weights
