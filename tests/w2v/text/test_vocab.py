"""Every node comes to the same vocabulary, and nothing that a peer or a disk hands over can be more than it says."""

import random
import struct
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gossipw2v.w2v.text.vocab as vocab_module
from gossipw2v.node.memory import check_memory, explain_memory, memory_needed
from gossipw2v.w2v.text.blocks import Stopped, TextReader
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.vocab import MAX_TOKENS, Counts, Vocab, VocabError, count_words, freeze, merge_counts
from gossipw2v.w2v.text.words import Words

LANGUAGES = "the and of и в не 的 是 不 ال في من है के में の に は และ ที่ 안녕 naïve Straße ĳ İ 🦆 e\u0301 \u200dx a\u00a0b"
WORD = st.text(st.characters(exclude_characters="\0\t\n\v\f\r ", exclude_categories=["Cs"]), min_size=1, max_size=8)
NUMBER = st.one_of(st.integers(1, 9), st.integers(65_530, 65_540), st.integers(1, 2**40))


def make(found: dict[bytes, int]) -> Counts:
    words = sorted(found)
    return Counts(Words.of(words), np.array([found[word] for word in words], np.int64), sum(found.values()))


COUNTS = st.dictionaries(WORD.map(str.encode), NUMBER, max_size=12).map(make)
SMALL = make({b"a": 70_000, b"bb": 3, "é".encode(): 3, b"d": 65_535})


def same(one: Counts, other: Counts) -> bool:
    return (one.words, one.counts.tolist(), one.totals()) == (other.words, other.counts.tolist(), other.totals())


def text_file(path: Path, tokens: int) -> Path:
    pick = random.Random(1)
    words = LANGUAGES.split(" ")
    path.write_text("".join(pick.choice(words) + pick.choice(" \n") for _ in range(tokens)))
    return path


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_counting_agrees_with_counter_in_any_language_and_thread(threads: int, tmp_path: Path) -> None:
    files = [text_file(tmp_path / f"{n}.txt", 3000) for n in range(2)]
    wanted = Counter(word for path in files for word in path.read_bytes().split())
    counts = count_words(files, TextReader(threads))
    assert dict(zip(counts.words, counts.counts.tolist(), strict=True)) == wanted
    assert list(counts.words) == sorted(wanted)
    assert counts.totals() == (6000, 0, 0, 0, 0)


def test_counting_says_what_it_replaced_dropped_and_pruned(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"a a\xff \xe2\x82 " + b"x" * 1001 + b" a b ")
    counts = count_words([path])
    assert list(counts.words) == [b"a", "a\ufffd".encode(), b"b", "\ufffd".encode()]
    assert counts.totals() == (5, 3, 1, 0, 0)
    pruned = count_words([path], max_words=2)
    assert (list(pruned.words), pruned.totals()) == ([b"a"], (5, 3, 1, 3, 3))


def test_counting_can_be_watched_and_stopped(tmp_path: Path) -> None:
    path, seen = text_file(tmp_path / "text", 100), []
    count_words([path], TextReader(progress=lambda done, total: seen.append((done, total))))
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)
    with pytest.raises(Stopped):
        count_words([path], TextReader(should_stop=lambda: True))
    path.unlink()
    with pytest.raises(CorpusError, match="text: no such file"):
        count_words([path])


@given(counts=COUNTS)
@settings(deadline=None)
def test_counts_come_back_from_bytes(counts: Counts) -> None:
    data = counts.to_bytes()
    assert same(Counts.from_bytes(data), counts)
    assert Counts.from_bytes(data).to_bytes() == data
    assert len(data) <= 56 + sum(map(len, counts.words)) + 11 * len(counts.words)


def test_totals_come_back_from_bytes() -> None:
    counts = Counts(Words.of([b"a"]), np.array([2], np.int64), 9, 1, 2, 3, 4)
    assert same(Counts.from_bytes(counts.to_bytes()), counts)


@given(data=st.binary(max_size=200), magic=st.sampled_from([b"", b"GWC1", b"GWV1"]))
@settings(deadline=None)
def test_random_bytes_are_refused(data: bytes, magic: bytes) -> None:
    for kind in (Counts, Vocab):
        try:
            read = kind.from_bytes(magic + data)
        except VocabError:
            continue
        assert read.to_bytes() == magic + data  # by chance, it was one


