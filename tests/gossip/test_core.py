"""Whole swarms in memory: nothing trained is lost or counted twice, all replicas end equal, whatever breaks.

Training adds whole ones, so a model's sum tells exactly what has arrived. A failing test prints the call that replays
it; every random choice comes from that seed.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pytest
from support.counting_swarm import (
    PATIENCE,
    add,
    complete,
    ends_equal,
    greeted,
    kept_all,
    kinds,
    lone_core,
    story,
    sums,
    swarm_of,
    trained,
)
from support.samples import LINK, NODE, OTHER, SAMPLES

from gossipw2v.delta import Batch, empty
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.instructions import Send
from gossipw2v.gossip.membership.scores import BREACHES
from gossipw2v.gossip.messages import PROTOCOL, Answer, Hello, Leave, LinkOpen, Push, Refuse
from gossipw2v.gossip.records import Stage
from gossipw2v.simulation.network import Line
from gossipw2v.simulation.swarm import Swarm, Watch

JITTERY = Line(jitter=0.05)


def refusals(swarm: Swarm) -> Counter:
    return Counter(text.partition(":")[0] for node in swarm.nodes.values() for text in node.refused)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 20])
def test_an_undisturbed_swarm_keeps_every_update_and_agrees(n):
    swarm = swarm_of(n, seed=n)
    kept_all(swarm, f"swarm_of({n}, seed={n})")
    assert trained(swarm) == 300 * n
    assert not refusals(swarm)
    up = [node.core.tree.links.uplink for node in swarm.nodes.values()]
    assert sum(link is not None for link in up) == n - 1  # a tree


def test_the_same_seed_gives_the_same_run():
    ends = []
    for _ in range(2):
        swarm = swarm_of(4, seed=5, lose=0.01, line=JITTERY)
        complete(swarm, "")
        ends.append((swarm.now, [node.model.weights.tobytes() for node in swarm.living()]))
    assert ends[0] == ends[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_lost_connections_lose_and_double_nothing(seed):
    swarm = swarm_of(4, seed, work=150, lose=0.02, line=JITTERY)
    kept_all(swarm, f"swarm_of(4, seed={seed}, work=150, lose=0.02, line=JITTERY)")


@pytest.mark.parametrize("delay", [0.0, 0.5])
def test_a_slow_network_keeps_every_update(delay):
    kept_all(swarm_of(5, seed=1, line=Line(delay, delay)), f"swarm_of(5, seed=1, line=Line({delay}, {delay}))")


@pytest.mark.parametrize("seed", range(8))
def test_the_others_complete_when_one_is_killed(seed):
    swarm = swarm_of(5, seed, work=400)
    swarm.run(8)
    victim = swarm.rng.choice(list(swarm.nodes))
    swarm.kill(victim)
    call = f"swarm_of(5, {seed}, work=400), run(8), kill({victim!r})"
    ends_equal(swarm, call, tolerance=0.02)
    alive = sum(node.trained for node in swarm.living())
    assert alive == 4 * 400
    # AdaSum halves at most what two histories have in common, and invents nothing
    assert alive / 2 < min(sums(swarm)) <= max(sums(swarm)) < trained(swarm) * 1.001, story(swarm, call)


@pytest.mark.parametrize("seed", [116, 156, *range(4)])
def test_who_is_cut_off_by_the_death_of_two_finds_the_others_again(seed):
    """Nobody has addresses of the others but those in the member table, and the two who were introduced are dead."""
    swarm = swarm_of(6, seed, work=400, line=Line(jitter=0.02))
    swarm.run(5 + seed % 5)
    for name in swarm.rng.sample(list(swarm.nodes), 2) if seed > 100 else ("n0", "n1"):
        swarm.kill(name)
        swarm.run(4)
    swarm.run(60)
    ends_equal(swarm, f"swarm_of(6, {seed}, work=400, line=Line(jitter=0.02)), two killed", tolerance=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_healed_partition_is_one_swarm_with_equal_replicas(seed):
    swarm = swarm_of(6, seed, work=400)
    swarm.run(6)
    swarm.partition({"n0", "n1", "n2"}, {"n3", "n4", "n5"})
    swarm.run(12 if seed % 2 else 60)
    swarm.partition()
    swarm.run(60)
    call = f"swarm_of(6, {seed}, work=400), run(6), 0-2 and 3-5 apart for {12 if seed % 2 else 60} s"
    ends_equal(swarm, call, tolerance=0.02)
    roots = [node for node in swarm.living() if node.core.tree.links.uplink is None]
    assert len(roots) == 1, story(swarm, call)
    assert trained(swarm) == 6 * 400
    # AdaSum of parallel histories is their mean; a node may go through it twice on its way back
    assert trained(swarm) / 4 < min(sums(swarm)) < trained(swarm) * 1.001, story(swarm, call)


def test_halves_that_trained_apart_are_added_when_they_meet():
    """Disjoint histories are no overlap: nothing of either half is lost."""
    swarm = Swarm(seed=3)
    for name in ("a", "b"):
        add(swarm, name, work=200)
        swarm.count(name, blob=b"same")
    frozen = b"one vocabulary for both"
    for node in swarm.nodes.values():
        swarm.perform(node, node.core.own.frozen(frozen, 1))
    swarm.run(3)
    assert 0 < trained(swarm) < 400
    swarm.introduce("a", "b")
    kept_all(swarm, "two nodes with one vocabulary that meet after 3 s")


@pytest.mark.parametrize("seed", range(5))
def test_a_late_joiner_takes_vocabulary_and_rows_trains_and_ends_equal(seed):
    swarm = swarm_of(3, seed, work=600)
    swarm.run(8)
    add(swarm, "late", work=100)
    swarm.introduce("late", "n1")
    swarm.count("late")
    late = swarm.nodes["late"]
    call = f"swarm_of(3, {seed}, work=600), run(8), add('late', work=100)"
    assert swarm.run(60, lambda: late.began), story(swarm, call)
    if late.core.tree.links.uplink is not None:  # below others it takes their rows before it trains
        before = sum(node.trained for node in swarm.nodes.values() if node is not late)
        assert late.model.weights.sum() > 0.5 * before, story(swarm, call)
    assert late.core.census.vocabulary == swarm.nodes["n0"].core.census.vocabulary
    kept_all(swarm, call)
    assert trained(swarm) == 3 * 600 + 100


def test_a_joiner_after_the_end_takes_the_result():
    swarm = swarm_of(3, seed=2, work=100)
    kept_all(swarm, "swarm_of(3, seed=2, work=100)")
    add(swarm, "late", work=0)
    swarm.introduce("late", "n0")
    swarm.count("late")
    kept_all(swarm, "and a joiner without work")


def test_a_member_of_another_job_is_refused_and_the_rest_complete():
    swarm = swarm_of(3, seed=4)
    add(swarm, "stranger", work=50, rules=GossipConfig(job={"job": "another"}))
    swarm.introduce("stranger", "n0", "n1")
    swarm.introduce("n2", "stranger")
    swarm.count("stranger")
    members = [node for node in swarm.nodes.values() if node.name != "stranger"]
    assert swarm.run(PATIENCE, lambda: all(n.core.view.final(swarm.now) for n in members)), story(swarm, "seed 4")
    assert {float(n.model.weights.sum()) for n in members} == {900.0}
    assert any(text.startswith("job: another job: job is 'another' there") for n in members for text in n.refused)
    assert all(swarm.nodes["stranger"].core.node != m.node for n in members for m in n.core.members.everyone())
    assert sum(n.dials for n in swarm.nodes.values()) < 60  # no storm of dials after a quarrel


def rivals(seed: int, apart: float) -> Swarm:
    """`a` froze a vocabulary alone, `b` and `c` another one; they meet after `apart` seconds."""
    swarm = Swarm(seed=seed)
    for name in ("a", "b", "c"):
        add(swarm, name, work=900)
        swarm.count(name)
    swarm.introduce("b", "c")
    swarm.run(apart)
    one, other, third = (node.core.census.vocabulary for node in swarm.living())
    assert one != other == third, story(swarm, f"rivals({seed}, {apart})")
    assert trained(swarm) > 0
    swarm.introduce("a", "b")
    return swarm


@pytest.mark.parametrize("seed", range(6))
def test_a_race_of_vocabularies_is_settled_alike_everywhere(seed):
    """When they meet young, the one of lower rank gives up its own and starts again."""
    swarm = rivals(seed, 2.5)
    kept_all(swarm, f"rivals({seed}, 2.5)")
    assert len({node.core.census.vocabulary for node in swarm.living()}) == 1
    assert trained(swarm) == 3 * 900
    refused = {text.partition(":")[0] for node in swarm.living() for text in node.refused}
    assert not refused & BREACHES


@pytest.mark.parametrize("seed", range(6))
def test_rivals_too_old_to_yield_part_for_a_while_and_each_completes(seed):
    swarm = rivals(seed, 10)
    complete(swarm, f"rivals({seed}, 10)")
    assert sums(swarm) == [900, 1800, 1800], story(swarm, f"rivals({seed}, 10)")
    assert sum(refusals(swarm).values()) < 20, story(swarm, f"rivals({seed}, 10)")  # no storm


def test_leaving_in_order_loses_nothing():
    swarm = swarm_of(4, seed=7)
    swarm.run(7)
    kept_all(swarm, "swarm_of(4, seed=7)")
    goer = swarm.nodes["n2"]
    swarm.perform(goer, goer.core.own.leave())
    goer.machine.on = False
    swarm.run(4)
    assert all(not n.core.members.is_alive(goer.core.node, swarm.now) for n in swarm.living())
    kept_all(swarm, "swarm_of(4, seed=7), n2 leaves")


@pytest.mark.parametrize("seed", range(2))
def test_a_tree_that_loses_a_node_in_between_and_its_root_while_it_trains_ends_as_one(seed):
    swarm = swarm_of(20, seed, work=400)
    assert swarm.run(PATIENCE, lambda: trained(swarm) > 20 * 100)
    between = [node for node in swarm.living() if node.core.tree.links.uplink and node.core.tree.links.downlinks]
    (root,) = [node for node in swarm.living() if node.core.tree.links.uplink is None]
    swarm.leave(swarm.rng.choice(between).name)
    swarm.run(2)
    swarm.kill(root.name)
    call = f"swarm_of(20, {seed}, work=400), one between leaves, the root is killed"
    ends_equal(swarm, call, tolerance=0.02)
    roots = [node for node in swarm.living() if node.core.tree.links.uplink is None]
    assert len(roots) == 1, story(swarm, call)
    alive = sum(node.trained for node in swarm.living())
    assert alive == 18 * 400
    # those who lost their parent begin anew with another: AdaSum halves at most what two histories have in common
    assert alive / 2 < min(sums(swarm)) <= max(sums(swarm)) < trained(swarm) * 1.001, story(swarm, call)
    assert not refusals(swarm)


@dataclass
class Meter(Watch):
    """Notes when the rows of how many bytes went each way over a link."""

    swarm: Swarm
    carried: defaultdict = field(default_factory=lambda: defaultdict(list))

    def ordered(self, node, order) -> None:
        message = order.message if isinstance(order, Send) else None
        if isinstance(message, (Push, Answer)) and len(message.delta):
            size = message.delta.values.nbytes + 12 * len(message.delta)
            self.carried[message.link, type(message)].append((self.swarm.now, size))

    def fastest(self) -> float:
        """Mbit/s of the busiest stretch of any link, each way, from one exchange to a later one."""
        return max(
            sum(size for _, size in sent[i:j]) * 8e-6 / (sent[j][0] - sent[i][0])
            for sent in self.carried.values()
            for i in range(len(sent))
            for j in range(i + 1, len(sent))
        )


def joined_late(limit: float) -> Meter:
    """A swarm of three that has finished, and a fourth that has taken over all of it."""
    rules = GossipConfig(job={"job": "test"}, interval=0.2, quiet=1.0, max_bandwidth=limit)
    swarm = swarm_of(3, seed=3, rules=rules, size=64)
    swarm.watch = meter = Meter(swarm)
    kept_all(swarm, f"joined_late({limit})")
    add(swarm, "late", work=50, size=64)
    swarm.introduce("late", "n0")
    swarm.count("late")
    swarm.run(20)
    return meter


def test_a_limit_of_bandwidth_holds_for_training_draining_and_catching_up():
    limit = 0.01
    assert joined_late(0.0).fastest() > 5 * limit
    meter = joined_late(limit)
    kept_all(meter.swarm, f"joined_late({limit})")
    assert meter.swarm.nodes["late"].trained == 50
    assert meter.fastest() < 1.02 * limit  # an answer is not always equally late


def test_two_addresses_of_one_node_end_in_one_connection():
    swarm = swarm_of(2, seed=0, work=50)
    for n in range(4):
        swarm.nodes["n0"].core.discovered(f"alias{n}", ("n1:1",), 0.0)
    kept_all(swarm, "swarm_of(2, seed=0, work=50) with four more addresses of n1")
    swarm.run(5)
    assert len(swarm.wires) == 2  # one connection, seen from both ends


# -- one core and a hostile neighbour -----------------------------------------------------------------------


@pytest.fixture
def core():
    return lone_core()


def of_kind(*samples):
    return pytest.mark.parametrize("message", samples, ids=lambda message: type(message).__name__)


@of_kind(*(m for m in SAMPLES if not isinstance(m, (Hello, Refuse))))
def test_anything_before_hello_is_a_breach(core, message):
    refused, send, close = core.received(1, message, 0.0)
    assert refused.reason == "handshake"
    assert send.message.reason == "handshake"
    assert close.conn == 1


def test_a_push_on_a_link_that_cannot_be_is_a_breach(core):
    (push,) = (message for message in SAMPLES if isinstance(message, Push))
    refused, *_, close = greeted(core, b"\xff" * 16).received(1, push, 0.0)
    assert refused.reason == "tree"
    assert close.conn == 1


@of_kind(*SAMPLES)
@pytest.mark.parametrize("ready", [False, True])
def test_no_message_out_of_place_does_more_than_end_the_connection(core, message, ready):
    greeted(core, NODE)
    if ready:
        core.own.frozen(b"words", 1)
        core.own.ready()
    orders = core.received(1, message, 0.0)
    assert set(kinds(orders)) <= {"Refused", "Send", "Close"}
    core.tick(1.0)


def test_a_refusal_by_the_other_end_closes_and_is_counted(core):
    assert kinds(greeted(core, NODE).received(1, Refuse("job", "no"), 0.0)) == ["Refused", "Close"]


def test_a_message_on_a_closed_connection_is_nothing(core):
    greeted(core, NODE).closed(1)
    assert core.received(1, SAMPLES[2], 0.0) == []


def test_who_leaves_says_so_and_does_no_more(core):
    greeted(core, b"\x00" * 16)
    core.own.frozen(b"words", 1)
    core.own.ready()
    core.received(1, LinkOpen(LINK, True, 0, core.census.vocabulary.digest, {}), 0.0)
    (merge,) = core.received(1, Push(LINK, 1, False, 0, 0, {}, empty(2)), 0.0)
    assert kinds(core.own.leave()) == ["Send", "Send"]
    assert core.merged(merge.link, Batch(empty(2), 0, 0), 0.0) == []  # the other end has dropped the link by then
    assert core.received(1, LinkOpen(LINK, True, 0, b"V" * 16, {}), 0.0) == []
    assert core.members.me.state == Stage.LEFT
    assert core.tick(5.0) == []


def test_a_dial_that_fails_when_the_other_has_dialled_meanwhile_is_nothing(core):
    """It has been asked for a seat by then, and would wait for this node to the end."""
    core.own.frozen(b"words", 1)
    core.own.ready()
    greeted(core, OTHER)
    core.tick(1.0)
    assert core.tree.links.parent.peer == OTHER
    core.dial_failed(OTHER.hex())
    assert core.tree.links.parent is not None


def test_goodbye_goes_to_all():
    core = greeted(lone_core(), NODE)
    core.opened(2, None, 0.0)
    core.received(2, Hello(PROTOCOL, PROTOCOL, OTHER, core.view.config.job, []), 0.0)
    goodbyes = [order.conn for order in core.own.leave() if isinstance(order, Send) and order.message == Leave()]
    assert sorted(goodbyes) == [1, 2]
