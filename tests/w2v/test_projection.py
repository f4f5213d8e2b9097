"""The map of frequent words: a PCA, the same for the same rows, and steady from one map to the next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.w2v.projection import MAP_SECONDS, MOST_MAPPED, WordMap, project, turned
from gossipw2v.w2v.text.words import Words


def some(rows: int, size: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, size)).astype(np.float32)


def named(rows: int) -> Words:
    return Words.of([b"w%d" % row for row in range(rows)])


def distances(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=2)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999))
def test_it_is_the_plane_that_shows_most(rows: int, size: int, seed: int) -> None:
    vectors = some(rows, size, seed)
    points, share = project(vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    values = np.linalg.svd(unit - unit.mean(axis=0), compute_uv=False) ** 2
    assert points.shape == (rows, 2)
    assert np.allclose(points.mean(axis=0), 0, atol=1e-6)
    if rows > 1 and values.sum() > 1e-6:
        assert share == pytest.approx(values[:2].sum() / values.sum(), abs=1e-5)
        assert (points**2).sum() / rows == pytest.approx(1)
    assert np.array_equal(points, project(vectors.copy()).points)


def test_equal_rows_are_in_one_place() -> None:
    for rows in (np.zeros((5, 3), np.float32), np.ones((5, 3), np.float32)):
        points, share = project(rows)
        assert np.isfinite(points).all()
        assert 0 <= share <= 1


@given(st.floats(0, 6.3), st.booleans(), st.integers(2, 30))
def test_a_map_that_was_turned_or_mirrored_is_turned_back(angle: float, mirrored: bool, rows: int) -> None:
    before = project(some(rows, 4)).points
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    after = before @ turn * ([1, -1] if mirrored else [1, 1])
    assert np.allclose(turned(after, before), before, atol=1e-9)


def test_a_map_stays_where_it_was_and_what_moves_has_moved() -> None:
    """Components that change places turn the plane; a word that goes elsewhere goes there alone."""
    now, words, vectors = [0.0], named(50), some(50, 6)
    vectors[:, :2] *= [4, 3]
    kept = WordMap(lambda: now[0])
    before = kept.places(words, vectors).points
    vectors[:, :2] *= [3 / 4, 4 / 3]
    vectors[7] *= -1
    now[0] = MAP_SECONDS
    after = kept.places(words, vectors).points
    gone = np.linalg.norm(after - before, axis=1)
    assert gone.argmax() == 7
    assert np.median(gone) < 0.3
    assert not np.allclose(project(vectors).points, after, atol=0.5)  # it was turned


def test_a_map_is_made_once_in_some_seconds_and_for_each_vocabulary() -> None:
    now, words, vectors = [100.0], named(9), some(9, 4)
    kept = WordMap(lambda: now[0])
    first = kept.places(words, vectors)
    vectors[:] = some(9, 4, seed=2)
    now[0] += MAP_SECONDS - 0.1
    assert kept.places(words, vectors) is first
    assert kept.places(named(5), vectors[:5]).points.shape == (5, 2)
    now[0] += MAP_SECONDS
    assert not np.allclose(kept.places(words, vectors).points, first.points)


def test_a_broken_model_has_no_map_and_the_one_before_stays() -> None:
    now, words, vectors = [0.0], named(9), some(9, 4)
    kept = WordMap(lambda: now[0])
    first = kept.places(words, vectors).points
    broken = vectors.copy()
    broken[3, 1] = np.inf
    now[0] = MAP_SECONDS
    with pytest.raises(ValueError, match="not finite"):
        kept.places(words, broken)
    assert np.allclose(kept.places(words, vectors).points, first)


def test_it_is_of_the_most_frequent_words() -> None:
    rows = MOST_MAPPED + 5
    vectors = some(rows, 3)
    vectors[MOST_MAPPED:] = np.nan
    assert len(WordMap().places(named(rows), vectors).points) == MOST_MAPPED
