"""The tree of one node: who becomes its parent, whom it seats, what a cut leaves standing, and when all is done."""

from itertools import pairwise
from random import Random

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
    refused,
    rows,
    said,
    seat,
    tick,
    tree,
)

from gossipw2v.delta import Batch
from gossipw2v.gossip.instructions import Close, Collect, DropLink, Merge, OpenLink, Send, Settle
from gossipw2v.gossip.messages import Answer, LinkOpen, LinkOpened, LinkRefused, ProtocolError
from gossipw2v.gossip.overlay.candidates import BARRED, parents
from gossipw2v.gossip.overlay.link import Phase
from gossipw2v.gossip.overlay.parent import ASK_AGAIN
from gossipw2v.gossip.overlay.repair import GRACE
from gossipw2v.gossip.overlay.retained import SavedLink
from gossipw2v.gossip.overlay.states import LinkState
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.pacing import UNANSWERED
from gossipw2v.gossip.records import DEAD_AFTER, Stage

# -- choosing a parent --------------------------------------------------------------------------------------


def test_who_sees_nobody_above_is_a_root():
    made = tree(ME, CHILD)
    assert tick(made, 0, set()) == ([], None)
    assert made.links.parent is None
    assert made.settled_in(0)


def test_the_first_of_the_parents_is_chosen_and_dialled_until_it_is_reached():
    crowd = [node(n) for n in range(101, 110)]
    made = tree(ME, CHILD, *crowd)
    first = parents(ME, made.members.alive(0), made.seats.most)[0]
    assert tick(made, 0, set()) == ([], first)
    assert tick(made, 1, {first}) == ([], None)
    assert made.links.parent.peer == first


def test_a_parent_stays_though_a_better_one_comes():
    made = tree(ME, ROOT)
    linked(made)
    for n in range(101, 140):
        hear(made, node(n), 1)
    tick(made, 1, {ROOT})
    assert made.links.parent.peer == ROOT


def test_a_link_is_asked_for_and_again_if_unanswered():
    made = tree(ME, ROOT)
    tick(made, 0, {ROOT})
    (asked,) = said(made.ask(UP, 0))
    assert asked == question(made.links.parent.name, insist=True)  # the only one there is: it insists at once
    assert made.ask(UP, ASK_AGAIN - 0.1) == []
    assert said(made.ask(UP, ASK_AGAIN)) == [asked]
    orders = made.search.on_link_opened(ROOT, LinkOpened(asked.link, False, {}), UP, 8)
    assert orders == [OpenLink(asked.link, overlap=False, catch_up=False)]
    assert made.ask(UP, 8) == [Collect(asked.link, False)]


def test_no_parent_is_chosen_before_there_is_a_model():
    made = tree(ME, ROOT, ready=False)
    assert tick(made, 0, {ROOT}) == ([], None)
    assert made.links.parent is None
    assert not made.settled_in(1)
    made.model_ready(VOCABULARY, {ROOT: UP})
    tick(made, 1, {ROOT})
    (asked,) = said(made.ask(UP, 1))
    assert asked.fresh


def ask_and_be_refused(made: Tree, now: float) -> tuple[bytes, bool]:
    """Whom it asks next, and whether with insistence."""
    tick(made, now, set(CROWD))
    (ask,) = said(made.ask(UP, now))
    asked = made.links.parent.peer, ask.insist
    refused(made, made.links.parent.peer, ask.link, now)
    return asked


CROWD = [node(n) for n in range(101, 111)]


def test_after_all_have_said_no_one_is_asked_with_insistence():
    made = tree(ME, *CROWD)
    wanted = parents(ME, made.members.alive(0), made.seats.most)
    assert [ask_and_be_refused(made, 0) for _ in wanted] == [(who, False) for who in wanted]
    who, insists = ask_and_be_refused(made, 0)
    assert insists
    assert who in wanted
    for each in CROWD:
        hear(made, each, DEAD_AFTER)
    asked = [ask_and_be_refused(made, DEAD_AFTER) for _ in wanted]  # it has no room at all: once more without it
    assert who not in dict(asked)
    assert not any(insists for _, insists in asked)