@given(counts=COUNTS, place=st.integers(0, 10**6), flip=st.integers(1, 255))
@settings(deadline=None)
def test_a_changed_byte_is_refused_or_changes_what_is_read(counts: Counts, place: int, flip: int) -> None:
    data = bytearray(counts.to_bytes())
    data[place % len(data)] ^= flip
    try:
        read = Counts.from_bytes(bytes(data))
    except VocabError:
        return
    assert read.to_bytes() == data


def test_bytes_cut_short_or_added_to_are_refused() -> None:
    for kind, data in ((Counts, SMALL.to_bytes()), (Vocab, freeze(SMALL, 1).to_bytes())):
        for size in range(len(data)):
            with pytest.raises(VocabError):
                kind.from_bytes(data[:size])
        with pytest.raises(VocabError, match="left over"):
            kind.from_bytes(data + b"\0")


def blob(
    text: bytes, small: list[int], large: list[int] | None = None, tokens: int = 99, number: int | None = None
) -> bytes:
    """A counts blob as a hostile peer may write it."""
    number = len(small) if number is None else number
    header = struct.pack("<4sIQ5Q", b"GWC1", number, len(text), tokens, 0, 0, 0, 0)
    return header + text + np.array(small, "<u2").tobytes() + np.array(large or [], "<i8").tobytes()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (blob(b"a\nb", [1, 1], number=2**32 - 1), "too many"),
        (blob(b"a\n" * 2**20 + b"a", [1]), "not 1 words"),
        (blob(b"a\nb", [1]), "not 1 words"),
        (blob(b"a\n\nb", [1, 1, 1]), "empty"),
        (blob(b"a\n" + b"x" * 1001, [1, 1]), "longer than 1000"),
        (blob(b"a\nb c", [1, 1]), "whitespace"),
        (blob(b"a\nb\x0b", [1, 1]), "whitespace"),
        (blob(b"a\nb\0", [1, 1]), "NUL"),
        (blob(b"a\nb\xff", [1, 1]), "UTF-8"),
        (blob(b"a\n\xe2\x82\nb", [1, 1, 1]), "UTF-8"),
        (blob(b"a\nb\xe2\x82", [1, 1]), "UTF-8: unexpected end"),
        (blob(b"b\na", [1, 1]), "out of order"),
        (blob(b"a\na", [1, 1]), "twice"),
        (blob(b"a\nb", [1, 0]), "between 1 and"),
        (blob(b"a", [65_535], [-1]), "between 1 and"),
        (blob(b"a", [65_535], [7]), "shortest form"),
        (blob(b"a", [65_535], [2**48], 2**48), "between 1 and"),
        (blob(b"a", [65_535]), "missing"),
        (blob(b"a\nb", [50, 50]), "more tokens"),
        (blob(b"a", [1], tokens=2**48 + 1), "more tokens"),
    ],
)
@pytest.mark.parametrize("piece", [1, 1 << 16])
def test_hostile_counts_are_refused_with_the_reason(
    data: bytes, why: str, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocab_module, "_PIECE", piece)
    assert same(Counts.from_bytes(SMALL.to_bytes()), SMALL)
    with pytest.raises(VocabError, match=why):
        Counts.from_bytes(data)


def test_a_sum_that_would_overflow_is_refused() -> None:
    words = Words.of(sorted(b"%d" % n for n in range(40_000)))
    huge = Counts(words, np.full(40_000, 2**48 - 1, np.int64), 5)
    with pytest.raises(VocabError, match="more tokens"):
        Counts.from_bytes(huge.to_bytes())
    ranked = Vocab(words, huge.counts)
    with pytest.raises(VocabError, match="more than"):
        Vocab.from_bytes(ranked.to_bytes())


@pytest.mark.parametrize(
    ("words", "counts", "why"),
    [
        ([b"a"], [3], "only one word, 'a'"),
        ([], [], "no word"),
        ([b"a", b"b"], [1, 2], "order"),
        ([b"b", b"a"], [2, 2], "order"),
        ([b"a", b"b", b"a"], [3, 2, 1], "twice"),
    ],
)
def test_a_hostile_vocabulary_is_refused_with_the_reason(words: list[bytes], counts: list[int], why: str) -> None:
    with pytest.raises(VocabError, match=why):
        Vocab.from_bytes(Vocab(Words.of(words), np.array(counts, np.int64)).to_bytes())


