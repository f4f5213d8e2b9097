"""The overlay at scale: real trees of up to a thousand nodes that only look for parents, with member tables filled in.

There are no exchanges and no connections to make: a message to a living node arrives at once. What is left is who asks
whom, who is seated where, and which links outlive the death, departure and arrival of others.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from math import ceil, log
from random import Random

import pytest
from support.trees import tick

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.instructions import Instruction, Send
from gossipw2v.gossip.membership.scores import PeerScores
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import Leave, LinkOpen, LinkOpened, LinkRefused, Message
from gossipw2v.gossip.overlay.repair import GRACE
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import DEAD_AFTER, Member, NodeId, Stage

SEATS = 4
STEP = 0.3  # s from one question to the next: a dial and a look at the clock
VOCABULARY = b"V" * 16
PATIENCE = 60.0  # virtual seconds until nobody moves any more
QUIET = GRACE + DEAD_AFTER + 2.0  # after which nothing is forgotten any more, nor asked again


@dataclass
class Overlay:
    """The trees by node; one record of a node is shared by all tables that have it. `asked`: questions by sender."""

    seed: int
    trees: dict[NodeId, Tree] = field(default_factory=dict)
    now: float = 0.0
    asked: Counter[NodeId] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.truth = MemberTable(Member(b"\0" * 16, 0, Stage.TRAINING))
        self.numbers: dict[NodeId, int] = {}  # of the connection to a node, the same for all
        self.nodes: list[NodeId] = []
        self.mail: deque[tuple[NodeId, NodeId, Message]] = deque()

    def add(self, count: int) -> list[NodeId]:
        """Nodes that have their model and know nobody."""
        nodes = [self.rng.randbytes(16) for _ in range(count)]
        for node in nodes:
            me = Member(node, 0, Stage.TRAINING)
            self.truth.witness(me, self.now)
            self.trees[node] = tree = Tree(
                MemberTable(me), PeerScores(), Random(self.rng.random()), GossipConfig(job={}, seats=SEATS)
            )
            tree.model_ready(VOCABULARY, {})
            self.numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return nodes

    def know(self, circle: list[NodeId], share: float = 1.0) -> None:
        """Each of the circle knows that share of the others, and nobody else."""
        for node in circle:
            others = [other for other in circle if other != node]
            seen = others if share == 1 else self.rng.sample(others, round(share * len(others)))
            self.trees[node].members.entries = {other: self.truth.entries[other] for other in seen}

    def kill(self, nodes: list[NodeId]) -> None:
        """Nothing is heard of them any more."""
        for node in nodes:
            del self.trees[node]

    def leave(self, node: NodeId) -> None:
        """It says goodbye to its neighbours, who pass it on."""
        for other in self.trees[node].links.neighbours() & self.trees.keys():
            self.mail.append((node, other, Leave()))
        del self.trees[node]
        self.truth.left(node)

    # -- running --------------------------------------------------------------------------------------------

    def settle(self) -> float:
        """Go on until there is one root and nobody has moved for a while; returns when the last one moved."""
        began = moved = self.now
        while self.now - moved < QUIET or not self.whole():
            assert self.now - began < PATIENCE, f"{len(self.roots())} roots are left, seed {self.seed}"
            before = self.links()
            self.step()
            moved = moved if self.links() == before else self.now
        return moved - began

    def step(self) -> None:
        self.now += STEP
        for node in self.trees:
            held = self.truth.get(node)
            assert held is not None
            parent = self.trees[node].members.me.parent
            self.truth.witness(Member(node, held.beat + 1, Stage.TRAINING, parent=parent), self.now)
        reachable = set(self.trees)
        for node in self.rng.sample(list(self.trees), len(self.trees)):
            tree = self.trees[node]
            orders, wanted = tick(tree, self.now, reachable)
            if tree.links.parent is not None and wanted is None:
                orders += tree.ask(self.numbers[tree.links.parent.peer], self.now)
            orders += tree.repair.tell_unseated(self.numbers)
            self.post(node, orders)
        while self.mail:
            self.deliver(*self.mail.popleft())

    def post(self, node: NodeId, orders: list[Instruction]) -> None:
        self.mail.extend((node, self.nodes[order.conn], order.message) for order in orders if isinstance(order, Send))

    def deliver(self, sender: NodeId, node: NodeId, message: Message) -> None:
        tree, conn = self.trees.get(node), self.numbers[sender]
        if tree is None:
            return
        match message:
            case LinkOpen():
                self.asked[sender] += 1
                self.post(node, tree.seats.on_link_open(sender, message, conn))
            case LinkOpened():
                self.post(node, tree.search.on_link_opened(sender, message, conn, self.now))
            case LinkRefused():
                self.post(node, tree.on_link_refused(sender, message, self.now))
            case Leave():
                tree.on_leave(sender, conn, self.now)

    # -- looking --------------------------------------------------------------------------------------------

    def links(self) -> dict[NodeId, tuple[NodeId, bytes]]:
        """Parent and link of every node that has one."""
        return {
            node: (t.links.uplink.peer, t.links.uplink.name)
            for node, t in self.trees.items()
            if t.links.uplink is not None
        }

    def roots(self) -> list[NodeId]:
        return [node for node, tree in self.trees.items() if tree.links.uplink is None]

    def whole(self) -> bool:
        return self.roots() == [max(self.trees)]

    def children(self) -> Counter[NodeId]:
        return Counter(parent for parent, _ in self.links().values())

    def depth(self) -> int:
        """Links from the root to the furthest node. KeyError unless every edge leads to a living node above."""
        depths: dict[NodeId, int] = {}
        links = self.links()
        for node in sorted(self.trees, reverse=True):
            depths[node] = depths[links[node][0]] + 1 if node in links else 0
        return max(depths.values())

    def agree(self) -> None:
        """Both ends of every edge hold the same link, edges go up, and nobody holds any more than that."""
        down = {child: (node, e.name) for node, tree in self.trees.items() for child, e in tree.links.downlinks.items()}
        assert down == self.links()
        assert all(node < parent for node, (parent, _) in down.items())


def heap_depth(n: int) -> int:
    """Links from the root to the last of `n` nodes, if every node has all children it may have."""
    return ceil(log(n, SEATS))


def grown(n: int, seed: int = 0) -> Overlay:
    """One tree of `n` nodes that have known each other from the beginning."""
    overlay = Overlay(seed)
    overlay.know(overlay.add(n))
    overlay.settle()
    return overlay


def fits(overlay: Overlay, deeper: int = 2, more: int = SEATS) -> None:
    """One tree, the same at both ends of every edge, not much deeper and no node much busier than a heap's."""
    overlay.agree()
    assert overlay.whole()
    depth, degree, n = overlay.depth(), max(overlay.children().values()), len(overlay.trees)
    assert depth <= heap_depth(n) + deeper
    assert degree <= SEATS + more


