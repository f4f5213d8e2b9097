"""Gossip by averaging: a node sends its whole model to a random other one, which takes their weighted mean.

Weights halve at the sender and add at the receiver (sum-weight protocol: Kempe et al. 2003, Blot et al. 2016), so that
nothing is counted twice. There is no server and no reference: old training is averaged with new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np

from compare.baselines.loops import approach
from compare.baselines.rows import Floats, Phase, Rows, Transfer


@dataclass
class GossipAverage:
    """`nodes`: those that are there, which the owner keeps up to date; `initial`: what all nodes begin with."""

    initial: Floats
    nodes: set[int]
    rng: Random
    weakest: str = "node"
    bound: int = 1 << 30  # nobody waits for anybody
    shares: dict[int, float] = field(default_factory=dict)  # the weight of each node's model
    replicas: dict[int, Floats] = field(default_factory=dict)  # each node's rows as of its last exchange

    def partners(self, node: int) -> tuple[int, ...]:
        """The sender and, at random, the receiver."""
        others = sorted(self.nodes - {node})
        return (node, self.rng.choice(others)) if others else (node,)

    def exchange(self, changed: Mapping[int, Rows]) -> dict[int, Rows]:
        """What the second node has once it has the first one's model; alone, a node keeps its own."""
        for node, rows in changed.items():
            self.replicas.setdefault(node, self.initial.copy())[rows.ids] += rows.values
        sender, *receivers = changed
        for receiver in receivers:
            half = self.shares.get(sender, 1.0) / 2
            kept = self.shares.get(receiver, 1.0)
            self.shares[sender], self.shares[receiver] = half, kept + half
            part = np.float32(half / (kept + half))
            approach(self.replicas[receiver], self.replicas[sender], part)
        every = np.arange(len(self.initial))
        return {receiver: Rows(every, self.replicas[receiver]) for receiver in receivers}

    def traffic(self, pushed: Mapping[int, int], pulled: Mapping[int, int]) -> list[Phase]:  # noqa: ARG002 - all rows
        """A whole model from the first to the second."""
        sender, *receivers = pushed
        return [Phase([Transfer("model", sender, each, self.initial.nbytes) for each in receivers])]

    def model(self) -> Floats:
        """The mean of the nodes that are there by their weights: better than any one of them."""
        here = [node for node in self.replicas if node in self.nodes]
        if not here:
            return self.initial
        weights = np.array([self.shares.get(node, 1.0) for node in here])
        mean = sum(share * self.replicas[node] for node, share in zip(here, weights / weights.sum(), strict=True))
        return np.asarray(mean, np.float32)
