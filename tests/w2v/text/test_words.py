"""Words in one buffer are the list they were made of, whatever bytes they hold, and sort as Python sorts bytes."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gossipw2v.w2v.text.words as words_module
from gossipw2v.w2v.text.words import Words, ascending

NASTY = [b"", b"\0", b"\0\0", b"\n", b"\n\n", b"\xff", b"\x7f", b"a", b"a\0", b"12345678", b"12345678\0", b"12345679"]
NASTY += [b"12345678" * 3, b"12345678" * 3 + b"\0", b"\xff" * 8, b"\xff" * 9, b"x" * 1000, b"x" * 999 + b"w"]
WORD = st.one_of(st.sampled_from(NASTY), st.text("ab", max_size=20).map(str.encode), st.binary(max_size=20))
LIST = st.lists(WORD, max_size=40)
PLAIN = st.lists(WORD.filter(lambda word: b"\n" not in word), max_size=40)


def order(words: list[bytes]) -> list[int]:
    made = Words.of(words)
    return ascending(made.array, made.starts[:-1], made.lengths).tolist()


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_module, "_PIECE", 5)
    monkeypatch.setattr(words_module, "_SORTED", 3)


@given(words=LIST)
@settings(deadline=None)
def test_they_are_the_list_they_were_made_of(words: list[bytes]) -> None:
    made = Words.of(words)
    assert (list(made), len(made)) == (words, len(words))
    assert [made[n] for n in range(-len(words), len(words))] == words + words
    assert made.lengths.tolist() == list(map(len, words))
    assert bytes(made.joined) == b"\n".join(words)
    assert (made.starts.dtype, made.starts.size) == (np.int64, len(words) + 1)
    assert Words.of(made) is made
    for beyond in (len(words), -len(words) - 1):
        with pytest.raises(IndexError):
            made[beyond]


@given(words=LIST, start=st.integers(-9, 9), stop=st.integers(-9, 9), step=st.sampled_from([1, 2, -1, None]))
@settings(deadline=None)
def test_slices_are_those_of_the_list(words: list[bytes], start: int, stop: int, step: int | None) -> None:
    assert Words.of(words)[start:stop:step] == Words.of(words[start:stop:step])


@given(words=LIST, rows=st.lists(st.integers(0, 39), max_size=60))
@settings(deadline=None)
def test_words_are_taken_in_any_order_and_more_than_once(words: list[bytes], rows: list[int]) -> None:
    rows = [row % len(words) for row in rows] if words else []
    assert Words.of(words).take(np.array(rows, np.int64)) == Words.of([words[row] for row in rows])


@given(words=st.lists(WORD, min_size=1, max_size=20), between=st.binary(max_size=3))
@settings(deadline=None)
def test_words_are_gathered_from_among_other_bytes(words: list[bytes], between: bytes) -> None:
    text = np.frombuffer(between.join(words) + b" ", np.uint8)
    lengths = np.array(list(map(len, words)), np.int64)
    starts = np.cumsum(lengths + len(between)) - lengths - len(between)
    assert Words.gather(text, starts, lengths) == Words.of(words)


@given(words=PLAIN)
@settings(deadline=None)
def test_joined_words_are_split_again(words: list[bytes]) -> None:
    assert Words.split(b"\n".join(words)) == Words.of([] if words == [b""] else words)


@given(one=LIST, other=LIST)
@settings(deadline=None)
def test_equal_are_only_the_same_words_in_the_same_order(one: list[bytes], other: list[bytes]) -> None:
    assert (Words.of(one) == Words.of(other)) is (one == other)
    assert hash(Words.of(one)) == hash(Words.of(list(one)))
    assert Words.of([b"a\nb"]) != Words.of([b"a", b"b"])
    assert Words.of([b"a"]) != [b"a"]


@given(words=LIST)
@settings(deadline=None, max_examples=300)
def test_ascending_is_what_sorted_says(words: list[bytes]) -> None:
    found = order(words)
    assert sorted(found) == list(range(len(words)))
    assert [words[row] for row in found] == sorted(words)


@pytest.mark.parametrize("start", [b"", b"1234567", b"12345678", b"same start, " * 80])
def test_many_words_that_start_alike_are_told_apart(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_module, "_SORTED", 7000)
    words = [start + b"%d" % n for n in range(20_000)]
    random.Random(1).shuffle(words)
    assert [words[row] for row in order(words)] == sorted(words)
    assert Words.of(sorted(words)).ascend()
    assert Words.of(words).distinct()
    assert not Words.of([*words, words[7]]).distinct()


@given(words=LIST, rows=st.lists(st.integers(0, 38), max_size=9))
@settings(deadline=None, max_examples=300)
def test_order_is_checked_word_by_word(words: list[bytes], rows: list[int]) -> None:
    less = [one < other for one, other in pairwise(words)]
    rows = [row for row in rows if row < len(less)]
    assert Words.of(words).ascend() is all(less)
    assert Words.of(words).ascend(np.array(rows, np.int64)) is all(less[row] for row in rows)
    assert Words.of(sorted(set(words))).ascend()
    assert Words.of(words).distinct() is (len(set(words)) == len(words))
