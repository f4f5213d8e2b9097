"""Links to neighbours that vanished: what is kept, for how long, and how it goes on."""

import pytest
from support.trees import (
    CHILD,
    DOWN,
    ME,
    ROOT,
    SEATS,
    UP,
    VOCABULARY,
    hear,
    later,
    linked,
    node,
    push,
    question,
    rows,
    said,
    seat,
    tick,
    tree,
)

from gossipw2v.delta import Batch
from gossipw2v.gossip.instructions import DropLink, Merge, OpenLink
from gossipw2v.gossip.messages import Answer, LinkOpen, LinkOpened, LinkRefused
from gossipw2v.gossip.overlay.repair import GRACE
from gossipw2v.gossip.overlay.retained import KEPT, SavedLink
from gossipw2v.gossip.overlay.states import LinkState
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import DEAD_AFTER


def test_while_it_is_not_known_whether_the_parent_lives_it_is_not_given_up():
    """Nor are those preferred who fell silent together with it: perhaps it is this node that was cut off."""
    made = tree(ME, ROOT, node(201))
    made.search.candidates.full.add(node(201))
    link = linked(made)
    for now in (1.0, GRACE + 1.5, DEAD_AFTER):
        assert tick(made, now, set()) == ([], ROOT)
    assert tick(made, DEAD_AFTER + 1, set()) == ([], None)
    assert made.links.retained()[0].name == link


GONE = GRACE + DEAD_AFTER


def test_a_lost_child_is_waited_for_and_then_its_link_is_kept_for_a_while():
    made = tree()
    link = seat(made)
    made.termination.done = True
    tick(made, 0, set())
    assert tick(made, GONE - 0.1, set())[0] == []
    assert not made.termination.subtree_clean()  # the end waits for what it still has
    assert tick(made, GONE, set())[0] == []
    assert made.termination.subtree_clean()
    assert made.links.open() == []
    assert made.links.named(link) is not None
    assert tick(made, KEPT, set())[0] == []
    assert tick(made, KEPT + 1, set())[0] == [DropLink(link)]
    assert made.links.named(link) is None


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_of_several_lost_children_the_highest_is_kept_by_whom_a_part_would_come_back(order):
    made = tree()
    links = {n: seat(made, node(n), n) for n in order}
    for step, n in enumerate(order):
        made.links.downlinks[node(n)].lost_at = float(step)
    dropped = tick(made, GONE, set())[0] + tick(made, GONE + 1, set())[0]
    assert dropped == [DropLink(links[1])]
    assert made.links.retained()[0].peer == node(2)


def test_a_lost_child_that_has_left_is_forgotten():
    made = tree(ME, CHILD)
    link = seat(made)
    tick(made, 0, set())
    made.members.left(CHILD)
    assert tick(made, GONE, set())[0] == [DropLink(link)]


def test_a_kept_child_that_says_goodbye_by_others_is_forgotten():
    made = tree(ME, CHILD)
    link = seat(made)
    tick(made, 0, set())
    tick(made, GONE, set())
    made.members.left(CHILD)
    assert tick(made, GONE + 1, set())[0] == [DropLink(link)]


def test_a_kept_child_goes_on_where_it_was():
    made = tree(ME, CHILD)
    link = seat(made)
    made.exchanges.on_push(CHILD, push(link, 1, 1), DOWN, 0)
    tick(made, 0, set())
    tick(made, GONE, set())
    assert made.exchanges.merged(link, Batch(rows(1), 0, 0), {}, GONE) == []  # the merge was under way all the time
    (opened,) = said(made.seats.on_link_open(CHILD, LinkOpen(link, False, 0, VOCABULARY, {}), 21))
    assert opened.resumed
    (again,) = said(made.exchanges.on_push(CHILD, push(link, 1, 1), 21, 100))
    assert (again.seq, again.delta.rows.tolist()) == (1, [1])
    assert made.links.retained() == []
    assert tick(made, GONE * 2, {CHILD})[0] == []


