"""One tree where not all reach all, whatever the priorities of those who do."""

from collections.abc import Iterable
from itertools import combinations
from random import Random

import pytest
from support.counting_swarm import complete, story, swarm_of
from support.trees import CHILD, DOWN, ME, ROOT, UP, hear, linked, node, refused, said, seat, tick, tree

from gossipw2v.gossip.instructions import DropLink, Send
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import LinkOpened, LinkRefused
from gossipw2v.gossip.overlay.candidates import BARRED
from gossipw2v.gossip.overlay.repair import GRACE, LATER, PATIENCE, root_of, way_up
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import DEAD_AFTER, Member, Stage
from gossipw2v.simulation.swarm import Swarm

# -- one node -----------------------------------------------------------------------------------------------

HIGHEST, LOW = node(300), node(50)


def stranded(*, parent: bool = False, seconds: float = PATIENCE) -> Tree:
    """A node that for so long has heard of a highest node that neither it nor its parent reaches; LOW does."""
    made = tree(ME, ROOT)
    if parent:
        linked(made)
    unreached = (HIGHEST,) if parent else (ROOT, HIGHEST)
    made.search.candidates.scores.ban(tuple(each.hex() for each in unreached))
    go_on(made, seconds)
    return made


def go_on(made: Tree, seconds: float, since: float = 0.0) -> None:
    now = since
    while now < since + seconds:
        news(made, now)
        tick(made, now, {LOW, ROOT})
        now += 0.5


def news(made: Tree, now: float) -> None:
    hear(made, HIGHEST, now)
    hear(made, LOW, now, parent=HIGHEST)
    hear(made, ROOT, now)


def test_a_root_that_reaches_nobody_above_goes_below_a_lower_node_of_the_highest_tree_after_a_while():
    made = stranded()
    assert made.links.parent is None
    news(made, PATIENCE)
    assert tick(made, PATIENCE, {LOW, ROOT}) == ([], None)
    assert made.links.parent.peer == LOW
    (asked,) = said(made.ask(DOWN, PATIENCE))
    assert (asked.fresh, asked.insist) == (True, True)


def test_only_a_connected_node_of_a_higher_tree_will_do():
    made = stranded()
    for n, (reachable, parent) in enumerate([(set(), b""), ({CHILD}, b""), ({CHILD}, ME)]):
        hear(made, CHILD, PATIENCE + n, parent=parent)
        news(made, PATIENCE + n)
        tick(made, PATIENCE + n, reachable)
        assert made.links.parent is None


def test_who_has_refused_is_not_asked_again_at_once():
    made = stranded()
    tick(made, PATIENCE, {LOW})
    refused(made, LOW, made.links.parent.name, PATIENCE)
    go_on(made, BARRED - 1, PATIENCE)
    assert made.links.parent is None
    go_on(made, 5, PATIENCE + BARRED)
    assert made.links.parent.peer == LOW


def test_a_node_below_a_root_that_does_not_find_the_way_waits_longer_and_then_goes_by_itself():
    made = stranded(parent=True, seconds=PATIENCE + LATER)
    assert made.links.parent.peer == ROOT
    link = made.links.uplink.name
    go_on(made, LATER + 1, PATIENCE + LATER)
    assert made.links.parent.peer == LOW
    assert made.repair.tell_unseated({ROOT: UP, LOW: DOWN}) == [Send(UP, LinkRefused(link, "unseated"))]
    assert made.links.named(link) is None


def test_nobody_goes_anywhere_once_the_own_root_is_the_highest_again():
    made = stranded()
    made.members.left(HIGHEST)
    made.members.left(ROOT)
    hear(made, LOW, PATIENCE)
    tick(made, PATIENCE, {LOW})
    assert made.links.parent is None
    assert made.repair.apart_since is None


def test_what_this_node_slept_does_not_make_it_impatient():
    made = stranded(seconds=PATIENCE / 2)
    made.slept(100, PATIENCE / 2 + 100)
    news(made, PATIENCE / 2 + 100)
    tick(made, PATIENCE / 2 + 100, {LOW})
    assert made.links.parent is None