@given(parts=st.lists(COUNTS, max_size=4))
@settings(deadline=None)
def test_merging_adds_up_in_any_order(parts: list[Counts]) -> None:
    wanted = Counter[bytes]()
    for part in parts:
        wanted.update(dict(zip(part.words, part.counts.tolist(), strict=True)))
    for order in permutations(parts):
        merged = merge_counts(order)
        assert same(merged, make(wanted))


def test_merging_beyond_the_caps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Counts(Words.of([b"a"]), np.array([MAX_TOKENS - 1], np.int64), MAX_TOKENS - 1)
    with pytest.raises(VocabError, match="more than there can be"):
        merge_counts([full, full])
    monkeypatch.setattr(vocab_module, "MAX_WORDS", 3)
    with pytest.raises(VocabError, match="4 words"):
        merge_counts([SMALL])


def test_freezing_ranks_by_count_then_bytes_and_cuts() -> None:
    counts = make({b"z": 5, b"b": 7, b"a": 5, b"rare": 4, b"m": 7})
    assert list(freeze(counts, 5).words) == [b"b", b"m", b"a", b"z"]
    assert freeze(counts, 5).counts.tolist() == [7, 7, 5, 5]
    assert list(freeze(counts, 5, max_vocab=3).words) == [b"b", b"m", b"a"]
    assert freeze(counts, 1).words[-1] == b"rare"
    assert freeze(counts, 5).tokens == 24


@given(parts=st.lists(COUNTS, min_size=2, max_size=4).filter(lambda parts: len(merge_counts(parts).words) > 1))
@settings(deadline=None)
def test_whoever_merges_in_whatever_order_freezes_the_same(parts: list[Counts]) -> None:
    frozen = [freeze(merge_counts(order), 1) for order in permutations(parts)]
    assert len({vocab.digest for vocab in frozen}) == 1
    assert len({vocab.to_bytes() for vocab in frozen}) == 1
    back = Vocab.from_bytes(frozen[0].to_bytes())
    assert (back.words, back.digest) == (frozen[0].words, frozen[0].digest)


def test_too_little_for_a_vocabulary_is_refused_with_the_numbers() -> None:
    with pytest.raises(VocabError, match=r"only one word, 'often'.*min_count"):
        freeze(make({b"often": 9, b"rare": 1}), 5)
    with pytest.raises(VocabError, match=r"2 tokens of 2 words, min_count 5.*no word"):
        freeze(make({b"a": 1, b"b": 1}), 5)
    with pytest.raises(VocabError, match="max_vocab 1"):
        freeze(SMALL, 1, max_vocab=1)
    with pytest.raises(VocabError, match="no word"):
        freeze(make({}), 1)


def test_digest_and_hashes_are_what_they_have_always_been() -> None:
    vocab = freeze(SMALL, 1)
    assert list(vocab.words) == [b"a", b"d", b"bb", "é".encode()]
    assert vocab.digest.hex() == "2cdc887b24659fda841e0a67608373e2"
    assert [f"{value:016x}" for value in vocab.hashes[:2]] == ["2f42665b399ef840", "7b8ca8bc56e5a5b5"]


def test_digest_tells_words_order_and_counts_apart() -> None:
    vocabularies = ([b"a", b"b"], [2, 2]), ([b"b", b"a"], [2, 2]), ([b"a", b"b"], [2, 1]), ([b"ab", b"c"], [2, 2])
    assert len({Vocab(Words.of(words), np.array(counts, np.int64)).digest for words, counts in vocabularies}) == 4


def test_word_hashes_belong_to_the_word_not_to_its_place() -> None:
    one, other = freeze(SMALL, 1), freeze(make({b"a": 1, b"d": 2, b"new": 9}), 1)
    assert one.hashes[one.words.index(b"d")] == other.hashes[other.words.index(b"d")]
    assert one.hashes.dtype == np.uint64
    assert one.hashes is one.hashes  # made once: each link asks for the first vectors again
    assert len(set(one.hashes.tolist())) == len(one)


def test_memory_is_checked_before_it_is_taken() -> None:
    needed = memory_needed(1_000_000, 300, 4)
    matrices = 2 * 1_000_000 * 300 * 4
    assert 5 * matrices < needed < 6 * matrices
    check_memory(needed, available=2 * needed)
    with pytest.raises(VocabError, match=r"1,000,000 rows x \(300 floats.*4 links.*MiB are available"):
        check_memory(needed, explain_memory(1_000_000, 300, 4), available=needed)
    with pytest.raises(VocabError, match="not enough memory"):
        check_memory(2**60)
