"""Blobs arrive whole or not at all, and every order of events ends in one vocabulary."""

import pytest
from support.samples import NODE, OTHER

from gossipw2v.gossip.census import COUNTS, MAX_HELD, STALLED, VOCABULARY, Census, counts_name, digest_of
from gossipw2v.gossip.instructions import Close, Freeze, Received, Refused, Send
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import MAX_BLOB, MAX_OFFERS, MAX_PART, BlobPart, BlobPull, Offer, ProtocolError, Refuse
from gossipw2v.gossip.records import DEAD_AFTER, Member, Stage

LOW, HIGH = b"\x01" * 16, b"\xfe" * 16
QUIET = 3.0


def offer(name: str, data: bytes, rank: int = 0, size: int | None = None) -> Offer:
    return Offer(name, digest_of(data), len(data) if size is None else size, rank)


def vocabulary(data: bytes, rank: int = 0) -> Offer:
    return offer(VOCABULARY, data, rank)


@pytest.fixture
def census() -> Census:
    return Census(NODE)


def pulls(orders) -> BlobPull | None:
    return orders[0].message if orders else None


def carry(giver: Census, taker: Census, conn: int = 1, young: bool = True):
    """Move blobs from one census to the other until nothing is wanted; what was handed over, and the parts."""
    got, parts = [], 0
    while orders := taker.heard(conn, giver.offers(), young):
        while isinstance(orders[0], Send):
            parts += 1
            orders = taker.part(conn, giver.asked(9, orders[0].message).message)
        assert isinstance(orders[0], Received)
        got.append(orders[0])
        taker.hold(orders[0].name, orders[0].data, giver.held[orders[0].name][0].rank)
    return got, parts


@pytest.mark.parametrize(
    ("size", "parts"), [(1, 1), (MAX_PART, 1), (MAX_PART + 1, 2), (3 * MAX_PART, 3)], ids=["1", "part", "part+1", "3"]
)
def test_a_blob_travels_in_parts_and_arrives_whole(census, size, parts):
    data = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    giver = Census(OTHER)
    giver.hold(counts_name(OTHER), data, 0)
    assert carry(giver, census) == ([Received(counts_name(OTHER), data)], parts)
    assert census.transfers == {}


def test_counts_pass_from_neighbour_to_neighbour(census):
    first, last = Census(OTHER), Census(LOW)
    first.hold(counts_name(OTHER), b"other", 0)
    census.hold(counts_name(NODE), b"mine", 0)
    carry(first, census)
    assert [got.data for got in carry(census, last)[0]] == [b"mine", b"other"]


def start(census: Census, offered: Offer, conn: int = 1) -> BlobPart:
    """A transfer under way; the answer that an honest giver would send, without its data."""
    pull = pulls(census.heard(conn, [offered], True))
    return BlobPart(pull.name, pull.digest, pull.offset, b"")


def answer(census: Census, conn: int = 1, data: bytes = b"", **changes):
    transfer = census.transfers[conn].offer
    fields = {"name": transfer.name, "digest": transfer.digest, "offset": 0} | changes
    return census.part(conn, BlobPart(data=data, **fields))


def test_data_that_is_not_what_was_offered_is_a_breach(census):
    census.heard(1, [offer(counts_name(OTHER), b"good")], True)
    with pytest.raises(ProtocolError, match="not what was offered") as caught:
        answer(census, data=b"evil")
    assert caught.value.reason == "blob"
    assert census.transfers == {}
    assert counts_name(OTHER) not in census.held


@pytest.mark.parametrize("size", [1, 3], ids=["less", "a little less"])
def test_more_data_than_offered_is_a_breach(census, size):
    census.heard(1, [offer(counts_name(OTHER), b"good", size=size)], True)
    with pytest.raises(ProtocolError, match="not what was offered"):
        answer(census, data=b"good")


def test_less_data_than_offered_is_asked_for_until_the_giver_ends_it(census):
    census.heard(1, [offer(counts_name(OTHER), b"good", size=100)], True)
    assert pulls(answer(census, data=b"good")).offset == 4
    assert answer(census, offset=4) == []
    assert census.transfers == {}


@pytest.mark.parametrize("changes", [{"offset": 1}, {"name": VOCABULARY}, {"digest": b"0" * 16}], ids=str)
def test_a_part_that_was_not_asked_for_is_a_breach(census, changes):
    census.heard(1, [offer(counts_name(OTHER), b"good")], True)
    with pytest.raises(ProtocolError, match="not asked for"):
        answer(census, data=b"good", **changes)


def test_a_part_nobody_waits_for_any_more_is_ignored(census):
    part = start(census, offer(counts_name(OTHER), b"good"))
    census.lost(1)
    assert census.part(1, part) == []
    start(census, offer(counts_name(OTHER), b"good"))
    census.hold(VOCABULARY, b"words", 1)
    assert census.part(1, part) == []


