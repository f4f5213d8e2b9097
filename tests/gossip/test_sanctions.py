"""Who breaks the rules is refused, and in the end cut off; the banned are not even greeted."""

import pytest
from support.counting_swarm import add, greeted, kinds, lone_core
from support.samples import DIGEST, LINK, NODE, OTHER

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.membership.scores import FIRST_CUT, TOLERATED_OF_HOST, TOLERATED_OF_NODE
from gossipw2v.gossip.messages import PROTOCOL, Hello, Leave, LinkOpen, ProtocolError
from gossipw2v.gossip.records import Member, Stage
from gossipw2v.simulation.swarm import Swarm

HOST = "10.0.0.66"
CHILD = b"\x00" * 16
BREACH = ProtocolError("values", "a scale is not a finite number")


@pytest.fixture
def core():
    return lone_core()


def breaks(core, times: int, host: str = HOST, node: bytes = CHILD, now: float = 0.0):
    """Connect, say Hello, break the protocol and be hung up on; the last answer. Connection numbers go on from 100."""
    for number in range(100, 100 + times):
        core.opened(number, None, now, host)
        core.received(number, Hello(PROTOCOL, PROTOCOL, node, core.view.config.job, []), now)
        orders = core.sanctions.violated(number, BREACH, now)
        core.closed(number)
    return orders


def reasons(orders) -> list[str]:
    return [order.reason for order in orders if type(order).__name__ == "Refused"]


def test_a_node_that_breaks_the_rules_too_often_is_cut_off_and_may_come_back_later(core):
    assert reasons(breaks(core, int(TOLERATED_OF_NODE) - 1)) == ["values"]
    assert reasons(breaks(core, 1)) == ["values", "barred"]
    hello = Hello(PROTOCOL, PROTOCOL, CHILD, core.view.config.job, [])
    for now, welcome in ((1.0, False), (FIRST_CUT + 1, True)):
        core.opened(7, None, now, "10.0.0.7")
        orders = core.received(7, hello, now)
        assert reasons(orders) == ([] if welcome else ["barred"])
        assert (core.connections.conns().get(CHILD) == 7) is welcome


def test_ever_new_names_do_not_save_a_host(core):
    for number in range(int(TOLERATED_OF_HOST)):
        assert core.scores.against(HOST, 0.0) is None
        orders = breaks(core, 1, node=number.to_bytes(16, "big"))
    assert reasons(orders) == ["values", "barred"]
    assert core.scores.against(HOST, 1.0)
    assert core.scores.against("10.0.0.7", 1.0) is None


def test_with_a_host_all_its_connections_end(core):
    core.opened(50, None, 0.0, HOST)
    core.received(50, Hello(PROTOCOL, PROTOCOL, OTHER, core.view.config.job, []), 0.0)
    core.opened(51, None, 0.0, "10.0.0.7")
    for number in range(int(TOLERATED_OF_HOST)):
        orders = breaks(core, 1, node=number.to_bytes(16, "big"))
    closed = {order.conn for order in orders if type(order).__name__ == "Close"}
    assert 50 in closed
    assert 51 not in closed


def test_what_honest_nodes_do_by_accident_is_not_held_against_them(core):
    for number in range(100, 150):
        core.opened(number, None, 0.0, HOST)
        core.received(number, Hello(PROTOCOL, PROTOCOL, CHILD, {"job": "another"}, []), 0.0)
        core.opened(number + 100, None, 0.0, HOST)
        core.sanctions.violated(number + 100, ProtocolError("timeout", "slow"), 0.0)
    assert core.scores.describe(0.0)["origins"] == []


def linked(core, conn: int = 1, host: str = HOST) -> None:
    core.opened(conn, None, 0.0, host)
    core.received(conn, Hello(PROTOCOL, PROTOCOL, CHILD, core.view.config.job, []), 0.0)
    core.own.frozen(b"words", 1)
    core.own.ready()
    core.received(conn, LinkOpen(LINK, True, 0, core.census.vocabulary.digest, {}), 0.0)


