"""Models whose vocabulary grows: nothing that was learned moves, and both ends of a link stay equal to the bit."""

from functools import partial

import numpy as np
import pytest

from gossipw2v.delta import RowDelta
from gossipw2v.w2v.growth.rows import carry_over, moved_delta, new_rows, put_in_place, renumber_links
from gossipw2v.w2v.growth.versions import Renumbering
from gossipw2v.w2v.training.clipping import ClippingLimits
from gossipw2v.w2v.training.model import Model

LINK, NEW_LINK = b"the link", b"new link"
GROWS = Renumbering(np.arange(6), 8)
DROPS = Renumbering(np.array([0, 1, 2, 3, 5, -1]), 6)


def initial(words: int) -> np.ndarray:
    """Every word starts from its number, in whatever version; half of the rows are context vectors."""
    rows = np.zeros((2 * words, 4), np.float32)
    rows[:words, 0] = 1 + np.arange(words)
    return rows


def pair() -> tuple[Model, Model]:
    """Two ends of a link."""
    models = tuple(Model(partial(initial, 6), 8, 12, limits=ClippingLimits(100.0, 1000.0)) for _ in range(2))
    for model in models:
        model.open_link(LINK, overlap=False, catch_up=False, host="there")
    return models


def train(model: Model, *rows: int) -> None:
    for row in rows:
        model.weights[row] += 0.5
        model.updates[row] += 1


def exchange(child: Model, parent: Model, link: bytes, flush: bool = True) -> None:
    sent = child.collect(link, flush)
    answer = parent.merge(link, sent.delta, flush, False)
    child.settle(link, sent.delta, answer.delta)


def grow(model: Model, to: Renumbering, names: dict[bytes, bytes]) -> None:
    begin = partial(initial, to.size)
    renumber_links(model, to, begin)
    grown = new_rows(to, begin)
    carry_over(model, to, grown)
    put_in_place(model, grown, begin, names)


@pytest.mark.parametrize("to", [GROWS, DROPS], ids=["grows", "drops a word"])
def test_rows_go_where_their_words_are_and_links_go_on(to: Renumbering) -> None:
    child, parent = pair()
    train(child, 1, 4, 7)
    train(parent, 1, 10)
    exchange(child, parent, LINK, flush=False)
    train(child, 2, 8)
    before, updates = child.weights.copy(), child.updates.copy()
    for model in (child, parent):
        grow(model, to, {LINK: NEW_LINK})
    kept = np.flatnonzero(to.rows >= 0)
    assert np.array_equal(child.weights[to.rows[kept]], before[kept])
    assert np.array_equal(child.updates[to.rows[kept]], updates[kept])
    assert np.array_equal(child.links[NEW_LINK].reference, parent.links[NEW_LINK].reference)
    for _ in range(3):
        exchange(child, parent, NEW_LINK)
    assert np.abs(child.weights - parent.weights).max() < 1e-3
    assert np.array_equal(child.links[NEW_LINK].reference, parent.links[NEW_LINK].reference)
    assert np.linalg.norm(child.weights[to.rows[2]] - before[2]) < 1e-3  # nothing is taken twice


def test_new_rows_start_alike_and_nothing_of_them_is_pending() -> None:
    child, parent = pair()
    train(child, 1)
    exchange(child, parent, LINK)
    for model in (child, parent):
        grow(model, GROWS, {LINK: NEW_LINK})
    assert np.array_equal(child.weights[6:8], initial(8)[6:8])
    assert not len(child.collect(NEW_LINK, True).delta)


def test_rows_on_their_way_are_renumbered_and_stay_in_order() -> None:
    delta = RowDelta(
        np.array([4, 5, 10, 11], np.int32),
        np.arange(4, dtype=np.uint32),
        np.arange(4, dtype=np.float32),
        np.arange(16, dtype=np.int8).reshape(4, 4),
    )
    assert moved_delta(delta, GROWS.rows).rows.tolist() == [4, 5, 12, 13]
    swapped = Renumbering(np.array([0, 1, 2, 3, 5, 4]), 6)
    found = moved_delta(delta, swapped.rows)
    assert (found.rows.tolist(), found.counts.tolist()) == ([4, 5, 10, 11], [1, 0, 3, 2])
    assert moved_delta(delta, DROPS.rows).rows.tolist() == [5, 11]


def test_what_others_have_moved_is_remembered_by_word() -> None:
    child, parent = pair()
    train(child, 4)
    exchange(child, parent, LINK)
    used = parent.clipping.buckets[LINK].due.copy()
    grow(parent, GROWS, {LINK: NEW_LINK})
    due = parent.clipping.buckets[NEW_LINK].due
    assert np.array_equal(due[GROWS.rows], used)
    assert np.isneginf(due[6:8]).all()
    assert parent.clipping.host_of(NEW_LINK) == "there"
