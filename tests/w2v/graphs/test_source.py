"""A node's graph from file to walks: counts add up over shares, a second life finds everything read."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from support.graphs import planted, write_edges

from gossipw2v.w2v.graphs.source import GraphSource
from gossipw2v.w2v.graphs.walks import WalkPlan
from gossipw2v.w2v.text.blocks import Stopped
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.vocab import freeze, merge_counts


def source(path: Path, share: tuple[int, int] = (1, 1), directed: bool = False) -> GraphSource:
    made = GraphSource([str(path)], path.with_name("data"), WalkPlan(10, 4, share=share), directed, 0.01)
    made.find()
    return made


def test_counts_of_shares_merge_into_those_of_the_whole(tmp_path: Path) -> None:
    path = write_edges(tmp_path / "edges", planted(1))
    whole = asyncio.run(source(path).count())
    merged = merge_counts([asyncio.run(source(path, (n, 3)).count()) for n in (1, 2, 3)])
    assert merged.words == whole.words
    assert np.abs(merged.counts - whole.counts).max() <= 3  # each is rounded
    assert whole.tokens == whole.counts.sum() == pytest.approx(300 * 4 * 10, rel=1e-3)


def test_a_later_life_walks_the_same_without_counting_or_reading(tmp_path: Path) -> None:
    path = write_edges(tmp_path / "edges", planted(1))
    first, second = source(path), source(path)
    vocab = freeze(asyncio.run(first.count()), 1)
    first.let_go()
    assert first.totals()[0] > 0
    before = asyncio.run(first.encode(vocab))
    second.counted_before(first.totals())
    after = asyncio.run(second.encode(vocab))
    assert (before.graph.reused, after.graph.reused) == (False, True)
    assert after.checksum == before.checksum
    assert after.ids(1, 0, 500).tolist() == before.ids(1, 0, 500).tolist()
    assert (second.totals(), second.problem) == (first.totals(), None)


def test_a_share_from_which_nothing_leads_on_trains_nothing_and_says_so(tmp_path: Path) -> None:
    path = write_edges(tmp_path / "edges", ["a b"])
    shares = [source(path, (n, 50), directed=True) for n in range(1, 51)]
    counted = []
    for each in shares:
        try:
            counted.append((each, asyncio.run(each.count())))
        except CorpusError as error:
            assert "no edge leads on from this node's share" in str(error)  # noqa: PT017
    ((walker, counts),) = counted
    assert list(counts.words) == [b"a", b"b"]
    idle = next(each for each in shares if each is not walker)
    text = asyncio.run(idle.encode(freeze(counts, 1)))
    assert len(text) == len(text.held_out) == 0
    assert idle.problem is not None
    assert "trains nothing" in idle.problem


def test_stop_ends_the_reading(tmp_path: Path) -> None:
    made = source(write_edges(tmp_path / "edges", planted(1)))
    made.stop()
    with pytest.raises(Stopped):
        asyncio.run(made.count())
