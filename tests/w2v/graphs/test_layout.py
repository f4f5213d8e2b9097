"""How edges are laid out, guessed."""

import pytest

from gossipw2v.w2v.graphs.layout import Layout, guess


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