def test_a_broken_transfer_begins_anew_with_another_neighbour(census):
    one = offer(counts_name(OTHER), b"good")
    start(census, one, conn=1)
    assert census.heard(2, [one], True) == []  # under way elsewhere
    census.lost(1)
    assert pulls(census.heard(2, [one], True)).offset == 0


def test_one_connection_carries_one_transfer_and_two_carry_two(census):
    one, two = offer(COUNTS + "1", b"1"), offer(COUNTS + "2", b"2")
    assert pulls(census.heard(1, [one, two], True)).name == one.name
    assert census.heard(1, [two], True) == []
    assert pulls(census.heard(2, [one, two], True)).name == two.name


@pytest.mark.parametrize(
    "pull",
    [
        BlobPull("nothing", digest_of(b"words"), 0),
        BlobPull(VOCABULARY, digest_of(b"other"), 0),
        BlobPull(VOCABULARY, digest_of(b"words"), 5),
        BlobPull(VOCABULARY, digest_of(b"words"), MAX_BLOB),
    ],
    ids=["name", "digest", "end", "far"],
)
def test_what_is_not_held_is_answered_with_nothing(census, pull):
    census.hold(VOCABULARY, b"words", 1)
    assert census.asked(1, pull) == Send(1, BlobPart(pull.name, pull.digest, pull.offset, b""))


@pytest.mark.parametrize("name", ["secrets", "vocabulary2", "", "count/x"])
def test_only_counts_and_the_vocabulary_are_wanted(census, name):
    assert census.heard(1, [offer(name, b"x")], True) == []


def test_a_blob_that_was_nonsense_is_not_asked_for_again(census):
    census.reject(b"nonsense")
    assert census.heard(1, [offer(counts_name(OTHER), b"nonsense"), vocabulary(b"nonsense")], True) == []


def test_counts_are_bounded_by_their_bytes(census):
    big = [Offer(COUNTS + str(n), digest_of(b"%d" % n), MAX_BLOB, 0) for n in range(8)]
    wanted = [conn for conn in range(8) if census.heard(conn, [big[conn]], True)]
    assert len(wanted) == MAX_HELD // MAX_BLOB


def test_counts_are_bounded_by_their_number(census):
    """More offers than a frame takes would cut this node off from its neighbours."""
    for n in range(MAX_OFFERS):
        census.hold(COUNTS + str(n), b"1", 0)
    assert census.heard(1, [offer(COUNTS + "more", b"x")], True) == []
    assert pulls(census.heard(1, [vocabulary(b"words")], True)).name == VOCABULARY


# -- rivals -------------------------------------------------------------------------------------------------


def test_a_vocabulary_lets_all_counts_go_and_no_more_are_wanted(census):
    census.hold(counts_name(OTHER), b"counts", 0)
    census.hold(VOCABULARY, b"words", 7)
    assert census.offers() == [vocabulary(b"words", 7)]
    assert census.heard(1, [offer(counts_name(LOW), b"more")], True) == []


@pytest.mark.parametrize("young", [True, False])
def test_who_has_no_vocabulary_takes_any(census, young):
    assert pulls(census.heard(1, [vocabulary(b"words", 0)], young)).name == VOCABULARY


@pytest.mark.parametrize("young", [True, False])
def test_the_same_vocabulary_is_no_rival(census, young):
    census.hold(VOCABULARY, b"words", 7)
    assert census.heard(1, [vocabulary(b"words", 9)], young) == []


def test_of_rivals_exactly_one_end_yields_by_rank_then_digest():
    blobs = [(b"a", 5), (b"b", 9), (b"c", 9)]
    for mine in blobs:
        for theirs in blobs:
            one, other = Census(NODE), Census(OTHER)
            one.hold(VOCABULARY, *mine)
            other.hold(VOCABULARY, *theirs)
            yields = [bool(one.heard(1, other.offers(), True)), bool(other.heard(1, one.offers(), True))]
            assert sum(yields) == (mine != theirs)
            best = max(mine, theirs, key=lambda blob: (blob[1], digest_of(blob[0])))
            assert yields == [mine != best, theirs != best]


def test_who_must_yield_but_has_trained_too_long_refuses(census):
    census.hold(VOCABULARY, b"small", 1)
    refused, send, close = census.heard(4, [vocabulary(b"large", 2)], False)
    assert isinstance(refused, Refused)
    assert refused.reason == "vocabulary"
    assert isinstance(send.message, Refuse)
    assert isinstance(close, Close)
    assert send.conn == close.conn == 4
    assert "--min-peers" in send.message.text


