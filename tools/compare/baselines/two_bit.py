"""Changes of two bits a value, with what rounding dropped kept for the next time (Strom 2015, Seide et al. 2014).

A synchronous server takes the mean of what its nodes send: of each value that it goes up, down, or nowhere, by one
step for the row. Rows come back in full. Before the end each node's rest is sent once, rounded to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from compare.baselines.rows import ID_BYTES, Floats, Phase, Rows, add_up, from_server, row_bytes, to_server

STEP = 1.2  # of a row's root mean square: the least error that three levels leave of a normal distribution


def rounded(values: Floats) -> Floats:
    """Each of float32[n, D] as -1, 0 or 1 times its row's step."""
    step = np.float32(STEP) * np.sqrt(np.mean(values * values, axis=1, keepdims=True))
    return np.where(np.abs(values) > step / 2, np.sign(values) * step, np.float32(0)).astype(np.float32)


@dataclass
class TwoBit:
    """`weights`: the server's rows."""

    weights: Floats
    weakest: str = "server"
    residuals: dict[int, Floats] = field(default_factory=dict)  # what of each node's changes has not been sent

    def send(self, node: int, rows: Rows) -> Rows:
        """What a node sends of its changes; the rest waits until the row is trained again."""
        rest = self.residuals.setdefault(node, np.zeros_like(self.weights))
        rest[rows.ids] += rows.values
        sent = rounded(rest[rows.ids])
        rest[rows.ids] -= sent
        return Rows(rows.ids, sent)

    def exchange(self, changed: Mapping[int, Rows]) -> dict[int, Rows]:
        """The mean of what came, a row's over the nodes that trained it."""
        total = add_up([self.send(node, rows) for node, rows in changed.items()], self.weights)
        self.weights[total.ids] += total.values / total.nodes[:, None]
        return dict.fromkeys(changed, Rows(total.ids, self.weights[total.ids]))

    def traffic(self, pushed: Mapping[int, int], pulled: Mapping[int, int]) -> list[Phase]:
        """Rows down in full, then changes up: an id, a step and a quarter of a byte for each value."""
        size = self.weights.shape[1]
        few = ID_BYTES + 4 + (size + 3) // 4
        return [from_server("rows", pulled, row_bytes(size)), to_server("changes", pushed, few)]

    def last_traffic(self) -> list[Phase]:
        """The rest of all nodes, in full."""
        rows = {node: int(rest.any(axis=1).sum()) for node, rest in self.residuals.items()}
        return [to_server("rest", rows, row_bytes(self.weights.shape[1]))]

    def model(self) -> Floats:
        """The server's rows with the mean of the rest."""
        rests = list(self.residuals.values())
        nodes = np.maximum(1, np.sum([rest.any(axis=1) for rest in rests], axis=0, dtype=np.int64)) if rests else 1
        return np.asarray(self.weights + np.sum(rests, axis=0) / np.reshape(nodes, (-1, 1)), np.float32)