def test_however_long_the_answers_take_nobody_is_asked_twice_before_one_must_make_room():
    made = tree(ME, *CROWD)
    asked = []
    for n in range(4):
        for each in CROWD:
            hear(made, each, n * 2 * BARRED)
        asked.append(ask_and_be_refused(made, n * 2 * BARRED))
    assert len(dict(asked[:3])) == 3
    assert [insists for _, insists in asked] == [False, False, False, True]


def test_not_all_insist_on_the_same():
    wanted = set()
    for seed in range(20):
        made = tree(ME, *CROWD)
        made.search.candidates.rng = Random(seed)
        wanted.add([ask_and_be_refused(made, 0) for _ in range(4)][-1])
    assert len(wanted) == 3
    assert all(insists for _, insists in wanted)


def test_who_was_refused_by_all_who_are_above_is_a_root_for_a_while():
    made = tree(ME, ROOT)
    tick(made, 0, {ROOT})
    refused(made, ROOT, made.links.parent.name, 0)
    tick(made, BARRED - 1, {ROOT})
    assert made.links.parent is None
    later = 1.25 * BARRED
    hear(made, ROOT, later)
    tick(made, later, {ROOT})
    assert made.links.parent.peer == ROOT


def test_a_node_that_is_not_reached_makes_room_for_the_others_and_is_left_alone_longer_each_time():
    made = tree(ME, *CROWD)
    wanted, tried, until = [], 0, []
    for n in range(200):
        now = n * 1.0
        for each in CROWD:
            hear(made, each, now)
        _, dial = tick(made, now, set())
        assert dial is not None or made.links.parent is None
        if dial is not None:
            wanted.append(dial)
            made.search.unreached(dial.hex(), now)
        tried += dial == wanted[0]
        until.append(made.search.candidates.barred.get(wanted[0], (0, 0))[0])
    assert set(wanted[: len(CROWD)]) == set(CROWD)  # all of them, before any is tried again
    assert 3 <= tried <= 5  # at about 0, 11, 33, 78 and 167 s
    pauses = [b - n for n, (a, b) in enumerate(pairwise(until)) if b > a]
    assert pauses == sorted(pauses)


def test_a_parent_with_a_link_is_not_given_up_when_a_dial_fails():
    made = tree(ME, ROOT)
    linked(made)
    tick(made, 0.5, set())
    made.search.unreached(ROOT.hex(), 1)
    assert made.links.parent is not None
    assert made.links.uplink is not None


def test_who_has_found_a_parent_asks_everybody_the_next_time():
    made = tree(ME, *CROWD)
    first, _ = ask_and_be_refused(made, 0)
    tick(made, 0, set(CROWD))
    second = made.links.parent.peer
    made.search.on_link_opened(second, LinkOpened(made.links.parent.name, False, {}), UP, 0)
    made.search.drop(0)
    tick(made, 0, set(CROWD))
    assert made.links.parent.peer == first


def test_an_answer_from_somebody_else_or_of_another_link_is_nothing():
    made = tree(ME, ROOT)
    tick(made, 0, {ROOT})
    name = made.links.parent.name
    refused(made, node(201), name, 0)
    refused(made, ROOT, b"another!", 0)
    made.search.on_link_opened(node(201), LinkOpened(name, False, {}), 5, 0)
    assert (made.links.parent.peer, made.links.parent.state) == (ROOT, LinkState.WANTED)


# -- answers that come too late -----------------------------------------------------------------------------


def test_a_link_that_comes_when_there_is_another_parent_is_given_back():
    made = tree(ME, ROOT)
    linked(made)
    late = made.search.on_link_opened(node(201), LinkOpened(b"too late", False, {}), 5, 1)
    assert late == [Send(5, LinkRefused(b"too late", "declined"))]
    assert made.links.parent.peer == ROOT


