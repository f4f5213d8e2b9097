"""Joining agrees with a slow twin, whatever blocks a text comes in; joins that cannot be are refused."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipw2v.w2v.phrases.grams import Grams
from gossipw2v.w2v.phrases.joining import join_all
from gossipw2v.w2v.phrases.joins import Joins

PAIR = st.tuples(st.integers(0, 5), st.integers(0, 5))
IDS = st.lists(st.integers(-2, 3), max_size=30)


def make(passes: list[list[tuple[int, int]]]) -> Joins:
    pairs = [pair for one in passes for pair in sorted(one)]
    left, right = (np.array([pair[side] for pair in pairs], np.int32) for side in (0, 1))
    return Joins(left, right, np.arange(10, 10 + len(pairs), dtype=np.int32), tuple(map(len, passes)))


def naive(ids: list[int], joins: Joins) -> list[int]:
    for begin, end in joins.spans():
        columns = (column[begin:end].tolist() for column in (joins.left, joins.right, joins.joined))
        table = {(left, right): joined for left, right, joined in zip(*columns, strict=True)}
        out, at = [], 0
        while at < len(ids):
            joined = table.get(tuple(ids[at : at + 2]))
            out.append(ids[at] if joined is None else joined)
            at += 1 if joined is None else 2
        ids = out
    return ids


@given(blocks=st.lists(IDS, max_size=5), passes=st.lists(st.sets(PAIR, max_size=5).map(list), max_size=3))
@settings(deadline=None)
def test_joining_agrees_with_its_twin_however_the_text_is_cut(
    blocks: list[list[int]], passes: list[list[tuple[int, int]]]
) -> None:
    joins = make(passes)
    out = list(join_all([np.array(block, np.int32) for block in blocks], joins))
    assert np.concatenate([np.empty(0, np.int32), *out]).tolist() == naive([*chain(*blocks)], joins)


@given(passes=st.lists(st.sets(PAIR, max_size=5).map(list), min_size=1, max_size=4).filter(any))
@settings(deadline=None)
def test_joins_come_back_from_their_bytes(passes: list[list[tuple[int, int]]]) -> None:
    joins = make(passes)
    again = Joins.from_bytes(joins.to_bytes(), 10 + len(joins))
    assert again.to_bytes() == joins.to_bytes()
    assert again.spans()[: len(passes)] == joins.spans()


GOOD = make([[(0, 1), (2, 3)], [(10, 2)]]).to_bytes()


@pytest.mark.parametrize(
    ("data", "units", "why"),
    [
        (b"", 20, "not what is there"),
        (GOOD[:-1], 20, "not what is there"),
        (bytes(16), 20, "none"),
        (b"\xff" * 16, 20, "too many"),
        (GOOD, 12, "not there"),
        (make([[(0, 1)], [(0, 1)]]).to_bytes().replace(b"\1\0\0\0\1\0\0\0\0", b"\2\0\0\0\0\0\0\0\0", 1), 20, "twice"),
    ],
)
def test_joins_that_cannot_be_are_refused(data: bytes, units: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Joins.from_bytes(data, units)


COUNTS = np.array([9, 9, 3])


def grams(*rows: tuple[int, int, int]) -> bytes:
    left, right, counts = (np.array(column) for column in zip(*rows, strict=True))
    return Grams(left.astype(np.int32), right.astype(np.int32), counts).to_bytes()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not what is there"),
        (bytes(4), "none"),
        (grams((0, 1, 5))[:-1], "not what is there"),
        (b"\xff" * 16, "too many"),
        (grams((3, 1, 5)), "not there"),  # of itself
        (grams((0, 3, 5)), "not there"),
        (grams((0, 1, 5), (5, 1, 2)), "not there"),
        (grams((1, 0, 5), (0, 1, 5)), "out of order"),
        (grams((0, 1, 5), (0, 1, 5)), "twice"),
        (grams((0, 1, 0)), "less than once"),
        (grams((0, 2, 4)), "more often than its words"),
        (grams((0, 1, 4), (3, 1, 5)), "more often than its words"),
        (grams((0, 1, 4), (3, 1, 4), (4, 1, 4), (5, 1, 4), (6, 1, 4)), "more than 5 words"),
        (grams((0, 1, 4), *((3 + n, 1, 4) for n in range(2000))), "more than 5 words"),
    ],
)
def test_grams_that_cannot_be_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Grams.from_bytes(data, COUNTS)
