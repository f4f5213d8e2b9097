"""The compiled scanners agree with Counter and dict on any bytes, and forget only what they say they forgot."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipw2v.w2v.text.scanner import END, WordCounter, WordIndex, count_block
from gossipw2v.w2v.text.words import Words

WORDS = [b"a", b"b", b"ab", b"aa", b"the", "日本".encode(), "é".encode(), b"\x1c", b"x" * 12, b"y" * 40]
WORDS += [b"12345678901234567890"[:n] for n in (7, 8, 9, 15, 16, 17)]  # eights, and not quite
WORDS += [b"\xa0", b"\x89\x8d", b"\x08\x0e\x1f!"]  # nearly white space
SPACES = [b" ", b"\n", b"\n\n", b"\r\n", b"\t", b"\v\f"]
TEXT = st.lists(st.one_of(st.sampled_from(WORDS + SPACES * 2), st.binary(max_size=4)), max_size=60).map(b"".join)
LIMIT = 12  # bytes of a word, so that some are over-long


def naive_ids(data: bytes, words: list[bytes]) -> list[int]:
    """The obvious twin of `WordIndex.encode`."""
    index = {word: place for place, word in enumerate(words)}
    ids: list[int] = []
    *lines, last = data.split(b"\n")
    for line in lines:
        ids += [index[word] for word in line.split() if word in index]
        if not ids or ids[-1] != END:
            ids.append(END)
    return ids + [index[word] for word in last.split() if word in index]


@given(data=TEXT, room=st.sampled_from([1, 2, 64]), seed=st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_counting_a_block_agrees_with_counter(data: bytes, room: int, seed: int) -> None:
    part = count_block(data or b"\n", LIMIT, np.uint64(seed), room)
    starts, lengths = part.table.starts, part.table.lengths
    found = {data[at : at + n]: count for at, n, count in zip(starts, lengths, part.table.counts, strict=True)}
    wanted = Counter(word for word in data.split() if len(word) <= LIMIT)
    assert found == wanted
    assert list(found) == list(wanted)  # in the order of their first occurrence
    assert (part.tokens, part.tokens + part.dropped) == (wanted.total(), len(data.split()))


@given(blocks=st.lists(TEXT.filter(bool), max_size=8))
@settings(deadline=None)
def test_adding_up_blocks_agrees_with_counter(blocks: list[bytes]) -> None:
    counter, wanted = WordCounter(1000, LIMIT), Counter[bytes]()
    for block in blocks:
        counter.add(counter.count(block))
        wanted.update(word for word in block.split() if len(word) <= LIMIT)
    words, counts = counter.result()
    assert list(words) == sorted(wanted)
    assert counts.tolist() == [wanted[word] for word in words]
    assert (counter.tokens, counter.pruned_words) == (wanted.total(), 0)


def test_tables_grow_with_the_text() -> None:
    counter = WordCounter(10**6, 100)
    for start in range(0, 200_000, 40_000):
        counter.add(counter.count(b" ".join(b"word-%d" % n for n in range(start, start + 50_000))))
    words, counts = counter.result()
    assert list(words) == sorted(b"word-%d" % n for n in range(210_000))
    assert counts.sum() == counter.tokens == 250_000


@given(blocks=st.lists(TEXT.filter(bool), max_size=12), cap=st.integers(1, 12))
@settings(deadline=None)
def test_pruning_holds_the_cap_and_accounts_for_every_token(blocks: list[bytes], cap: int) -> None:
    counter, exact = WordCounter(cap, LIMIT), Counter[bytes]()
    for block in blocks:
        counter.add(counter.count(block))
        exact.update(word for word in block.split() if len(word) <= LIMIT)
    words, counts = counter.result()
    assert len(words) == len(set(words)) <= cap
    assert counts.sum() + counter.pruned_tokens == counter.tokens
    assert all(count <= exact[word] for word, count in zip(words, counts, strict=True))


def test_pruning_forgets_the_rarest_and_keeps_counting_the_frequent() -> None:
    counter = WordCounter(100, LIMIT)
    for n in range(50):
        rare = b" ".join(b"r%d" % m for m in range(90 * n, 90 * n + 90))
        counter.add(counter.count(b"often " * 20 + b"more " * 5 + rare))
    words, counts = counter.result()
    found = dict(zip(words, counts.tolist(), strict=True))
    assert (found[b"often"], found[b"more"]) == (1000, 250)
    assert counter.pruned_words == counter.pruned_tokens == 50 * 90 - (len(words) - 2)


def test_what_is_left_after_pruning_is_found_again() -> None:
    counter = WordCounter(4, LIMIT)
    for _ in range(2):
        counter.add(counter.count(b"a b c d e e e e long-word-1 long-word-1"))
        counter.add(counter.count(b"e long-word-1 e"))
    words, counts = counter.result()
    assert dict(zip(words, counts.tolist(), strict=True)) == {b"e": 12, b"long-word-1": 6}
    assert (counter.pruned_words, counter.pruned_tokens) == (8, 8)


@given(data=TEXT, words=st.sets(st.one_of(st.sampled_from(WORDS), st.binary(min_size=1, max_size=3)), min_size=1))
@settings(deadline=None)
def test_encoding_agrees_with_a_dict(data: bytes, words: set[bytes]) -> None:
    vocabulary = [word for word in sorted(words) if word.split() == [word]] or [b"q"]
    ids = WordIndex(Words.of(vocabulary)).encode(data or b"\n")
    assert ids.dtype == np.int32
    assert ids.tolist() == naive_ids(data or b"\n", vocabulary)


@pytest.mark.parametrize("before", range(9))
def test_white_space_of_ascii_and_no_other_byte_ends_a_word(before: int) -> None:
    for byte in range(256):
        data = b"x" * before + bytes([byte]) + b"y"
        part = count_block(data, 100, np.uint64(1))
        found = [data[at : at + n] for at, n in zip(part.table.starts, part.table.lengths, strict=True)]
        assert found == data.split(), byte


ALIKE = [b"%d-with-the-same-end" % n for n in range(1000)] + [b"a" * n for n in range(1, 1000)] + [b"\0" * 8]
ALIKE += [b"%d%c12345678" % (n, letter) for n in range(10) for letter in range(33, 127)] + [b"12345678"]


def test_words_that_end_alike_are_told_apart() -> None:
    text = b" ".join(ALIKE)
    assert WordIndex(Words.of(ALIKE)).encode(text).tolist() == list(range(len(ALIKE)))
    counter = WordCounter(10**6, 1000)
    for _ in range(2):
        counter.add(counter.count(text))
    words, counts = counter.result()
    assert list(words) == sorted(ALIKE)
    assert set(counts.tolist()) == {2}


@given(parts=st.lists(st.dictionaries(st.sampled_from(WORDS), st.integers(1, 2**40)), max_size=4))
@settings(deadline=None)
def test_words_counted_elsewhere_are_added(parts: list[dict[bytes, int]]) -> None:
    counter, wanted = WordCounter(1000, LIMIT), Counter[bytes]()
    for part in parts:
        counter.add_words(Words.of(list(part)), np.array(list(part.values()), np.int64))
        wanted.update(part)
    words, counts = counter.result()
    assert dict(zip(words, counts.tolist(), strict=True)) == wanted
    assert counter.tokens == wanted.total()


@pytest.mark.parametrize("number", [1, 2, 3, 1000, 100_000])
def test_every_word_of_a_vocabulary_finds_its_place(number: int) -> None:
    words = [b"w%d" % n for n in range(number)]
    assert WordIndex(Words.of(words)).encode(b" ".join(words)).tolist() == list(range(number))