def test_two_answers_that_a_link_is_gone_begin_one_new_link():
    """The question was repeated, since the first answer took its time."""
    made = tree(ME, ROOT)
    link = linked(made)
    made.connected(ROOT, 11, 1)
    dropped, ask = made.search.on_link_opened(ROOT, LinkOpened(link, False, {}), 11, 5)
    assert dropped == DropLink(link)
    assert made.search.on_link_opened(ROOT, LinkOpened(link, False, {}), 11, 5) == []
    (opened,) = made.search.on_link_opened(ROOT, LinkOpened(ask.message.link, False, {}), 11, 6)
    assert opened.link == ask.message.link != link


def test_an_answer_to_a_question_of_an_earlier_attempt_is_no_breach():
    made = tree(ME, ROOT)
    tick(made, 0, {ROOT})
    (asked,) = said(made.ask(UP, 0))
    made.search.unreached(ROOT.hex(), 1)
    hear(made, ROOT, 2 * BARRED)
    tick(made, 2 * BARRED, {ROOT})
    assert made.links.parent.name != asked.link
    assert made.search.on_link_opened(ROOT, LinkOpened(asked.link, False, {}), UP, 2 * BARRED) == []
    assert made.links.uplink is None


# -- seats --------------------------------------------------------------------------------------------------


def test_who_is_refused_gives_up_the_link_that_it_held():
    made = tree(ME, ROOT)
    link = linked(made)
    made.connected(ROOT, 11, 1)
    assert refused(made, ROOT, link, 1) == [DropLink(link)]
    assert (made.links.parent, made.links.uplink) == (None, None)


def test_who_is_refused_before_there_is_a_link_has_nothing_to_give_back():
    made = tree(ME, ROOT)
    tick(made, 0, {ROOT})
    assert refused(made, ROOT, made.links.parent.name, 1) == []


# -- opening links ------------------------------------------------------------------------------------------


def test_a_repeated_answer_makes_no_second_reference():
    made = tree(ME, ROOT)
    link = linked(made)
    up = made.links.uplink
    assert made.search.on_link_opened(ROOT, LinkOpened(link, False, {}), UP, 1) == []
    assert made.links.uplink is up


@pytest.mark.parametrize("resumed", [True, False])
def test_an_answer_about_a_link_that_was_not_asked_for_is_a_breach(resumed):
    made = tree(ME, ROOT)
    linked(made)
    with pytest.raises(ProtocolError, match="link was"):
        made.search.on_link_opened(ROOT, LinkOpened(b"another!", resumed, {}), UP, 1)


# -- cuts ---------------------------------------------------------------------------------------------------


def test_a_cut_link_is_resumed_within_its_grace_and_the_outstanding_batch_repeated():
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 0)
    (sent,) = said(made.exchanges.collected(link, Batch(rows(1), 0, 0), {ROOT: UP}))
    assert tick(made, 1, set()) == ([], ROOT)
    tick(made, GRACE, set())
    assert said(made.connected(ROOT, 11, 1)) == [LinkOpen(link, False, 0, VOCABULARY, {}, True)]
    orders = made.search.on_link_opened(ROOT, LinkOpened(link, True, {}), 11, 5)
    assert orders == [Send(11, sent)]
    assert made.exchanges.on_answer(ROOT, Answer(link, 1, False, 0, 0, {}, rows(1))) == [
        Settle(link, sent.delta, rows_of(made))
    ]


def rows_of(made: Tree):
    return made.links.uplink.end.applying.delta


def test_rows_that_were_gathered_while_the_link_was_cut_go_out_on_resumption():
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 0)
    assert made.exchanges.collected(link, Batch(rows(1), 0, 0), {}) == []
    made.connected(ROOT, 11, 1)
    (again,) = said(made.search.on_link_opened(ROOT, LinkOpened(link, True, {}), 11, 1))
    assert (again.seq, again.delta.rows.tolist()) == (1, [1])


