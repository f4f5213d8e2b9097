"""Walks: chances as node2vec defines them, the same ones from the same seed, every span of every epoch on its own."""

from collections import deque
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.graphs import (
    Weights,
    naive_chances,
    named_walks,
    planted,
    read_graph,
    steps,
    walk_text,
    write_edges,
)

from gossipw2v.w2v.graphs.walks import WalkPlan, WalkText, expected_visits, start_nodes
from gossipw2v.w2v.kernels.graphs import parsing
from gossipw2v.w2v.text.vocab import Vocab
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Recipe, Trainer

# two triangles and a tail, of different weights
EDGES = {
    ("a", "b"): 1.0,
    ("b", "c"): 2.0,
    ("a", "c"): 4.0,
    ("c", "d"): 1.0,
    ("d", "e"): 3.0,
    ("c", "e"): 0.5,
    ("e", "f"): 1,
}
BACK = {("e", "c"): 2.0, ("b", "a"): 1.0, ("g", "a"): 1.0}  # where edges lead one way; to f alone there is no way on
SIGMAS = 5.0  # of some thousand chances that are looked at, none should be further off


def edges_of(directed: bool) -> dict[tuple[str, str], float]:
    return {**EDGES, **BACK} if directed else {**EDGES, **{(b, a): weight for (a, b), weight in EDGES.items()}}


def weights_of(weighted: bool, directed: bool) -> Weights:
    found: Weights = {name: {} for pair in edges_of(directed) for name in pair}
    for (source, target), weight in edges_of(directed).items():
        found[source][target] = weight if weighted else 1.0
    return found


def small(tmp_path: Path, plan: WalkPlan, weighted: bool = False, directed: bool = False) -> WalkText:
    edges = edges_of(True) if directed else EDGES
    lines = [f"{a} {b} {weight}" if weighted else f"{a} {b}" for (a, b), weight in edges.items()]
    return walk_text(read_graph(write_edges(tmp_path / "edges", lines), directed), plan)


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.25, 4.0), (4.0, 0.25), (0.5, 0.5), (4.0, 4.0)])
def test_steps_have_the_chances_of_node2vec(p: float, q: float, weighted: bool, directed: bool, tmp_path: Path) -> None:
    edges, looked_at = weights_of(weighted, directed), 0
    text = small(tmp_path, WalkPlan(30, 2000, p, q), weighted, directed)
    for (before, node), targets in steps(named_walks(text)).items():
        total = targets.total()
        for target, chance in naive_chances(edges, before, node, p, q).items():
            spread = np.sqrt(total * chance * (1 - chance))
            assert abs(targets[target] - total * chance) <= SIGMAS * spread + 1e-9, (before, node, target)
            looked_at += 1
        assert targets.keys() <= edges[node].keys()
    assert looked_at > 15


def test_a_wrong_chance_would_be_seen(tmp_path: Path) -> None:
    found = steps(named_walks(small(tmp_path, WalkPlan(30, 2000, 0.25, 4.0))))
    targets = found["a", "c"]
    chance = naive_chances(weights_of(False, False), "a", "c", 0.25, 2.0)["d"]  # another q
    assert abs(targets["d"] - targets.total() * chance) > SIGMAS * np.sqrt(targets.total() * chance)


def test_an_epoch_begins_each_walk_as_often_at_each_node_and_every_epoch_differs(tmp_path: Path) -> None:
    text = small(tmp_path, WalkPlan(5, 7))
    for epoch in range(3):
        walks = named_walks(text, epoch)
        for turn in range(7):
            begun = [walk[0] for walk in walks[6 * turn : 6 * turn + 6]]
            assert sorted(begun) == list("abcdef")
        assert walks != named_walks(text, epoch + 1)
    assert named_walks(text) == named_walks(small(tmp_path, WalkPlan(5, 7)))
    assert named_walks(text) != named_walks(small(tmp_path, WalkPlan(5, 7, seed=2)))


