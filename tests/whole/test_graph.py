"""Walks over a graph in real daemons: vectors that know its communities, shares that add up, lives that go on."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.daemons import Daemon, Daemons, addresses, write_texts
from support.graphs import labelling, named_walks, planted, read_graph, vocabulary, write_edges

from gossipw2v.w2v.graphs.csr import SUFFIX
from gossipw2v.w2v.graphs.walks import WalkPlan, WalkText

GRAPH = {"graph": True, "sample": 0, "min_count": 1, "window": 5, "walk_length": 20, "epochs": 2}
COMMUNITIES, SIZE = 6, 50


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    return write_edges(tmp_path / "edges.tsv", planted(1, COMMUNITIES, SIZE))


def score(node: Daemon) -> float:
    """How well the vectors that a node left tell the communities."""
    words, vectors, _ = node.model()
    return labelling([word.decode() for word in words], vectors)


def test_a_graph_becomes_vectors_of_its_nodes(swarm: Daemons, edges: Path) -> None:
    node = swarm.start(edges, **GRAPH)
    node.says("read the graph")
    assert swarm.ended() == [0]
    words, vectors, _ = node.model()
    assert len(words) == len(vectors) == COMMUNITIES * SIZE
    assert score(node) > 0.95
    assert re.search("loss on held-out text", node.log())
    assert "Traceback" not in node.log()
    assert len(list(node.data.glob(f"*{SUFFIX}"))) == 1


def test_four_shares_are_as_good_as_one_node(swarm: Daemons, edges: Path) -> None:
    job = {**GRAPH, "epochs": 20}
    assert swarm.start(edges, **job).end() == 0
    whole = score(swarm.all[0])
    places = addresses(4)
    nodes = [
        swarm.start(
            edges,
            **job,
            graph_share=f"{n}/4",
            listen=place,
            peers=",".join(other for other in places if other != place),
            min_peers=3,
        )
        for n, place in enumerate(places, 1)
    ]
    assert [node.end() for node in nodes] == [0] * 4
    assert min(score(node) for node in nodes) >= whole - 0.01
    starts = [int(found[1]) for node in nodes if (found := re.search(r"starts=(\d+)", node.log()))]
    assert len(starts) == 4
    assert sum(starts) == COMMUNITIES * SIZE


@pytest.mark.parametrize(("shares", "told"), [(("1/1", "2/3"), True), (("1/3", "2/3"), False)])
def test_nodes_that_walk_from_the_same_nodes_are_told_by_name(
    shares: tuple[str, str], told: bool, swarm: Daemons, edges: Path
) -> None:
    one, two = addresses(2)
    nodes = [
        swarm.start(edges, **GRAPH, graph_share=share, listen=here, peers=there, min_peers=1, until_complete=False)
        for share, here, there in zip(shares, (one, two), (two, one), strict=True)
    ]
    for node, other in zip(nodes, reversed(nodes), strict=True):
        status = node.until(lambda s: s["state"] == "complete" and (s["problems"] or not told))
        named = f"{other.status()['node'][:12]} at {other.address}: the same graph as here"
        assert [named in problem and "--graph-share 1/N" in problem for problem in status["problems"]] == [True] * told
        assert ("the same graph as here" in node.log()) == told


def test_a_node_that_was_killed_goes_on_with_the_graph_as_it_was_read(swarm: Daemons, edges: Path) -> None:
    node = swarm.start(edges, **{**GRAPH, "epochs": 60, "checkpoint_interval": 0.2})
    node.until(lambda s: s["checkpoint"]["written"] > 0 and s["progress"]["ratio"] > 0.05)
    node.end(signal.SIGKILL)
    swarm.again(node)
    assert node.end() == 0
    log = node.log()
    assert log.count("going on from") == 1
    assert log.count("read the graph") == 2
    assert "reused=True" in log
    assert score(node) > 0.95


def test_other_walks_and_another_share_are_refused_after_a_stop(swarm: Daemons, edges: Path) -> None:
    node = swarm.start(edges, **GRAPH)
    assert node.end() == 0
    swarm.again(node, "--q=2")
    assert node.end() == 2
    assert "is of another job: q is '1.0' there and '2.0' here" in node.log()
    swarm.again(node, "--q=1", "--graph-share=1/2")
    assert node.end() == 2
    assert "was trained on another text" in node.log()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"p": 4}, "another job: p is "),
        ({"walk_length": 21}, "another job: walk_length is "),
        ({"directed": "nothing"}, "another job: directed is "),
        (None, "another job: directed is "),
    ],
    ids=["p", "walk_length", "directed", "text"],
)
def test_nodes_that_walk_otherwise_or_read_text_refuse_each_other_by_name(
    changes: dict[str, object] | None, told: str, swarm: Daemons, edges: Path, tmp_path: Path
) -> None:
    one, two = addresses(2)
    first = swarm.start(edges, **GRAPH, listen=one, peers=two, until_complete=False)
    job = {name: value for name, value in GRAPH.items() if name != "graph" or changes is not None}
    job |= changes or {}
    if job.pop("directed", None):
        config = tmp_path / "directed.toml"
        config.write_text("directed = true\n")
        job["config"] = config
    other = edges if changes is not None else write_texts(tmp_path, 1, 300)[0]
    swarm.start(other, **job, listen=two, peers=one, until_complete=False)
    first.says(re.escape(told))


def test_edges_given_as_text_end_the_start_with_what_to_do(swarm: Daemons, tmp_path: Path) -> None:
    pairs = np.random.default_rng(1).integers(0, 99, (200, 2)).tolist()
    path = write_edges(tmp_path / "edges.csv", [f"{a},{b}" for a, b in pairs])
    node = swarm.start(path)
    assert node.end() == 2
    assert "give it with --graph" in node.log()
    node = swarm.start(path, graph=True)
    assert node.end() == 0


def test_a_line_that_is_no_edge_ends_the_start_with_file_and_line(swarm: Daemons, edges: Path) -> None:
    with edges.open("a") as file:
        file.write("one two three\n")
    node = swarm.start(edges, **GRAPH)
    assert node.end() == 2
    assert re.search(rf"{edges}, line \d+: ", node.log())
    assert "Traceback" not in node.log()


def test_vectors_are_as_good_as_gensims_on_the_same_walks(swarm: Daemons, tmp_path: Path) -> None:
    """Side by side at equal settings, three seeds each, on communities that are hard to tell."""
    word2vec = pytest.importorskip("gensim.models").Word2Vec
    path = write_edges(tmp_path / "hard.tsv", planted(3, COMMUNITIES, SIZE, inside=0.12, across=0.02))
    graph, ours, theirs = read_graph(path), [], []
    for seed in (1, 2, 3):
        node = swarm.start(path, **{**GRAPH, "epochs": 1}, seed=seed)
        assert node.end() == 0
        ours.append(score(node))
        plan = WalkPlan(20, seed=seed)
        walks = named_walks(WalkText(graph, plan, vocabulary(graph, plan)))
        model = word2vec(
            walks, vector_size=32, window=5, negative=5, sample=0, min_count=1, sg=1, epochs=1, workers=1, seed=seed
        )
        theirs.append(labelling(model.wv.index_to_key, model.wv.vectors))
    assert 0.3 < np.mean(theirs) < 0.99  # or there would be nothing to compare
    assert np.mean(ours) >= np.mean(theirs) - max(0.03, 2 * float(np.std(theirs)))