def test_an_answer_that_does_not_come_is_asked_for():
    """Whatever has become of it: the parent has it still, or has no link any more and says so."""
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 1)
    made.exchanges.collected(link, Batch(rows(1), 0, 0), {ROOT: UP})
    outbox = made.links.uplink.end.in_flight
    assert made.ask(UP, 1 + UNANSWERED) == []
    (asked,) = said(made.ask(UP, 1.1 + UNANSWERED))
    assert asked == LinkOpen(link, False, 0, VOCABULARY, {}, True)
    assert made.ask(UP, 1.2 + UNANSWERED) == []
    assert said(made.search.on_link_opened(ROOT, LinkOpened(link, True, {}), UP, 2 + UNANSWERED)) == [outbox]
    assert made.ask(UP, 2 * UNANSWERED) == []  # a slow network is given twice as long
    assert said(made.ask(UP, 1.1 + 2 * UNANSWERED)) == [asked]
    orders = made.search.on_link_opened(ROOT, LinkOpened(link, False, {}), UP, 2 + 2 * UNANSWERED)
    assert orders[0] == DropLink(link)
    assert said(orders)[0].fresh


def test_on_a_slow_link_an_answer_may_take_three_times_as_long_as_the_last():
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 0)
    made.exchanges.collected(link, Batch(rows(1), 0, 0), {ROOT: UP})
    made.exchanges.on_answer(ROOT, Answer(link, 1, False, 0, 0, {}, rows(1)))
    made.exchanges.settled(link, UNANSWERED - 5)
    made.ask(UP, 100)
    made.exchanges.collected(link, Batch(rows(1), 0, 0), {ROOT: UP})
    assert made.ask(UP, 100 + 3 * (UNANSWERED - 5)) == []
    (asked,) = said(made.ask(UP, 101 + 3 * (UNANSWERED - 5)))
    assert asked.link == link


def test_a_resumed_link_with_nothing_outstanding_repeats_nothing():
    made = tree(ME, ROOT)
    link = linked(made)
    made.connected(ROOT, 11, 1)
    assert made.search.on_link_opened(ROOT, LinkOpened(link, True, {}), 11, 1) == []


def test_a_parent_that_has_forgotten_the_link_starts_it_anew_under_another_name():
    """The rows that are being collected for the old one must not go over the new one."""
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 0)
    made.links.provenance.learn({ME: 5})
    made.connected(ROOT, 11, 1)
    dropped, ask = made.search.on_link_opened(ROOT, LinkOpened(link, False, {}), 11, 1)
    assert dropped == DropLink(link)
    assert ask.message == LinkOpen(made.links.parent.name, True, 0, VOCABULARY, {ME: 5}, True)
    assert ask.message.link != link
    (opened,) = made.search.on_link_opened(ROOT, LinkOpened(ask.message.link, False, {ME: 5}), 11, 1)
    assert opened == OpenLink(ask.message.link, overlap=True, catch_up=False)
    assert made.exchanges.collected(link, Batch(rows(1), 0, 0), {ROOT: 11}) == []
    assert (made.links.uplink.end.seq, made.links.uplink.end.in_flight) == (0, None)


def test_nothing_is_pushed_before_the_parent_has_said_that_it_still_holds_the_reference():
    made = tree(ME, ROOT)
    link = linked(made)
    made.connected(ROOT, 11, 1)
    assert made.ask(11, 3) == []
    (again,) = said(made.ask(11, 10 + ASK_AGAIN))
    assert again == LinkOpen(link, False, 0, VOCABULARY, {}, True)
    assert made.ask(11, 11 + ASK_AGAIN) == []
    made.search.on_link_opened(ROOT, LinkOpened(link, True, {}), 11, 15)
    assert made.ask(11, 20) == [Collect(link, False)]


def test_another_vocabulary_gives_the_link_another_name():
    made = tree(ME, ROOT)
    link = linked(made)
    made.reset()
    assert made.links.parent.name != link


