"""What all baselines have in common: rows, the one interface, and the sizes of messages.

Row ids run over both matrices at once, as in the product: below V of `syn0`, from V on of `syn1neg`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from compare.baselines.loops import add_rows
from compare.network import SERVER, Phase, Transfer

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

ID_BYTES = 4


class Rows(NamedTuple):
    """`ids` int64[n], ascending, and `values` float32[n, D]: by how much rows changed, or how they should stand."""

    ids: Ids
    values: Floats


class Baseline(Protocol):
    """A way of making one model of what many nodes train."""

    weakest: str  # whose death hurts most: "server", "rank 0" or "node"

    def exchange(self, changed: Mapping[int, Rows]) -> dict[int, Rows]:
        """By how much rows of some nodes changed since each last took part, in the order in which they came; returns
        how rows should stand at each node that is to change."""

    def traffic(self, pushed: Mapping[int, int], pulled: Mapping[int, int]) -> list[Phase]:
        """The messages of that exchange. `pushed`: rows that each node had changed; `pulled`: rows that each needed for
        that training and that others had changed."""

    def model(self) -> Floats:
        """float32[2V, D], what comes of it all."""


class Total(NamedTuple):
    """`ids` int64[n] of the rows that anybody changed, the sum float32[n, D] of all changes, and how many did."""

    ids: Ids
    values: Floats
    nodes: NDArray[np.int32]


def add_up(changes: Sequence[Rows], like: Floats) -> Total:
    """The changes of some nodes, each row's together; `like`: a model of the same shape."""
    total, nodes = np.zeros_like(like), np.zeros(len(like), np.int32)
    for rows in changes:
        add_rows(total, nodes, rows.ids, rows.values)
    ids = np.flatnonzero(nodes)
    return Total(ids, total[ids], nodes[ids])


def row_bytes(vector_size: int) -> int:
    """A row with its id."""
    return ID_BYTES + 4 * vector_size


def to_server(kind: str, rows: Mapping[int, int], size: int) -> Phase:
    """Each node sends its rows of `size` bytes to the server."""
    return Phase([Transfer(kind, node, SERVER, size * n) for node, n in rows.items()])


def from_server(kind: str, rows: Mapping[int, int], size: int) -> Phase:
    """The server sends each node its rows of `size` bytes."""
    return Phase([Transfer(kind, SERVER, node, size * n) for node, n in rows.items()])


def ring(kind: str, nodes: Sequence[int], size: float) -> Phase:
    """An allreduce of `size` bytes: each node sends its neighbour 2 (N - 1) pieces of an N-th."""
    n = len(nodes)
    share = 2 * (n - 1) / n * size
    return Phase([Transfer(kind, node, nodes[(at + 1) % n], share) for at, node in enumerate(nodes)], 2 * (n - 1))


def between_owners(kind: str, rows: Mapping[int, int], size: int) -> Phase:
    """Every node owns an N-th of all rows, and sends all others those of its rows that they own."""
    n = len(rows)
    pairs = [(one, other) for one in rows for other in rows if one != other]
    return Phase([Transfer(kind, one, other, rows[one] * size / n) for one, other in pairs], n - 1)
