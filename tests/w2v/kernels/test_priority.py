"""The rows that wait on a link against a slow twin, and the fairness of who goes first."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from support.samples import repeatable

from gossipw2v.w2v.kernels.merge import Matrices
from gossipw2v.w2v.kernels.priority import Ledger, add_counts, both, picked, unequal_rows, waiting

N = 40
rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
EXCHANGE = 1000


def ledger(rng, most: int = 50) -> Ledger:
    seen = rng.integers(0, most, N)
    sent_at = np.where(rng.random(N) < 0.3, 0, rng.integers(1, EXCHANGE, N)).astype(np.int32)
    return Ledger(seen + rng.integers(-2, most, N), seen, sent_at)


def urgency(of: Ledger, row: int, catch_up: bool) -> float:
    if catch_up and of.sent_at[row] == 0:
        return float("inf")
    return max(int(of.updates[row] - of.seen[row]), 1) * float(EXCHANGE - of.sent_at[row])


@repeatable()
@given(rngs, st.integers(0, N + 1), st.booleans(), st.sampled_from([3, 50, 2**40]))
def test_the_most_urgent_rows_go(rng, budget, catch_up, most):
    of, unequal = ledger(rng, most), rng.random(N) < 0.2
    found = waiting(of, unequal, EXCHANGE, budget, catch_up)
    pending = [row for row in range(N) if of.updates[row] > of.seen[row] or unequal[row]]
    assert found.pending == len(pending)
    assert found.unsent == sum(of.sent_at[row] == 0 for row in pending)
    assert len(found.rows) == min(budget, len(pending))
    assert_array_equal(found.rows, sorted(set(found.rows.tolist()) & set(pending)))
    stays = [urgency(of, row, catch_up) for row in set(pending) - set(found.rows.tolist())]
    goes = [urgency(of, int(row), catch_up) for row in found.rows]
    assert max(stays, default=0) <= min(goes, default=float("inf")) * (1 + 2**-6)  # as wide as a bucket


def test_a_rare_row_has_its_turn_beside_busy_ones():
    updates, seen, sent_at = np.zeros(N, np.int64), np.zeros(N, np.int64), np.ones(N, np.int32)
    updates[-1] = 1
    for exchange in range(2, 200):
        updates[:-1] += 100
        rows = waiting(Ledger(updates, seen, sent_at), np.zeros(N, np.bool_), exchange, N // 2, catch_up=False).rows
        seen[rows], sent_at[rows] = updates[rows], exchange
    assert seen[-1] == 1


@repeatable()
@given(rngs)
def test_the_rows_of_both_and_where_they_stand_in_the_first(rng):
    one, other = (np.flatnonzero(rng.random(N) < rng.random()).astype(np.int32) for _ in range(2))
    rows, at = both(one, other)
    assert_array_equal(rows, np.union1d(one, other))
    assert_array_equal(rows[at >= 0], one)
    assert_array_equal(at[at >= 0], np.arange(len(one)))
    counts = rng.integers(1, 2**32, len(one)).astype(np.uint32)
    assert_array_equal(picked(counts, at)[at >= 0], counts)
    assert not picked(counts, at)[at < 0].any()


@repeatable()
@given(rngs)
def test_counts_are_added_to_their_rows(rng):
    target, rows = rng.integers(0, 2**40, N), np.flatnonzero(rng.random(N) < 0.5).astype(np.int32)
    counts = rng.integers(0, 2**32, len(rows)).astype(np.uint32)
    expected = target.copy()
    expected[rows] += counts.astype(np.int64)
    add_counts(target, rows, counts)
    assert_array_equal(target, expected)


@repeatable()
@given(rngs)
def test_unequal_rows_are_those_that_differ_by_a_share_of_their_norm(rng):
    reference = rng.normal(size=(N, 5)).astype(np.float32)
    change = rng.normal(size=(N, 5)) * rng.choice([0, 1e-6, 1e-3, 1], (N, 1))
    weights = reference + change.astype(np.float32)
    out, may_differ = np.zeros(N, np.bool_), rng.random(N) < 0.7
    looked_at = may_differ.copy()
    unequal_rows(Matrices(weights, reference), np.float32(1e-4), may_differ, out)
    assert_array_equal(may_differ, out)
    norms = np.sqrt((reference.astype(np.float64) ** 2).sum(axis=1))
    worst = np.abs(weights.astype(np.float64) - reference).max(axis=1)
    clear = np.abs(worst - 1e-4 * norms) > 1e-7
    assert_array_equal(out[clear], (looked_at & (worst > 1e-4 * norms))[clear])
