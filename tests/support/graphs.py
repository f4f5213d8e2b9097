"""Graphs for tests: made of lines, with planted communities, and a slow twin of the walks."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.graphs.csr import Graph, GraphFiles
from gossipw2v.w2v.graphs.edges import EdgesReader
from gossipw2v.w2v.graphs.walks import WalkPlan, WalkText, expected_visits
from gossipw2v.w2v.text.sources.form import Form
from gossipw2v.w2v.text.vocab import Counts, Vocab, freeze
from gossipw2v.w2v.text.words import Words

Weights = dict[str, dict[str, float]]  # of each node's edges, by name


def write_edges(path: Path, lines: Sequence[str]) -> Path:
    """A file of these lines."""
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def read_graph(path: Path, directed: bool = False, encoding: str = "utf-8") -> Graph:
    """The graph of one file, kept in `path`.data."""
    folder = path.with_name(f"{path.name}.data")
    folder.mkdir(exist_ok=True)
    form = Form(encoding, as_is=True)
    return GraphFiles([path], folder, form, directed).graph(EdgesReader(folder, form))


def vocabulary(graph: Graph, plan: WalkPlan) -> Vocab:
    """All nodes that walks are expected to come to."""
    names = sorted(zip(graph.names, np.rint(expected_visits(graph, plan)).astype(int).tolist(), strict=True))
    kept = [(name, count) for name, count in names if count]
    counts = np.array([count for _, count in kept], np.int64)
    return freeze(Counts(Words.of([name for name, _ in kept]), counts, int(counts.sum())), 1)


def walk_text(graph: Graph, plan: WalkPlan, held_out: float = 0.0) -> WalkText:
    """The walks of a graph, of which every node is in the vocabulary."""
    return WalkText(graph, plan, vocabulary(graph, plan), held_out)


def named_walks(text: WalkText, epoch: int = 0) -> list[list[str]]:
    """The walks of an epoch as names."""
    words = [word.decode() for word in text.vocab.words]
    lines = text.ids(epoch, 0, len(text)).reshape(-1, text.line).tolist()
    return [[words[place] for place in line if place >= 0] for line in lines]


def rows_of(graph: Graph) -> dict[str, list[str]]:
    """The row of each node, by name."""
    names = [name.decode() for name in graph.names]
    bounds = zip(graph.offsets[:-1].tolist(), graph.offsets[1:].tolist(), strict=True)
    return {
        name: [names[target] for target in graph.targets[start:end].tolist()]
        for name, (start, end) in zip(names, bounds, strict=True)
    }


def naive_chances(edges: Weights, before: str, node: str, p: float, q: float) -> dict[str, float]:
    """The chances of node2vec's next step from `node`, to which the walk came from `before`, by their definition."""
    shares = {}
    for target, weight in edges[node].items():
        distance = 0 if target == before else 1 if target in edges[before] else 2
        shares[target] = Fraction(weight) * Fraction({0: 1 / p, 1: 1.0, 2: 1 / q}[distance])
    return {target: float(share / sum(shares.values())) for target, share in shares.items()}


def steps(walks: Sequence[Sequence[str]]) -> dict[tuple[str, str], Counter[str]]:
    """How often each node came after each two."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for walk in walks:
        for before, node, target in zip(walk, walk[1:], walk[2:], strict=False):
            found.setdefault((before, node), Counter())[target] += 1
    return found


def planted(seed: int, communities: int = 6, size: int = 50, inside: float = 0.2, across: float = 0.01) -> list[str]:
    """Edges of a stochastic block model: nodes `c-n` of community c, linked inside it and across it by chance."""
    rng, nodes = np.random.default_rng(seed), communities * size
    community = np.arange(nodes) // size
    chance = np.where(community[:, None] == community, inside, across)
    pairs = np.argwhere(np.triu(rng.random((nodes, nodes)) < chance, 1))
    return [f"{a // size}-{a}\t{b // size}-{b}" for a, b in rng.permutation(pairs).tolist()]


def labelling(words: Sequence[str], vectors: NDArray[np.float32], splits: int = 5) -> float:
    """The micro-F1 of logistic regression that learns from half of the nodes which community the others are of."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split

    labels = np.array([word.partition("-")[0] for word in words])
    scores = []
    for seed in range(splits):
        some, rest, theirs, wanted = train_test_split(
            vectors, labels, train_size=0.5, random_state=seed, stratify=labels
        )
        scores.append(float(np.mean(LogisticRegression(max_iter=1000).fit(some, theirs).predict(rest) == wanted)))
    return float(np.mean(scores))
