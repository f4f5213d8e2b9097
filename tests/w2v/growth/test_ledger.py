"""Words that wait: whatever versions come and go, each is counted once."""

from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.w2v.growth.ledger import KEPT, NAME, WaitingWords
from gossipw2v.w2v.growth.versions import Rule, next_version, root_of
from gossipw2v.w2v.text.vocab import Counts, Vocab
from gossipw2v.w2v.text.words import Words

FIRST = Vocab(Words.of([b"the", b"of", b"and"]), np.array([9, 7, 7]))
RULE = Rule(min_count=3)


def counts(table: dict[bytes, int]) -> Counts:
    words = sorted(table)
    numbers = np.array([table[word] for word in words], np.int64)
    return Counts(Words.of(words), numbers, int(numbers.sum()))


def numbers(found: Counts | Vocab) -> Counter[bytes]:
    return Counter(dict(zip(found.words, found.counts.tolist(), strict=True)))


def waiting(folder: Path = Path()) -> WaitingWords:
    return WaitingWords(folder, root_of(FIRST))


def proposed(words: WaitingWords, name: bytes) -> dict[bytes, Counts]:
    words.propose(name * 16, words.proposal(1))
    return {name * 16: words.offered[name * 16]}


def test_words_below_min_count_wait_until_they_are_enough() -> None:
    found = waiting()
    found.add(counts({b"rare": 2, b"new": 4, b"the": 1}), ["file one"])
    one = next_version(FIRST, proposed(found, b"a"), RULE)
    found.adopted(one)
    assert numbers(found.waiting) == {b"rare": 2}
    found.add(counts({b"rare": 1}), ["file two"])
    two = next_version(one, proposed(found, b"b"), RULE)
    found.adopted(two)
    assert not len(found.waiting.words)
    assert numbers(two)[b"rare"] == 3


@given(st.lists(st.tuples(st.sampled_from("cvvb"), st.integers(0, 7)), max_size=12))
def test_nothing_is_counted_twice_nor_lost_whatever_versions_come(steps: list[tuple[str, int]]) -> None:
    """c: text is counted, v: a version is made of what waits, b: the node goes on from some version that it had."""
    found, read, vocab, had = waiting(), Counter[bytes](), FIRST, [FIRST]
    for number, (step, choice) in enumerate(steps):
        if step == "c":
            table = {b"the": 1, b"new%d" % choice: 2, b"rare%d" % (choice % 3): 1}
            found.add(counts(table), [str(number)])
            read.update(table)
        elif step == "v" and len(had) <= KEPT:
            vocab = next_version(vocab, proposed(found, bytes([number])), RULE)
            had.append(vocab)
        elif step == "b":
            vocab = had[choice % len(had)]
        found.adopted(vocab)
        assert numbers(vocab) + numbers(found.waiting) == numbers(FIRST) + read


def test_it_is_the_same_when_it_is_read_again_and_its_versions_too(tmp_path: Path) -> None:
    found = waiting(tmp_path)
    found.add(counts({b"rare": 2, b"new": 4}), ["mark"])
    version = next_version(FIRST, proposed(found, b"a"), RULE)
    found.adopted(version)
    found.write()
    again = WaitingWords.read(tmp_path)
    assert (again.root, again.marks, numbers(again.waiting)) == (found.root, {"mark"}, numbers(found.waiting))
    again.adopted(FIRST)  # a checkpoint of before: what had gone into the version waits again
    assert numbers(again.waiting) == {b"rare": 2, b"new": 4}


def test_what_is_damaged_is_told_and_left_out(tmp_path: Path) -> None:
    found = waiting(tmp_path)
    found.add(counts({b"new": 4}), ["mark"])
    found.write()
    data = bytearray((tmp_path / NAME).read_bytes())
    for at in range(0, len(data), 7):
        spoiled = bytes(data[:at]) + bytes([data[at] ^ 1]) + bytes(data[at + 1 :])
        (tmp_path / NAME).write_bytes(spoiled)
        assert not len(WaitingWords.read(tmp_path).waiting.words)


def test_beyond_its_room_the_rarest_are_forgotten_and_counted() -> None:
    found = waiting()
    found.most = 2
    found.add(counts({b"a": 3, b"b": 1, b"c": 2}), [])
    assert (numbers(found.waiting), found.forgotten) == ({b"a": 3, b"c": 2}, 1)


def test_of_another_vocabulary_nothing_is_kept() -> None:
    found = waiting()
    found.add(counts({b"a": 3}), ["mark"])
    found.begin(b"another root....", counts({b"left": 1}))
    assert (numbers(found.waiting), found.marks) == ({b"left": 1}, set())
