"""Who is asked to be the parent: nobody suspect, barred or banned; how long one tried in vain is left alone."""

from random import Random

import pytest

from gossipw2v.gossip.membership.scores import PeerScores
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.overlay.candidates import BARRED, LONGEST_BAR, Candidates, parents
from gossipw2v.gossip.records import SUSPECT_AFTER, Member, Stage

ME = b"\x00" * 16
CROWD = [n.to_bytes(16) for n in range(1, 11)]


@pytest.fixture
def choice() -> Candidates:
    made = Candidates(MemberTable(Member(ME, 1, Stage.TRAINING)), PeerScores(), Random(0), 2)
    hear(made, 0)
    return made


def hear(choice: Candidates, now: float, *silent: bytes) -> None:
    for each in CROWD:
        held = choice.members.get(each)
        if each not in silent:
            choice.members.witness(Member(each, held.beat + 1 if held else 1, Stage.TRAINING), now)


def test_the_best_is_picked_and_then_those_who_may_have_room(choice):
    wanted = parents(ME, choice.members.alive(0), 2)
    picked = []
    for _ in wanted:
        node, insist = choice.pick(0)
        assert not insist
        picked.append(node)
        choice.refused(node, insist, 0)
    assert picked == wanted
    node, insist = choice.pick(0)
    assert insist
    assert node in wanted
    choice.refused(node, insist, 0)
    assert choice.full == set()
    assert node not in choice.above(0)


def test_suspects_are_not_chosen(choice):
    best = choice.above(0)[0]
    hear(choice, SUSPECT_AFTER, best)
    assert best not in choice.above(SUSPECT_AFTER + 0.1)
    assert choice.above(2 * SUSPECT_AFTER + 0.1) == []
    assert choice.pick(2 * SUSPECT_AFTER + 0.1) is None


def test_who_is_tried_in_vain_is_left_alone_longer_each_time(choice):
    node, now = choice.above(0)[0], 0.0
    for times in range(8):
        hear(choice, now)
        choice.bar(node, now)
        pause = choice.barred[node][0] - now
        shortest = min(LONGEST_BAR, BARRED * 2**times)
        assert shortest <= pause <= 1.25 * shortest
        assert node not in choice.above(now)
        now += pause
        hear(choice, now)
        assert node in choice.above(now)
    choice.found(node)
    choice.bar(node, now)
    assert choice.barred[node][0] - now <= 1.25 * BARRED


def test_the_dead_are_forgotten_and_the_banned_never_chosen(choice):
    banned, barred, dead = choice.above(0)
    choice.scores.ban((banned.hex(),))
    choice.bar(dead, 0)
    hear(choice, 1000, dead)
    choice.bar(barred, 1000)
    choice.bar(banned, 1000)
    assert choice.barred.keys() == {banned, barred}
    assert choice.is_barred(banned, 1e9)
    hear(choice, 2000)
    assert barred in choice.above(2000)
    for _ in range(50):
        assert choice.pick(2000)[0] != banned


def test_nobody_is_picked_who_is_below(choice):
    best = choice.above(0)[0]
    choice.members.witness(Member(best, 9, Stage.TRAINING, parent=ME), 0)
    assert best not in choice.above(0)
    for each in CROWD:
        choice.members.witness(Member(each, 10, Stage.TRAINING, parent=ME), 0)
    assert choice.pick(0) is None


def test_who_is_barred_is_so_for_a_while(choice):
    choice.bar(CROWD[0], 0)
    assert choice.is_barred(CROWD[0], BARRED - 1)
    assert not choice.is_barred(CROWD[0], 1.25 * BARRED)
    assert not choice.is_barred(CROWD[1], 0)
