"""The edges down: who gets a seat, whose link is resumed, and which child is waited for."""

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
    linked,
    node,
    push,
    question,
    refused,
    rows,
    said,
    seat,
    tick,
    tree,
    upward,
)

from gossipw2v.delta import Batch
from gossipw2v.gossip.instructions import DropLink, OpenLink, Refused, Send
from gossipw2v.gossip.messages import LinkOpen, LinkOpened, LinkRefused
from gossipw2v.gossip.overlay.children import MOST_CHILDREN
from gossipw2v.gossip.overlay.repair import GRACE
from gossipw2v.gossip.overlay.states import LinkInput, LinkState
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import DEAD_AFTER

GONE = GRACE + DEAD_AFTER


def test_a_child_that_gives_its_link_up_is_not_waited_for():
    made = tree(ready=False)
    made.termination.done = True
    made.seats.on_link_open(CHILD, question(), DOWN)
    assert not made.termination.subtree_clean()
    assert refused(made, CHILD, b"12345678", 1) == []
    assert made.links.seats == {}
    assert made.termination.subtree_clean()
    made.model_ready(VOCABULARY, {})
    link = seat(made)
    made.exchanges.on_push(CHILD, push(link, 1, clean=True), DOWN, 1)
    made.exchanges.merged(link, Batch(rows(), 0, 0), {}, 1)
    assert refused(made, CHILD, b"another!", 1) == []  # of that it holds nothing
    assert refused(made, CHILD, link, 1) == [DropLink(link)]
    assert made.termination.subtree_clean()


def test_a_child_that_gives_its_link_up_before_all_is_said_may_find_another_way_first():
    """Else the swarm could end without its last rows."""
    made = tree()
    made.termination.done = True
    link = seat(made)
    assert refused(made, CHILD, link, 1) == []
    assert not made.termination.subtree_clean()
    assert tick(made, GONE, {CHILD})[0] == []
    assert tick(made, 1 + GONE, {CHILD})[0] == [DropLink(link)]
    assert made.termination.subtree_clean()


def test_a_child_without_a_link_that_connects_anew_must_ask_again():
    """It has asked somebody else meanwhile, perhaps; a look at the clock may not have come in between."""
    made = tree(ready=False)
    made.seats.on_link_open(CHILD, question(), DOWN)
    made.connected(CHILD, 21, 1)
    assert made.model_ready(VOCABULARY, {CHILD: 21}) == []
    made.termination.done = True
    assert made.termination.subtree_clean()


def test_a_child_with_a_link_that_connects_anew_and_does_not_go_on_with_it_is_forgotten():
    made = tree()
    link = seat(made)
    made.connected(CHILD, 21, 1)
    assert tick(made, GRACE + DEAD_AFTER, {CHILD})[0] == []
    assert tick(made, 1 + GRACE + DEAD_AFTER, {CHILD})[0] == [DropLink(link)]


def answers(made: Tree, child: bytes, ask: LinkOpen, conn: int = DOWN) -> bool:
    """Whether a child gets a link."""
    (answer,) = said(made.seats.on_link_open(child, ask, conn))
    assert answer in (LinkOpened(ask.link, False, {}), LinkRefused(ask.link, "no seat"))
    return isinstance(answer, LinkOpened)


def test_seats_are_limited_except_for_those_who_insist():
    made = tree()
    names = [bytes([n]) * 8 for n in range(5)]
    given = [answers(made, node(n), question(names[n]), n) for n in range(1, 5)]
    assert given == [True] * SEATS + [False] * 2
    assert answers(made, node(3), question(names[3], insist=True), 3)
    assert answers(made, node(1), question(names[1]), 1)  # a repeated question
    assert made.links.seats.keys() == {node(1), node(2), node(3)}


def test_even_insistence_has_a_limit():
    made = tree(node(1000))
    given = [answers(made, node(n), question(bytes([n]) * 8, insist=True), n) for n in range(MOST_CHILDREN + 1)]
    assert given == [True] * MOST_CHILDREN + [False]