def test_who_need_not_yield_waits_however_old(census):
    census.hold(VOCABULARY, b"large", 2)
    assert census.heard(1, [vocabulary(b"small", 1)], False) == []


# -- when to freeze -----------------------------------------------------------------------------------------


@pytest.fixture
def members() -> MemberTable:
    return MemberTable(Member(NODE, 1, Stage.GATHERING), newest_at=0.0)


def counted(census: Census, *nodes: bytes) -> None:
    for node in (NODE, *nodes):
        census.hold(counts_name(node), node, 0)


def join(members: MemberTable, node: bytes, state=Stage.GATHERING, now=0.0, min_peers=0) -> None:
    members.witness(Member(node, 1, state, min_peers=min_peers), now)


def test_a_lone_node_freezes_its_own_counts_after_the_quiet_time(census, members):
    counted(census)
    assert census.freeze_due(members, QUIET - 0.1, QUIET) == []
    assert census.freeze_due(members, QUIET, QUIET) == [Freeze((counts_name(NODE),))]


def test_it_is_said_once(census, members):
    counted(census)
    assert census.freeze_due(members, 5, QUIET)
    assert census.freeze_due(members, 6, QUIET) == []


def test_the_highest_freezes_the_counts_of_all_in_one_order(census, members):
    join(members, LOW[:-1] + b"\x00")
    node = next(m.node for m in members.alive(0))
    low = Census(HIGH)
    for each in (low, census):
        each.hold(counts_name(node), b"x", 0)
    table = MemberTable(Member(HIGH, 1, Stage.GATHERING))
    join(table, node)
    low.hold(counts_name(HIGH), b"mine", 0)
    (freeze,) = low.freeze_due(table, 5, QUIET)
    assert freeze.origins == tuple(sorted((counts_name(HIGH), counts_name(node))))


@pytest.mark.parametrize("state", [Stage.COUNTING, Stage.GATHERING, Stage.TRAINING])
def test_nobody_freezes_below_a_living_higher_node(census, members, state):
    join(members, HIGH, state)
    counted(census, HIGH)
    assert census.freeze_due(members, 5, QUIET) == []
    assert census.freeze_due(members, DEAD_AFTER + 1, QUIET)


def below(n: int) -> bytes:
    """A node of lower priority than NODE, which is 00 01 02 ..."""
    return b"\x00\x00" + bytes([n]) * 14


def test_it_waits_for_one_who_still_counts(census, members):
    join(members, below(1), Stage.COUNTING)
    counted(census)
    assert census.freeze_due(members, 5, QUIET) == []
    census.hold(counts_name(below(1)), b"counts", 0)
    assert census.freeze_due(members, 5, QUIET)


def test_it_waits_for_nobody_dead(census, members):
    join(members, below(1), Stage.COUNTING)
    counted(census)
    assert census.freeze_due(members, DEAD_AFTER + 0.1, QUIET)


@pytest.mark.parametrize("state", [Stage.ENCODING, Stage.JOINING, Stage.TRAINING, Stage.COMPLETE])
def test_it_waits_for_a_vocabulary_that_somebody_already_has(census, members, state):
    join(members, below(1), state)
    counted(census, below(1))
    assert census.freeze_due(members, 5, QUIET) == []


@pytest.mark.parametrize(("mine", "theirs"), [(2, 0), (0, 2)], ids=["own", "another's"])
def test_it_waits_for_as_many_peers_as_anybody_wants(census, members, mine, theirs):
    members.update_self(min_peers=mine)
    join(members, below(1), min_peers=theirs)
    counted(census, below(1), below(2))
    assert census.freeze_due(members, 5, QUIET) == []
    join(members, below(2), now=5)
    assert census.freeze_due(members, 5, QUIET) == []  # and for quiet after the last came
    assert census.freeze_due(members, 5 + QUIET, QUIET)


def test_nothing_is_frozen_before_the_own_text_is_counted_or_twice(census, members):
    assert census.freeze_due(members, 5, QUIET) == []
    counted(census)
    census.hold(VOCABULARY, b"words", 1)
    assert census.freeze_due(members, 5, QUIET) == []


def test_a_blob_that_stops_growing_costs_its_neighbour_the_connection():
    census = Census(bytes(16))
    data = b"x" * (MAX_PART + 1)
    offer = Offer(counts_name(bytes([1]) * 16), digest_of(data), len(data), 0)
    census.heard(7, [offer], young=True)
    assert census.overdue(now=100.0) == []
    census.part(7, BlobPart(offer.name, offer.digest, 0, data[:MAX_PART]))
    assert census.overdue(now=100.0 + STALLED + 1) == []  # it has grown
    assert census.overdue(now=100.0 + STALLED + 2) == []
    late = census.overdue(now=100.0 + 2 * STALLED + 3)
    assert [type(each) for each in late] == [Refused, Close]