def test_a_kept_child_that_is_heard_of_again_is_waited_for_and_then_forgotten():
    made = tree(ME, CHILD)
    link = seat(made)
    tick(made, 0, set())
    tick(made, GONE, set())
    made.termination.done = True
    assert made.termination.subtree_clean()
    hear(made, CHILD, 100)
    assert tick(made, 100, set())[0] == []
    assert not made.termination.subtree_clean()
    for step in range(1, int(GONE) + 1):
        hear(made, CHILD, 100 + step)
        dropped = tick(made, 100 + step, set())[0]
    assert dropped == [DropLink(link)]


def lost_parent() -> tuple[Tree, bytes]:
    """A node whose only parent has vanished with a batch under way."""
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 0)
    tick(made, 1, set())
    assert tick(made, DEAD_AFTER + 1, set()) == ([], None)
    return made, link


def test_who_lost_its_parent_and_sees_nobody_else_above_is_a_root_but_keeps_the_link():
    made, link = lost_parent()
    assert made.links.parent is None
    assert made.links.open() == []
    assert made.links.named(link) is not None
    assert made.exchanges.collected(link, Batch(rows(1), 0, 0), {}) == []  # gathered before it was lost
    hear(made, ROOT, 100)
    assert tick(made, 100, set()) == ([], ROOT)
    assert said(made.connected(ROOT, 11, 1)) == [LinkOpen(link, False, 0, VOCABULARY, {}, True)]
    (again,) = said(made.search.on_link_opened(ROOT, LinkOpened(link, True, {}), 11, 101))
    assert (again.seq, again.delta.rows.tolist()) == (1, [1])


def test_the_vanished_parent_is_taken_back_before_anything_was_heard_of_it():
    made, link = lost_parent()
    assert said(made.connected(ROOT, 11, 1)) == [LinkOpen(link, False, 0, VOCABULARY, {}, True)]
    assert tick(made, 100, {ROOT}) == ([], None)
    assert made.links.uplink.name == link


def test_the_link_to_a_vanished_parent_goes_once_there_is_another():
    made, link = lost_parent()
    other = node(201)
    hear(made, other, 100)
    tick(made, 100, {other})
    (asked,) = said(made.ask(UP, 100))
    assert made.links.named(link) is not None
    orders = made.search.on_link_opened(other, LinkOpened(asked.link, False, {}), UP, 100)
    assert [type(order) for order in orders] == [DropLink, OpenLink]
    assert orders[0].link == link
    assert made.connected(ROOT, 11, 1) == []


def test_a_vanished_parent_that_is_heard_of_and_not_reached_gives_way_to_another():
    made, link = lost_parent()
    other = node(201)
    for now in (100, 100 + GRACE):
        hear(made, ROOT, now)
        hear(made, other, now)
        orders, dial = tick(made, now, {other})
        assert dial == (ROOT if now == 100 else None)
    assert orders == [DropLink(link)]
    assert made.links.parent.peer == other


def test_the_link_to_a_vanished_parent_is_not_kept_for_ever():
    made, link = lost_parent()
    assert tick(made, DEAD_AFTER + 1 + KEPT, set())[0] == []
    assert tick(made, DEAD_AFTER + 2 + KEPT, set())[0] == [DropLink(link)]


def test_another_vocabulary_drops_kept_links():
    made, link = lost_parent()
    assert made.reset() == [DropLink(link)]
    assert made.connected(ROOT, 11, 1) == []


# -- those who said goodbye ---------------------------------------------------------------------------------

NEXT, NEXT_ROOT = later(CHILD), later(ROOT)


def leave(made: Tree, who: bytes, conn: int, now: float) -> None:
    made.members.left(who)
    made.on_leave(who, conn, now)


def left_by_child(batch: int = 0) -> tuple[Tree, bytes]:
    """A node whose child has said goodbye when both were done with so many batches."""
    made = tree(ME, CHILD)
    link = seat(made)
    for n in range(1, batch + 1):
        made.exchanges.on_push(CHILD, push(link, n, n), DOWN, 0)
        made.exchanges.merged(link, Batch(rows(n), 0, 0), {CHILD: DOWN}, 0)
    leave(made, CHILD, DOWN, 1)
    return made, link


def left_by_parent() -> tuple[Tree, bytes]:
    """A node whose only parent has said goodbye."""
    made = tree(ME, ROOT)
    link = linked(made)
    leave(made, ROOT, UP, 1)
    return made, link