def test_a_parent_is_given_up_after_its_grace_or_at_once_when_it_is_dead():
    for now, alive in ((GRACE, True), (DEAD_AFTER + 1, False)):
        made = tree(ME, ROOT, node(201))
        made.search.candidates.full.add(node(201))
        hear(made, node(201), now)
        link = linked(made)
        start = now - GRACE if alive else now
        assert bool(tick(made, start, set())[0]) is not alive
        if alive:
            hear(made, ROOT, now - 0.1)
            assert tick(made, now - 0.1, set())[0] == []
            assert tick(made, now, set())[0] == [DropLink(link)]
        assert made.links.uplink is None
        assert made.links.parent.peer != ROOT


def test_what_this_node_slept_is_nobodys_absence():
    made = tree(ME, ROOT, CHILD)
    linked(made)
    seat(made)
    tick(made, 1, set())
    made.slept(60, 62)
    for each in (ROOT, CHILD):
        hear(made, each, 62)
    assert tick(made, 62, set()) == ([], ROOT)
    assert made.links.uplink is not None
    assert len(made.links.downlinks) == 1


def test_work_that_comes_back_for_a_dropped_link_is_nothing():
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 0)
    made.search.drop(0)
    assert made.exchanges.collected(link, Batch(rows(1), 0, 0), {ROOT: UP}) == []
    assert made.exchanges.merged(link, Batch(rows(1), 0, 0), {}, 0) == []
    made.exchanges.settled(link, 0)
    assert made.exchanges.on_answer(ROOT, Answer(link, 1, False, 0, 0, {}, rows(1))) == []
    assert made.links.uplink is None


def test_a_push_on_a_link_that_is_not_open_is_a_breach():
    made = tree()
    link = seat(made)
    for who, name in ((node(2), link), (CHILD, b"another!")):
        with pytest.raises(ProtocolError, match="not open"):
            made.exchanges.on_push(who, push(name, 1, 1), DOWN, 0)


# -- leaving ------------------------------------------------------------------------------------------------


def test_when_the_parent_leaves_another_is_chosen():
    other = node(201)
    made = tree(ME, ROOT)
    link = linked(made)
    (close,) = made.on_leave(ROOT, UP, 1)
    assert isinstance(close, Close)
    made.members.left(ROOT)
    hear(made, other, 1)
    tick(made, 1, {other})
    assert made.links.parent.peer == other
    (asked,) = said(made.ask(UP, 1))
    opened = made.search.on_link_opened(other, LinkOpened(asked.link, False, {}), UP, 1)
    assert opened[0] == DropLink(link)  # kept until then, in case that the parent came back


def test_another_vocabulary_drops_every_link_and_all_that_was_learned():
    made = tree(ME, ROOT)
    up = linked(made, origins={ROOT: 5})
    down = seat(made)
    made.links.provenance.learn({ME: 5})
    assert made.reset() == [DropLink(up), DropLink(down)]
    assert made.exchanges.on_push(CHILD, push(down, 1, 1), DOWN, 0) == []  # it was under way
    assert not made.reconciler.trained
    assert not made.settled_in(0)
    made.model_ready(b"W" * 16, {})
    assert made.seats.on_link_open(CHILD, LinkOpen(b"l" * 8, True, 0, b"W" * 16, {}), DOWN)


# -- a stop -------------------------------------------------------------------------------------------------


def under_way(made) -> list:
    return [link for link in made.links.open() if link.end.busy]


def test_a_node_at_rest_begins_no_exchange_and_ends_the_one_under_way():
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 0)
    made.exchanges.resting = True
    assert under_way(made)
    (sent,) = said(made.exchanges.collected(link, Batch(rows(1), 0, 0), {ROOT: UP}))
    assert under_way(made)
    made.exchanges.on_answer(ROOT, Answer(link, sent.seq, False, 0, 0, {}, rows(1)))
    assert under_way(made)
    made.exchanges.settled(link, 1)
    assert not under_way(made)
    assert made.links.uplink.end.seq == 1
    assert made.ask(UP, 100) == []
    assert not under_way(made)