def test_the_seat_of_a_child_that_was_lost_is_free_though_its_link_is_kept():
    made = tree()
    for n in range(1, SEATS + 1):
        seat(made, node(n), n)
    assert not answers(made, node(9), question(), 9)
    tick(made, 0, {node(1)})
    assert answers(made, node(9), question(), 9)
    assert len(made.links.downlinks) == SEATS + 1


def test_a_child_without_a_link_loses_its_seat_with_its_connection():
    made = tree(ready=False)
    made.seats.on_link_open(CHILD, question(), DOWN)
    tick(made, 0, set())
    assert made.links.seats == {}


@pytest.mark.parametrize("higher", [ROOT, node(101)])
def test_nobody_above_can_become_a_child_of_a_root(higher):
    made = tree(ME, higher)
    tick(made, 0, set())
    for fresh in (False, True):
        assert not answers(made, higher, question(fresh=fresh, insist=True), UP)
    assert made.links.seats == {}


def test_below_a_higher_root_a_node_of_higher_priority_finds_a_seat_unless_it_is_the_root_or_above_it():
    made = tree(ME, ROOT)
    linked(made)
    tick(made, 1, {ROOT})
    for higher, accepted in ((node(150), True), (ROOT, False), (node(201), False)):
        assert answers(made, higher, question(insist=True), 5) is accepted


def test_who_loses_the_way_to_the_root_sends_children_of_higher_priority_away():
    made = tree(ME, ROOT)
    linked(made)
    tick(made, 1, {ROOT})
    low, high = seat(made, CHILD), seat(made, node(150), 5)
    made.on_leave(ROOT, UP, 2)
    orders, _ = tick(made, 2, {CHILD, node(150)})
    assert orders == [DropLink(high)]
    assert made.exchanges.on_push(node(150), push(high, 1, 1), 5, 2) == []  # it was under way
    assert made.links.named(low) is not None
    assert made.repair.tell_unseated({CHILD: DOWN, node(150): 5}) == [Send(5, LinkRefused(high, "unseated"))]
    assert made.repair.tell_unseated({CHILD: DOWN, node(150): 5}) == []


def test_a_lost_child_of_higher_priority_is_not_kept():
    made = tree(ME, ROOT)
    linked(made)
    tick(made, 1, {ROOT})
    link = seat(made, node(150), 5)
    tick(made, 2, {ROOT})
    hear(made, ROOT, GONE)
    assert DropLink(link) in tick(made, 2 + GONE, {ROOT})[0]
    assert made.links.named(link) is None


def test_nobody_takes_a_seat_below_itself():
    made = tree(ME)
    hear(made, node(150), 0)
    hear(made, CHILD, 0, parent=node(150))
    made.links.table.append(link := upward(CHILD, b"l" * 8, LinkState.WANTED))
    link.move(LinkInput.OPENED)
    tick(made, 0, {CHILD})
    assert made.repair.way == [ME, CHILD, node(150)]
    assert not answers(made, CHILD, question(insist=True))


def test_a_child_that_was_forgotten_gets_a_seat_again_if_there_is_one():
    made = tree()
    assert answers(made, CHILD, question(fresh=False))  # under another name
    for n in range(made.seats.most):
        seat(made, node(n), n)
    assert not answers(made, node(90), question(b"k" * 8))
    assert answers(made, node(90), question(b"k" * 8, fresh=False))
    assert made.links.seats.keys() == {node(0), node(1)}
    assert answers(made, node(90), question(b"j" * 8, insist=True))


def test_a_child_that_asks_anew_holds_no_link_any_more():
    """Otherwise the old link's end, seconds later, would take the new one with it."""
    made = tree()
    link = seat(made)
    tick(made, 1, set())
    dropped, opened, answer = made.seats.on_link_open(CHILD, question(), DOWN)
    assert dropped == DropLink(link)
    assert opened.link == answer.message.link == b"12345678"
    tick(made, 1 + GRACE + DEAD_AFTER, {CHILD})
    assert CHILD in made.links.seats


def test_a_question_before_the_model_is_there_is_answered_later():
    made = tree(ready=False)
    ask = LinkOpen(b"l" * 8, True, 0, VOCABULARY, {})
    assert made.seats.on_link_open(CHILD, ask, DOWN) == []
    opened, send = made.model_ready(VOCABULARY, {CHILD: DOWN})
    assert isinstance(opened, OpenLink)
    assert send == Send(DOWN, LinkOpened(ask.link, False, {}))