def below_low() -> tuple[Tree, bytes]:
    """A node linked to a lower one; the link."""
    made = stranded()
    news(made, PATIENCE)
    tick(made, PATIENCE, {LOW})
    (asked,) = said(made.ask(DOWN, PATIENCE))
    made.search.on_link_opened(LOW, LinkOpened(asked.link, False, {}), DOWN, PATIENCE)
    return made, asked.link


def test_who_is_below_a_lower_node_stays_as_long_as_the_root_is_higher():
    made, link = below_low()
    go_on(made, 60, PATIENCE)
    assert made.links.uplink.name == link
    assert made.members.me.parent == LOW
    assert made.repair.root == HIGHEST


@pytest.mark.parametrize("above", [b"", ME, CHILD], ids=["the root is lower", "a circle of two", "a circle of three"])
def test_who_is_below_a_lower_node_leaves_it_when_the_way_up_is_none(above):
    made, link = below_low()
    hear(made, CHILD, PATIENCE, parent=ME)
    hear(made, LOW, PATIENCE, parent=above)
    assert tick(made, PATIENCE, {LOW, CHILD})[0] == [DropLink(link)]
    assert made.links.parent is None
    assert made.members.me.parent == b""
    assert made.repair.tell_unseated({LOW: DOWN}) == [Send(DOWN, LinkRefused(link, "unseated"))]


def test_the_swarm_is_told_of_a_parent_as_long_as_it_is_connected_or_will_be_soon():
    made = tree(ME, ROOT)
    linked(made)
    assert made.members.me.parent == b""
    tick(made, 0, {ROOT})
    assert made.members.me.parent == ROOT
    for now, parent in ((GRACE, ROOT), (GRACE + 0.1, b"")):
        hear(made, ROOT, now)
        tick(made, now, set())
        assert made.members.me.parent == parent


def test_children_stay_when_their_parent_goes_over():
    made = stranded()
    link = seat(made, CHILD, 7)
    news(made, PATIENCE)
    tick(made, PATIENCE, {LOW, CHILD})
    assert made.links.parent.peer == LOW
    assert made.links.named(link) is not None


# -- the tree as the records tell it -------------------------------------------------------------------------


@pytest.fixture
def table() -> MemberTable:
    return MemberTable(record(0))


def record(n: int, parent: bytes = b"") -> Member:
    return Member(node(n), 1, Stage.TRAINING, parent=parent)


def test_the_way_up_goes_from_parent_to_parent(table):
    for n, above in ((1, 2), (2, 3), (3, None)):
        table.witness(record(n, b"" if above is None else node(above)), 0)
    assert way_up(table, node(1), 0) == [node(1), node(2), node(3)]
    assert root_of(table, node(1), 0) == root_of(table, node(3), 0) == node(3)
    table.update_self(parent=node(2))
    assert way_up(table, node(0), 0) == [node(0), node(2), node(3)]


def test_behind_the_dead_and_the_unknown_nobody_can_tell_the_root(table):
    table.witness(record(1, node(2)), DEAD_AFTER)
    table.witness(record(2), 0)
    assert root_of(table, node(1), DEAD_AFTER) == node(2)
    assert root_of(table, node(1), DEAD_AFTER + 1) is None
    assert way_up(table, node(1), DEAD_AFTER + 1) == [node(1)]
    assert way_up(table, node(9), 0) == []
    assert root_of(table, node(9), 0) is None


def test_a_circle_has_no_root(table):
    table.update_self(parent=node(1))
    table.witness(record(1, node(2)), 0)
    table.witness(record(2, node(0)), 0)
    assert way_up(table, node(1), 0) == [node(1), node(2), node(0)]
    assert root_of(table, node(0), 0) is None


# -- whole swarms -------------------------------------------------------------------------------------------


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
    up = {(n.core.node, n.core.tree.links.uplink.peer) for n in swarm.living() if n.core.tree.links.uplink is not None}
    down = {(child, n.core.node) for n in swarm.living() for child in n.core.tree.links.downlinks}
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


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_whoever_reaches_whom_a_connected_network_is_one_swarm(seed):
    swarm = swarm_of(8, seed)
    pairs = graph(sorted(swarm.nodes), Random(seed))
    only(swarm, pairs)
    one_tree(swarm, f"swarm_of(8, {seed}) with {pairs}")
