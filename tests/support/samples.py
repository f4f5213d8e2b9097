"""Messages for tests: one frozen sample of every type, and strategies for all that may be sent."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from gossipw2v.delta import RowDelta, empty
from gossipw2v.gossip.messages import (
    BIG,
    MAX_BLOB,
    MAX_TASKS,
    MAX_TERM,
    Answer,
    BlobPart,
    BlobPull,
    Dead,
    FileListing,
    Hello,
    Holding,
    Leave,
    LinkOpen,
    LinkOpened,
    LinkRefused,
    Offer,
    Push,
    Refuse,
    StateNews,
    TaskNews,
)
from gossipw2v.gossip.records import MAX_MEMBERS, MAX_PARTS, Member, Portion, Stage

NODE, OTHER, LINK, DIGEST = bytes(range(16)), b"\xff" * 16, b"linkname", b"D" * 16


def repeatable(examples: int = 100) -> settings:
    """The same examples in every run, however slow the machine."""
    return settings(deadline=None, derandomize=True, max_examples=examples)


def delta(rows, counts, scales, values) -> RowDelta:
    return RowDelta(
        np.array(rows, np.int32),
        np.array(counts, np.uint32),
        np.array(scales, np.float32),
        np.array(values, np.int8).reshape(len(rows), -1),
    )


TWO_ROWS = delta([1, 70_000], [3, 2**32 - 1], [0.5, 2.0**-20], [[-127, 0, 127], [1, 2, 3]])
MEMBER = Member(NODE, 7, Stage.TRAINING, ("10.0.0.1:7411", "[::1]:7411"), 5, 2**40, 3, OTHER)

SAMPLES = [
    Hello(1, 2, NODE, {"job": "default", "alpha": "0.025"}, ["10.0.0.1:7411"]),
    Refuse("job", "another job: alpha is '1' there and '2' here"),
    StateNews([MEMBER], [Offer("vocabulary", DIGEST, 1 << 20, 99)]),
    BlobPull("vocabulary", DIGEST, 1 << 20),
    BlobPart("vocabulary", DIGEST, 0, b"\x00\xff"),
    LinkOpen(LINK, False, 4, DIGEST, {NODE: 10}, True),
    LinkOpened(LINK, True, {NODE: 10, OTHER: 2**62}),
    Push(LINK, 5, False, 100, 3, {NODE: 11}, TWO_ROWS),
    Answer(LINK, 5, True, 0, 0, {}, empty(3)),
    Leave(),
    Dead([(NODE, 7), (OTHER, 2**62)]),
    LinkRefused(LINK, "no seat"),
    TaskNews(DIGEST, [(0, Holding(True, 3, NODE)), (MAX_TASKS - 1, Holding())]),
    FileListing(b"a.txt\t12 bytes\t00ff\n"),
]

nodes, links, digests = (st.binary(min_size=n, max_size=n) for n in (16, 8, 16))
numbers = st.one_of(st.integers(0, 300), st.integers(0, BIG))
printable = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
flags = st.booleans()
origins = st.dictionaries(nodes, numbers, max_size=4)


def text(longest: int):
    return st.text(printable, max_size=longest)


addresses = st.lists(text(80), max_size=16)
portions = st.builds(Portion, digests, st.integers(1, MAX_PARTS), st.integers(1, MAX_PARTS))
members = st.builds(
    Member,
    nodes,
    numbers,
    st.sampled_from(Stage),
    addresses.map(tuple),
    numbers,
    numbers,
    st.integers(0, MAX_MEMBERS),
    st.just(b"") | nodes,
    st.none() | portions,
)
offers = st.builds(Offer, text(64), digests, st.integers(1, MAX_BLOB), numbers)


@st.composite
def deltas(draw, dimensions: int = 3):
    rows = sorted(draw(st.sets(st.integers(0, 2**31 - 1), max_size=5)))
    n = len(rows)
    exactly = lambda each, k: draw(st.lists(each, min_size=k, max_size=k))  # noqa: E731
    if not n:
        return empty(dimensions)
    return delta(
        rows,
        exactly(st.integers(0, 2**32 - 1), n),
        exactly(st.floats(0, 1, width=32), n),
        exactly(st.integers(-127, 127), n * dimensions),
    )


holdings = st.builds(Holding, flags, st.integers(0, MAX_TERM), st.one_of(nodes, st.just(b"")))
_exchange = (links, numbers, flags, numbers, numbers, origins, deltas())
messages = st.one_of(
    st.builds(
        Hello,
        st.integers(0, 999),
        st.integers(0, 999),
        nodes,
        st.dictionaries(text(64), text(120), max_size=32),
        addresses,
    ),
    st.builds(Refuse, text(64), text(500)),
    st.builds(StateNews, st.lists(members, max_size=3), st.lists(offers, max_size=3)),
    st.builds(BlobPull, text(64), digests, st.integers(0, MAX_BLOB)),
    st.builds(BlobPart, text(64), digests, st.integers(0, MAX_BLOB), st.binary(max_size=100)),
    st.builds(LinkOpen, links, flags, numbers, digests, origins, flags),
    st.builds(LinkRefused, links, text(64)),
    st.builds(LinkOpened, links, flags, origins),
    st.builds(Push, *_exchange),
    st.builds(Answer, *_exchange),
    st.builds(Leave),
    st.builds(Dead, st.lists(st.tuples(nodes, numbers), max_size=4)),
    st.builds(TaskNews, digests, st.lists(st.tuples(st.integers(0, MAX_TASKS - 1), holdings), max_size=4)),
    st.builds(FileListing, st.binary(max_size=100)),
)
