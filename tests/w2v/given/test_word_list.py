"""A list of words is read whole or refused by line, and nothing beside it comes through."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gossipw2v.w2v.given.word_list as module
from gossipw2v.config.job import Job
from gossipw2v.node.agreement import _frozen
from gossipw2v.w2v.given.given import Given
from gossipw2v.w2v.given.word_list import WordList, read_word_list
from gossipw2v.w2v.text.vocab import Counts, Vocab, VocabError, freeze
from gossipw2v.w2v.text.words import Words

WORD = st.text(
    st.characters(exclude_characters="\0\t\n\v\f\r ", exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1
)


def listed(tmp_path: Path, data: bytes) -> WordList:
    path = tmp_path / "words"
    path.write_bytes(data)
    return read_word_list(path)


def counts(**found: int) -> Counts:
    words = sorted(found)
    values = np.array([found[word] for word in words], np.int64)
    return Counts(Words.of([word.encode() for word in words]), values, int(values.sum()) + 5)


def test_order_blank_lines_and_line_ends_make_no_other_list(tmp_path: Path) -> None:
    one = listed(tmp_path, b"\xef\xbb\xbfb\r\n\r\na\xc3\xa9\r\nc")
    other = listed(tmp_path, b"c\n a\xc3\xa9 \nb\n\n")
    assert list(one.words) == [b"a\xc3\xa9", b"b", b"c"]
    assert one.counts is None
    assert one.digest == other.digest
    assert one.digest != listed(tmp_path, b"c\na\xc3\xa9\n").digest
    assert one.digest != listed(tmp_path, b"c 1\na\xc3\xa9 1\nb 1\n").digest


def test_counts_go_with_their_words(tmp_path: Path) -> None:
    found = listed(tmp_path, b"the 70000\nof\t69999\nand 1\n")
    assert found.counts is not None
    assert dict(zip(found.words, found.counts.tolist(), strict=True)) == {b"the": 70_000, b"of": 69_999, b"and": 1}
    assert found.digest != listed(tmp_path, b"the 70000\nof\t69999\nand 2\n").digest


@given(words=st.lists(WORD, min_size=2, max_size=20, unique=True))
@settings(deadline=None)
def test_whatever_words_there_are_come_back(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    encoded = [word.encode() for word in words if len(word.encode()) <= 1000]
    found = listed(tmp_path_factory.mktemp("list"), b"\n".join(encoded)) if len(encoded) > 1 else None
    assert found is None or list(found.words) == sorted(encoded)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "holds 0 words"),
        (b"\n \n", "holds 0 words"),
        (b"one\n", "holds 1 words"),
        (b"a\nb\nc\nb\n", "line 4: the word 'b' stood already in line 2; take one out"),
        (b"a 2\nb\n", "line 2: some words have counts and some have none"),
        (b"a\nb 2\n", "line 2: some words have counts and some have none"),
        (b"a 2\nb 0\n", "line 2: what follows the word is no count"),
        (b"a 2\nb -1\n", "line 2: what follows the word is no count"),
        (b"a 2\nb 1e3\n", "line 2: what follows the word is no count"),
        (b"a 2\nb %d\n" % 2**80, "line 2: what follows the word is no count"),
        (b"a b c\n", "line 1: what follows the word is no count, but 'b c'"),
        (b"a %d\nb %d\n" % (2**48, 2**48), "scale them down"),
        (b"a\n\xff\n", "line 2: is not UTF-8"),
        (b"a\nb\0\n", "line 2: holds a NUL"),
        (b"a\n" + b"x" * 1001 + b"\n", "line 2: a word of 1,001 bytes"),
        (b"a\n" + b"x" * 5000, "line 2: is longer than"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(data: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(VocabError, match=f"words.*{why}"):
        listed(tmp_path, data)


def test_a_list_that_is_too_large_or_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WORDS", 2)
    assert len(listed(tmp_path, b"a\nb\n").words) == 2
    with pytest.raises(VocabError, match=r"line 3: more than 2 words; leave out"):
        listed(tmp_path, b"a\nb\nc\n")
    monkeypatch.setattr(module, "MOST_BYTES", 5)
    with pytest.raises(VocabError, match="more than 5 bytes"):
        listed(tmp_path, b"aa\nbb\n")
    with pytest.raises(VocabError, match=r"No such file.*--vocab takes"):
        read_word_list(tmp_path / "nowhere")
    with pytest.raises(VocabError, match="--vocab takes"):
        read_word_list(tmp_path)


def test_only_listed_words_leave_and_none_where_the_list_has_counts(tmp_path: Path) -> None:
    own = counts(a=3, b=2, secret=9)
    plain, counted = listed(tmp_path, b"b\na\nnever\n"), listed(tmp_path, b"b 50\na 40\nnever 30\n")
    leaving = plain.leaving(own)
    assert dict(zip(leaving.words, leaving.counts.tolist(), strict=True)) == {b"a": 3, b"b": 2}
    assert leaving.totals() == own.totals()
    assert not len(counted.leaving(own).words)
    assert Counts.from_bytes(counted.leaving(own).to_bytes()).totals() == own.totals()


def test_the_vocabulary_is_of_the_list(tmp_path: Path) -> None:
    own, job = counts(a=3, b=2, secret=9), Job(min_count=2)
    plain = Given(listed(tmp_path, b"b\na\nnever\n"))
    counted = Given(listed(tmp_path, b"b 50\na 40\nnever 30\nrare 1\n"))
    assert list(Vocab.from_bytes(_frozen([own], job, plain)).words) == [b"a", b"b"]
    found = Vocab.from_bytes(_frozen([plain.leaving(own)], job, counted))
    assert (list(found.words), found.counts.tolist()) == ([b"b", b"a", b"never"], [50, 40, 30])


def test_other_words_and_other_counts_of_peers_are_refused(tmp_path: Path) -> None:
    plain, counted = Given(listed(tmp_path, b"a\nb\n")), Given(listed(tmp_path, b"a 2\nb 1\n"))
    plain.check(counts(a=1).words)
    plain.check(Words.of(()))
    with pytest.raises(VocabError, match=r"a word that is not in .*words"):
        plain.check(counts(a=1, evil=7).words)
    vocab = freeze(counts(a=2, b=1), 1)
    counted.check(vocab.words, vocab.counts)
    with pytest.raises(VocabError, match="another count"):
        counted.check(vocab.words, vocab.counts + 1)
    Given().check(counts(anything=1).words)