def test_a_question_for_another_vocabulary_is_refused():
    made = tree()
    (refused,) = made.seats.on_link_open(CHILD, LinkOpen(b"l" * 8, True, 0, b"W" * 16, {}), DOWN)
    assert isinstance(refused, Refused)
    assert made.links.downlinks == {}


def test_a_repeated_question_makes_no_second_reference():
    made = tree()
    link = seat(made)
    again = made.seats.on_link_open(CHILD, LinkOpen(link, True, 0, VOCABULARY, {}), DOWN)
    assert again == [Send(DOWN, LinkOpened(link, False, {}))]


def test_a_new_link_of_a_child_replaces_its_old_one():
    made = tree()
    link = seat(made)
    dropped, opened, send = made.seats.on_link_open(CHILD, LinkOpen(b"new link", True, 0, VOCABULARY, {}), DOWN)
    assert dropped == DropLink(link)
    assert opened.link == send.message.link == b"new link"
    assert made.links.named(link) is None


@pytest.mark.parametrize("answered", [0, 1])
def test_a_parent_resumes_a_child_whose_answer_was_lost(answered):
    """The child's last settled batch is the parent's last, or the one before it."""
    made = tree()
    link = seat(made)
    made.exchanges.on_push(CHILD, push(link, 1, 1), DOWN, 0)
    (answer,) = said(made.exchanges.merged(link, Batch(rows(1), 0, 0), {}, 0)) or [None]
    assert answer is None  # nobody to send it to
    tick(made, 1, set())
    (opened,) = said(made.seats.on_link_open(CHILD, LinkOpen(link, False, answered, VOCABULARY, {}), 21))
    assert opened.resumed
    if not answered:
        (again,) = said(made.exchanges.on_push(CHILD, push(link, 1, 1), 21, 1))
        assert (again.seq, again.delta.rows.tolist()) == (1, [1])


@pytest.mark.parametrize("batch", [2, 7])
def test_a_parent_that_cannot_know_the_childs_batch_has_the_child_start_anew(batch):
    made = tree()
    link = seat(made)
    made.connected(CHILD, DOWN, 1)
    dropped, send = made.seats.on_link_open(CHILD, LinkOpen(link, False, batch, VOCABULARY, {}), DOWN)
    assert dropped == DropLink(link)
    assert send.message == LinkOpened(link, False, {})
    assert made.links.seats == {}


@pytest.mark.parametrize("fresh", [True, False])
def test_a_question_for_a_link_that_has_gone_on_since_it_was_asked_changes_nothing(fresh):
    """It comes a second time: its first answer was heard, and two exchanges have followed."""
    made = tree()
    link = seat(made)
    for batch in (1, 2):
        made.exchanges.on_push(CHILD, push(link, batch, 1), DOWN, 0)
        made.exchanges.merged(link, Batch(rows(1), 0, 0), {}, 0)
    held = made.links.downlinks[CHILD]
    assert made.seats.on_link_open(CHILD, LinkOpen(link, fresh, 0, VOCABULARY, {}), DOWN) == []
    assert made.links.downlinks[CHILD] is held
    assert held.end.seq == 2


def test_a_child_that_comes_back_without_its_link_is_forgotten_too():
    """It has another parent by now; its old link would never be clean, and the swarm never final."""
    made = tree()
    link = seat(made)
    tick(made, 0, set())
    assert tick(made, GRACE + DEAD_AFTER, {CHILD})[0] == [DropLink(link)]


def test_a_resumed_child_is_not_forgotten():
    made = tree()
    link = seat(made)
    tick(made, 0, set())
    made.seats.on_link_open(CHILD, LinkOpen(link, False, 0, VOCABULARY, {}), 21)
    assert tick(made, GRACE + DEAD_AFTER, {CHILD})[0] == []
    assert made.links.named(link) is not None


def test_when_a_child_leaves_its_seat_is_free():
    made = tree()
    link = seat(made)
    made.on_leave(CHILD, DOWN, 1)
    assert made.links.named(link) is not None  # it may come back
    assert made.links.open() == []
    assert made.links.seats == {}
