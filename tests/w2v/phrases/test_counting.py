"""Grams are counted as a Counter counts them, however the text is cut, and forgotten only as they say."""

from collections import Counter
from itertools import chain, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipw2v.w2v.phrases.counting import EXTENDED, GramCounter
from gossipw2v.w2v.phrases.grams import Grams, merge_grams, no_grams

WORDS = 4
IDS = st.lists(st.integers(-2, WORDS - 1), max_size=40)  # -1 ends a sentence, -2 is a word that is not known
NO_END = 10**6


def counted(blocks: list[list[int]], longest: int, most: int = NO_END, tokens: int = 4) -> Grams:
    found = no_grams()
    for _ in range(longest - 1):
        counter = GramCounter(WORDS, found, tokens, most)
        for block in blocks:
            counter.add(np.array(block, np.int32))
        found = found.with_longer(*counter.result(), np.full(WORDS, NO_END), counter.pruned)
    return found


def spelled(grams: Grams, words: int = WORDS) -> dict[tuple[int, ...], int]:
    """The words of each gram, and its count."""
    spelling: list[tuple[int, ...]] = [(word,) for word in range(words)]
    for left, right in zip(grams.left.tolist(), grams.right.tolist(), strict=True):
        spelling.append((*spelling[left], right))
    assert len(set(spelling)) == len(spelling)
    return dict(zip(spelling[words:], grams.counts.tolist(), strict=True))


def naive(ids: list[int], longest: int) -> dict[tuple[int, ...], int]:
    found: dict[tuple[int, ...], int] = {}
    for size in range(2, longest + 1):
        every = Counter(tuple(ids[n : n + size]) for n in range(len(ids) - size + 1) if min(ids[n : n + size]) >= 0)
        often = {gram for gram, count in found.items() if count >= EXTENDED}
        found |= {g: n for g, n in every.items() if size == 2 or (g[:-1] in often and n >= EXTENDED)}
    return found


@given(blocks=st.lists(IDS, max_size=5), longest=st.integers(2, 5))
@settings(deadline=None)
def test_grams_are_those_of_a_counter_however_the_text_is_cut(blocks: list[list[int]], longest: int) -> None:
    found = counted(blocks, longest)
    assert spelled(found) == naive([*chain(*blocks)], longest)
    assert (np.diff(found.pairs) > 0).all()


@given(ids=IDS, most=st.integers(1, 8))
@settings(deadline=None)
def test_forgetting_holds_the_bound_and_says_how_many(ids: list[int], most: int) -> None:
    found, exact = counted([ids], 2, most), naive(ids, 2)
    assert len(found) <= most
    assert (found.pruned > 0) == (len(exact) > most)
    assert all(count <= exact[gram] for gram, count in spelled(found).items())


def test_the_rarest_are_forgotten() -> None:
    rare = [id_ for one in range(WORDS) for other in range(WORDS) for id_ in (one, other, -1)]
    found = counted([[2, 3, -1] * 50, rare, rare], 2, most=8)
    assert spelled(found)[2, 3] >= 50
    assert found.pruned


def test_a_table_grows_with_the_text() -> None:
    counter = GramCounter(3000, no_grams(), 0, NO_END)
    ids = np.arange(3000, dtype=np.int32)
    for step in range(1, 60):
        counter.add(np.concatenate((np.roll(ids, step)[::step], [-1])).astype(np.int32))
    pairs, counts = counter.result()
    wanted = Counter[tuple[int, int]]()
    for step in range(1, 60):
        line = np.roll(ids, step)[::step].tolist()
        wanted.update(pairwise(line))
    found = [(pair >> 32, pair & 0xFFFFFFFF) for pair in pairs.tolist()]
    assert dict(zip(found, counts.tolist(), strict=True)) == wanted


@given(texts=st.lists(IDS, min_size=1, max_size=4), places=st.permutations(range(WORDS)), longest=st.integers(2, 4))
@settings(deadline=None)
def test_merging_adds_up_whatever_numbers_the_words_have(
    texts: list[list[int]], places: list[int], longest: int
) -> None:
    parts = [counted([text], longest) for text in texts]
    wanted: Counter[tuple[int, ...]] = Counter()
    for part in parts:
        wanted.update({tuple(places[word] + 1 for word in gram): count for gram, count in spelled(part).items()})
    merged = merge_grams([(part, np.array(places) + 1) for part in parts], WORDS + 2)
    assert spelled(merged, WORDS + 2) == wanted


@given(ids=IDS, longest=st.integers(2, 5), least=st.integers(1, 4))
@settings(deadline=None)
def test_what_is_kept_goes_on_to_be_what_it_was(ids: list[int], longest: int, least: int) -> None:
    found = counted([ids], longest)
    kept = found.kept(found.counts >= least, np.arange(WORDS))
    assert spelled(kept) == {gram: count for gram, count in spelled(found).items() if count >= least}
    if len(kept):
        again = Grams.from_bytes(kept.to_bytes(), np.full(WORDS, NO_END))
        assert (again.to_bytes(), spelled(again)) == (kept.to_bytes(), spelled(kept))
    limited = found.limited(WORDS, 3)
    assert len(limited) <= 3
    assert limited.pruned == len(found) - len(limited)
    spelled(limited)
