"""The nemesis does what it says, within its time, and heals."""

from random import Random

import pytest
from support.counting_swarm import add

from gossipw2v.simulation.nemesis import Nemesis
from gossipw2v.simulation.swarm import Swarm

SECONDS = 20.0
KINDS = [
    "reset",
    "hang up",
    "clog",
    "one way",
    "partition",
    "swizzle",
    "pause",
    "clock",
    "crash",
    "leave",
    "restart",
    "join",
]


def disturbed(seed: int, *kinds: str) -> Nemesis:
    """Five nodes that know each other, under some kinds of fault for SECONDS."""
    swarm = Swarm(seed=seed)
    for n in range(5):
        add(swarm, f"n{n}", work=20)
    for n in range(5):
        swarm.introduce(f"n{n}", f"n{(n + 1) % 5}")

    def enter(name: str, kept: bool) -> bool:
        add(swarm, name)
        swarm.introduce(name, "n0")
        return True

    def stop(name: str) -> float:
        swarm.leave(name)
        return 1.0

    nemesis = Nemesis(swarm, Random(seed), SECONDS, 0.5, enter, stop, kinds=kinds)
    nemesis.unleash()
    return nemesis


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_happens_and_is_over_in_time(kind):
    nemesis = disturbed(3, kind)
    swarm = nemesis.swarm
    swarm.run(SECONDS)
    assert any(kind in text or (kind == "crash" and "kill" in text) for text in nemesis.story), nemesis.story
    assert nemesis.story[-1].endswith("heal")
    swarm.run(13)  # the longest time until a node is back
    assert not swarm.wires.blocked
    assert not any(node.machine.still for node in swarm.living())
    assert swarm.living()
    told = len(nemesis.story)
    swarm.run(30)
    assert len(nemesis.story) == told


def test_all_kinds_together_are_the_same_for_the_same_seed():
    stories = []
    for seed in (1, 1, 2):
        nemesis = disturbed(seed)
        nemesis.swarm.run(SECONDS)
        stories.append(nemesis.story)
    assert stories[0] == stories[1] != stories[2]


def test_a_blocked_way_stops_what_is_sent_and_a_pause_what_is_done():
    nemesis = disturbed(1, "join")
    swarm = nemesis.swarm
    swarm.run(3)
    (conn, *_) = swarm.wires.conns("n1")
    _, other = swarm.wires.ends(conn)
    beats = swarm.nodes[other].core.members.get(swarm.nodes["n1"].core.node).beat
    swarm.pause("n1", 3.0)
    swarm.run(2.9)
    assert swarm.nodes[other].core.members.get(swarm.nodes["n1"].core.node).beat <= beats + 1
    swarm.run(3)
    assert swarm.nodes[other].core.members.get(swarm.nodes["n1"].core.node).beat > beats + 1