@pytest.mark.parametrize("left", [left_by_child, left_by_parent])
def test_the_link_to_a_neighbour_that_left_is_kept_for_a_while(left):
    made, link = left()
    assert made.links.open() == []
    for now in (1, GONE, KEPT + 1):
        assert tick(made, now, set()) == ([], None)
        assert made.links.named(link) is not None
    assert tick(made, KEPT + 2, set())[0] == [DropLink(link)]
    assert made.links.named(link) is None
    assert link in made.links.past


def test_of_children_that_left_as_many_are_kept_as_there_are_free_seats_and_the_last_to_leave_at_least():
    made = tree()
    links = []
    for n in range(1, 5):
        links.append(seat(made, node(n), n))
        leave(made, node(n), n, n)
    assert tick(made, 5, set())[0] == [DropLink(link) for link in links[:-SEATS]]
    for n in range(5, 5 + SEATS):
        seat(made, node(n), n)
    assert tick(made, 5, made.links.seats)[0] == [DropLink(links[-SEATS])]
    assert made.links.named(links[-1]) is not None


def test_the_parents_link_is_kept_however_many_children_have_left():
    made = tree(ME, ROOT)
    up = linked(made)
    leave(made, ROOT, UP, 1)
    for n in (1, 2):
        seat(made, node(n), n)
    assert tick(made, 2, made.links.seats)[0] == []
    for n in (1, 2):
        leave(made, node(n), n, 3)
    assert tick(made, 3, set())[0] == []
    assert made.links.named(up) is not None


def test_the_next_life_of_a_child_goes_on_where_it_was():
    made, link = left_by_child(batch=2)
    hear(made, NEXT, 2)
    assert said(made.seats.on_link_open(NEXT, LinkOpen(link, False, 2, VOCABULARY, {}), 21)) == [
        LinkOpened(link, True, {})
    ]
    assert tick(made, GONE, {NEXT})[0] == []
    assert (set(made.links.seats), list(made.links.downlinks), made.links.retained()) == ({NEXT}, [NEXT], [])
    (merge,) = made.exchanges.on_push(NEXT, push(link, 3, 1), 21, GONE)
    assert isinstance(merge, Merge)
    (answer,) = said(made.exchanges.merged(link, Batch(rows(1), 0, 0), {NEXT: 21}, GONE))
    assert answer.seq == 3


def test_the_next_life_of_a_child_that_vanished_goes_on_too():
    """Its goodbye was lost with the connection."""
    made = tree(ME, CHILD)
    link = seat(made)
    tick(made, 1, set())
    (opened,) = said(made.seats.on_link_open(NEXT, LinkOpen(link, False, 0, VOCABULARY, {}), 21))
    assert opened.resumed
    assert (set(made.links.seats), list(made.links.downlinks)) == ({NEXT}, [NEXT])
    assert tick(made, GONE + 1, {NEXT})[0] == []


def test_a_child_that_comes_back_before_the_model_is_there_goes_on_when_it_is():
    made = tree(ready=False)
    made.links.provenance.learn({ME: 5})
    ask = LinkOpen(b"12345678", False, 3, VOCABULARY, {})
    assert made.seats.on_link_open(NEXT, ask, 21) == []
    made.retained.take_up([SavedLink(False, CHILD, ask.link, 3, {})], 1, 5)
    assert said(made.model_ready(VOCABULARY, {NEXT: 21})) == [LinkOpened(ask.link, True, {ME: 5})]


def taken_up() -> tuple[Tree, bytes]:
    """A node that is back, with a child's link, and has not told yet that its model is there."""
    made, link = tree(ready=False), b"12345678"
    made.retained.take_up([SavedLink(False, CHILD, link, 3, {})], 1, 5)
    return made, link


def test_a_reference_is_dropped_before_the_model_is_there_if_the_child_is_done_with_another_batch():
    """The model has held it since it was taken up."""
    made, link = taken_up()
    assert made.seats.on_link_open(NEXT, question(link, fresh=False, seq=2), 21) == [DropLink(link)]
    assert made.links.with_reference() == []
    assert said(made.model_ready(VOCABULARY, {NEXT: 21})) == [LinkOpened(link, False, {})]


