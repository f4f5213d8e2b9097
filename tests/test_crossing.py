"""One tree where not all reach all, whatever the priorities of those who do."""

from collections.abc import Iterable
from itertools import combinations
from random import Random

import pytest
from swarm import Swarm
from test_gossip import complete, story, swarm_of

PATIENCE = 400.0


def names_upwards(swarm: Swarm) -> list[str]:
    """The lowest first."""
    return sorted(swarm.nodes, key=lambda name: swarm.nodes[name].core.node)


def only(swarm: Swarm, pairs: Iterable[tuple[str, str]]) -> None:
    """From now on and for ever no other pairs reach each other; all addresses are known to those who do."""
    reach = {frozenset(pair) for pair in pairs}
    for one, other in combinations(swarm.nodes, 2):
        if frozenset((one, other)) in reach:
            swarm.introduce(one, other)
        else:
            swarm.wires.block((one, other), (other, one))


def one_tree(swarm: Swarm, call: str) -> None:
    """All are final, in one tree, with equal replicas."""
    complete(swarm, call)
    assert swarm.apart() <= 1e-3, story(swarm, call)
    up = {(n.core.node, n.core.tree.uplink.peer) for n in swarm.living() if n.core.tree.uplink is not None}
    down = {(child, n.core.node) for n in swarm.living() for child in n.core.tree.downlinks}
    assert up == down
    assert len(up) == len(swarm.nodes) - 1


def graph(names: list[str], rng: Random) -> set[tuple[str, str]]:
    """A random connected graph: a random tree, and some pairs more."""
    order = rng.sample(names, len(names))
    pairs = {(order[n], order[rng.randrange(n)]) for n in range(1, len(order))}
    return pairs | set(rng.sample(list(combinations(names, 2)), rng.randrange(4)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("middle", range(3))
def test_a_chain_of_three_is_one_swarm_whoever_is_in_the_middle(seed, middle):
    swarm = swarm_of(3, seed)
    upwards = names_upwards(swarm)
    only(swarm, [(upwards[middle], other) for other in upwards if other != upwards[middle]])
    one_tree(swarm, f"{upwards[middle]} in the middle of swarm_of(3, {seed})")


@pytest.mark.parametrize("seed", range(3))
def test_the_highest_may_be_reached_by_the_lowest_alone(seed):
    swarm = swarm_of(6, seed)
    *others, highest = names_upwards(swarm)
    only(swarm, [*combinations(others, 2), (others[0], highest)])
    one_tree(swarm, f"the lowest of swarm_of(6, {seed}) alone reaches the highest")


@pytest.mark.parametrize("seed", range(20))
def test_whoever_reaches_whom_a_connected_network_is_one_swarm(seed):
    swarm = swarm_of(8, seed)
    pairs = graph(sorted(swarm.nodes), Random(seed))
    only(swarm, pairs)
    one_tree(swarm, f"swarm_of(8, {seed}) with {pairs}")
