"""Two models and a link: references stay equal to the bit, nothing is lost, and a bad delta changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from support.naive_merge import floats, slow_merge, slow_settle
from support.samples import LINK, delta, repeatable

from gossipw2v.delta import Batch, DeltaError, empty
from gossipw2v.w2v.training.curvature import Pairs, spectrum
from gossipw2v.w2v.training.link_view import MOST_COUNT, Reference
from gossipw2v.w2v.training.model import Model

V, D = 10, 4
ROWS = 2 * V
rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def start() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(ROWS, D)).astype(np.float32)


def model(budget: int = 100, curved: bool = False, bits: int = 4) -> Model:
    made = Model(start, budget, bits=bits)
    if curved:
        rng = np.random.default_rng(8)
        made.spectra = tuple(spectrum(np.diag(rng.uniform(0, 1, D)), 2) for _ in range(2))
    return made


def pair(overlap: bool = False, catch_up: bool = False, **more) -> tuple[Model, Model]:
    child, parent = model(**more), model(**more)
    for each in (child, parent):
        each.open_link(LINK, overlap, catch_up)
    return child, parent


def train(made: Model, rows, change: float | np.ndarray = 1.0, updates: int = 1) -> None:
    made.weights[rows] += np.float32(change)
    made.updates[rows] += updates


def train_somehow(made: Model, rng: np.random.Generator) -> None:
    rows = rng.choice(ROWS, rng.integers(0, ROWS), replace=False)
    change = rng.normal(scale=0.3, size=(len(rows), D)).astype(np.float32)
    made.weights[rows] += change
    made.updates[rows] += rng.integers(1, 50, len(rows))


def exchange(child: Model, parent: Model, flush: bool = False, overlap: bool = False) -> tuple[Batch, Batch]:
    sent = child.collect(LINK, flush)
    answer = parent.merge(LINK, sent.delta, flush, overlap)
    child.settle(LINK, sent.delta, answer.delta)
    return sent, answer


def reference(made: Model) -> np.ndarray:
    return made.links[LINK].reference


def drain(child: Model, parent: Model) -> int:
    for n in range(1, 200):
        sent, answer = exchange(child, parent, flush=True)
        if not len(sent.delta) and not len(answer.delta):
            return n
    raise AssertionError("there is always something left to say")


# -- what an exchange does ----------------------------------------------------------------------------------


def test_a_model_begins_at_the_initial_vectors_with_nothing_to_say():
    child, parent = pair()
    sent, answer = exchange(child, parent, flush=True)
    assert len(sent.delta) == len(answer.delta) == sent.pending == answer.pending == 0
    assert child.weights.tobytes() == parent.weights.tobytes() == start().tobytes()
    assert np.shares_memory(child.syn0, child.weights)
    assert child.syn0.shape == child.syn1neg.shape == (V, D)


def test_disjoint_training_reaches_both_ends_with_its_counts():
    child, parent = pair()
    train(child, [1, 15], 2.0, updates=3)
    train(parent, [4], 1.0, updates=5)
    sent, answer = exchange(child, parent)
    assert sent.delta.rows.tolist() == [1, 15]
    assert answer.delta.rows.tolist() == [1, 4, 15]
    for each in (child, parent):
        assert_allclose(each.weights[[1, 4, 15]] - start()[[1, 4, 15]], np.outer([2, 1, 2], np.ones(D)), rtol=1e-5)
        assert each.updates[[1, 4, 15]].tolist() == [3, 5, 3]
    sent, answer = exchange(child, parent)
    assert len(sent.delta) == len(answer.delta) == 0  # nothing comes back to where it came from


@repeatable(60)
@given(rngs, st.sampled_from((4, 8)), st.booleans(), st.booleans(), st.booleans())
def test_merge_is_its_slow_twin(rng, bits, overlap, seen_before, merge_overlap):
    child, parent = pair(overlap=overlap, curved=True, bits=bits)
    for _ in range(1 + seen_before):
        train_somehow(child, rng)
        train_somehow(parent, rng)
        sent = child.collect(LINK, False)
        before, base = parent.weights.copy(), reference(parent).copy()
        disjoint, updates = parent.links[LINK].disjoint.copy(), parent.updates - parent.links[LINK].seen
        answer = parent.merge(LINK, sent.delta, False, merge_overlap)
        child.settle(LINK, sent.delta, answer.delta)
    pushed = dict(
        zip(sent.delta.rows.tolist(), zip(floats(sent.delta, D), sent.delta.counts, strict=True), strict=True)
    )
    expected = before.astype(np.float64)
    for row in answer.delta.rows.tolist():
        theirs, count = pushed.get(row, (np.zeros(D), 0))
        ours = before[row].astype(np.float64) - base[row]
        apart = bool(disjoint[row]) and not merge_overlap
        curve = parent.spectra[row // V]
        expected[row] += slow_merge((theirs, count), (ours, updates[row]), apart, curve, parent.alpha) - ours
    assert_allclose(parent.weights, expected, rtol=1e-4, atol=1e-4)
    rounding = np.abs(floats(answer.delta, D) - (expected - base)[answer.delta.rows]).max(axis=1, initial=0)
    assert (rounding <= 0.51 * answer.delta.scales + 1e-4).all()
    assert set(answer.delta.rows.tolist()) == set(pushed) | set(np.flatnonzero(updates > 0).tolist())


@repeatable(60)
@given(rngs, st.sampled_from((4, 8)), st.booleans())
def test_settle_is_its_slow_twin(rng, bits, overlap):
    child, parent = pair(overlap=overlap, curved=True, bits=bits)
    train_somehow(child, rng)
    train_somehow(parent, rng)
    sent = child.collect(LINK, False)
    train_somehow(child, rng)  # meanwhile
    answer = parent.merge(LINK, sent.delta, False, False)
    before, base = child.weights.copy(), reference(child).copy()
    unseen = child.updates - child.links[LINK].seen
    child.settle(LINK, sent.delta, answer.delta)
    gone = dict(zip(sent.delta.rows.tolist(), zip(floats(sent.delta, D), sent.delta.counts, strict=True), strict=True))
    expected = before.astype(np.float64)
    for row, merged, count in zip(
        answer.delta.rows.tolist(), floats(answer.delta, D), answer.delta.counts, strict=True
    ):
        ours, counted = gone.get(row, (np.zeros(D), 0))
        since, n = before[row].astype(np.float64) - base[row] - ours, int(unseen[row]) - int(counted)
        rest, came = (since, n), (merged - ours, count)
        both = slow_settle(rest, came, not overlap, child.spectra[row // V], child.alpha)
        expected[row] += both - since
    assert_allclose(child.weights, expected, rtol=1e-4, atol=1e-4)


# -- what never changes -------------------------------------------------------------------------------------


@repeatable(60)
@given(rngs, st.integers(1, 30), st.booleans())
def test_both_references_stay_equal_to_the_bit(rng, budget, overlap):
    child, parent = pair(budget=budget, overlap=overlap, curved=True)
    for _ in range(8):
        train_somehow(child, rng)
        sent = child.collect(LINK, False)
        train_somehow(child, rng)
        train_somehow(parent, rng)
        answer = parent.merge(LINK, sent.delta, bool(rng.integers(2)), bool(rng.integers(2)))
        train_somehow(child, rng)
        child.settle(LINK, sent.delta, answer.delta)
        assert reference(child).tobytes() == reference(parent).tobytes()


@repeatable(40)
@given(rngs, st.integers(3, 30))
def test_when_all_is_said_both_models_are_equal_and_hold_the_sum(rng, budget):
    child, parent = pair(budget=budget)
    total = np.zeros((ROWS, D))
    for _ in range(3):
        for each in (child, parent):
            before = each.weights.copy()
            train_somehow(each, rng)
            total += each.weights - before.astype(np.float64)
        exchange(child, parent)
    drain(child, parent)
    tolerance = 5e-4 * np.linalg.norm(start() + total, axis=1, keepdims=True) + 1e-4
    assert (np.abs(child.weights - start() - total) <= tolerance).all()
    assert (np.abs(parent.weights - start() - total) <= tolerance).all()
    assert (child.updates == parent.updates).all()


def test_what_rounding_drops_stays_and_goes_when_all_training_is_over():
    child, parent = pair()
    child.weights[3] += np.array([1.0, 0.002, 0.0, 0.0], np.float32)  # the second is a quarter of a step
    child.updates[3] += 1
    exchange(child, parent)
    residual = child.weights[3] - reference(child)[3]
    assert 0.001 < np.abs(residual).max() < 1 / 127
    assert len(child.collect(LINK, False).delta) == 0  # not worth a frame while there is training
    assert drain(child, parent) < 6
    assert_allclose(parent.weights[3], child.weights[3], atol=2e-4)


def test_updates_beyond_a_uint32_are_told_in_parts():
    child, parent = pair()
    train(child, [1], 0.5, updates=2**33)
    for _ in range(4):
        exchange(child, parent)
    assert parent.updates[1] == 2**33
    assert MOST_COUNT == 2**32 - 1


# -- which rows go ------------------------------------------------------------------------------------------


def test_the_most_trained_rows_go_first():
    child, _ = pair(budget=2)
    for row, updates in ((1, 1), (5, 9), (7, 3), (15, 8)):
        train(child, [row], updates=updates)
    got = child.collect(LINK, False)
    assert got.delta.rows.tolist() == [5, 15]
    assert got.delta.counts.tolist() == [9, 8]
    assert got.pending == 2


def test_a_rare_rows_turn_comes_however_busy_the_others_are():
    child, parent = pair(budget=2)
    train(child, [9])
    for _ in range(60):
        train(child, [0, 1, 2], 0.01, updates=20)
        sent, _ = exchange(child, parent)
        if 9 in sent.delta.rows:
            return
    raise AssertionError("row 9 starves")


@pytest.mark.parametrize("budget", [1, 3, 7, 100])
def test_catching_up_sends_every_trained_row_once_and_says_what_is_left(budget):
    child, parent = pair(budget=budget, catch_up=True)
    rows = [0, 3, 4, 8, 11, 15, 19]
    train(parent, rows, updates=5)
    sent_rows, left = [], len(rows)
    while left:
        train(parent, [3], 0.01, updates=1000)  # it goes on training its favourite
        _, answer = exchange(child, parent)
        sent_rows += answer.delta.rows.tolist()
        left = answer.unsent
        assert left == max(0, len(rows) - len(set(sent_rows)))
    assert sorted(row for row in sent_rows if row != 3) == [row for row in rows if row != 3]
    assert 3 in sent_rows
    assert not parent.links[LINK].catch_up or exchange(child, parent)[1].unsent == 0


def test_without_catching_up_nothing_counts_as_unsent():
    child, _ = pair(budget=1)
    train(child, [1, 2, 3])
    assert child.collect(LINK, False).unsent == 0


# -- overlapping histories ----------------------------------------------------------------------------------


@pytest.mark.parametrize("found_by", ["parent", "child"])
def test_an_overlap_that_is_found_later_holds_for_each_rows_next_exchange(found_by):
    """The rows that are in doubt may be others than those under way."""
    child, parent = pair()
    exchange(child, parent)
    train(child, [1], 1.0)
    sent = child.collect(LINK, False)
    answer = parent.merge(LINK, sent.delta, False, overlap=found_by == "parent")
    child.settle(LINK, sent.delta, answer.delta, overlap=found_by == "child")
    overlapping = child if found_by == "child" else parent
    assert np.flatnonzero(overlapping.links[LINK].disjoint).tolist() == [1]
    if found_by == "parent":
        for each in (child, parent):
            train(each, [2], 1.0, updates=10)
        exchange(child, parent)
        assert_allclose(parent.weights[2] - start()[2], np.ones(D), rtol=0.02)


def test_equal_progress_on_a_new_link_is_taken_once():
    child, parent = pair(overlap=True)
    for each in (child, parent):
        train(each, [2], 1.0, updates=10)
    exchange(child, parent)
    for each in (child, parent):
        assert_allclose(each.weights[2] - start()[2], np.ones(D), rtol=0.02)
        assert each.updates[2] == 11  # counted before, and one for having moved
    train(child, [2], 1.0, updates=10)
    exchange(child, parent)
    assert_allclose(parent.weights[2] - start()[2], 2 * np.ones(D), rtol=0.02)  # from then on they add


# -- what must not happen -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("broken", ["child", "parent"])
def test_a_row_that_is_not_finite_never_leaves(bad, broken):
    child, parent = pair()
    sick, well = (child, parent) if broken == "child" else (parent, child)
    train(sick, [2, 5])
    sick.weights[2, 1] = bad
    sent, answer = exchange(child, parent, flush=True)
    for got in (sent, answer):
        assert np.isfinite(floats(got.delta, D)).all()
    assert np.isfinite(well.weights).all()
    assert np.isfinite(reference(sick)).all()
    assert_allclose(well.weights[5] - start()[5], np.ones(D), rtol=1e-5)
    assert sick.broken > 0
    assert well.broken == 0


BAD = [
    delta([1, ROWS], [1, 1], [0.1, 0.1], np.ones((2, D))),
    delta([-1, 1], [1, 1], [0.1, 0.1], np.ones((2, D))),
    delta([3, 1], [1, 1], [0.1, 0.1], np.ones((2, D))),
    delta([1, 1], [1, 1], [0.1, 0.1], np.ones((2, D))),
    delta([1, 2], [1, 1], [0.1, np.nan], np.ones((2, D))),
    delta([1, 2], [1, 1], [0.1, np.inf], np.ones((2, D))),
    delta([1, 2], [1, 1], [0.1, 2.0], np.ones((2, D))),
    delta([1, 2], [1, 1], [0.1, -0.1], np.ones((2, D))),
    delta([1, 2], [1, 1], [0.1, 0.1], np.ones((2, D + 1))),
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_bad_delta_leaves_everything_untouched(bad):
    child, parent = pair()
    train(child, [1])
    train(parent, [2])
    sent = child.collect(LINK, False)
    attempts = (
        (parent, lambda: parent.merge(LINK, bad, False, False)),
        (child, lambda: child.settle(LINK, sent.delta, bad)),
    )
    for made, attempt in attempts:
        before = everything(made)
        with pytest.raises(DeltaError):
            attempt()
        assert everything(made) == before
    answer = parent.merge(LINK, sent.delta, False, False)
    child.settle(LINK, sent.delta, answer.delta)
    assert reference(child).tobytes() == reference(parent).tobytes()


def everything(made: Model) -> tuple:
    link = made.links[LINK]
    arrays = (made.weights, made.updates, link.reference, link.seen, link.sent_at, link.disjoint)
    return (*(array.tobytes() for array in arrays), made.broken, link.catch_up, link.exchange)


def test_a_link_that_is_gone_is_a_key_error():
    child, _ = pair()
    child.drop_link(LINK)
    child.drop_link(LINK)
    with pytest.raises(KeyError):
        child.collect(LINK, False)
    with pytest.raises(KeyError):
        child.merge(LINK, empty(D), False, False)


def test_links_are_apart():
    made = model()
    for name in (b"one", b"two"):
        made.open_link(name, False, False)
    train(made, [4])
    assert made.collect(b"one", False).delta.rows.tolist() == [4]
    made.merge(b"two", delta([5], [2], [0.1], np.ones((1, D))), False, False)
    assert made.collect(b"one", False).delta.rows.tolist() == [4, 5]  # what one brings goes to the other


def test_what_rounding_left_with_one_goes_on_to_the_other():
    """It comes without an update that would make the row pending there."""
    made = model()
    for name in (b"one", b"two"):
        made.open_link(name, False, False)
    assert not len(made.collect(b"one", True).delta)  # all rows have been looked at
    made.merge(b"two", delta([5], [0], [0.1], np.ones((1, D))), False, False)
    assert made.collect(b"one", False).delta.rows.tolist() == []
    assert made.collect(b"one", True).delta.rows.tolist() == [5]


def test_curvature_is_learned_from_finite_pairs_only():
    made = model()
    rng = np.random.default_rng(0)
    ids = [rng.integers(0, V, shape).astype(np.int32) for shape in ((50, 1), 50, (50, 5))]
    made.learn_curvature(Pairs(*ids))
    learned = made.spectra
    assert all(curve.curvatures.max() > 0 for curve in learned)
    made.weights[:] = np.nan
    made.learn_curvature(Pairs(*ids))
    assert made.spectra is learned


def test_what_several_hold_beyond_an_answer_is_not_added_once_for_each():
    """It may be a common history: the answer came before their own rows, and told the parent nothing of them."""
    links = [b"one", b"two", b"three"]
    parent, children = model(), [model() for _ in links]
    train(parent, [3], 9.0, updates=9)
    for link, child in zip(links, children, strict=True):
        train(child, [3], 12.0, updates=12)
        for each in (child, parent):
            each.open_link(link, overlap=True, catch_up=False)
    for room in (0, 100):
        for link, child in zip(links, children, strict=True):
            sent = child.collect(link, False, room)
            assert len(sent.delta) == bool(room)
            child.settle(link, sent.delta, parent.merge(link, sent.delta, False, False).delta)
    assert 9 < (parent.weights - start())[3].max() < 12.1


def test_two_that_hold_the_same_model_link_without_moving_it():
    """After a node between them has left, neighbours start anew from the initial vectors: nothing may be lost by it."""
    rng = np.random.default_rng(5)
    one, other = (Model(lambda: np.zeros((40, 8), np.float32), budget=64) for _ in range(2))
    one.weights[:] = other.weights[:] = rng.normal(size=one.weights.shape)
    for model in (one, other):
        model.updates[:] = 100
        model.open_link(b"link", overlap=True, catch_up=False)
    held = other.weights.copy()
    for _ in range(6):
        push = one.collect(b"link", flush=True)
        answer = other.merge(b"link", push.delta, flush=True, overlap=False)
        one.settle(b"link", push.delta, answer.delta)
    assert (other.weights == held).all()
    assert np.abs(one.weights - held).max() < 1e-4 * np.linalg.norm(held, axis=1).min()


def test_a_link_that_begins_anew_under_its_old_name_begins_at_the_initial_vectors():
    child, parent = pair()
    train(child, [1, 2])
    exchange(child, parent)
    child.drop_link(LINK)
    child.open_link(LINK, overlap=True, catch_up=False)
    assert (reference(child) == start()).all()
    assert not child.links[LINK].disjoint.any()
    assert child.links[LINK].exchange == 1


# -- a stop, and the next life ------------------------------------------------------------------------------


def next_life(made: Model) -> Model:
    """A new model that goes on where another was stopped."""
    after = Model(made.initial, made.budget, bits=made.bits)
    after.weights[:], after.updates[:] = made.weights, made.updates
    after.spectra = made.spectra
    for link, kept in made.references().items():
        copies = (kept.weights.copy(), kept.seen.copy(), kept.disjoint.copy())
        after.take_up(link, Reference(*copies, kept.take, kept.host))
    return after


@repeatable(30)
@given(rngs, st.booleans(), st.sampled_from([(True, False), (False, True), (True, True)]))
def test_after_a_restart_of_either_end_all_goes_on_as_if_there_had_been_none(rng, overlap, restarted):
    pairs = [pair(budget=100, overlap=overlap, curved=True) for _ in range(2)]
    seeds = rng.integers(0, 2**32, 4)
    for step, seed in enumerate(seeds):
        if step == 2:
            pairs[1] = tuple(
                next_life(made) if again else made for made, again in zip(pairs[1], restarted, strict=True)
            )
        for child, parent in pairs:
            same = np.random.default_rng(seed)
            train_somehow(child, same)
            train_somehow(parent, same)
            exchange(child, parent)
            assert reference(child).tobytes() == reference(parent).tobytes()
    for one, other in zip(*pairs, strict=True):
        assert one.weights.tobytes() == other.weights.tobytes()
        assert one.updates.tobytes() == other.updates.tobytes()


def test_what_is_left_out_is_a_link_whose_other_end_has_yet_to_catch_up():
    made = model(budget=1)
    train(made, [1, 2])
    made.open_link(b"one", overlap=False, catch_up=True)
    made.open_link(b"two", overlap=False, catch_up=False, host="10.0.0.1")
    assert list(made.references()) == [b"two"]
    for _ in range(3):
        made.merge(b"one", empty(D), False, False)
    assert list(made.references()) == [b"one", b"two"]
    assert [kept.host for kept in made.references().values()] == ["", "10.0.0.1"]


def test_a_link_that_was_taken_up_ends_like_any_other():
    _, parent = pair()
    after = next_life(parent)
    after.drop_link(LINK)
    assert after.references() == {}
    with pytest.raises(KeyError):
        after.collect(LINK, False)


def test_rows_that_others_sent_are_counted_at_both_ends():
    child, parent = pair()
    train(child, [1, 2])
    train(parent, [2, 3])
    exchange(child, parent)
    assert (parent.came, child.came) == (2, 3)
    exchange(child, parent)
    assert (parent.came, child.came) == (2, 3)
