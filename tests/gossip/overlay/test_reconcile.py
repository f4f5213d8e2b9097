"""How a link begins: merged, taken over, or caught up with."""

import pytest
from support.trees import CHILD, DOWN, ME, ROOT, UP, VOCABULARY, push, rows, seat, tick, tree

from gossipw2v.delta import Batch
from gossipw2v.gossip.instructions import Send
from gossipw2v.gossip.messages import LinkOpen, LinkOpened
from gossipw2v.gossip.records import Member, Stage


@pytest.mark.parametrize(
    ("mine", "theirs", "overlap", "catch_up", "waits"),
    [
        ({}, {}, False, False, False),
        ({ME: 5}, {}, False, True, False),
        ({}, {CHILD: 5}, False, False, True),
        ({ME: 5}, {CHILD: 5}, False, False, False),
        ({ME: 5, CHILD: 3}, {CHILD: 5}, True, False, False),
        ({CHILD: 0}, {CHILD: 5}, False, False, True),
    ],
    ids=["new", "they are new", "we are new", "strangers", "met before", "zero is nothing"],
)
def test_what_the_models_have_in_common_decides_how_a_link_begins(mine, theirs, overlap, catch_up, waits):
    for way in ("down", "up"):
        made = tree(ME, ROOT)
        made.links.provenance.learn(mine)
        if way == "down":
            opened, send = made.seats.on_link_open(CHILD, LinkOpen(b"l" * 8, True, 0, VOCABULARY, theirs), DOWN)
            assert send == Send(DOWN, LinkOpened(b"l" * 8, False, mine))
        else:
            tick(made, 0, {ROOT})
            link = made.links.parent.name
            (opened,) = made.search.on_link_opened(ROOT, LinkOpened(link, False, theirs), UP, 0)
        assert (opened.overlap, opened.catch_up) == (overlap, catch_up)
        assert any(link.awaited for link in made.links.open()) == waits


def test_hardly_any_training_is_not_taken_over_but_merged():
    made = tree(ME, ROOT)
    made.members.witness(Member(ROOT, 5, Stage.TRAINING, total=1000), 1)
    made.links.provenance.learn({ME: 20})
    opened, _ = made.seats.on_link_open(CHILD, LinkOpen(b"l" * 8, True, 0, VOCABULARY, {}), DOWN)
    assert not opened.catch_up
    made.links.provenance.learn({ME: 21})
    _, opened, _ = made.seats.on_link_open(CHILD, LinkOpen(b"m" * 8, True, 0, VOCABULARY, {}), DOWN)
    assert opened.catch_up


def test_a_new_root_waits_for_what_its_trained_child_brings():
    made = tree()
    link = seat(made, origins={CHILD: 5})
    for batch, unsent in ((1, 4), (2, 0)):
        assert not made.settled_in(0)
        made.exchanges.on_push(CHILD, push(link, batch, batch, unsent=unsent), DOWN, 0)
        made.exchanges.merged(link, Batch(rows(batch), 0, 0), {CHILD: DOWN}, 0)
    assert made.settled_in(0)


def test_who_was_catching_up_with_one_that_is_gone_waits_no_more():
    made = tree()
    seat(made, origins={CHILD: 5})
    assert not made.settled_in(0)
    made.links.close(made.links.seats[CHILD])
    assert made.settled_in(0)
