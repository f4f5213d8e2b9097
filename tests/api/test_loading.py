"""`load` and `connect`: files of any format, and a running node."""

from pathlib import Path

import numpy as np
import pytest
from support.daemons import Daemons, write_texts
from support.word2vec_text import write_word2vec

import gossipw2v
from gossipw2v.status.client import NoNodeError
from gossipw2v.w2v.vectors.table import VectorFileError

WORDS = ["the", "naïve", "日本"]
ROWS = np.random.default_rng(1).normal(size=(3, 7)).astype(np.float32)


def test_a_file_gives_its_words_and_rows(tmp_path: Path) -> None:
    write_word2vec(tmp_path / "v.txt", [word.encode() for word in WORDS], ROWS)
    vectors = gossipw2v.load(tmp_path / "v.txt")
    assert list(vectors) == vectors.words == WORDS
    assert np.array_equal(vectors.vectors, ROWS)
    assert np.array_equal(vectors["日本"], ROWS[2])
    assert "naïve" in vectors
    assert "naive" not in vectors
    with pytest.raises(KeyError, match="naive"):
        vectors["naive"]


def test_what_is_no_file_of_vectors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("nothing\n")
    with pytest.raises(VectorFileError, match=r"v\.txt"):
        gossipw2v.load(tmp_path / "v.txt")


def test_a_running_node_is_asked(tmp_path: Path) -> None:
    with Daemons(tmp_path) as swarm:
        daemon = swarm.start(write_texts(tmp_path, 1)[0], until_complete=False)
        node = gossipw2v.connect(daemon.url)
        assert node.wait(90) == "complete"
        words, rows = daemon.serving()
        for vectors in (node.vectors(), gossipw2v.load(daemon.url)):
            assert [word.decode() for word in words] == vectors.words
            assert np.array_equal(vectors.vectors, rows)


def test_nobody_at_the_other_end_is_told() -> None:
    with pytest.raises(NoNodeError, match="127"):
        gossipw2v.connect("http://127.0.0.1:1")
