"""The first file that two nodes do not have alike is named."""

import pytest

from gossipw2v.gossip.messages import MAX_LISTING
from gossipw2v.gossip.tasks.listing import cut, first_difference

MINE = b"(settings)\tx\t1\na.txt\t5 bytes\t00\nb/c.txt\t9 bytes\t11\n"


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        (MINE.replace(b"9 bytes", b"8 bytes"), "b/c.txt differs: 8 bytes there, 9 bytes here"),
        (MINE.replace(b"\t11", b"\t12"), "b/c.txt differs in what it holds, not in its size"),
        (MINE.replace(b"a.txt", b"z.txt"), "a.txt is here and not there"),
        (MINE + b"a.tx\t1 bytes\t22\n", "a.tx is there and not here"),
        (MINE, "their files differ, beyond those that are compared one by one"),
        (b"", "(settings) is here and not there"),
        (MINE + b"\xff\x00\t1\n", "'\\x00\\\\xff' is there and not here"),
    ],
)
def test_the_first_difference_is_named(theirs, told):
    if b"\xff" in theirs:
        theirs, told = MINE + b"\x00\xff\t1\n", "'\\x00\\\\xff' is there and not here"
    assert first_difference(MINE, theirs) == told


def test_a_long_listing_is_cut_behind_a_line():
    line = b"x" * 99 + b"\n"
    part = cut(line * (MAX_LISTING // 50))
    assert len(part) <= MAX_LISTING
    assert part.endswith(b"x\n")
    assert cut(MINE) == MINE
