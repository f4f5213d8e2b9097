"""Walks over a graph with planted communities, to judge what is trained on graphs instead of text.

Every node belongs to a community, and communities to groups. Most edges stay within a community, some within its group,
the rest go anywhere. What is to be found out: which nodes share a community or at least a group, and which edges there
were that no walk has gone along.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.evaluation.layouts import RatedPair

NODES, COMMUNITIES, GROUPS = 6000, 120, 12
EDGES = 8  # of a node, those that others have to it not counted
INSIDE, GROUP = 0.45, 0.25  # shares of the edges
HIDDEN = 0.1  # share of the edges on which nobody walks
WALKS, LENGTH = 8, 40  # from each node
PAIRS = 3000  # to be rated, of each kind

Ids = NDArray[np.int64]


class Communities:
    """A graph, its walks and what it is judged by; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.home = self.rng.permutation(NODES) % COMMUNITIES  # int64[NODES]
        self.group = self.home % GROUPS
        edges = self._edges()
        hidden = self.rng.random(len(edges)) < HIDDEN
        self.edges, self.hidden = edges[~hidden], edges[hidden]

    def walks(self) -> Iterator[str]:
        """Names of nodes, a walk a line."""
        both = np.concatenate([self.edges, self.edges[:, ::-1]])
        both = both[np.argsort(both[:, 0], kind="stable")]
        first = np.searchsorted(both[:, 0], np.arange(NODES + 1))
        for _ in range(WALKS):
            at = self.rng.permutation(np.flatnonzero(np.diff(first)))  # nodes that have an edge
            steps = [at]
            for _ in range(LENGTH - 1):
                at = both[first[at] + (self.rng.random(len(at)) * (first[at + 1] - first[at])).astype(np.int64), 1]
                steps.append(at)
            yield from (" ".join(f"n{node}" for node in walk) for walk in np.stack(steps, axis=1).tolist())

    def pairs(self) -> dict[str, list[RatedPair]]:
        """Nodes of one community, of one group and of two; edges that were hidden, and pairs that are none."""
        kinds = ((2.0, self.home), (1.0, self.group), (0.0, None))
        near = [_rated(self._other(self.rng.integers(0, NODES, PAIRS), kind), rating) for rating, kind in kinds]
        nowhere = self._other(self.hidden[:, 0], None)
        return {"communities": [*itertools.chain(*near)], "edges": [*_rated(self.hidden, 1.0), *_rated(nowhere, 0.0)]}

    def _edges(self) -> Ids:
        """int64[n, 2]."""
        ends = np.repeat(np.arange(NODES), EDGES)
        which = self.rng.random(len(ends))
        pairs = self._other(ends, None)
        for kind, chosen in ((self.home, which < INSIDE), (self.group, (which >= INSIDE) & (which < INSIDE + GROUP))):
            pairs[chosen] = self._other(ends[chosen], kind)
        return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)

    def _other(self, nodes: Ids, kind: Ids | None) -> Ids:
        """Each with one at random, int64[n, 2]: any, or one of the same `kind` int64[NODES]."""
        if kind is None:
            return np.stack([nodes, self.rng.integers(0, NODES, len(nodes))], axis=1)
        order = np.argsort(kind, kind="stable")
        first = np.searchsorted(kind[order], np.arange(kind.max() + 2))
        low, high = first[kind[nodes]], first[kind[nodes] + 1]
        return np.stack([nodes, order[low + (self.rng.random(len(nodes)) * (high - low)).astype(np.int64)]], axis=1)


def _rated(pairs: Ids, rating: float) -> Iterator[RatedPair]:
    return (RatedPair(f"n{one}", f"n{other}", rating) for one, other in pairs.tolist() if one != other)
