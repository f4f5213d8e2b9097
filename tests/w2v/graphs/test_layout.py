"""How edges are laid out, guessed; and what is certainly edges and not text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.cli.synthetic import World
from gossipw2v.w2v.graphs.layout import Layout, guess, is_certainly_edges


@pytest.mark.parametrize(
    ("head", "layout"),
    [
        (b"1 2\n2 3\n", Layout(b" ", 2)),
        (b"1\t2\n2\t3\n", Layout(b"\t", 2)),
        (b"a, b\nb, c\n", Layout(b",", 2)),
        (b"a b .5\nb c 1e-3\n", Layout(b" ", 3)),
        (b"# FromNodeId\tToNodeId\n1\t2\n", Layout(b"\t", 2)),
        (b"% sym\n\n1 2\n", Layout(b" ", 2)),
        (b"source,target,weight\na,b,1\nb,c,2\n", Layout(b",", 3, header=1)),
        (b"# one\nid1\tid2\n1\t2\n2\t3\n", Layout(b"\t", 2, header=2)),
        (b"Source\tTarget\nanna\tberta\n", Layout(b"\t", 2, header=1)),
        (b"source\ttarget\ntarget\tanna\n", Layout(b"\t", 2)),  # a node has that name
        (b"anna\tberta\nberta\tcarla\n", Layout(b"\t", 2)),
        (b"a b 1600000000\nb c 1600000007\n", Layout(b" ", 3, times=True)),
        (b"1 2\r\n2 3\r\n", Layout(b" ", 2)),
    ],
)
def test_separator_columns_and_header_are_guessed(head: bytes, layout: Layout) -> None:
    assert guess(head, whole=True) == layout


def test_a_line_that_is_cut_off_is_not_looked_at() -> None:
    assert guess(b"a b 1\nb c 2\nc", whole=False) == Layout(b" ", 3)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"", "holds no edge"),
        (b"# a\n\n", "holds no edge"),
        (b"1\n2\n", "line 1: 1 column, separated by spaces"),
        (b"# x\n1 2 3 4\n", "line 2: more than 3 columns"),
        (b"%%MatrixMarket matrix\n2 2 2\n1 2\n", "Matrix Market.*grep"),
    ],
)
def test_what_is_no_list_of_edges_is_refused(head: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        guess(head, whole=True)


def columns(separator: bytes, count: int, rows: int) -> bytes:
    numbers = np.random.default_rng(1).integers(0, 9999, (rows, count)).tolist()
    return b"".join(separator.join(str(n).encode() for n in row) + b"\n" for row in numbers)


@pytest.mark.parametrize("separator", [b"\t", b",", b", "])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("head", [b"", b"# From To\n", b"source\ttarget\n"])
def test_columns_of_numbers_are_certainly_edges(separator: bytes, count: int, head: bytes) -> None:
    assert is_certainly_edges(head + columns(separator, count, 50))


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
    assert not is_certainly_edges(head)


@given(st.integers(0, 1000))
def test_sentences_are_never_taken_for_edges(seed: int) -> None:
    text = "".join(f"{line}\n" for line in World().sentences(20, seed))
    assert not is_certainly_edges(text.encode())
    assert not is_certainly_edges(text.replace(" ", "\t").encode())
    assert not is_certainly_edges(text.replace(" ", ", ").encode())


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs", "Nd"])), max_size=40))
def test_lines_without_digits_are_never_taken_for_edges(lines: list[str]) -> None:
    assert not is_certainly_edges("\n".join([*lines, ""]).encode())
