#!/usr/bin/env python3
"""How fast a graph is read, walked and trained, what memory it takes, and how good the vectors are beside gensim's.

    tools/bench_graph.py edges.tsv [--p 0.5 --q 2]                   # seconds of a core, and memory
    tools/bench_graph.py --random 5000000 50000000                   # the same of a graph of random edges
    tools/bench_graph.py edges.tsv --labels FILE --window 10 5       # micro-F1, gensim on the very same walks

FILE has a node and its class in each line. Scores are of logistic regression, one class against all others, that
learns from half of the nodes; means of five splits for each seed.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gossipw2v.node.session import initial_weights
from gossipw2v.w2v.graphs.csr import Graph, GraphFiles
from gossipw2v.w2v.graphs.edges import EDGES, EdgesReader
from gossipw2v.w2v.graphs.walks import WalkPlan, WalkText, expected_visits, warm_up
from gossipw2v.w2v.text.vocab import Counts, Vocab, freeze
from gossipw2v.w2v.text.words import ascending
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Recipe, Trainer

SIZE, SLICE, MOST_STEPS = 128, 20_000, 4_000_000
PIECE = 1_000_000  # edges

T = TypeVar("T")


def timed(what: str, work: Callable[[], T]) -> T:
    """Do `work`, and print what it took."""
    began = time.process_time()
    done = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{what}: {time.process_time() - began:.2f} s of a core, at most {peak:,} MiB so far", flush=True)
    return done


def write_random(path: Path, nodes: int, edges: int) -> None:
    """Edges between random nodes."""
    rng = np.random.default_rng(1)
    with path.open("w", encoding="ascii") as file:
        for at in range(0, edges, PIECE):
            pairs = rng.integers(0, nodes, (min(PIECE, edges - at), 2)).tolist()
            file.writelines(f"{a}\t{b}\n" for a, b in pairs)


def vocabulary(graph: Graph, plan: WalkPlan) -> Vocab:
    """All nodes that walks are expected to come to."""
    visits = np.rint(expected_visits(graph, plan)).astype(np.int64)
    order = ascending(graph.names.array, graph.names.starts[:-1], graph.names.lengths)
    order = order[visits[order] > 0]
    return freeze(Counts(graph.names.take(order), visits[order], int(visits.sum())), 1)


def walk_some(text: WalkText) -> int:
    """Walk the first of an epoch's walks; the steps."""
    end = min(len(text), MOST_STEPS)
    for at in range(0, end, SLICE):
        text.ids(0, at, min(at + SLICE, end))
    return text.count(0, end)


def trained(text: WalkText, window: int) -> NDArray[np.float32]:
    """Vectors of an epoch in one thread."""
    vocab, seed = text.vocab, text.plan.seed
    model = Model(lambda: initial_weights(vocab, seed, SIZE), 100)
    recipe = Recipe(window, 5, 0.0, 0.025, 1e-4, 1, 0.75, seed, 1)
    for _ in Trainer(model, text, vocab.counts, recipe).steps(0, SLICE):
        pass
    return model.syn0


def gensims(text: WalkText, window: int) -> NDArray[np.float32]:
    """Gensim's vectors of the same walks at the same settings, in the order of the vocabulary."""
    from gensim.models import Word2Vec  # noqa: PLC0415 - needed for this alone

    words = [word.decode() for word in text.vocab.words]
    lines = text.ids(0, 0, len(text)).reshape(-1, text.line).tolist()
    walks = [[words[n] for n in line if n >= 0] for line in lines]
    settings = {"vector_size": SIZE, "window": window, "negative": 5, "sample": 0, "min_count": 1, "sg": 1}
    model = Word2Vec(walks, **settings, alpha=0.025, min_alpha=1e-4, epochs=1, workers=1, seed=text.plan.seed)
    return np.array([model.wv[word] for word in words])


def micro_f1(vectors: NDArray[np.float32], classes: NDArray[np.str_]) -> float:
    """In hundredths; a node has one class, so this is the share that is right."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415
    from sklearn.multiclass import OneVsRestClassifier  # noqa: PLC0415

    scores = []
    for split in range(5):
        some, rest, known, wanted = train_test_split(
            vectors, classes, train_size=0.5, random_state=split, stratify=classes
        )
        judge = OneVsRestClassifier(LogisticRegression(max_iter=1000)).fit(some, known)
        scores.append(100 * float(np.mean(judge.predict(rest) == wanted)))
    return float(np.mean(scores))


def compare(graph: Graph, plan: WalkPlan, args: argparse.Namespace) -> None:
    """Print means and standard deviations of both, for each window."""
    classes = dict(line.split() for line in args.labels.read_text("utf-8").splitlines())
    for window in args.window:
        scores: dict[str, list[float]] = {"gossipw2v": [], "gensim": []}
        for seed in range(1, args.seeds + 1):
            text = WalkText(graph, plan._replace(seed=seed), vocabulary(graph, plan))
            wanted = np.array([classes[word.decode()] for word in text.vocab.words])
            scores["gossipw2v"].append(micro_f1(trained(text, window), wanted))
            scores["gensim"].append(micro_f1(gensims(text, window), wanted))
        told = [f"{who} {np.mean(of):.2f} (deviation {np.std(of):.2f})" for who, of in scores.items()]
        print(f"window {window}: {', '.join(told)}", flush=True)


def measure(path: Path, folder: Path, args: argparse.Namespace) -> None:
    """Read, count, walk; then train and judge, or train alone where that does not take too long."""
    plan = WalkPlan(p=args.p, q=args.q)
    warm_up()
    files = GraphFiles([path], folder, EDGES, args.directed)
    graph = timed("read", lambda: files.graph(EdgesReader(folder)))
    print(graph.sizes)
    vocab = timed("count", lambda: vocabulary(graph, plan))
    if args.labels:
        compare(graph, plan, args)
        return
    text = timed("prepare", lambda: WalkText(graph, plan, vocab))
    print(f"{timed('walk', lambda: walk_some(text)):,} steps")
    if len(text) <= 4 * MOST_STEPS:
        timed(f"walk and train {text.count(0, len(text)):,} words", lambda: trained(text, args.window[0]))


def main() -> int:
    """Run; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edges", type=Path, nargs="?")
    parser.add_argument("--random", type=int, nargs=2, metavar=("NODES", "EDGES"))
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--window", type=int, nargs="+", default=[10])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--p", type=float, default=1.0)
    parser.add_argument("--q", type=float, default=1.0)
    parser.add_argument("--directed", action="store_true")
    args = parser.parse_args()
    if (args.edges is None) == (args.random is None):
        parser.error("give a file of edges, or --random")
    with tempfile.TemporaryDirectory() as folder:
        path = args.edges or Path(folder, "edges.tsv")
        if args.random:
            write_random(path, *args.random)
        measure(path, Path(folder), args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