def test_a_reference_is_dropped_before_the_model_is_there_if_the_child_asks_for_another():
    made, link = taken_up()
    (opened,) = said(made.seats.on_link_open(NEXT, question(link, fresh=False, seq=3), 21))
    assert opened.resumed
    assert made.seats.on_link_open(NEXT, question(b"new link"), 21) == [DropLink(link)]
    assert said(made.model_ready(VOCABULARY, {NEXT: 21})) == [LinkOpened(b"new link", False, {})]
    assert [edge.name for edge in made.links.with_reference()] == [b"new link"]


@pytest.mark.parametrize("batch", [0, 2])
def test_a_next_life_that_is_done_with_another_batch_begins_anew(batch):
    """One batch less: what the earlier life was answered, this one does not know."""
    made, link = left_by_child(batch=1)
    orders = made.seats.on_link_open(NEXT, LinkOpen(link, False, batch, VOCABULARY, {}), 21)
    assert orders[0] == DropLink(link)
    assert said(orders) == [LinkOpened(link, False, {})]
    assert (made.links.named(link), made.links.downlinks, made.links.retained()) == (None, {}, [])
    assert made.links.seats == {}


def test_no_life_is_told_what_an_earlier_one_was_answered():
    made, link = left_by_child(batch=1)
    made.seats.on_link_open(NEXT, LinkOpen(link, False, 1, VOCABULARY, {}), 21)
    made.connected(NEXT, 22, 2)
    (opened,) = said(made.seats.on_link_open(NEXT, LinkOpen(link, False, 0, VOCABULARY, {}), 22))
    assert not opened.resumed


def test_a_child_whose_last_push_is_still_being_merged_begins_anew():
    made = tree(ME, CHILD)
    link = seat(made)
    made.exchanges.on_push(CHILD, push(link, 1, 1), DOWN, 0)
    leave(made, CHILD, DOWN, 1)
    assert said(made.seats.on_link_open(NEXT, LinkOpen(link, False, 0, VOCABULARY, {}), 21)) == [
        LinkOpened(link, False, {})
    ]
    assert made.links.open() == []
    assert made.exchanges.merged(link, Batch(rows(1), 0, 0), {NEXT: 21}, 1) == []
    assert made.links.named(link).end.seq == 1
    orders = made.seats.on_link_open(NEXT, LinkOpen(b"new link", True, 0, VOCABULARY, {}), 21)
    assert orders[0] == DropLink(link)


def test_a_link_that_is_in_use_is_not_for_another_life():
    made = tree()
    link = seat(made)
    made.exchanges.on_push(CHILD, push(link, 1, 1), DOWN, 0)
    made.exchanges.merged(link, Batch(rows(1), 0, 0), {CHILD: DOWN}, 0)
    assert said(made.seats.on_link_open(NEXT, LinkOpen(link, False, 1, VOCABULARY, {}), 21)) == [
        LinkOpened(link, False, {})
    ]
    assert made.links.downlinks[CHILD].name == link
    (again,) = said(made.exchanges.on_push(CHILD, push(link, 1, 1), DOWN, 0))
    assert again.seq == 1


def test_who_has_another_link_does_not_get_a_former_one_beside_it():
    """The model would hold a reference for ever that no link has."""
    made = tree()
    link, clone = seat(made), later(CHILD, 2)
    other = b"12345678"
    made.seats.on_link_open(clone, LinkOpen(other, True, 0, VOCABULARY, {}), 22)
    leave(made, CHILD, DOWN, 1)
    orders = made.seats.on_link_open(clone, LinkOpen(link, False, 0, VOCABULARY, {}), 22)
    assert orders[0] == DropLink(other)
    assert said(orders) == [LinkOpened(link, False, {})]


def test_a_stranger_that_names_a_link_gets_nothing():
    made, link = left_by_child(batch=1)
    stranger = node(2)
    for batch in (0, 1):
        (opened,) = said(made.seats.on_link_open(stranger, LinkOpen(link, False, batch, VOCABULARY, {}), 22))
        assert opened == LinkOpened(link, False, {})
        assert made.links.open() == []
    assert made.links.named(link).peer == CHILD
    (opened,) = said(made.seats.on_link_open(NEXT, LinkOpen(link, False, 1, VOCABULARY, {}), 21))
    assert opened.resumed


