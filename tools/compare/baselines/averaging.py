"""Averaging every tau words: each node trains alone for so long, then all take the mean of their models.

One mathematics under many names (local SGD, model averaging, federated averaging, iterative averaging on Spark). The
whole model travels: as an allreduce around a ring, or to a server and back (`star`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compare.baselines.rows import Floats, Phase, Rows, add_up, from_server, ring, to_server


@dataclass
class Averaging:
    """`weights`: the mean that all nodes have."""

    weights: Floats
    star: bool = False

    @property
    def weakest(self) -> str:
        """Of a ring the first rank, whose job it is."""
        return "server" if self.star else "rank 0"

    def exchange(self, changed: Mapping[int, Rows]) -> dict[int, Rows]:
        """The mean of all models: a row that a node did not train counts as it was."""
        total = add_up(list(changed.values()), self.weights)
        self.weights[total.ids] += total.values / len(changed)
        return dict.fromkeys(changed, Rows(total.ids, self.weights[total.ids]))

    def traffic(self, pushed: Mapping[int, int], pulled: Mapping[int, int]) -> list[Phase]:  # noqa: ARG002 - all rows
        """The whole model, whatever changed."""
        if not self.star:
            return [ring("model", list(pushed), self.weights.nbytes)]
        whole = dict.fromkeys(pushed, len(self.weights))
        size = 4 * self.weights.shape[1]
        return [to_server("model", whole, size), from_server("model", whole, size)]

    def model(self) -> Floats:
        """The last mean."""
        return self.weights