def moved(overlay: Overlay, before: dict[NodeId, tuple[NodeId, bytes]]) -> set[NodeId]:
    """Who of those who had a link then has it no more."""
    after = overlay.links()
    return {node for node, edge in before.items() if node in overlay.trees and after.get(node) != edge}


def orphans(overlay: Overlay, gone: set[NodeId]) -> set[NodeId]:
    return {node for node, (parent, _) in overlay.links().items() if parent in gone and node not in gone}


slow = pytest.mark.slow
sizes = pytest.mark.parametrize("n", [10, 100, pytest.param(400, marks=slow)])  # the last is as deep as a thousand


@pytest.mark.parametrize("n", [10, 100, pytest.param(1000, marks=slow)])
def test_those_who_know_each_other_make_a_heap_with_one_question_each(n):
    overlay = Overlay(n)
    overlay.know(overlay.add(n))
    assert overlay.settle() <= 2 * STEP
    fits(overlay, deeper=0, more=0)
    assert set(overlay.asked.values()) == {1}


@sizes
def test_newcomers_find_a_place_and_move_nobody(n):
    overlay = grown(n)
    before = overlay.links()
    overlay.asked.clear()
    overlay.add(n // 10)
    overlay.know(list(overlay.trees))
    assert overlay.settle() <= 5.0
    fits(overlay)
    assert moved(overlay, before) == set()
    assert max(overlay.asked.values()) <= 2 * log(n, 2)


@sizes
def test_only_orphans_choose_again(n):
    overlay = grown(n)
    before = overlay.links()
    dead = set(overlay.rng.sample(list(overlay.trees), n // 10))
    left = orphans(overlay, dead)
    overlay.asked.clear()
    overlay.kill(list(dead))
    assert overlay.settle() <= DEAD_AFTER + 5.0
    fits(overlay)
    assert moved(overlay, before) == left
    assert set(overlay.asked) <= left
    assert max(overlay.asked.values(), default=0) <= 2 * log(n, 2)


@sizes
def test_the_death_of_the_root_moves_only_its_children(n):
    overlay = grown(n)
    for _ in range(5):
        before, root = overlay.links(), max(overlay.trees)
        left = orphans(overlay, {root})
        overlay.kill([root])
        overlay.settle()
        fits(overlay, deeper=3, more=2 * SEATS)
        assert moved(overlay, before) == left


@pytest.mark.parametrize("seed", range(10))
def test_two_swarms_that_meet_become_one_tree_and_one_root_moves(seed):
    overlay = Overlay(seed)
    one, other = overlay.add(100), overlay.add(100)
    overlay.know(one)
    overlay.know(other)
    for _ in range(10):
        overlay.step()
    roots = overlay.roots()
    assert sorted(roots) == sorted([max(one), max(other)])
    before = overlay.links()
    overlay.know(one + other)
    overlay.settle()
    assert moved(overlay, before) == set()
    assert overlay.links().keys() - before.keys() == {min(roots)}
    fits(overlay, deeper=4)


@sizes
def test_those_who_leave_in_order_move_only_their_children(n):
    overlay = grown(n)
    before = overlay.links()
    gone = set(overlay.rng.sample(list(overlay.trees), n // 10)) | {max(overlay.trees)}
    left = orphans(overlay, gone)
    for node in gone:
        overlay.leave(node)
    assert overlay.settle() <= 5.0  # nobody waits for a silence
    fits(overlay)
    assert moved(overlay, before) == left


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("n", [10, 100])
def test_views_that_lack_a_tenth_make_no_cycle_and_one_tree_once_they_are_complete(n, seed):
    overlay = Overlay(seed)
    overlay.know(overlay.add(n), share=0.9)
    for _ in range(30):
        overlay.step()
    overlay.agree()
    overlay.depth()
    before = overlay.links()
    assert len(before) >= 0.9 * n - 1  # those who know nobody above are roots for now
    overlay.know(list(overlay.trees))
    overlay.settle()
    fits(overlay)
    assert moved(overlay, before) == set()


@slow
@pytest.mark.parametrize("seed", range(3))
def test_a_tree_that_grows_by_one_at_a_time_stays_shallow(seed):
    overlay = Overlay(seed)
    for _ in range(200):
        overlay.know([*overlay.trees, *overlay.add(1)])
        for _ in range(8):
            overlay.step()
    overlay.settle()
    fits(overlay, deeper=4, more=2 * SEATS)


@slow
@pytest.mark.parametrize("seed", range(3))
def test_a_tree_in_which_all_are_replaced_again_and_again_stays_shallow(seed):
    overlay = grown(100, seed)
    for _ in range(30):
        overlay.kill(overlay.rng.sample(list(overlay.trees), 10))
        overlay.add(10)
        overlay.know(list(overlay.trees))
        overlay.settle()
        fits(overlay, deeper=4)
