"""No row moves further than is allowed, in an exchange or in any hour; both ends of a link still agree to the bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from support.naive_merge import floats
from support.samples import LINK, repeatable

from gossipw2v.delta import DeltaError, RowDelta
from gossipw2v.w2v.training.clipping import HOUR, KEPT, LEAST, Clipping, ClippingLimits
from gossipw2v.w2v.training.model import Model

ROWS, OTHER_LINK = 20, b"another!"
rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
sizes = st.integers(1, 9)
bits = st.sampled_from((4, 8))
NEVER = np.full(ROWS, -1, np.int32)


def coded(rng: np.random.Generator, size: int, width: int, scale: float = 1.0) -> RowDelta:
    """A delta of all rows with any bytes a stranger may send."""
    shape = (ROWS, size if width == 8 else (size + 1) // 2)
    values = rng.integers(-128, 128, shape).astype(np.int8)
    scales = (rng.random(ROWS) * scale).astype(np.float32)
    return RowDelta(np.arange(ROWS, dtype=np.int32), np.full(ROWS, 3, np.uint32), scales, values)


def move(length: float, rows=(3,), size: int = 4) -> RowDelta:
    """Rows that move by `length`, all in one direction."""
    n = len(rows)
    values = np.zeros((n, size), np.int8)
    values[:, 0] = 100
    return RowDelta(np.array(rows, np.int32), np.ones(n, np.uint32), np.full(n, length / 100, np.float32), values)


def clipping(move: float = 0.0, budget: float = 0.0, size: int = 4, host: str = "") -> Clipping:
    made = Clipping(ClippingLimits(move, budget), ROWS, size)
    made.open(LINK, host)
    return made


def lengths(delta: RowDelta, size: int) -> np.ndarray:
    return np.linalg.norm(floats(delta, size).astype(np.float64), axis=1)


# -- what is measured ---------------------------------------------------------------------------------------


@repeatable(200)
@given(rngs, sizes, bits, bits, st.booleans())
def test_distances_are_those_of_the_decoded_rows(rng, size, one_bits, other_bits, apart):
    one, other = coded(rng, size, one_bits), coded(rng, size, other_bits)
    at = rng.permutation(ROWS).astype(np.int32)
    at[rng.random(ROWS) < 0.3] = -1
    kept = np.where(at[:, None] >= 0, floats(other, size)[at], 0)
    got = clipping(size=size)._lengths(one, other, at)
    assert_allclose(got, np.linalg.norm(floats(one, size).astype(np.float64) - kept, axis=1), rtol=1e-4, atol=1e-4)


# -- a push -------------------------------------------------------------------------------------------------


@repeatable(100)
@given(rngs, sizes, bits, st.floats(0.01, 1e4))
def test_a_push_is_cut_back_to_the_longest_move_and_keeps_its_direction(rng, size, width, most):
    push, limited = coded(rng, size, width, 100.0), clipping(most, size=size)
    got, clipped = limited.clip(LINK, push, 0.0)
    asked, granted = lengths(push, size), lengths(got, size)
    assert (granted <= most * (1 + 1e-5)).all()
    assert clipped == limited.buckets[LINK].clipped == (asked > most * (1 + 1e-5)).sum() or clipped
    short = asked > most
    assert got.scales[~short].tobytes() == push.scales[~short].tobytes()
    kept = short & (most / np.maximum(asked, 1e-9) > 1.1 * LEAST)
    assert_allclose(granted[kept], most, rtol=1e-4)
    assert got.values.tobytes() == push.values.tobytes()


@repeatable(60)
@given(rngs, st.floats(0.5, 50), st.integers(1, 40))
def test_whatever_the_timing_no_hour_takes_more_than_the_budget(rng, budget, pushes):
    limited, now, moved = clipping(0.0, budget), 1e6, []
    for _ in range(pushes):
        now += float(rng.choice([0.0, 1.0, 60.0, 900.0, HOUR]))
        got, _ = limited.clip(LINK, move(float(rng.uniform(0, budget))), now)
        moved.append((now, lengths(got, 4)[0]))
    for start, _ in moved:
        assert sum(length for at, length in moved if start <= at <= start + HOUR) <= budget * (1 + 1e-5)


def test_a_budget_comes_back_with_time():
    limited = clipping(0.0, 2.0)
    assert limited.clip(LINK, move(5.0), 0.0)[1] == 1
    assert lengths(limited.clip(LINK, move(5.0), 1.0)[0], 4)[0] < 0.01
    assert lengths(limited.clip(LINK, move(5.0), 1.0 + HOUR)[0], 4)[0] == pytest.approx(1.0, rel=0.01)
    assert limited.buckets[LINK].used == pytest.approx(1.0)


def test_small_moves_use_the_budget_up_as_large_ones_do():
    limited = clipping(1.0, 10.0)
    moved = sum(lengths(limited.clip(LINK, move(0.01), second / 100)[0], 4)[0] for second in range(2000))
    assert moved == pytest.approx(5.0, rel=0.02)  # half of the budget, and what 20 s of an hour let drain


def test_a_row_of_which_nothing_is_taken_counts_nothing():
    limited = clipping(0.0, 2.0)
    limited.clip(LINK, move(1.0, rows=(3,)), 0.0)
    got, clipped = limited.clip(LINK, move(1.0, rows=(3, 4)), 0.0)
    assert clipped == 1
    assert got.counts.tolist() == [0, 1]
    assert lengths(got, 4).tolist() == pytest.approx([0, 1])


def test_rows_and_links_have_budgets_of_their_own():
    limited = clipping(0.0, 2.0)
    limited.open(OTHER_LINK, "")
    limited.clip(LINK, move(5.0), 0.0)
    assert limited.clip(LINK, move(1.0, rows=(4,)), 0.0)[1] == 0
    assert limited.clip(OTHER_LINK, move(1.0), 0.0)[1] == 0


def test_without_limits_nothing_is_cut_back():
    limited = clipping()
    push = move(1e30)
    assert limited.clip(LINK, push, 0.0) == (push, 0)


def test_who_comes_back_finds_its_budget_used_whatever_the_link_is_called():
    limited = clipping(0.0, 2.0, host="10.0.0.1")
    limited.clip(LINK, move(1.0), 0.0)
    limited.close(LINK)
    limited.open(OTHER_LINK, "10.0.0.2")
    limited.open(b"the same", "10.0.0.1")
    limited.open(b"a second", "10.0.0.1")
    assert limited.clip(OTHER_LINK, move(1.0), 1.0)[1] == 0
    assert limited.clip(b"the same", move(1.0), 1.0)[1] == 1
    assert limited.clip(b"a second", move(1.0), 1.0)[1] == 0  # both at once: a machine may have two nodes


def test_strangers_share_nothing_and_are_not_remembered():
    limited = clipping(0.0, 2.0)
    limited.clip(LINK, move(1.0), 0.0)
    limited.close(LINK)
    limited.close(LINK)
    limited.open(OTHER_LINK, "")
    assert limited.clip(OTHER_LINK, move(1.0), 1.0)[1] == 0
    assert not limited._gone


def test_what_is_remembered_is_bounded():
    limited = clipping()
    for number in range(3 * KEPT):
        limited.open(b"%8d" % number, f"host{number}")
        limited.close(b"%8d" % number)
    assert len(limited._gone) == KEPT


# -- an answer ----------------------------------------------------------------------------------------------


def test_an_answer_is_charged_with_what_it_adds_to_the_push():
    limited = clipping(1.0)
    limited.admit(LINK, move(5.0), move(4.5), np.zeros(1, np.int32), 0.0)
    assert limited.buckets[LINK].largest == pytest.approx(0.5)
    with pytest.raises(DeltaError, match="1 rows would move too far, one by 5 where 1 is left") as caught:
        limited.admit(LINK, move(5.0), move(4.5), NEVER[:1], 0.0)
    assert caught.value.reason == "influence"
    assert limited.buckets[LINK].clipped == 1


def test_a_refused_answer_costs_nothing_of_the_budget():
    limited = clipping(1.0, 2.0)
    for _ in range(5):
        with pytest.raises(DeltaError):
            limited.admit(LINK, move(5.0, rows=(3, 4)), move(5.0), NEVER[:2], 0.0)
    limited.admit(LINK, move(0.9), move(0.0), NEVER[:1], 0.0)
    with pytest.raises(DeltaError):
        limited.admit(LINK, move(0.9), move(0.0), NEVER[:1], 0.0)


# -- in the model -------------------------------------------------------------------------------------------


def start() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(ROWS, 4)).astype(np.float32)


def pair(child: ClippingLimits, parent: ClippingLimits) -> tuple[Model, Model]:
    models = Model(start, 100, limits=child), Model(start, 100, limits=parent)
    for each in models:
        each.open_link(LINK, False, False, "10.0.0.1")
    return models


def exchange(child: Model, parent: Model, flush: bool = False) -> int:
    sent = child.collect(LINK, flush)
    answer = parent.merge(LINK, sent.delta, flush, False)
    child.settle(LINK, sent.delta, answer.delta)
    return answer.clipped


@repeatable(60)
@given(rngs, st.floats(0.05, 3.0), st.floats(0.1, 10.0))
def test_clipping_leaves_both_references_equal_to_the_bit(rng, most, budget):
    child, parent = pair(ClippingLimits(), ClippingLimits(most, budget))
    clipped = 0
    for number in range(8):
        for each in (child, parent):
            rows = rng.choice(ROWS, 10, replace=False)
            each.weights[rows] += rng.normal(size=(10, 4)).astype(np.float32)
            each.updates[rows] += 5
        parent.now = child.now = 60.0 * number
        clipped += exchange(child, parent)
        one, other = (each.links[LINK].reference for each in (child, parent))
        assert one.tobytes() == other.tobytes()
    assert clipped == parent.clipping.buckets[LINK].clipped > 0


def test_what_a_child_wants_beyond_the_limit_reaches_neither_model():
    child, parent = pair(ClippingLimits(), ClippingLimits(move=1.0))
    child.weights[3] += 50
    child.updates[3] += 1
    before = parent.weights.copy()
    assert exchange(child, parent) == 1
    for each in (child, parent):
        assert np.linalg.norm(each.weights[3] - before[3]) <= 1.001
    assert np.delete(parent.weights, 3, axis=0).tobytes() == np.delete(before, 3, axis=0).tobytes()


def test_an_answer_beyond_the_limit_changes_nothing():
    child, parent = pair(ClippingLimits(move=1.0), ClippingLimits())
    parent.weights[3] += 50
    parent.updates[3] += 1
    sent = child.collect(LINK, False)
    answer = parent.merge(LINK, sent.delta, False, False)
    weights, held, updates = child.weights.copy(), child.links[LINK].reference.copy(), child.updates.copy()
    with pytest.raises(DeltaError, match="too far"):
        child.settle(LINK, sent.delta, answer.delta)
    assert child.weights.tobytes() == weights.tobytes()
    assert child.links[LINK].reference.tobytes() == held.tobytes()
    assert child.updates.tobytes() == updates.tobytes()


def test_hostile_pushes_of_any_kind_move_no_row_beyond_its_budget_in_an_hour():
    """Repeated maximal moves, then small ones, under ever new links from one machine."""
    _, parent = pair(ClippingLimits(), ClippingLimits(move=2.0, budget=10.0))
    before = parent.weights.copy()
    for second in range(1800):
        parent.now = float(second)
        link = b"%8d" % (second // 10)
        if second % 10 == 0:
            parent.drop_link(b"%8d" % (second // 10 - 1))
            parent.open_link(link, False, False, "10.0.0.66")
        parent.merge(link, move(40.0 if second < 900 else 0.02), False, False)
    moved = np.linalg.norm(parent.weights - before, axis=1)
    assert 5.0 < moved[3] <= 10.0
    assert not np.delete(moved, 3).any()


def test_an_honest_child_beside_a_hostile_one_is_not_cut_back():
    child, parent = pair(ClippingLimits(), ClippingLimits(move=5.0, budget=50.0))
    parent.open_link(OTHER_LINK, False, False, "10.0.0.66")
    for number in range(20):
        parent.merge(OTHER_LINK, move(40.0), False, False)
        child.weights[7] += 0.1
        child.updates[7] += 1
        assert exchange(child, parent) == 0, number
    assert_allclose(parent.weights[7], child.weights[7], atol=1e-4)


# -- a row that would be taken for one that has diverged ------------------------------------------------------


def held(lengths: dict[int, float]) -> Clipping:
    weights = np.zeros((ROWS, 4), np.float32)
    for row, length in lengths.items():
        weights[row, 1] = length
    made = Clipping(ClippingLimits(100.0, 1e6), ROWS, 4, weights, longest=100.0)
    made.open(LINK, "")
    return made


def test_others_make_no_row_so_long_that_it_counts_as_broken():
    limited = held({3: 0.0, 4: 50.0, 5: 95.0, 6: 1000.0, 7: np.nan})
    got, clipped = limited.clip(LINK, move(95.0, (3, 4, 5, 6, 7)), 0.0)
    assert clipped == 3
    assert_allclose(lengths(got, 4), [90, 40, 0, 95, 95], rtol=1e-4)  # what is broken already is not their doing


def test_an_answer_that_would_make_a_row_too_long_is_refused():
    nothing = np.full(1, -1, np.int32)
    limited = held({3: 50.0})
    limited.admit(LINK, move(39.0), move(0.0), nothing, 0.0)
    with pytest.raises(DeltaError, match=r"one by 41 where 40 is left") as refused:
        limited.admit(LINK, move(41.0), move(0.0), nothing, 0.0)
    assert refused.value.reason == "influence"


def test_a_child_that_pushes_what_it_may_again_and_again_never_breaks_a_row_of_its_parent():
    parent = Model(lambda: np.zeros((ROWS, 4), np.float32), ROWS, limits=ClippingLimits(100.0, 1e6), longest=100.0)
    parent.open_link(LINK, overlap=False, catch_up=False)
    for _ in range(20):
        parent.merge(LINK, move(30.0), flush=False, overlap=False)
    assert 80 < np.linalg.norm(parent.weights[3]) < 100
    assert parent.broken == 0
