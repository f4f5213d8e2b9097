"""Links go on with another version: under a name that both ends come to, with renumbered rows, and asked anew."""

from dataclasses import replace

import pytest
from support.trees import CHILD, DOWN, ME, ROOT, UP, linked, push, rows, said, seat, tree

from gossipw2v.delta import Batch, RowDelta
from gossipw2v.gossip.growth.links import go_on, is_busy, name_after
from gossipw2v.gossip.instructions import Merge, Refused
from gossipw2v.gossip.messages import LinkOpen, LinkOpened
from gossipw2v.gossip.overlay.states import LinkState

ONE, TWO = b"1" * 16, b"2" * 16


def moved(delta: RowDelta) -> RowDelta:
    """The last rows of two words are those of three."""
    return replace(delta, rows=delta.rows + (delta.rows > 1))


def same(delta: RowDelta) -> RowDelta:
    return delta


def test_both_ends_come_to_one_name_over_whatever_versions() -> None:
    one, other = tree(ME, CHILD), tree(ME, CHILD)
    link = seat(one)
    assert seat(other) == link
    go_on(one, ONE, same, 1.0)
    go_on(one, TWO, same, 2.0)
    go_on(other, TWO, same, 2.0)
    assert [made.links.seats[CHILD].name for made in (one, other)] == [name_after(link, TWO)] * 2


def test_a_child_asks_its_parent_to_go_on_and_repeats_its_push_with_new_numbers() -> None:
    made = tree(ME, ROOT)
    link = linked(made)
    made.ask(UP, 1.0)
    made.exchanges.collected(link, Batch(rows(1, 3), 0, 0), {ROOT: UP})
    names = go_on(made, ONE, moved, 2.0)
    assert names == {link: name_after(link, ONE)}
    (asked,) = said(made.ask(UP, 2.0))
    assert replace(asked, insist=False) == LinkOpen(names[link], False, 0, ONE, {})
    (again,) = said(made.search.on_link_opened(ROOT, LinkOpened(names[link], True, {}), UP, 3.0))
    assert (again.link, again.delta.rows.tolist()) == (names[link], [1, 4])
    assert made.links.uplink is not None
    assert made.links.uplink.state is LinkState.OPEN


def test_what_comes_under_the_old_name_is_ignored_and_no_breach() -> None:
    made = tree(ME, ROOT, CHILD)
    up, down = linked(made), seat(made)
    go_on(made, ONE, moved, 1.0)
    assert made.exchanges.on_push(CHILD, push(down, 1, 1), DOWN, 2.0) == []
    assert made.search.on_link_opened(ROOT, LinkOpened(up, True, {}), UP, 2.0) == []
    (refused,) = made.seats.on_link_open(CHILD, LinkOpen(down, False, 0, b"V" * 16, {}), DOWN)
    assert isinstance(refused, Refused)
    assert made.links.seats[CHILD].state is LinkState.LOST


def test_a_child_that_has_the_version_too_goes_on_where_it_was() -> None:
    made = tree(ME, CHILD)
    link = seat(made)
    (merge,) = made.exchanges.on_push(CHILD, push(link, 1, 1, 3), DOWN, 0.0)
    assert isinstance(merge, Merge)
    made.exchanges.merged(link, Batch(rows(1, 3), 0, 0), {CHILD: DOWN}, 0.0)
    name = go_on(made, ONE, moved, 1.0)[link]
    (opened,) = said(made.seats.on_link_open(CHILD, LinkOpen(name, False, 0, ONE, {}), DOWN))
    assert (opened.link, opened.resumed) == (name, True)
    (again,) = said(made.exchanges.on_push(CHILD, push(name, 1, 1, 4), DOWN, 2.0))
    assert (again.link, again.delta.rows.tolist()) == (name, [1, 4])


def test_no_row_is_renumbered_while_it_changes_hands() -> None:
    made = tree(ME, CHILD)
    link = seat(made)
    made.exchanges.on_push(CHILD, push(link, 1, 1), DOWN, 0.0)
    assert is_busy(made.links)
    with pytest.raises(RuntimeError):
        go_on(made, ONE, same, 1.0)


def test_where_a_tokens_came_from_is_known_under_the_new_name() -> None:
    made = tree(ME, CHILD)
    link = seat(made, origins={CHILD: 3})
    made.links.provenance.learn({CHILD: 5}, link)
    made.links.provenance.doubts[link] = {ROOT: None}
    name = go_on(made, ONE, same, 1.0)[link]
    assert made.links.provenance.via == {CHILD: name}
    assert made.links.provenance.doubts == {name: {ROOT: None}}
