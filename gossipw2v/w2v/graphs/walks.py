"""Random walks as a text that is not there: ids of any span of any epoch, made when they are asked for.

Each walk has `length` places and one more, which ends it; where no edge leads on, or a node is not in the vocabulary,
the last places are empty. So every span of every epoch is known by its number, and a node that goes on where another
life was trains the same walks.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.graphs.csr import Graph, GraphFiles
from gossipw2v.w2v.graphs.edges import EDGES, EdgesReader
from gossipw2v.w2v.kernels.graphs import parsing, rows
from gossipw2v.w2v.kernels.graphs.walks import Bias, walk
from gossipw2v.w2v.kernels.hashing import indexed, new_seed
from gossipw2v.w2v.text.blocks import Stop, Stopped
from gossipw2v.w2v.text.heldout import MOST_WORDS
from gossipw2v.w2v.text.scanner import table_of
from gossipw2v.w2v.text.vocab import Vocab
from gossipw2v.w2v.text.words import Words

NEVER = 0xFFFFFFFF  # an epoch that is not trained: its walks measure the loss
SETTLED = 1e-4  # of all walks; when a step moves fewer, later steps are as this one

_SHARE_SEED = 0x5EED  # of the hash that deals start nodes out: alike on all nodes

Ids = NDArray[np.int32]
Places = NDArray[np.int64]


class WalkPlan(NamedTuple):
    """`walks` of `length` nodes from each start node in each epoch, second-order by `p` and `q`; `seed` of all.

    `share`: (i, n), of n nodes with the same graph, the one that begins at the i-th part of its nodes, from 1.
    """

    length: int = 40
    walks: int = 10
    p: float = 1.0
    q: float = 1.0
    seed: int = 1
    share: tuple[int, int] = (1, 1)

    def bias(self, directed: bool) -> Bias:
        """The chances as `walk` has them."""
        most = max(1 / self.p, 1.0, 1 / self.q)
        back, near, far = (np.uint64(round(weight / most * 2**32)) for weight in (1 / self.p, 1.0, 1 / self.q))
        return Bias(back, near, far, not self.p == self.q == 1, directed)


@dataclass(slots=True)
class WalkText:
    """The walks that `plan` makes of `graph`, from `starts` int32[m], as the ids that `vocab` gives to nodes.

    `held_out` int32[k]: walks of an epoch that is never trained, about `share_held_out` of one epoch.
    """

    graph: Graph
    plan: WalkPlan
    vocab: Vocab
    share_held_out: float = 0.0
    starts: Ids = field(init=False)
    rows: Ids = field(init=False)  # [N], of each node of the graph; -1 where it is not in the vocabulary
    held_out: Ids = field(init=False)
    bias: Bias = field(init=False)

    def __post_init__(self) -> None:
        self.starts = start_nodes(self.graph, self.plan.share)
        self.rows = _rows(self.graph, self.vocab)
        self.bias = self.plan.bias(self.graph.directed)
        walks = len(self.starts) * self.plan.walks
        number = math.ceil(min(self.share_held_out * walks, MOST_WORDS / self.plan.length))
        self.held_out = self._walks(NEVER, np.arange(number)).reshape(-1)
        self.graph = replace(self.graph, names=Words.of(()))  # which are large, and have served

    @property
    def checksum(self) -> bytes:
        """16 bytes; texts that share it are trained alike."""
        facts = repr((tuple(self.plan), self.graph.directed, self.share_held_out)).encode()
        return hashlib.blake2b(facts + self.graph.checksum + self.vocab.digest, digest_size=16).digest()

    @property
    def line(self) -> int:
        """Places of a walk, with the one that ends it."""
        return self.plan.length + 1

    def __len__(self) -> int:
        return len(self.starts) * self.plan.walks * self.line

    def ids(self, epoch: int, start: int, stop: int) -> Ids:
        """The ids at places `start` to `stop` of an epoch, -1 at the end of each walk."""
        first, last = start // self.line, -(-stop // self.line)
        walks = self._walks(epoch, np.arange(first, last)).reshape(-1)
        return walks[start - first * self.line : stop - first * self.line]

    def at(self, places: Places) -> Ids:
        """The ids at some places of the first epoch, in the shape of `places`."""
        numbers, which = np.unique(places // self.line, return_inverse=True)
        return np.asarray(self._walks(0, numbers)[which.reshape(places.shape), places % self.line])

    def words(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Which places from `start` to `stop` are counted as words, in any epoch: as if no walk ended early."""
        return np.asarray(np.arange(start, stop) % self.line != self.plan.length)

    def count(self, start: int, stop: int) -> int:
        """How many these are."""
        return (stop - start) - (stop // self.line - start // self.line)

    def forget(self) -> None:
        """Nothing: the next walk may need any page."""

    def _walks(self, epoch: int, numbers: Places) -> Ids:
        """The walks int32[n, length + 1] that have these numbers in an epoch."""
        out = np.empty((len(numbers), self.line), np.int32)
        if len(numbers):
            g, seed = self.graph, np.uint64(self.plan.seed)
            bias, epoch_bits = self.bias, np.uint64(epoch)
            walk(g.offsets, g.targets, g.cells, self.starts, self.rows, bias, seed, epoch_bits, numbers, out)
        return out


def start_nodes(graph: Graph, share: tuple[int, int] = (1, 1)) -> Ids:
    """int32[m]: the nodes of a share from which an edge leads on. The name decides, so that all nodes deal alike."""
    hashes, names = np.empty(len(graph.names), np.uint64), graph.names
    parsing.hashes_of(names.array, names.starts[:-1], names.lengths, np.uint64(_SHARE_SEED), hashes)
    mine = hashes % np.uint64(share[1]) == share[0] - 1
    return np.flatnonzero(mine & (np.diff(graph.offsets) > 0)).astype(np.int32)


def expected_visits(graph: Graph, plan: WalkPlan, should_stop: Stop = lambda: False) -> NDArray[np.float64]:
    """float64[N]: how often the walks of an epoch are expected at each node, were they all of first order. Stopped."""
    here = np.zeros(len(graph.names))
    here[start_nodes(graph, plan.share)] = plan.walks
    visits = here.copy()
    for step in range(1, plan.length):
        if should_stop():
            raise Stopped
        there = np.zeros(len(here))
        rows.propagate(graph.offsets, graph.targets, graph.cells, here, there)
        visits += there
        if np.abs(there - here).sum() <= SETTLED * there.sum():
            return visits + there * (plan.length - 1 - step)
        here = there
    return visits


def _rows(graph: Graph, vocab: Vocab) -> Ids:
    """int32[N]: the place of each node's name in the vocabulary, or -1."""
    words, found = vocab.words, np.empty(len(graph.names), np.int32)
    table = indexed(table_of(words, new_seed()))
    names = graph.names
    parsing.lookup(names.array, names.starts[:-1], names.lengths, table, words.array, found)
    return found


def warm_up() -> None:
    """Compile, or load from the disk cache, all that reading and walking a graph needs."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "edges")
        path.write_text("a b 1\nb c 2\nc a 1\n", "ascii")
        graph = GraphFiles([path], Path(folder), EDGES, False).graph(EdgesReader(Path(folder)))
        visits = np.rint(expected_visits(graph, WalkPlan(3, 1)))
        order = np.argsort(-visits, kind="stable")
        vocab = Vocab(graph.names.take(order), visits[order].astype(np.int64))
        WalkText(graph, WalkPlan(3, 1, 0.5, 2.0), vocab, 0.5)
