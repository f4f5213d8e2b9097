"""Versions of a vocabulary: ids never move, and nothing that only says that it is one is taken for one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.w2v.growth.versions import Rule, follows, next_version, rank_of, renumbering, root_of
from gossipw2v.w2v.text.vocab import Counts, Vocab, VocabError
from gossipw2v.w2v.text.words import Words

FIRST = Vocab(Words.of([b"the", b"of", b"and"]), np.array([9, 7, 7]))
RULE = Rule(min_count=3)
TABLES = st.dictionaries(st.sampled_from([b"the", b"and", b"new", b"more", b"rare", b"some"]), st.integers(1, 9))


def counts(table: dict[bytes, int]) -> Counts:
    words = sorted(table)
    numbers = np.array([table[word] for word in words], np.int64)
    return Counts(Words.of(words), numbers, int(numbers.sum()))


def version(vocab: Vocab, *tables: dict[bytes, int], rule: Rule = RULE) -> Vocab:
    """The next, of proposals with names of their own."""
    named = {bytes([vocab.version, n] * 8): counts(table) for n, table in enumerate(tables)}
    return next_version(vocab, named, rule)


def test_words_that_pass_are_behind_those_that_there_were_and_counts_rise() -> None:
    found = version(FIRST, {b"the": 2, b"new": 2, b"rare": 2}, {b"new": 1, b"more": 4})
    assert list(found.words) == [b"the", b"of", b"and", b"more", b"new"]
    assert found.counts.tolist() == [11, 7, 7, 4, 3]
    assert (found.version, root_of(found)) == (1, root_of(FIRST))
    assert follows(FIRST, found)
    assert not follows(found, FIRST)
    assert rank_of(found) > rank_of(FIRST)


@given(st.lists(st.tuples(TABLES, TABLES), min_size=1, max_size=4))
def test_a_version_is_the_same_when_it_is_read_and_its_ids_stay(steps: list[tuple[dict[bytes, int], ...]]) -> None:
    vocab = FIRST
    for tables in steps:
        before, vocab = vocab, version(vocab, *tables)
        again = Vocab.from_bytes(vocab.to_bytes())
        assert (again.digest, again.lineage, again.to_bytes()) == (vocab.digest, vocab.lineage, vocab.to_bytes())
        assert renumbering(before, again).places.tolist() == list(range(len(before)))
        assert before.digests < again.digests
        assert rank_of(again) > rank_of(before)


@given(st.data())
def test_whatever_the_bytes_it_is_a_version_or_refused(data: st.DataObject) -> None:
    blob = bytearray(version(version(FIRST, {b"new": 5}), {b"more": 5}).to_bytes())
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(blob)))
    for bytes_of in (bytes(blob), bytes(blob[:cut])):
        try:
            found = Vocab.from_bytes(bytes_of)
        except VocabError:
            continue
        assert Vocab.from_bytes(found.to_bytes()).digest == found.digest


def test_no_more_words_than_there_is_room_for_the_most_frequent_first() -> None:
    table = {b"new": 5, b"more": 9, b"some": 7}
    assert list(version(FIRST, table, rule=Rule(3, max_vocab=5)).words[3:]) == [b"more", b"some"]
    assert list(version(FIRST, table, rule=Rule(3, room=4)).words[3:]) == [b"more"]
    assert len(version(FIRST, table, rule=Rule(3, max_vocab=2)).words) == 3


def test_a_flood_of_junk_is_cut_at_as_many_words_as_a_version_may_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gossipw2v.w2v.text.rounds.lineage.MOST_ADDED", 4)
    found = version(FIRST, {b"junk%d" % n: 3 for n in range(9)})
    assert len(found) == 7
    more = Words.of([*found.words, b"a", b"b", b"c", b"d", b"e"])
    forged = replace(found, words=more, counts=np.concatenate((found.counts, np.full(5, 3))))
    with pytest.raises(VocabError, match="far more"):
        Vocab.from_bytes(forged.to_bytes())


def test_of_two_that_were_made_apart_rows_go_by_word() -> None:
    one, other = version(FIRST, {b"new": 3, b"some": 3}), version(FIRST, {b"more": 3, b"new": 9})
    found = renumbering(one, other)
    assert (found.places.tolist(), found.dropped) == ([0, 1, 2, 3, -1], 1)
    assert found.rows.tolist() == [0, 1, 2, 3, -1, 5, 6, 7, 8, -1]


def test_what_only_says_that_it_has_grown_from_another_is_refused() -> None:
    found = version(FIRST, {b"new": 3})
    lower = replace(found, counts=found.counts - np.array([1, 0, 0, 0]))
    other_words = replace(found, words=Words.of([b"the", b"off", b"and", b"new"]))
    for forged in (lower, other_words):
        with pytest.raises(VocabError, match="not those that it grew from"):
            renumbering(FIRST, forged)
    stranger = Vocab(Words.of([b"le", b"la"]), np.array([3, 2]))
    with pytest.raises(VocabError, match="another one"):
        renumbering(stranger, found)
