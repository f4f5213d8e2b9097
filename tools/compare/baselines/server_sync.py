"""A synchronous parameter server: all nodes train from the same rows, the server takes the mean of what they changed.

With `backups`, it goes on when all but so many have come; what comes later is thrown away (Chen et al. 2016). A row's
mean is over the nodes that trained it, so that rare words are not diluted. Only rows that were trained travel: up those
that a node changed, down those that it needs for its next minibatches and that others changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from compare.baselines.rows import Floats, Phase, Rows, add_up, from_server, row_bytes, to_server


@dataclass
class SyncServer:
    """`weights`: the server's rows."""

    weights: Floats
    backups: int = 0
    weakest: str = "server"

    def needed(self, nodes: int) -> int:
        """How many of the nodes that take part are waited for."""
        return max(1, nodes - self.backups)

    def exchange(self, changed: Mapping[int, Rows]) -> dict[int, Rows]:
        """The mean of those that came in time; all get what changed, also in place of what came too late."""
        in_time = list(changed.values())[: self.needed(len(changed))]
        total = add_up(in_time, self.weights)
        self.weights[total.ids] += total.values / total.nodes[:, None]
        ids = np.unique(np.concatenate([rows.ids for rows in changed.values()]))
        return dict.fromkeys(changed, Rows(ids, self.weights[ids]))

    def traffic(self, pushed: Mapping[int, int], pulled: Mapping[int, int]) -> list[Phase]:
        """Rows down, then rows up."""
        size = row_bytes(self.weights.shape[1])
        return [from_server("rows", pulled, size), to_server("changes", pushed, size)]

    def model(self) -> Floats:
        """The server's."""
        return self.weights
