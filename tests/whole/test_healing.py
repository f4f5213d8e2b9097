"""Swarms that fall apart, sleep and come together again: what was trained apart is kept, and nothing counted twice."""

from __future__ import annotations

import pytest
from support.counting_swarm import complete, ends_equal, kept_all, story, sums, swarm_of, trained

from gossipw2v.gossip.records import DEAD_AFTER, Stage
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Swarm

APART = 3 * DEAD_AFTER  # s after which all take each other for dead, and have acted on it
REJOIN = 5.0  # s until a node that comes back is known to be alive by all


def training(n: int, seed: int, **more) -> Swarm:
    """A swarm in the middle of its work: all are linked, and each has half of its text left at least."""
    swarm = swarm_of(n, seed, work=600, **more)
    assert swarm.run(60, lambda: trained(swarm) > 100 * n)
    assert sum(node.core.tree.links.uplink is not None for node in swarm.living()) == n - 1
    return swarm


def below(swarm: Swarm, node: SimulatedNode) -> set[str]:
    """The names of a node and of all under it in the tree."""
    names = {other.core.node: other for other in swarm.living()}
    kids = [names[child] for child in node.core.tree.links.downlinks]
    return {node.name}.union(*(below(swarm, child) for child in kids))


def root(swarm: Swarm) -> SimulatedNode:
    (only,) = [node for node in swarm.living() if node.core.tree.links.uplink is None]
    return only


def branches(swarm: Swarm) -> list[SimulatedNode]:
    return [node for node in swarm.living() if node.core.tree.links.uplink is not None]


def all_see_all(swarm: Swarm) -> bool:
    living = swarm.living()
    return all(
        one is other or one.core.members.is_alive(other.core.node, swarm.now) for one in living for other in living
    )


def nobody_sees(swarm: Swarm, node: SimulatedNode) -> bool:
    others = [other for other in swarm.living() if other is not node]
    return not any(other.core.members.is_alive(node.core.node, swarm.now) for other in others)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [2, 7])
def test_a_part_that_was_cut_off_brings_back_all_it_has_trained_once(n, seed):
    """The part is a branch of the tree, so that both ends of the one link between the parts keep it."""
    swarm = training(n, seed)
    part = below(swarm, branches(swarm)[seed % (n - 1)])
    swarm.partition(part, swarm.nodes.keys() - part)
    before = trained(swarm)
    swarm.run(APART)
    assert not all_see_all(swarm)
    assert trained(swarm) > before
    swarm.partition()
    kept_all(swarm, f"training({n}, {seed}), {part} cut off for {APART} s")
    assert trained(swarm) == 600 * n


@pytest.mark.parametrize("seed", range(4))
def test_parts_with_many_links_between_them_come_together_and_invent_nothing(seed):
    swarm = training(7, seed)
    part = {f"n{n}" for n in range(3)}
    swarm.partition(part, swarm.nodes.keys() - part)
    swarm.run(APART)
    swarm.partition()
    call = f"training(7, {seed}), {part} cut off"
    ends_equal(swarm, call, tolerance=0.02)
    assert root(swarm).core.node == max(node.core.node for node in swarm.living())
    assert trained(swarm) == 600 * 7
    # who lost its parent begins anew below another: AdaSum halves at most what two histories have in common
    assert trained(swarm) / 4 < min(sums(swarm)) <= max(sums(swarm)) < trained(swarm) * 1.001, story(swarm, call)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("who", ["a leaf", "the only other", "the root of two"])
def test_who_slept_for_a_minute_is_back_in_seconds_and_loses_nothing(who, seed):
    swarm = training(6 if who == "a leaf" else 2, seed)
    leaf = next(node for node in branches(swarm) if not node.core.tree.links.downlinks)
    sleeper = root(swarm) if who == "the root of two" else leaf
    swarm.pause(sleeper.name, 60)
    swarm.run(60 - 0.1)
    assert nobody_sees(swarm, sleeper)
    call = f"training(.., {seed}), {who} sleeps for 60 s"
    assert swarm.run(REJOIN, lambda: all_see_all(swarm)), story(swarm, call)
    kept_all(swarm, call)


@pytest.mark.parametrize("seed", range(2))
def test_a_sleeper_takes_nobody_for_dead_when_it_wakes(seed):
    swarm = training(6, seed)
    sleeper = root(swarm)
    swarm.pause(sleeper.name, 60)
    swarm.run(60)
    others = [node.core.node for node in swarm.living() if node is not sleeper]
    for _ in range(50):
        swarm.run(0.1)
        assert all(sleeper.core.members.is_alive(other, swarm.now) for other in others)
    ends_equal(swarm, f"training(6, {seed}), the root sleeps", tolerance=0.02)


def test_a_short_sleep_costs_nothing_at_all():
    swarm = training(5, 1)
    for node in branches(swarm):
        swarm.pause(node.name, 5.0)
        swarm.run(12)
        assert all_see_all(swarm)
    kept_all(swarm, "training(5, 1), all but the root sleep for 5 s")


def test_a_node_that_lost_all_others_is_not_complete_until_it_must_believe_that_they_are_gone():
    swarm = training(2, 0)
    lone = swarm.nodes["n0"]
    swarm.nodes["n1"].worker.total = 10**6
    swarm.partition({"n0"}, {"n1"})
    parted = swarm.now
    assert swarm.run(60, lambda: lone.trained == 600)
    while swarm.now < parted + lone.core.view.config.lost_patience - 2:
        swarm.run(1.0)
        assert not lone.core.view.final(swarm.now)
        assert lone.core.members.me.state == Stage.DRAINING
    assert swarm.run(10, lambda: lone.core.view.final(swarm.now))


def test_the_death_of_one_of_many_delays_nothing():
    swarm = training(5, 2)
    victim = branches(swarm)[0]
    swarm.kill(victim.name)
    died = swarm.now
    complete(swarm, "training(5, 2), one is killed")
    longest = max(200 * 0.1, DEAD_AFTER) + 25  # s: the rest of the text, or the silence; then the last exchanges
    assert swarm.now - died < longest


def test_nobody_dials_much_when_the_root_dies_and_half_of_the_swarm_vanishes():
    swarm = training(20, 3)
    before = sum(node.dials for node in swarm.nodes.values())
    swarm.kill(root(swarm).name)
    gone = {f"n{n}" for n in range(10)}
    swarm.partition(gone, swarm.nodes.keys() - gone)
    swarm.run(60)
    dials = sum(node.dials for node in swarm.nodes.values()) - before
    assert dials / 20 < 60  # less than one in a second from each node, although most whom it knows are silent