def test_walks_follow_edges_and_end_where_none_leads_on(tmp_path: Path) -> None:
    text = small(tmp_path, WalkPlan(6, 50), directed=True)
    edges = weights_of(False, True)
    walks = named_walks(text)
    assert {walk[0] for walk in walks} == set("abcdeg")  # from f no edge leads on
    for walk in walks:
        assert all(target in edges[node] for node, target in pairwise(walk))
        assert walk[-1] == "f" or len(walk) == 6


def test_every_span_is_as_it_is_in_the_whole(tmp_path: Path) -> None:
    text = small(tmp_path, WalkPlan(7, 5, 0.5, 2.0))
    whole = [text.ids(epoch, 0, len(text)) for epoch in range(2)]
    assert len(whole[0]) == len(text) == 6 * 5 * 8
    for epoch, start, stop in [(0, 0, 0), (0, 3, 4), (1, 7, 8), (1, 5, 100), (0, 16, 24), (1, 230, 240)]:
        assert text.ids(epoch, start, stop).tolist() == whole[epoch][start:stop].tolist()
        mask = text.words(start, stop)
        assert mask.tolist() == [place % 8 != 7 for place in range(start, stop)]
        assert text.count(start, stop) == int(mask.sum())
    places = np.array([[0, 239, 17], [17, 8, 100]])
    assert text.at(places).tolist() == whole[0][places].tolist()


def test_what_is_not_in_the_vocabulary_is_left_out_and_the_rest_moves_up(tmp_path: Path) -> None:
    full = small(tmp_path, WalkPlan(9, 3))
    keep = [n for n, word in enumerate(full.vocab.words) if word != b"c"]
    fewer = WalkText(
        read_graph(tmp_path / "edges"), full.plan, Vocab(full.vocab.words.take(np.array(keep)), full.vocab.counts[keep])
    )
    assert named_walks(fewer) == [[name for name in walk if name != "c"] for walk in named_walks(full)]
    assert (fewer.ids(0, 0, len(fewer)).reshape(-1, 10)[:, -1] == -1).all()


def test_the_hashes_by_which_nodes_deal_are_those_of_every_version() -> None:
    names, hashes = Words.of([b"a", b"node-17", b"12345678", "\u65e5\u672c".encode()]), np.empty(4, np.uint64)
    parsing.hashes_of(names.array, names.starts[:-1], names.lengths, np.uint64(0x5EED), hashes)
    told = [f"{value:016x}" for value in hashes.tolist()]
    assert told == ["e63112b1446c1acc", "bb9778a4ec04071f", "e4891feacd8a1ef3", "9998b4fe49b831ad"]


def test_shares_part_the_start_nodes_and_their_visits_add_up(tmp_path: Path) -> None:
    graph = read_graph(write_edges(tmp_path / "edges", planted(1)))
    whole = start_nodes(graph)
    parts = [start_nodes(graph, (n, 4)) for n in range(1, 5)]
    assert sorted(np.concatenate(parts).tolist()) == whole.tolist()
    assert min(map(len, parts)) > len(whole) // 8
    visits = [expected_visits(graph, WalkPlan(share=(n, 4))) for n in range(1, 5)]
    assert np.allclose(sum(visits), expected_visits(graph, WalkPlan()), rtol=1e-2)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("directed", [False, True])
def test_expected_visits_are_those_of_many_walks(weighted: bool, directed: bool, tmp_path: Path) -> None:
    text = small(tmp_path, WalkPlan(8, 4000), weighted, directed)
    graph = read_graph(tmp_path / "edges", directed)
    visits = dict(zip(graph.names, expected_visits(graph, text.plan).tolist(), strict=True))
    ids = text.ids(0, 0, len(text))
    for word, count in zip(text.vocab.words, np.bincount(ids[ids >= 0]).tolist(), strict=True):
        assert count == pytest.approx(visits[word], rel=0.03)