@pytest.mark.parametrize("who", [CHILD, NEXT])
def test_a_child_that_is_refused_a_fresh_link_has_no_former_one(who):
    made, link = left_by_child()
    for n in (11, 12):
        seat(made, node(n), n)
    dropped, answer = made.seats.on_link_open(who, question(), 21)
    assert dropped == DropLink(link)
    assert isinstance(answer.message, LinkRefused)


def test_a_fresh_link_of_a_next_life_replaces_the_former_one():
    made, link = left_by_child()
    dropped, opened, _ = made.seats.on_link_open(NEXT, LinkOpen(b"new link", True, 0, VOCABULARY, {}), 21)
    assert dropped == DropLink(link)
    assert isinstance(opened, OpenLink)
    assert [edge.name for edge in made.links.open()] == [b"new link"]


def test_another_vocabulary_drops_the_links_of_those_who_left():
    made, link = left_by_child()
    assert made.reset() == [DropLink(link)]


# -- a former parent ----------------------------------------------------------------------------------------


def test_a_parent_that_comes_back_under_a_new_id_is_chosen_and_the_outstanding_batch_repeated():
    made = tree(ME, ROOT, node(300))
    made.search.candidates.full.add(node(300))
    link = linked(made)
    made.ask(UP, 0)
    (sent,) = said(made.exchanges.collected(link, Batch(rows(1), 0, 0), {ROOT: UP}))
    leave(made, ROOT, UP, 1)
    hear(made, NEXT_ROOT, 1)
    assert tick(made, 1, {node(300)}) == ([], NEXT_ROOT)
    assert made.links.retained() == []
    assert said(made.connected(NEXT_ROOT, 11, 2)) == [LinkOpen(link, False, 0, VOCABULARY, {})]
    assert said(made.search.on_link_opened(NEXT_ROOT, LinkOpened(link, True, {}), 11, 2)) == [sent]
    assert made.links.uplink.peer == NEXT_ROOT


def test_a_parent_that_comes_back_is_known_by_its_connection_too():
    made, link = left_by_parent()
    assert said(made.connected(NEXT_ROOT, 11, 2)) == [LinkOpen(link, False, 0, VOCABULARY, {}, True)]
    assert (made.links.uplink.peer, made.links.uplink.state) == (NEXT_ROOT, LinkState.RESUMING)


def test_a_parent_that_vanished_and_has_another_id_now_is_somebody_else():
    """It was killed: its model is older than what this node has seen of it."""
    made, _ = lost_parent()
    assert made.connected(NEXT_ROOT, 11, 2) == []
    hear(made, NEXT_ROOT, 100)
    tick(made, 100, set())
    assert (made.links.parent.peer, made.links.uplink) == (NEXT_ROOT, None)


def test_a_former_parent_that_does_not_go_on_is_asked_for_a_new_link():
    made, link = left_by_parent()
    made.connected(NEXT_ROOT, 11, 2)
    dropped, ask = made.search.on_link_opened(NEXT_ROOT, LinkOpened(link, False, {}), 11, 2)
    assert dropped == DropLink(link)
    assert ask.message == LinkOpen(made.links.parent.name, True, 0, VOCABULARY, {}, True)
    assert ask.message.link != link


@pytest.mark.parametrize("step", ["collecting", "settling"])
def test_what_was_under_way_when_the_parent_left_ends_as_if_it_had_not(step):
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 0)
    if step == "settling":
        made.exchanges.collected(link, Batch(rows(1), 0, 0), {ROOT: UP})
        made.exchanges.on_answer(ROOT, Answer(link, 1, False, 0, 0, {}, rows(1)))
    leave(made, ROOT, UP, 1)
    if step == "settling":
        assert made.exchanges.settled(link, 2) is not None
    else:
        assert made.exchanges.collected(link, Batch(rows(1), 0, 0), {NEXT_ROOT: 11}) == []
    (asked,) = said(made.connected(NEXT_ROOT, 11, 2))
    assert asked.seq == (1 if step == "settling" else 0)
    again = said(made.search.on_link_opened(NEXT_ROOT, LinkOpened(link, True, {}), 11, 2))
    assert [each.seq for each in again] == ([] if step == "settling" else [1])