def test_a_node_at_rest_answers_no_push_but_the_one_under_way():
    made = tree(ME, CHILD)
    links = [seat(made), seat(made, node(2), 2)]
    made.exchanges.on_push(CHILD, push(links[0], 1, 1), DOWN, 0)
    made.exchanges.resting = True
    assert under_way(made)
    assert made.exchanges.on_push(node(2), push(links[1], 1, 1), 2, 0) == []
    (answer,) = said(made.exchanges.merged(links[0], Batch(rows(1), 0, 0), {CHILD: DOWN}, 0))
    assert answer.seq == 1
    assert not under_way(made)
    for n in (1, 2):
        assert made.exchanges.on_push(CHILD, push(links[0], n, 1), DOWN, 0) == []
    assert [made.links.downlinks[each].end.seq for each in (CHILD, node(2))] == [1, 0]


def test_a_node_at_rest_may_be_asked_for_links_still():
    made = tree()
    made.exchanges.resting = True
    link = seat(made)
    assert made.links.named(link) is not None


def test_what_is_kept_of_a_stopped_node_is_each_link_that_is_not_just_changing_hands():
    made = tree(ME, ROOT)
    up = linked(made)
    made.ask(UP, 0)
    left = seat(made, node(1), 1)
    made.on_leave(node(1), 1, 1)
    busy, idle = seat(made, node(2), 2), seat(made, node(3), 3)
    made.exchanges.on_push(node(2), push(busy, 1, 1), 2, 1)
    assert made.retained.save() == [
        SavedLink(True, ROOT, up, 0, {}),
        SavedLink(False, node(3), idle, 0, {}),
        SavedLink(False, node(1), left, 0, {}),
    ]


# -- the next life ------------------------------------------------------------------------------------------

LINK, NEXT_ROOT, QUIET = b"12345678", later(ROOT), 5.0
UPWARD = SavedLink(True, ROOT, LINK, 3, {})


def bound(*bonds: SavedLink, others=()) -> Tree:
    """A node that has these links of an earlier life."""
    made = tree(ME, *others, ready=False)
    made.retained.take_up([*bonds], 0, QUIET)
    made.model_ready(VOCABULARY, {})
    return made


def test_a_restarted_node_waits_for_its_former_parent_and_then_takes_another():
    other = node(300)
    made = bound(UPWARD, others=[other])
    for now in (0, QUIET - 0.1, QUIET):
        hear(made, other, now)
        assert tick(made, now, {other}) == ([], None)
        assert not made.settled_in(now)
        assert (made.links.parent is None) is (now < QUIET)
    assert made.links.parent.peer == other
    assert made.links.named(LINK) is not None  # it may still come, before the other has given a seat
    (asked,) = said(made.ask(UP, QUIET))
    dropped, _ = made.search.on_link_opened(other, LinkOpened(asked.link, False, {}), UP, QUIET)
    assert dropped == DropLink(LINK)
    assert made.settled_in(QUIET)


def test_a_restarted_node_that_sees_nobody_waits_too():
    made = bound(UPWARD)
    assert not made.settled_in(QUIET - 0.1)
    assert made.settled_in(QUIET)


def test_a_restarted_node_without_a_former_parent_waits_for_nobody():
    made = bound(SavedLink(False, CHILD, LINK, 3, {}), others=[ROOT])
    tick(made, 0, {ROOT})
    assert made.links.parent.peer == ROOT
    assert bound(SavedLink(False, CHILD, LINK, 3, {})).settled_in(0)


@pytest.mark.parametrize("parent", [ROOT, NEXT_ROOT])
def test_a_restarted_node_trains_when_its_parent_goes_on_with_the_link(parent):
    made = bound(UPWARD, others=[node(300)])
    hear(made, parent, 1)
    assert tick(made, 1, {node(300)}) == ([], parent)
    assert not made.settled_in(1)
    assert said(made.connected(parent, 11, 2)) == [LinkOpen(LINK, False, 3, VOCABULARY, {})]
    assert not made.settled_in(QUIET + 1)
    assert made.search.on_link_opened(parent, LinkOpened(LINK, True, {}), 11, 2) == []
    assert made.settled_in(2)
    assert made.ask(11, 2) == [Collect(LINK, False)]
    (sent,) = said(made.exchanges.collected(LINK, Batch(rows(1), 0, 0), {parent: 11}))
    assert sent.seq == 4