def test_walks_are_held_out_that_are_never_trained(tmp_path: Path) -> None:
    graph = read_graph(write_edges(tmp_path / "edges", planted(1)))
    text = walk_text(graph, WalkPlan(walks=2), 0.01)
    assert len(text.held_out) == 41 * int(np.ceil(0.01 * 2 * len(start_nodes(graph))))
    trained = {tuple(walk) for epoch in range(3) for walk in text.ids(epoch, 0, len(text)).reshape(-1, 41).tolist()}
    assert not trained & {tuple(walk) for walk in text.held_out.reshape(-1, 41).tolist()}
    assert not len(walk_text(graph, WalkPlan(walks=2)).held_out)


def test_the_checksum_is_of_all_that_decides_what_is_trained(tmp_path: Path) -> None:
    plans = [
        WalkPlan(),
        WalkPlan(41),
        WalkPlan(walks=9),
        WalkPlan(p=2.0),
        WalkPlan(q=2.0),
        WalkPlan(seed=2),
        WalkPlan(share=(1, 2)),
    ]
    sums = [small(tmp_path, plan).checksum for plan in plans]
    assert len(set(sums)) == len(plans)
    assert small(tmp_path, WalkPlan()).checksum == sums[0]
    other = read_graph(write_edges(tmp_path / "other", ["a b", "b c", "c d", "d e", "e f"]))
    assert walk_text(other, WalkPlan()).checksum not in sums


# --- trained -----------------------------------------------------------------------------------------------


def trainer_of(text: WalkText, threads: int = 1) -> Trainer:
    recipe = Recipe(5, 5, 0.0, 0.025, 1e-4, 3, 0.75, 1, threads)
    words = len(text.vocab)
    start = (np.random.default_rng(1).random((2 * words, 16)) - 0.5).astype(np.float32)
    start[words:] = 0
    return Trainer(Model(start.copy, 100), text, text.vocab.counts, recipe)


def went_on(before: Trainer, text: WalkText) -> Trainer:
    """Another trainer that goes on from there, as after a restart."""
    trainer = trainer_of(text)
    trainer.model.weights[:], trainer.model.updates[:] = before.model.weights, before.model.updates
    trainer.resume(before.cursor.positions, before.losses.by_epoch)
    done = before.before + before.trained
    trainer.others = (done, done)  # so alpha is that of the whole
    return trainer


def test_training_that_is_resumed_in_the_middle_of_an_epoch_gives_the_same_bits(tmp_path: Path) -> None:
    plan, path = WalkPlan(p=0.5, q=2.0), write_edges(tmp_path / "edges", planted(1))
    through, before = (trainer_of(walk_text(read_graph(path), plan)) for _ in range(2))
    deque(through.steps(0, 20_000))
    for _ in zip(range(9), before.steps(0, 20_000), strict=False):
        pass
    assert before.cursor.positions[0].left
    assert before.cursor.positions[0].epoch == 2
    after = went_on(before, walk_text(read_graph(path), plan))  # another life: everything is made anew
    deque(after.steps(0, 20_000))
    assert before.trained + after.trained == through.trained == 3 * len(start_nodes(read_graph(path))) * 10 * 40
    assert after.model.weights.tobytes() == through.model.weights.tobytes()
    other = trainer_of(walk_text(read_graph(path), plan._replace(seed=2)))
    deque(other.steps(0, 20_000))
    assert other.model.weights.tobytes() != through.model.weights.tobytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_each_walk_of_each_epoch_is_trained_once_by_any_number_of_threads(threads: int, tmp_path: Path) -> None:
    text = walk_text(read_graph(write_edges(tmp_path / "edges", planted(1))), WalkPlan(walks=2))
    trainer = trainer_of(text, threads)
    for thread in range(threads):
        deque(trainer.steps(thread, 5000))
    assert trainer.trained == trainer.total == 3 * text.count(0, len(text))
    assert trainer.done
