"""Whom a node dials, and when: suspects, broken edges, the dead by a root, and seldom by others; never in storms."""

from random import Random

import pytest
from support.samples import NODE
from support.trees import downward, upward

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.dialer import LAST_CHANCE, LINGER, PROBE, PROBERS, Dialer
from gossipw2v.gossip.instructions import Dial
from gossipw2v.gossip.membership.connections import Connections
from gossipw2v.gossip.membership.scores import PeerScores
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import PROTOCOL, Hello
from gossipw2v.gossip.overlay.states import LinkState
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import DEAD_AFTER, SUSPECT_AFTER, Member, Stage

ME = b"\x50" * 16
STEP = 0.1


def node(n: int) -> bytes:
    return n.to_bytes(16)


class World:
    """A dialer among members that are heard, or not, from step to step. `dialled`: when and whom."""

    def __init__(self, others: int, seed: int = 0) -> None:
        self.members = MemberTable(Member(ME, 1, Stage.TRAINING))
        self.connections = Connections(Hello(PROTOCOL, PROTOCOL, ME, {}, []), Random(seed))
        self.tree = Tree(self.members, PeerScores(), Random(seed), GossipConfig(job={}))
        self.dialer = Dialer(self.connections, self.members, self.tree, Random(seed))
        self.others = [node(n) for n in range(1, others + 1)]
        self.now, self.dialled = 0.0, []
        self.connect(99, b"\x77" * 16)
        self.hear(*self.others)

    def connect(self, conn: int, other: bytes) -> None:
        self.connections.opened(conn, None, self.now)
        self.connections.greeted(conn, Hello(PROTOCOL, PROTOCOL, other, {}, []), self.now)

    def hear(self, *nodes: bytes, state: Stage = Stage.TRAINING) -> None:
        for each in nodes:
            held = self.members.get(each)
            beat = held.beat + 1 if held else 1
            self.members.witness(Member(each, beat, state, (f"{int.from_bytes(each)}:1",)), self.now)

    def run(self, seconds: float, silent: set[bytes]) -> list[bytes]:
        """Everybody but the silent is heard all the time; returns who was dialled."""
        before = len(self.dialled)
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            self.hear(*(each for each in self.others if each not in silent))
            for order in [*self.dialer.suspects(self.now), *self.dialer.strangers(self.now)]:
                assert isinstance(order, Dial)
                self.dialled.append((self.now, bytes.fromhex(order.key)))
                self.connections.dial_failed(order.key)
        return [each for _, each in self.dialled[before:]]


def below_others(world: World) -> World:
    world.tree.links.table.append(upward(world.others[-1], b"l" * 8, LinkState.WANTED))
    return world


def test_nobody_who_is_heard_is_dialled():
    assert World(20).run(30, set()) == []


def test_who_has_lost_every_connection_dials_anybody_until_somebody_answers():
    world = World(5)
    world.connections.closed(99)
    dialled = world.run(10, set())
    assert set(dialled) == set(world.others)
    world.connect(1, node(3))
    assert world.run(10, set()) == []


def test_who_is_alone_dials_nobody():
    world = World(0)
    world.connections.closed(99)
    assert world.run(10, set()) == []


@pytest.mark.parametrize("others", [1, 3])
def test_in_a_small_swarm_all_look_for_a_suspect_at_once_and_then_less_and_less(others):
    world = World(others)
    assert world.run(SUSPECT_AFTER, {node(1)}) == []
    assert node(1) in world.run(2 * PROBE, {node(1)})
    assert 2 <= len(world.run(DEAD_AFTER - SUSPECT_AFTER, {node(1)})) <= 4


def test_in_a_large_swarm_few_look_at_first_and_all_before_the_verdict():
    early, late = 0, 0
    for seed in range(60):
        world = World(60, seed)
        early += len(world.run(SUSPECT_AFTER + 1.0, {node(1)}))
        world.run(DEAD_AFTER - LAST_CHANCE - SUSPECT_AFTER - 1.0, {node(1)})
        late += bool(world.run(LAST_CHANCE, {node(1)}))
    looks = 1.0 / PROBE
    assert 0 < early < 3 * PROBERS * looks
    assert late == 60


def test_when_half_of_a_swarm_is_silent_nobody_dials_all_of_it():
    world = below_others(World(60))
    silent = set(world.others[:30])
    dials = world.run(DEAD_AFTER, silent)
    assert 0 < len(dials) <= (DEAD_AFTER - SUSPECT_AFTER) / PROBE * PROBERS * 1.4
    assert len(set(dials)) > 3


def test_who_broke_an_edge_off_is_dialled_at_once_and_others_are_not():
    world = World(3)
    world.tree.links.table.append(downward(node(1), b"l" * 8, LinkState.WANTED))
    world.dialer.broke(node(1))
    world.dialer.broke(node(2))
    assert world.run(STEP, set()) == [node(1)]
    assert world.run(1, set()) == []


def test_who_left_is_not_looked_for():
    world = World(3)
    world.tree.links.table.append(downward(node(1), b"l" * 8, LinkState.WANTED))
    world.members.left(node(1))
    world.dialer.broke(node(1))
    world.others.remove(node(1))
    assert world.run(2 * DEAD_AFTER, set()) == []


def test_the_dead_are_looked_for_by_a_root_and_now_and_then_by_others():
    """A root may be where they cannot be reached."""
    dials = []
    for world in (World(3), below_others(World(3))):
        world.run(2 * DEAD_AFTER, {node(1)})
        world.dialer.silent(world.now)
        assert len(world.run(120, {node(1)})) < 12  # the pauses grow
        dials.append(len(world.run(3600, {node(1)})))
    assert 20 < dials[1] < 0.8 * dials[0]


def test_the_more_there_are_the_less_each_looks_for_the_dead():
    """All together they would make a storm."""
    dials = []
    for world in (below_others(World(3)), below_others(World(60))):
        world.run(2 * DEAD_AFTER, {node(1)})
        world.dialer.silent(world.now)
        dials.append(world.run(900, {node(1)}).count(node(1)))
    assert dials[1] < dials[0] / 3


def test_an_address_of_this_node_is_never_dialled():
    world = World(1)
    world.connections.moved(("1:1",))
    assert world.run(2 * DEAD_AFTER, {node(1)}) == []


def test_discovered_addresses_are_dialled_until_it_is_known_who_is_there():
    world = World(0)
    key = NODE.hex()
    world.connections.learn(key, ("a:1",), 0)
    assert set(world.run(5, set())) == {NODE}
    world.others.append(NODE)
    world.hear(NODE)
    assert world.run(20, set()) == []


def test_a_connection_into_another_tree_is_kept_for_the_news_that_come_by_it_alone():
    world = World(3)
    parent, other, same = world.others
    world.tree.links.table.append(upward(parent, b"l" * 8))
    world.members.update_self(parent=parent)
    world.members.witness(Member(same, 9, Stage.TRAINING, parent=parent), 0.0)
    for conn, each in ((1, other), (2, same)):
        world.connections.opened(conn, "somewhere", 0.0)
        world.connections.greeted(conn, Hello(PROTOCOL, PROTOCOL, each, {}, []), 0.0)
    assert [order.conn for order in world.dialer.idle(set(), LINGER + 1)] == [2]
