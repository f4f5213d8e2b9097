"""Links to neighbours that vanished: what is kept, for how long, and how it goes on."""

import pytest
from trees import CHILD, DOWN, ME, ROOT, UP, VOCABULARY, hear, linked, node, push, rows, said, seat, tree

from gossipw2v.children import GRACE
from gossipw2v.delta import Batch
from gossipw2v.instructions import DropLink, OpenLink
from gossipw2v.kept import KEPT
from gossipw2v.members import DEAD_AFTER
from gossipw2v.messages import Adopted, LinkOpen, LinkOpened
from gossipw2v.tree import Tree


def test_while_it_is_not_known_whether_the_parent_lives_it_is_not_given_up():
    """Nor are those preferred who fell silent together with it: perhaps it is this node that was cut off."""
    made = tree(ME, ROOT, node(201))
    made.choice.full.add(node(201))
    link = linked(made)
    for now in (1.0, GRACE + 1.5, DEAD_AFTER):
        assert made.tick(now, set()) == ([], ROOT)
    assert made.tick(DEAD_AFTER + 1, set()) == ([], None)
    assert made.kept.up.link == link


GONE = GRACE + DEAD_AFTER


def test_a_lost_child_is_waited_for_and_then_its_link_is_kept_for_a_while():
    made = tree()
    link = seat(made)
    made.done = True
    made.tick(0, set())
    assert made.tick(GONE - 0.1, set())[0] == []
    assert not made.subtree_clean()  # the end waits for what it still has
    assert made.tick(GONE, set())[0] == []
    assert made.subtree_clean()
    assert made.edges() == []
    assert made.link_of(link) is not None
    assert made.tick(KEPT, set())[0] == []
    assert made.tick(KEPT + 1, set())[0] == [DropLink(link)]
    assert made.link_of(link) is None


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_of_several_lost_children_the_highest_is_kept_by_whom_a_part_would_come_back(order):
    made = tree()
    links = {n: seat(made, node(n), n) for n in order}
    for step, n in enumerate(order):
        made.downlinks[node(n)].lost_at = float(step)
    dropped = made.tick(GONE, set())[0] + made.tick(GONE + 1, set())[0]
    assert dropped == [DropLink(links[1])]
    assert made.kept.down.peer == node(2)


def test_a_lost_child_that_has_left_is_forgotten():
    made = tree(ME, CHILD)
    link = seat(made)
    made.tick(0, set())
    made.members.left(CHILD)
    assert made.tick(GONE, set())[0] == [DropLink(link)]


def test_a_kept_child_that_says_goodbye_by_others_is_forgotten():
    made = tree(ME, CHILD)
    link = seat(made)
    made.tick(0, set())
    made.tick(GONE, set())
    made.members.left(CHILD)
    assert made.tick(GONE + 1, set())[0] == [DropLink(link)]


def test_a_kept_child_goes_on_where_it_was():
    made = tree(ME, CHILD)
    link = seat(made)
    made.on_push(CHILD, push(link, 1, 1), DOWN, 0)
    made.tick(0, set())
    made.tick(GONE, set())
    assert made.merged(link, Batch(rows(1), 0, 0), {}, GONE) == []  # the merge was under way all the time
    (opened,) = said(made.on_link_open(CHILD, LinkOpen(link, False, 0, VOCABULARY, {}), 21))
    assert opened.resumed
    (again,) = said(made.on_push(CHILD, push(link, 1, 1), 21, 100))
    assert (again.batch, again.delta.rows.tolist()) == (1, [1])
    assert made.kept.down is None
    assert made.tick(GONE * 2, {CHILD})[0] == []


def test_a_kept_child_that_is_heard_of_again_is_waited_for_and_then_forgotten():
    made = tree(ME, CHILD)
    link = seat(made)
    made.tick(0, set())
    made.tick(GONE, set())
    made.done = True
    assert made.subtree_clean()
    hear(made, CHILD, 100)
    assert made.tick(100, set())[0] == []
    assert not made.subtree_clean()
    for step in range(1, int(GONE) + 1):
        hear(made, CHILD, 100 + step)
        dropped = made.tick(100 + step, set())[0]
    assert dropped == [DropLink(link)]


def lost_parent() -> tuple[Tree, bytes]:
    """A node whose only parent has vanished with a batch under way."""
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 0)
    made.tick(1, set())
    assert made.tick(DEAD_AFTER + 1, set()) == ([], None)
    return made, link


def test_who_lost_its_parent_and_sees_nobody_else_above_is_a_root_but_keeps_the_link():
    made, link = lost_parent()
    assert made.parent is None
    assert made.edges() == []
    assert made.link_of(link) is not None
    assert made.collected(link, Batch(rows(1), 0, 0), {}) == []  # gathered before it was lost
    hear(made, ROOT, 100)
    assert made.tick(100, set()) == ([], ROOT)
    assert said(made.connected(ROOT, 11, 1)) == [LinkOpen(link, False, 0, VOCABULARY, {})]
    (again,) = said(made.on_link_opened(ROOT, LinkOpened(link, True, {}), 11, 101))
    assert (again.batch, again.delta.rows.tolist()) == (1, [1])


def test_the_vanished_parent_is_taken_back_before_anything_was_heard_of_it():
    made, link = lost_parent()
    assert said(made.connected(ROOT, 11, 1)) == [LinkOpen(link, False, 0, VOCABULARY, {})]
    assert made.tick(100, {ROOT}) == ([], None)
    assert made.uplink.link == link


def test_the_link_to_a_vanished_parent_goes_once_there_is_another():
    made, link = lost_parent()
    other = node(201)
    hear(made, other, 100)
    made.tick(100, {other})
    made.ask(UP, 100)
    (asked,) = said(made.on_adopted(other, Adopted(True), UP, 100))
    assert made.link_of(link) is not None
    orders = made.on_link_opened(other, LinkOpened(asked.link, False, {}), UP, 100)
    assert [type(order) for order in orders] == [DropLink, OpenLink]
    assert orders[0].link == link
    assert made.connected(ROOT, 11, 1) == []


def test_a_vanished_parent_that_is_heard_of_and_not_reached_gives_way_to_another():
    made, link = lost_parent()
    other = node(201)
    for now in (100, 100 + GRACE):
        hear(made, ROOT, now)
        hear(made, other, now)
        orders, dial = made.tick(now, {other})
        assert dial == (ROOT if now == 100 else None)
    assert orders == [DropLink(link)]
    assert made.parent.node == other


def test_the_link_to_a_vanished_parent_is_not_kept_for_ever():
    made, link = lost_parent()
    assert made.tick(DEAD_AFTER + 1 + KEPT, set())[0] == []
    assert made.tick(DEAD_AFTER + 2 + KEPT, set())[0] == [DropLink(link)]


def test_another_vocabulary_drops_kept_links():
    made, link = lost_parent()
    assert made.reset() == [DropLink(link)]
    assert made.connected(ROOT, 11, 1) == []
