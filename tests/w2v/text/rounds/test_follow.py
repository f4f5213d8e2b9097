"""New files are found when they have come to rest, whatever else happens in their folder."""

import os
from pathlib import Path

import pytest

from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.rounds.follow import Follower
from gossipw2v.w2v.text.rounds.record import Round, known
from gossipw2v.w2v.text.rounds.rounds import TextRounds


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "m.txt").write_text("a b\n")
    found = Corpus([str(tmp_path / "text")], tmp_path / "data", 1)
    found.find()
    return found


@pytest.fixture
def follower(corpus: Corpus) -> Follower:
    rounds = TextRounds(corpus.folder)
    rounds.past = [Round("ab", "x.shard", known(corpus.files, corpus.form))]
    return Follower(rounds)


def test_a_file_is_new_once_it_no_longer_changes(corpus: Corpus, follower: Follower, tmp_path: Path) -> None:
    new = tmp_path / "text" / "a.txt"
    assert follower.look(corpus, []) == []
    new.write_text("b c\n")
    assert follower.look(corpus, []) == []
    new.write_text("b c\nmore\n")
    assert follower.look(corpus, []) == []
    assert follower.look(corpus, []) == [new]
    assert follower.look(corpus, [new]) == []  # what is the node's own
    assert follower.rounds.told is None


def test_a_touched_file_is_not_new_and_a_changed_one_is_named(
    corpus: Corpus, follower: Follower, tmp_path: Path
) -> None:
    old = tmp_path / "text" / "m.txt"
    os.utime(old, (5, 5))
    assert [follower.look(corpus, []) for _ in range(2)] == [[], []]
    assert follower.rounds.told is None
    old.write_text("c b a\n")
    assert [follower.look(corpus, []) for _ in range(2)] == [[], []]
    assert "m.txt (1) changed" in (follower.rounds.told or "")
    (tmp_path / "text" / "b.txt").write_text("a b\n")  # the old one under another name
    old.unlink()
    assert [follower.look(corpus, []) for _ in range(2)] == [[], []]
    assert follower.rounds.told is None


def test_what_is_no_text_is_refused_by_name(corpus: Corpus, follower: Follower, tmp_path: Path) -> None:
    (tmp_path / "text" / "a.txt").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(CorpusError, match=r"a\.txt"):
        follower.look(corpus, [])