def test_who_goes_on_moving_rows_too_far_is_cut_off(core):
    linked(core, 2)
    assert core.view.host_of(LINK) == HOST
    for _ in range(int(TOLERATED_OF_NODE) - 1):
        assert core.sanctions.clipped(LINK, 0.0) == []
    orders = core.sanctions.clipped(LINK, 0.0)
    assert kinds(orders) == ["Refused", "Send", "Close", "DropLink"]
    assert orders[2].conn == 2
    assert core.view.links() == []
    assert core.sanctions.clipped(LINK, 0.0) == []
    assert core.view.host_of(LINK) == ""


def test_a_delta_that_could_not_be_merged_ends_the_connection_and_the_link(core):
    greeted(core, b"\x00" * 16)
    core.own.frozen(b"words", 1)
    core.own.ready()
    vocabulary = core.census.vocabulary.digest
    core.received(1, LinkOpen(LINK, True, 0, vocabulary, {}), 0.0)
    assert LINK in {link.name for link in core.view.links()}
    orders = core.sanctions.broken(LINK, ProtocolError("values", "a scale is not a finite number"), 1.0)
    assert kinds(orders) == ["Refused", "DropLink", "Send", "Close"]
    assert core.view.links() == []
    assert core.sanctions.broken(LINK, ProtocolError("values", "again"), 1.0) == []
    assert core.sanctions.broken(DIGEST[:8], ProtocolError("values", "unknown"), 1.0) == []


def test_a_banned_node_is_neither_greeted_nor_chosen_as_parent():
    swarm = Swarm(seed=0, rules=GossipConfig(job={"job": "test"}, banned=(OTHER.hex(),)))
    core = add(swarm, "me").core
    core.opened(1, None, 0.0, HOST)
    core.received(1, Hello(PROTOCOL, PROTOCOL, NODE, core.view.config.job, []), 0.0)
    assert reasons(core.received(1, Hello(PROTOCOL, PROTOCOL, OTHER, core.view.config.job, []), 0.0)) == ["barred"]
    core.opened(2, None, 0.0, HOST)
    assert reasons(core.received(2, Hello(PROTOCOL, PROTOCOL, OTHER, core.view.config.job, []), 0.0)) == ["barred"]
    assert core.connections.conns().get(OTHER) is None
    assert core.received(2, Leave(), 0.0)[0].reason == "handshake"


def test_no_member_at_a_banned_address_is_chosen_as_parent():
    swarm = Swarm(seed=0, rules=GossipConfig(job={"job": "test"}, banned=("10.0.0.0/24",)))
    core = add(swarm, "me").core
    core.own.frozen(b"words", 1)
    core.own.ready()
    core.members.witness(Member(OTHER, 1, Stage.TRAINING, ("10.0.0.66:7411",)), 0.0)
    for tick in range(1, 50):
        assert "Dial" not in kinds(core.tick(tick / 10))
        assert core.tree.links.parent is None
    core.members.witness(Member(b"\xfe" * 16, 1, Stage.TRAINING, ("10.0.1.1:7411",)), 5.0)
    core.tick(5.1)
    assert core.tree.links.parent.peer == b"\xfe" * 16


def test_a_ban_by_a_new_configuration_holds_at_once_and_is_lifted_by_the_next(core):
    core.opened(60, None, 0.0, HOST)
    core.opened(61, None, 0.0, "10.0.0.7")
    core.received(61, Hello(PROTOCOL, PROTOCOL, CHILD, core.view.config.job, []), 0.0)
    core.opened(62, None, 0.0, "10.0.0.8")
    orders = core.own.ban((HOST, CHILD.hex()), 1.0)
    assert {order.conn for order in orders if type(order).__name__ == "Close"} == {60, 61}
    assert {order.cause.what for order in orders} == {"bans are configured"}
    assert not core.is_welcome(HOST, 1.0)
    assert core.tree.search.candidates.is_barred(CHILD, 1e9)
    assert core.own.ban((), 2.0) == []
    assert core.is_welcome(HOST, 2.0)
    assert not core.tree.search.candidates.is_barred(CHILD, 2.0)
