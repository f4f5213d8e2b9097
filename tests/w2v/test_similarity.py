"""Neighbours, analogies and rank correlation against slow, obvious twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gossipw2v.w2v.similarity import (
    BLOCK,
    Question,
    Space,
    largest_difference,
    most_similar,
    solve_analogies,
    spearman,
    word_similarity,
)


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
    assert solve_analogies(space, [("k", "w1", "w2", "w3", "w10")])["k"] == (0, 0)


def test_words_must_match_the_rows(vectors: np.ndarray) -> None:
    with pytest.raises(ValueError, match="2 words"):
        Space.of(["a", "b"], vectors)


def test_the_matrix_is_not_touched() -> None:
    vectors = np.full((2, 4), 3, np.float32)
    Space.of(["a", "b"], vectors)
    assert np.all(vectors == 3)


def exact_space() -> Space:
    """Eight items with two sides each: side + item, so that every analogy between them is exact."""
    basis = np.eye(10, dtype=np.float32)
    words = [f"{side}{item}" for item in range(8) for side in "lr"]
    rows = [basis[8 + (side == "r")] * 0.5 + basis[item] for item in range(8) for side in "lr"]
    return Space.of([*words, "stranger"], np.array([*rows, basis[0] * 9 + basis[1] * 9]))


def exact_questions() -> list[Question]:
    return [("sides", f"l{i}", f"r{i}", f"l{j}", f"r{j}") for i in range(8) for j in range(8) if i != j]


def test_planted_analogies_all_come_out() -> None:
    assert solve_analogies(exact_space(), exact_questions())["sides"] == (56, 56)


def test_wrong_answers_and_unknown_words_do_not_count() -> None:
    wrong: list[Question] = [("wrong", "l1", "r1", "l2", "r3"), ("wrong", "l1", "r1", "l2", "nowhere")]
    scores = solve_analogies(exact_space(), [*exact_questions(), *wrong, ("none", "l1", "L2", "l3", "l4")])
    assert scores == {"sides": (56, 56), "wrong": (0, 1), "none": (0, 0)}


def test_case_is_as_given() -> None:
    assert solve_analogies(exact_space(), [("k", "L1", "r1", "l2", "r2")])["k"].asked == 0


def test_analogies_are_those_of_a_plain_loop_across_blocks(space: Space) -> None:
    rng = np.random.default_rng(1)
    rows = [[int(x) for x in rng.choice(300, 3, replace=False)] for _ in range(BLOCK + 40)]
    questions: list[Question] = []
    for number, (a, b, c) in enumerate(rows):
        target = space.unit[b] - space.unit[a] + space.unit[c]
        best = max((i for i in range(300) if i not in (a, b, c)), key=lambda i: cosine(space.unit[i], target))
        answer = best if number % 3 else (best + 1) % 300  # every third one asks for the wrong word
        questions.append(("k", f"w{a}", f"w{b}", f"w{c}", f"w{answer}"))
    assert solve_analogies(space, questions)["k"] == (sum(1 for n in range(BLOCK + 40) if n % 3), BLOCK + 40)


def test_spearman_with_ties_is_the_textbook_value() -> None:
    """Pearson's correlation of the ranks [1, 2.5, 2.5, 4] and [1, 2, 4, 3]."""
    found = spearman(np.array([0.0, 5.0, 5.0, 7.0]), np.array([1.0, 2.0, 9.0, 4.0]))
    assert found == pytest.approx(np.corrcoef([1, 2.5, 2.5, 4], [1, 2, 4, 3])[0, 1])


def plain_ranks(values: np.ndarray) -> list[float]:
    return [sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]


scores = arrays(np.float64, 12, elements=st.integers(-4, 4).map(float))


@settings(deadline=None)
@given(scores, scores)
def test_spearman_is_the_correlation_of_mean_ranks(one: np.ndarray, other: np.ndarray) -> None:
    if len(set(one)) < 2 or len(set(other)) < 2:
        assert np.isnan(spearman(one, other))
    else:
        expected = np.corrcoef(plain_ranks(one), plain_ranks(other))[0, 1]
        assert spearman(one, other) == pytest.approx(expected, abs=1e-9)


def test_word_similarity_ranks_only_known_pairs(space: Space) -> None:
    names = [("w1", "w2"), ("w3", "w4"), ("w5", "w6"), ("w7", "w8")]
    by_cosine = [(a, b, 10 * dict(most_similar(space, a, 299))[b]) for a, b in names]
    assert word_similarity(space, [*by_cosine, ("w1", "nowhere", 99.0)]) == (pytest.approx(1), 4)
    reversed_scores = [(a, b, -score) for a, b, score in by_cosine]
    assert word_similarity(space, reversed_scores).rho == pytest.approx(-1)


def test_too_few_pairs_have_no_correlation(space: Space) -> None:
    rho, found = word_similarity(space, [("w1", "w2", 1.0)])
    assert np.isnan(rho)
    assert found == 1


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
