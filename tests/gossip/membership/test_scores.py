"""Who is banned, who is cut off, for how long, and that nobody can fill the memory with names."""

import pytest

from gossipw2v.config.address import parse_ban
from gossipw2v.gossip.membership.scores import (
    FIRST_CUT,
    HALF_LIFE,
    LONGEST_CUT,
    MAX_MARKS,
    TOLERATED_OF_HOST,
    TOLERATED_OF_NODE,
    PeerScores,
)
from gossipw2v.gossip.records import Member, Stage

NODE = bytes(range(16))
HOST = "10.0.0.66"
TOLERATED = int(TOLERATED_OF_NODE)


def blamed(standing: PeerScores, times: int, now: float = 0.0, node: bytes = NODE) -> float:
    until = float("-inf")
    for _ in range(times):
        until = standing.blame(node, now)
    return until


@pytest.mark.parametrize(
    ("ban", "inside", "outside"),
    [
        ("10.0.0.66", ("10.0.0.66", "::ffff:10.0.0.66"), ("10.0.0.67", "::1", "a.name", "", "?")),
        ("10.0.0.0/24", ("10.0.0.1", "10.0.0.255"), ("10.0.1.0",)),
        ("10.0.0.7/24", ("10.0.0.1",), ("10.0.1.0",)),
        ("fe80::1", ("fe80::1", "fe80::1%eth0"), ("fe80::2",)),
        ("2001:db8::/32", ("2001:db8:5::5",), ("2001:db9::", "10.0.0.1")),
    ],
)
def test_a_banned_address_or_network_is_not_talked_to(ban, inside, outside):
    standing = PeerScores((ban,))
    assert {standing.against(host, 0.0) for host in inside} == {"banned by configuration"}
    assert {standing.against(host, 0.0) for host in outside} == {None}
    assert standing.describe(0.0) == {"banned": [ban], "origins": []}


def test_a_banned_node_is_not_talked_to():
    standing = PeerScores((NODE.hex(),))
    assert standing.against(NODE, 0.0) == "banned by configuration"
    assert standing.against(NODE[::-1], 0.0) is None
    assert standing.bans(Member(NODE, 1, Stage.TRAINING, ("10.0.0.1:7411",)))
    assert not standing.bans(Member(NODE[::-1], 1, Stage.TRAINING, ("10.0.0.1:7411",)))


def test_a_member_is_banned_if_it_can_only_be_reached_where_all_are():
    standing = PeerScores(("10.0.0.0/24", "fd00::/8"))
    for addresses, banned in [
        (("10.0.0.1:7411", "[fd00::1]:7411"), True),
        (("10.0.0.1:7411", "10.0.1.1:7411"), False),
        (("a-name:7411",), False),
        ((), False),
    ]:
        assert standing.bans(Member(NODE, 1, Stage.TRAINING, addresses)) is banned


@pytest.mark.parametrize("text", ["", "somebody", "10.0.0.0/33", "10.0.0.1:7411", "z" * 32, "12" * 15, "\0"])
def test_a_ban_of_nobody_is_refused(text):
    with pytest.raises(ValueError, match="neither an IP address, a network nor a node id"):
        parse_ban(text)


def test_a_few_breaches_are_forgiven_and_more_are_not():
    standing = PeerScores()
    assert blamed(standing, TOLERATED - 1) < 0
    assert standing.against(NODE, 0.0) is None
    assert blamed(standing, 1) == FIRST_CUT
    assert standing.against(NODE, 1.0) == "cut off for 9 s more"
    assert standing.against(NODE, FIRST_CUT) is None
    assert standing.against(NODE[::-1], 0.0) is None


def test_a_host_is_forgiven_more_than_a_node():
    standing = PeerScores()
    untils = [standing.blame(HOST, 0.0) for _ in range(int(TOLERATED_OF_HOST))]
    assert {*untils[:-1]} == {float("-inf")}
    assert untils[-1] == FIRST_CUT
    assert standing.against(HOST, 1.0)
    assert TOLERATED_OF_HOST > 2 * TOLERATED_OF_NODE


def test_points_halve():
    standing = PeerScores()
    for number in range(50):
        assert standing.blame(NODE, number * HALF_LIFE) < 0
    assert standing.describe(49 * HALF_LIFE)["origins"][0]["score"] == 2.0


def test_the_next_time_lasts_twice_as_long_up_to_an_hour():
    standing, now, lengths = PeerScores(), 0.0, []
    while len(lengths) < 12:
        until = standing.blame(NODE, now)
        if until > now:
            lengths.append(until - now)
            now = until
    assert lengths[:4] == [10, 20, 40, 80]
    assert lengths[-1] == LONGEST_CUT


def test_what_comes_while_one_is_cut_off_does_not_cut_off_again():
    standing = PeerScores()
    blamed(standing, TOLERATED)
    assert standing.blame(NODE, 1.0) < 0
    assert standing.against(NODE, FIRST_CUT) is None


def test_people_see_the_worst_first_and_nobody_who_is_forgiven():
    standing = PeerScores()
    standing.blame(HOST, 0.0)
    blamed(standing, TOLERATED)
    seen = standing.describe(1.0)["origins"]
    assert [each["origin"] for each in seen] == [NODE.hex(), HOST]
    assert seen[0] == {
        "origin": NODE.hex(),
        "score": pytest.approx(3, abs=0.01),
        "times_cut_off": 1,
        "cut_off_seconds": 9.0,
    }
    assert standing.describe(10 * HALF_LIFE)["origins"] == []


def test_a_flood_of_names_takes_bounded_room_and_frees_nobody_who_is_cut_off():
    standing = PeerScores()
    blamed(standing, TOLERATED)
    for number in range(5 * MAX_MARKS):
        standing.blame(number.to_bytes(16, "big"), 1.0)
    assert len(standing.marks) <= MAX_MARKS
    assert standing.against(NODE, 2.0)
