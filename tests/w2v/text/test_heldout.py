"""What is held out of a text: whole passages, the same for a seed, and never so much that nothing is left."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.hashing import END
from gossipw2v.w2v.text import heldout
from gossipw2v.w2v.text.heldout import ALWAYS_TRAINED, PASSAGE, Divider, Division

Ids = NDArray[np.int32]


def text_of(sentences: list[int]) -> Ids:
    """Sentences of so many words, each word its place in the text."""
    ids, place = [], 0
    for words in sentences:
        ids += [*range(place, place + words), END]
        place += words
    return np.array(ids, np.int32)


def divided(text: Ids, division: Division, cuts: list[int] | None = None) -> tuple[list[int], list[int]]:
    """What is trained and what is held out of a text that comes in blocks."""
    divider = Divider(division)
    blocks = np.split(text, sorted(cuts or []))
    trained = np.concatenate([divider.trained(block) for block in blocks])
    assert divider.words == np.count_nonzero(divider.held_out != END)
    return trained.tolist(), divider.held_out.tolist()


def sentences(ids: list[int]) -> list[list[int]]:
    assert not ids or ids[-1] == END
    assert not any(one == other == END for one, other in zip([END, *ids], ids, strict=False))
    return [list(group) for end, group in groupby(ids, lambda token: token == END) if not end]


@given(
    st.lists(st.sampled_from([1, 2, 7, PASSAGE - 1, PASSAGE, PASSAGE + 1, 3 * PASSAGE + 5]), max_size=30),
    st.lists(st.integers(0, 20_000), max_size=5),
    st.sampled_from([0.05, 0.3, 0.5]),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=100)
def test_a_word_is_trained_or_held_out_with_all_of_its_passage(lengths, cuts, share, seed) -> None:
    text = text_of(lengths)
    cuts = [cut for cut in cuts if cut <= len(text)]
    trained, held = divided(text, Division(share, seed), cuts)
    assert (trained, held) == divided(text, Division(share, seed))
    kept = {word for sentence in sentences(trained) for word in sentence}
    out = {word for sentence in sentences(held) for word in sentence}
    assert kept | out == set(text.tolist()) - {END}
    assert not kept & out
    for passage in passages(text):
        assert out.issuperset(passage) or out.isdisjoint(passage)
    assert all(kept.issuperset(passage) for passage in passages(text)[:ALWAYS_TRAINED])


def passages(text: Ids) -> list[list[int]]:
    """The obvious twin of the module's rule."""
    return [line[at : at + PASSAGE] for line in sentences(text.tolist()) for at in range(0, len(line), PASSAGE)]


def test_what_stood_around_a_passage_does_not_meet() -> None:
    text = text_of([20 * PASSAGE])
    trained, held = divided(text, Division(0.3, 1))
    for ids in (trained, held):
        for sentence in sentences(ids):
            assert np.all(np.diff(sentence) == 1)
    assert len(held) > PASSAGE


def test_a_seed_holds_out_the_same_and_another_seed_others() -> None:
    text = text_of([5] * 2000)
    one = divided(text, Division(0.1, 1))
    assert one == divided(text, Division(0.1, 1))
    assert one != divided(text, Division(0.1, 2))
    assert 120 < len(sentences(one[1])) < 280
    assert set(one[1]) <= set(divided(text, Division(0.2, 1))[1])


def test_a_share_of_nothing_keeps_everything() -> None:
    text = text_of([5] * 2000)
    assert divided(text, Division(0.0, 1)) == (text.tolist(), [])


@pytest.mark.parametrize("seed", range(20))
def test_a_text_of_one_or_two_sentences_has_none_to_spare(seed: int) -> None:
    for lengths in ([3], [3, 4], [PASSAGE, PASSAGE]):
        text = text_of(lengths)
        assert divided(text, Division(0.5, seed)) == (text.tolist(), [])
    assert any(divided(text_of([3] * 5), Division(0.5, seed))[1] for seed in range(20))


def test_of_a_large_text_a_bounded_part_of_all_of_it_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heldout, "MOST_WORDS", 2000)
    text = text_of([10] * 20_000)
    _, held = divided(text, Division(0.5, 1).of(200_000))
    words = sum(map(len, sentences(held)))
    assert 1500 < words <= 2000 + 10
    assert max(held) > 150_000
    assert Division(0.005, 1).of(200_000) == Division(0.005, 1)
    _, held = divided(text, Division(0.5, 1), [7, 100, 100_003])  # by whoever does not know how long the text is
    words = sum(map(len, sentences(held)))
    assert 2000 <= words <= 2000 + 10


def test_divisions_differ_by_their_digests() -> None:
    digests = {Division(share, seed).digest for share in (0.0, 0.1, 0.2) for seed in (1, 2)}
    assert len(digests) == 5  # nothing held out is the same for all seeds
    assert {len(digest) for digest in digests} == {16}