def test_a_restarted_node_that_must_begin_anew_is_not_settled_in_before_it_has():
    made = bound(UPWARD)
    hear(made, NEXT_ROOT, 1)
    made.connected(NEXT_ROOT, 11, 1)
    (_, ask) = made.search.on_link_opened(NEXT_ROOT, LinkOpened(LINK, False, {}), 11, 1)
    assert not made.settled_in(1)
    made.search.on_link_opened(NEXT_ROOT, LinkOpened(ask.message.link, False, {}), 11, 1)
    assert made.settled_in(1)


def test_a_restarted_node_answers_its_children_while_it_waits_for_its_parent():
    made = bound(UPWARD, SavedLink(False, CHILD, b"87654321", 3, {}), others=[ROOT])
    (opened,) = said(made.seats.on_link_open(later(CHILD), LinkOpen(b"87654321", False, 3, VOCABULARY, {}), DOWN))
    assert opened.resumed
    assert made.exchanges.on_push(later(CHILD), push(b"87654321", 4, 1), DOWN, 0)


def test_a_node_with_all_its_seats_taken_has_all_its_links_after_a_restart():
    downward = [SavedLink(False, node(n), bytes([n]) * 8, n, {}) for n in range(1, SEATS + 1)]
    made = bound(UPWARD, *downward)
    assert tick(made, 1, set()) == ([], None)
    assert made.retained.save() == [UPWARD, *downward]


def test_a_link_keeps_to_the_bandwidth_after_a_restart():
    made = bound(UPWARD)
    made.search.max_bandwidth = 7.5
    made.connected(NEXT_ROOT, 11, 1)
    assert made.links.uplink.end.pacing.max_bandwidth == 7.5


def test_what_is_bound_is_what_is_kept_of_it():
    provenance = {ME: 5, ROOT: 6}
    bond = SavedLink(True, ROOT, LINK, 3, {ROOT: 6}, (ME,), (ROOT,), (ME,))
    made = tree(ready=False)
    made.links.provenance.learn(provenance)
    made.retained.take_up([bond], 0, QUIET)
    assert made.retained.save() == [bond]
    assert made.links.named(LINK).end.phase is Phase.IDLE


# -- catching up --------------------------------------------------------------------------------------------


def test_a_joiner_trains_once_its_parent_has_nothing_left_that_it_has_not_seen():
    made = tree(ME, ROOT)
    assert not made.settled_in(0)
    link = linked(made, origins={ROOT: 5})
    for batch, unsent in ((1, 4), (2, 0)):
        assert not made.settled_in(0)
        made.ask(UP, 0)
        made.exchanges.collected(link, Batch(rows(), 0, 0), {ROOT: UP})
        made.exchanges.on_answer(ROOT, Answer(link, batch, False, 0, unsent, {ROOT: 5}, rows(batch)))
        made.exchanges.settled(link, 0)
    assert made.settled_in(0)
    assert made.links.provenance.vector == {ROOT: 5}


# -- the end ------------------------------------------------------------------------------------------------


def test_a_lone_node_is_final_when_it_is_done():
    made = tree()
    assert not made.termination.final(0)
    made.termination.done = True
    assert made.termination.final(0)


@pytest.mark.parametrize("state", [Stage.GATHERING, Stage.JOINING, Stage.TRAINING])
def test_a_root_waits_for_anybody_alive_who_still_trains(state):
    made = tree()
    made.termination.done = True
    hear(made, CHILD, 0, state)
    for n in (2, 3):
        hear(made, node(n), DEAD_AFTER, Stage.DRAINING, ME)
    assert not made.termination.final(DEAD_AFTER)
    assert made.termination.final(DEAD_AFTER + 1)  # it has died
    hear(made, CHILD, 9)
    assert not made.termination.final(9)
    hear(made, CHILD, 10, Stage.DRAINING)
    assert not made.termination.final(10)  # it has trained by itself
    hear(made, CHILD, 10, Stage.DRAINING, node(2))
    assert made.termination.final(10)


