"""Neighbours and differences against slow, obvious twins."""

import numpy as np
import pytest

from gossipw2v.w2v.similarity import Space, largest_difference, most_similar


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.random.default_rng(3).normal(0, 0.3, (300, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def space(vectors: np.ndarray) -> Space:
    return Space.of([f"w{row}" for row in range(300)], vectors)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))


def test_neighbours_are_those_of_a_plain_loop(space: Space, vectors: np.ndarray) -> None:
    plain = sorted(((cosine(vectors[5], v), f"w{i}") for i, v in enumerate(vectors) if i != 5), reverse=True)[:10]
    found = most_similar(space, "w5", 10)
    assert [word for word, _ in found] == [word for _, word in plain]
    assert [score for _, score in found] == pytest.approx([score for score, _ in plain], abs=1e-5)


@pytest.mark.parametrize(("topn", "expected"), [(0, 0), (1, 1), (298, 298), (299, 299), (5000, 299)])
def test_a_word_is_never_its_own_neighbour(space: Space, topn: int, expected: int) -> None:
    found = [word for word, _ in most_similar(space, "w0", topn)]
    assert len(set(found)) == len(found) == expected
    assert "w0" not in found


def test_an_unknown_word_is_a_key_error(space: Space) -> None:
    with pytest.raises(KeyError, match="nowhere"):
        most_similar(space, "nowhere")


def test_a_zero_vector_has_no_neighbours_and_raises_no_warning() -> None:
    space = Space.of(["a", "b", "c"], np.array([[0, 0], [1, 0], [2, 1]], np.float32))
    assert [score for _, score in most_similar(space, "a")] == [0, 0]
    assert most_similar(space, "b")[0][0] == "c"


def test_restriction_keeps_the_most_frequent_words(vectors: np.ndarray) -> None:
    space = Space.of([f"w{row}" for row in range(300)], vectors, restrict=10)
    assert len(most_similar(space, "w1", 100)) == 9


def test_words_must_match_the_rows(vectors: np.ndarray) -> None:
    with pytest.raises(ValueError, match="2 words"):
        Space.of(["a", "b"], vectors)


def test_the_matrix_is_not_touched() -> None:
    vectors = np.full((2, 4), 3, np.float32)
    Space.of(["a", "b"], vectors)
    assert np.all(vectors == 3)


def test_the_largest_difference_is_relative_to_its_row(vectors: np.ndarray) -> None:
    other = vectors.copy()
    other[7, 3] += np.linalg.norm(vectors[7]) * 0.01
    other[8] *= 1.0001
    assert largest_difference(vectors, other) == pytest.approx(0.01, rel=0.05)
    assert largest_difference(vectors, vectors) == 0
    assert largest_difference(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_agrees_with_nothing(vectors: np.ndarray, value: float) -> None:
    other = vectors.copy()
    other[3, 1] = value
    assert largest_difference(vectors, other) == float("inf")


def test_other_shapes_cannot_be_compared(vectors: np.ndarray) -> None:
    with pytest.raises(ValueError, match="shapes"):
        largest_difference(vectors, vectors[1:])
