"""Who claims what, and who gives what to whom."""

from collections import Counter

import pytest

from gossipw2v.gossip.records import Member, Stage
from gossipw2v.gossip.tasks.dealing import SOON, Speeds, gifts, rendezvous

NODES = [bytes([n]) * 16 for n in range(1, 6)]
A, B, C, *_ = NODES


def speeds(**of: float) -> Speeds:
    made = Speeds()
    made.speed = {{"a": A, "b": B, "c": C}[name]: speed for name, speed in of.items()}
    return made


def test_pieces_fall_evenly_to_nodes_in_whatever_order_these_stand():
    winners = rendezvous(range(1000), NODES)
    assert winners == rendezvous(range(1000), NODES[::-1])
    assert min(Counter(winners).values()) > 150
    assert rendezvous([7], NODES) == [winners[7]]


def test_a_node_that_goes_moves_its_own_pieces_only():
    before, after = rendezvous(range(500), NODES), rendezvous(range(500), NODES[1:])
    assert all(old == new for old, new in zip(before, after, strict=True) if old != NODES[0])
    assert len({new for old, new in zip(before, after, strict=True) if old == NODES[0]}) == 4


def test_the_slowest_gives_so_much_that_both_end_together():
    left = {A: 1000.0, B: 0.0, C: 500.0}
    ((to, tokens),) = gifts(A, left, speeds(a=10, b=30, c=10))
    assert to == B
    assert (1000 - tokens) / 10 == pytest.approx(tokens / 30)
    assert gifts(C, left, speeds(a=10, b=30, c=10)) == []
    assert gifts(B, left, speeds(a=10, b=30, c=10)) == []


def test_nobody_gives_to_those_who_have_enough_or_when_there_is_nothing():
    assert gifts(A, {A: 1000.0, B: 10 * SOON}, speeds(a=10, b=10)) == []
    assert gifts(A, {A: 0.0, B: 0.0}, speeds(a=10, b=10)) == []
    assert gifts(A, {A: 1000.0}, speeds(a=10)) == []


def test_all_who_have_nothing_are_given_some():
    given = dict(gifts(A, {A: 900.0, B: 0.0, C: 0.0}, speeds(a=10, b=10)))
    assert given.keys() == {B, C}
    assert 900 - sum(given.values()) < 450 + 1e-9


def test_speed_is_what_was_trained_a_second_and_does_not_fall_while_a_node_waits():
    made = Speeds()
    assert made.of(A) == 1.0
    for second in range(10):
        made.look([Member(A, second, Stage.TRAINING, trained=100 * second)], float(second))
    for second in range(10, 20):
        made.look([Member(A, second, Stage.TRAINING, trained=900)], float(second))
    assert made.of(A) == pytest.approx(100)
    assert made.of(B) == made.of(A)
    made.look([Member(B, 1, Stage.TRAINING)], 20.0)
    assert made.at.keys() == {B}
