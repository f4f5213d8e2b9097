"""What is told, to whom and when: beats, news of others, goodbyes at once, deaths; and it goes through a chain fast."""

from random import Random

import pytest
from support.samples import NODE, OTHER

from gossipw2v.gossip.census import Census
from gossipw2v.gossip.dissemination import BEAT, RELAY, Dissemination
from gossipw2v.gossip.instructions import Send
from gossipw2v.gossip.membership.connections import Connections
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import PROTOCOL, Dead, Hello, StateNews
from gossipw2v.gossip.records import DEAD_AFTER, Member, Stage

ME, THIRD = b"\x50" * 16, b"\x60" * 16
TO = {NODE: 1, OTHER: 2}  # neighbours and the connections to them


@pytest.fixture
def speaker() -> Dissemination:
    members = MemberTable(Member(ME, 1, Stage.TRAINING))
    connections = Connections(Hello(PROTOCOL, PROTOCOL, ME, {}, []), Random(0))
    for node, conn in TO.items():
        connections.opened(conn, None, 0.0)
        connections.greeted(conn, Hello(PROTOCOL, PROTOCOL, node, {}, []), 0.0)
    census = Census(ME)
    census.hold("counts/me", b"counts", 0)
    return Dissemination(members, connections, census, 0.0, 0.0)


def record(node: bytes, beat: int, state: Stage = Stage.TRAINING) -> Member:
    return Member(node, beat, state)


def told(orders) -> dict[int, object]:
    assert all(isinstance(order, Send) for order in orders)
    return {order.conn: order.message for order in orders}


def names(message: StateNews) -> set[bytes]:
    return {member.node for member in message.members}


def test_a_beat_goes_to_all_with_what_can_be_served(speaker):
    assert not speaker.due(BEAT - 0.01)
    assert speaker.due(BEAT)
    said = told(speaker.beat(BEAT))
    assert said.keys() == {1, 2}
    assert said[1] == StateNews([record(ME, 2)], speaker.census.offers())
    assert not speaker.due(2 * BEAT - 0.01)


def test_what_one_neighbour_says_is_told_to_the_other_after_a_moment_and_once(speaker):
    assert speaker.heard(1, StateNews([record(THIRD, 5)], []), 0.1) == []
    assert speaker.relay(RELAY - 0.01) == []
    assert told(speaker.relay(RELAY)) == {2: StateNews([record(THIRD, 5)], [])}
    assert speaker.relay(2 * RELAY) == []
    assert speaker.heard(2, StateNews([record(THIRD, 5)], []), 1) == []
    assert speaker.relay(2) == []  # known


def test_a_beat_brings_what_was_heard_too(speaker):
    speaker.heard(1, StateNews([record(THIRD, 5)], []), 0.1)
    said = told(speaker.beat(0.2))
    assert names(said[1]) == {ME}
    assert names(said[2]) == {ME, THIRD}


def test_a_goodbye_is_told_on_at_once(speaker):
    speaker.heard(1, StateNews([record(THIRD, 5)], []), 0.1)
    speaker.relay(1)
    orders = speaker.heard(1, StateNews([record(THIRD, 6, Stage.LEFT)], []), 1.01)
    assert told(orders) == {2: StateNews([record(THIRD, 6, Stage.LEFT)], [])}


def test_a_death_is_named_once_to_all(speaker):
    speaker.heard(1, StateNews([record(THIRD, 5)], []), 0)
    assert speaker.verdicts(DEAD_AFTER) == []
    assert told(speaker.verdicts(DEAD_AFTER + 0.1)) == dict.fromkeys((1, 2), Dead([(THIRD, 5)]))
    assert speaker.verdicts(DEAD_AFTER + 1) == []


def test_who_knows_better_than_a_verdict_says_so_at_once(speaker):
    speaker.heard(1, StateNews([record(THIRD, 5)], []), 0)
    speaker.relay(1)
    assert speaker.suspected(Dead([(THIRD, 5)]), 1.1) == []
    assert told(speaker.suspected(Dead([(THIRD, 4)]), 1.1)) == {2: StateNews([record(THIRD, 5)], [])}


def test_a_new_neighbour_is_told_everything(speaker):
    speaker.heard(1, StateNews([record(THIRD, 5)], []), 0)
    speaker.relay(1)
    order = speaker.welcome(2, 1.5)
    assert names(order.message) == {ME, THIRD}
    assert order.message.offers == speaker.census.offers()


def test_who_comes_back_from_the_dead_may_be_dialled_at_once(speaker):
    key = THIRD.hex()
    speaker.heard(1, StateNews([record(THIRD, 5)], []), 0)
    speaker.connections.learn(key, ("a:1",), 0)
    for n in range(8):
        assert speaker.connections.dial(key, 1 + n * 100.0)
        speaker.connections.dial_failed(key)
    assert speaker.connections.dial(key, 702) == []
    speaker.heard(1, StateNews([record(THIRD, 6)], []), 702)
    assert speaker.connections.dial(key, 703)
