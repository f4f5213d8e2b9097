"""Files of edges are told from text by their beginning."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.cli.synthetic import World
from gossipw2v.w2v.text.sources.structure import structure

WORLD = World()


def told_edges(head: bytes) -> bool:
    return "--graph" in (structure(head.decode()) or "")


def columns(separator: bytes, count: int, rows: int) -> bytes:
    numbers = np.random.default_rng(1).integers(0, 9999, (rows, count)).tolist()
    return b"".join(separator.join(str(n).encode() for n in row) + b"\n" for row in numbers)


@pytest.mark.parametrize("separator", [b"\t", b",", b", "])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("head", [b"", b"# From To\n", b"source\ttarget\n"])
def test_columns_of_numbers_are_certainly_edges(separator: bytes, count: int, head: bytes) -> None:
    assert told_edges(head + columns(separator, count, 50))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        columns(b"\t", 2, 5),  # too few to be certain
        columns(b" ", 2, 50),  # may be sentences of two ids
        columns(b"\t", 4, 50),
        columns(b"\t", 2, 50) + b"and a word\n",
        columns(b"\t", 2, 25) + columns(b"\t", 3, 25),  # baskets of several ids
        b"anna\tberta\n" * 50,
    ],
)
def test_what_may_be_text_is_not_certainly_edges(head: bytes) -> None:
    assert not told_edges(head)


@given(st.integers(0, 1000))
def test_sentences_are_never_taken_for_edges(seed: int) -> None:
    text = "".join(f"{line}\n" for line in WORLD.sentences(20, seed))
    assert not told_edges(text.encode())
    assert not told_edges(text.replace(" ", "\t").encode())
    assert not told_edges(text.replace(" ", ", ").encode())


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs", "Nd"])), max_size=40))
def test_lines_without_digits_are_never_taken_for_edges(lines: list[str]) -> None:
    assert not told_edges("\n".join([*lines, ""]).encode())
