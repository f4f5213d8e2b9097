"""Questions to live weights: the same answers as from a copied matrix, whatever the blocks, and unknown words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.w2v import queries
from gossipw2v.w2v.queries import UnknownWordError, analogy, close_words, complete, find_row, nearest, neighbors
from gossipw2v.w2v.similarity import Space, most_similar
from gossipw2v.w2v.text.words import Words

LETTERS = st.text("abé\u4e00", min_size=1, max_size=4)


def model(names: list[str], size: int = 8, seed: int = 1) -> tuple[Words, np.ndarray]:
    words = Words.of([name.encode() for name in names])
    return words, np.random.default_rng(seed).standard_normal((len(names), size)).astype(np.float32)


@pytest.mark.parametrize("size", [2, 8, 33])
def test_neighbors_are_those_of_a_copied_matrix(size: int) -> None:
    names = [f"w{number}" for number in range(301)]
    words, vectors = model(names, size)
    expected = most_similar(Space.of(names, vectors), "w7", 20)
    found = neighbors(words, vectors, "w7", 20)
    assert [word for word, _ in found] == [word for word, _ in expected]
    assert np.allclose([score for _, score in found], [score for _, score in expected], atol=1e-6)


@given(st.integers(0, 40), st.integers(0, 60), st.integers(0, 1000), st.lists(st.integers(0, 50), max_size=4))
def test_as_many_as_asked_for_or_there_are_and_ties_by_row(rows: int, topn: int, seed: int, without: list[int]) -> None:
    vectors = np.random.default_rng(seed).integers(-1, 2, (rows, 2)).astype(np.float32)
    found = nearest(vectors, np.array([1, 0], np.float32), topn, without)
    lengths = np.maximum(np.sqrt((vectors**2).sum(axis=1)), 1e-9)
    cosines = (vectors[:, 0] / lengths).astype(np.float32)
    order = [row for row in np.argsort(-cosines, kind="stable") if row not in without]
    assert [row for row, _ in found] == order[:topn]
    assert [score for _, score in found] == pytest.approx(list(cosines[order[:topn]]))


def test_a_query_copies_no_matrix() -> None:
    import tracemalloc

    words, vectors = model([f"w{number}" for number in range(20_000)], 64)
    neighbors(words, vectors, "w3", 1)  # compiles
    tracemalloc.start()
    neighbors(words, vectors, "w3", 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < vectors.nbytes / 4


def test_an_analogy_leaves_out_its_own_terms() -> None:
    words = Words.of([b"man", b"king", b"woman", b"queen", b"apple"])
    vectors = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [-1, 0, 0]], np.float32)
    found = analogy(words, vectors, ("man", "king", "woman"), 5)
    assert [word for word, _ in found] == ["queen", "apple"]


def test_a_row_that_is_not_finite_is_no_neighbour_and_has_none() -> None:
    words, vectors = model(["a", "b", "c", "d"])
    vectors[1, 0], vectors[2, 3] = np.nan, np.inf
    assert [word for word, _ in neighbors(words, vectors, "a", 9)] == ["d"]
    for word in "bc":
        with pytest.raises(ValueError, match=f"'{word}'"):
            neighbors(words, vectors, word, 1)
    with pytest.raises(ValueError, match="zero"):
        queries.similarity(words, np.zeros_like(vectors), "a", "d")


def test_similarity_is_the_cosine() -> None:
    words = Words.of([b"a", b"b"])
    assert queries.similarity(words, np.array([[2, 0], [3, 3]], np.float32), "a", "b") == pytest.approx(0.5**0.5)


@given(st.lists(LETTERS, unique=True, max_size=30), LETTERS, st.integers(1, 9))
def test_words_are_found_wherever_they_stand(names: list[str], asked: str, piece: int) -> None:
    words, before = Words.of([name.encode() for name in names]), queries.PIECE_BYTES
    queries.PIECE_BYTES = piece
    try:
        for word in [*names, asked]:
            assert find_row(words, word.encode()) == (names.index(word) if word in names else None)
            assert complete(words, word, 5) == [name for name in names if name.startswith(word)][:5]
            assert list(queries._ending(words, word.encode())) == [
                row for row, name in enumerate(names) if name.endswith(word)
            ]
    finally:
        queries.PIECE_BYTES = before


def test_a_line_end_finds_nothing() -> None:
    words = Words.of([b"a", b"b", b"c"])
    assert find_row(words, b"a\nb") is None
    assert find_row(words, b"") is None
    assert complete(words, "a\nb", 5) == close_words(words, "a\nb") == []
    assert complete(words, "", 2) == ["a", "b"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("Kingdom", "kingdom"),
        ("kingdm", "kingdom"),
        ("jingdom", "kingdom"),
        ("kingdomm", "kingdom"),
        ("PARIS", "Paris"),
    ],
)
def test_an_unknown_word_is_told_with_words_that_may_have_been_meant(asked: str, meant: str) -> None:
    words, vectors = model(["the", "kingdom", "Paris", "zebra"])
    with pytest.raises(UnknownWordError) as caught:
        neighbors(words, vectors, asked, 1)
    assert caught.value.close[0] == meant
    assert "zebra" not in caught.value.close


def test_nothing_is_close_to_a_word_of_other_letters_or_to_a_text() -> None:
    words, _ = model(["the", "kingdom", "x" * 500])
    assert close_words(words, "quixotry") == close_words(words, "x" * 400) == []
