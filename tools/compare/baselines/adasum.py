"""AdaSum per round on the rows that were touched: changes that point the same way are averaged, others are added.

Of two changes a and b that is (1 - a.b / 2|a|^2) a + (1 - a.b / 2|b|^2) b (Maleki et al. 2020), of more by pairs up a
tree, row by row (Gill et al. 2021). Every node owns an N-th of the rows: it gets what others changed of them, and sends
each the rows that it needs next and does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compare.baselines.loops import adasum_rows
from compare.baselines.rows import Floats, Phase, Rows, between_owners, row_bytes


def adasum(a: Floats, b: Floats) -> Floats:
    """Of changes float32[n, D] of the same n rows, each row alone."""
    out = np.empty_like(a)
    adasum_rows(a, b, out)
    return out


def fold(one: Rows, other: Rows) -> Rows:
    """AdaSum of two nodes' changes; rows that one of them did not touch stay the other's."""
    ids = np.union1d(one.ids, other.ids)
    a, b = (np.zeros((len(ids), one.values.shape[1]), np.float32) for _ in range(2))
    a[np.searchsorted(ids, one.ids)] = one.values
    b[np.searchsorted(ids, other.ids)] = other.values
    return Rows(ids, adasum(a, b))


def combine(changes: Sequence[Rows]) -> Rows:
    """All nodes' changes, by pairs up a tree."""
    while len(changes) > 1:
        pairs = [fold(*changes[at : at + 2]) for at in range(0, len(changes) - 1, 2)]
        changes = [*pairs, *changes[2 * len(pairs) :]]
    return changes[0]


@dataclass
class AdaSum:
    """`weights`: the rows that all owners hold together."""

    weights: Floats
    weakest: str = "rank 0"

    def exchange(self, changed: Mapping[int, Rows]) -> dict[int, Rows]:
        """What all changed, combined, on top of the rows that all began the round with."""
        ids, values = combine(list(changed.values()))
        self.weights[ids] += values
        return dict.fromkeys(changed, Rows(ids, self.weights[ids]))

    def traffic(self, pushed: Mapping[int, int], pulled: Mapping[int, int]) -> list[Phase]:
        """Rows from their owners, then changes to them."""
        size = row_bytes(self.weights.shape[1])
        return [between_owners("rows", pulled, size), between_owners("changes", pushed, size)]

    def model(self) -> Floats:
        """All owners' rows."""
        return self.weights