@pytest.mark.parametrize("others", [1, 2, 5])
def test_a_root_that_lost_everyone_at_once_suspects_itself_for_a_while(others):
    made = tree()
    made.termination.done = True
    for n in range(others):
        hear(made, node(n + 1), 0, Stage.TRAINING)
    assert not made.termination.final(DEAD_AFTER + 1)
    assert not made.termination.final(made.termination.lost_patience)
    assert made.termination.final(made.termination.lost_patience + 1)


def test_a_root_does_not_wait_for_those_who_were_done_or_have_left():
    made = tree()
    made.termination.done = True
    for n, state in enumerate((Stage.COMPLETE, Stage.TRAINING), 1):
        hear(made, node(n), 0, state)
    made.members.left(node(2))
    assert made.termination.final(DEAD_AFTER + 1)


def test_who_sees_somebody_above_is_not_final_by_itself():
    made = tree(ME)
    made.termination.done = True
    hear(made, ROOT, 0, Stage.DRAINING)
    assert not made.termination.final(0)


def drain(made: Tree, link: bytes, batch: int, *ids: int, clean: bool, now: float = 0.0) -> Answer:
    (merge,) = made.exchanges.on_push(CHILD, push(link, batch, *ids, clean=clean), DOWN, now)
    assert isinstance(merge, Merge)
    (answer,) = said(made.exchanges.merged(link, Batch(rows(*ids), 0, 0), {CHILD: DOWN}, now))
    return answer


def test_a_root_is_final_when_its_children_are_clean_and_says_so_when_all_is_said():
    made = tree()
    made.termination.done = True
    link = seat(made)
    assert not made.termination.final(0)
    assert not drain(made, link, 1, 5, clean=False).final
    assert not made.termination.final(0)
    assert not drain(made, link, 2, clean=True).final  # it became final by this push
    assert made.termination.final(0)
    assert drain(made, link, 3, clean=True).final
    drain(made, link, 4, 6, clean=False)
    assert not made.termination.final(0)  # somebody below trains again


def test_a_node_in_between_is_final_when_its_parent_says_so():
    made = tree(ME, ROOT)
    link = linked(made)
    made.termination.done = True
    for batch, final in ((1, False), (2, True)):
        assert not made.termination.final(0)
        made.ask(UP, made.links.uplink.end.pacing.next_at)
        (sent,) = said(made.exchanges.collected(link, Batch(rows(), 0, 0), {ROOT: UP}))
        assert sent.clean
        made.exchanges.on_answer(ROOT, Answer(link, batch, final, 0, 0, {}, rows()))
        made.exchanges.settled(link, made.links.uplink.end.pacing.next_at)
    assert made.termination.final(0)


def test_an_unclean_child_keeps_its_parent_unclean():
    made = tree(ME, ROOT)
    linked(made)
    made.termination.done = True
    assert made.termination.subtree_clean()
    link = seat(made)
    assert not made.termination.subtree_clean()
    drain(made, link, 1, clean=True)
    assert made.termination.subtree_clean()


# -- two trees ----------------------------------------------------------------------------------------------


def test_of_two_roots_that_meet_the_lower_asks_the_higher():
    low, high = tree(ME), tree(ROOT)
    for made in (low, high):
        tick(made, 0, set())
    hear(low, ROOT, 1)
    hear(high, ME, 1)
    assert tick(low, 1, set())[1] == ROOT
    assert tick(high, 1, set())[1] is None
    (ask,) = said(low.ask(UP, 1))
    opened_there, send = high.seats.on_link_open(ME, ask, DOWN)
    (opened_here,) = low.search.on_link_opened(ROOT, send.message, UP, 1)
    assert opened_here == opened_there
    assert low.links.uplink.name == high.links.downlinks[ME].name
