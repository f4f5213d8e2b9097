"""Trainer threads write rows while others are merged into them, without locks: what that may cost, and what it may not.

Every update adds the same power of two to a whole row, so that sums count updates. Nothing is lost as long as what both
replicas hold beyond the reference, and the reference itself, add up to what was trained.
"""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest
from numba import njit
from support.samples import LINK

from gossipw2v.w2v.training import model
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.warmup import warm_up

ROWS, SIZE = 2000, 64
STEP = np.float32(2.0**-14)  # sums stay exact in a float32
PICKS, TIMES = 1_000_000, 20  # rows that a thread updates, and how often
MOST_LOST = 1e-2  # share of all updates; on two cores one thread loses some 1e-5 and two lose 5e-4


@njit(nogil=True)
def tread(weights, updates, picks, times, step):
    for i in range(len(picks) * times):
        row = picks[i % len(picks)]
        for d in range(weights.shape[1]):
            weights[row, d] += step
        updates[row] += 1


def picked(n: int, seed: int) -> np.ndarray:
    """Rows of which some are as frequent as the commonest words are after thinning."""
    share = 1 / np.sqrt(np.arange(1, ROWS + 1))
    return np.random.default_rng(seed).choice(ROWS, n, p=share / share.sum()).astype(np.int32)


def pair(budget: int = 500) -> tuple[Model, Model]:
    child, parent = (Model(lambda: np.zeros((ROWS, SIZE), np.float32), budget, bits=8) for _ in range(2))
    for each in (child, parent):
        each.open_link(LINK, overlap=False, catch_up=False)
    return child, parent


def exchange(child: Model, parent: Model, flush: bool = False) -> int:
    """Rows that were said by either end."""
    sent = child.collect(LINK, flush)
    answer = parent.merge(LINK, sent.delta, flush, False)
    child.settle(LINK, sent.delta, answer.delta)
    return len(sent.delta) + len(answer.delta)


def held(child: Model, parent: Model) -> np.ndarray:
    """All updates there are: what the ends hold beyond the reference, and the reference; float64[ROWS, SIZE]."""
    reference = child.links[LINK].reference
    assert reference.tobytes() == parent.links[LINK].reference.tobytes()
    return (child.weights.astype(np.float64) + parent.weights - reference) / float(STEP)


def race(threads: int) -> tuple[float, float]:
    """Train the child on so many threads beside exchanges; the shares of updates and of their counts that were lost."""
    child, parent = pair()
    picks = [picked(PICKS, seed) for seed in range(threads + 1)]
    tread(child.weights, child.updates, picks[0][:0], 1, STEP)
    warm_up(SIZE)
    trainers = [Thread(target=tread, args=(child.weights, child.updates, each, TIMES, STEP)) for each in picks[1:]]
    for trainer in trainers:
        trainer.start()
    made, exchanges = PICKS * TIMES * threads, 0
    while any(trainer.is_alive() for trainer in trainers):
        there = picks[0][exchanges % 900 * 1000 :][:1000]
        tread(parent.weights, parent.updates, there, 1, STEP)
        made += len(there)
        exchange(child, parent)
        exchanges += 1
    assert exchanges >= 5
    lost = 1 - held(child, parent).sum() / SIZE / made
    while exchange(child, parent, flush=True):
        pass
    assert abs(child.weights - parent.weights).max() <= 2e-4 * np.linalg.norm(child.weights, axis=1).max()
    assert (child.updates == parent.updates).all()
    return lost, 1 - int(child.updates.sum()) / made


@pytest.mark.parametrize(("threads", "most"), [(1, 1e-3), (2, MOST_LOST)])  # two threads lose most to each other
def test_merging_beside_training_loses_hardly_anything(threads, most):
    for lost in race(threads):
        assert -1e-6 <= lost <= most


def test_rows_that_were_held_for_a_whole_batch_would_be_missed(monkeypatch):
    """The measure measures: the same merge, written back when all rows are done."""

    def settle_rows(here, exchange, *more):
        whole = here.weights.copy()
        broken = careful(here._replace(weights=whole), exchange, *more)
        here.weights[exchange.rows] = whole[exchange.rows]
        return broken

    careful = model.settle_rows
    monkeypatch.setattr(model, "settle_rows", settle_rows)
    lost, _ = race(1)
    assert lost > MOST_LOST


def test_training_between_the_steps_of_exchanges_loses_nothing_at_all():
    """In one thread, with changes that are whole steps of the quantiser."""
    child, parent = pair(budget=ROWS)
    rng = np.random.default_rng(1)
    made, counts = np.zeros((ROWS, SIZE)), np.zeros(ROWS, np.int64)

    def train(replica: Model, rows: np.ndarray) -> None:
        """Up to 127 steps for each value, and always 127 for the first, which makes a step the scale."""
        steps = rng.integers(-127, 128, (len(rows), SIZE))
        steps[:, 0] = 127
        replica.weights[rows] += steps.astype(np.float32) * STEP
        replica.updates[rows] += 1
        made[rows] += steps
        counts[rows] += 1

    late = np.empty(0, np.int32)
    for _ in range(50):
        mine, theirs = np.split(rng.permutation(np.setdiff1d(np.arange(ROWS), late))[:800], 2)
        train(child, mine)
        sent = child.collect(LINK, False)
        train(parent, theirs)
        answer = parent.merge(LINK, sent.delta, False, False)
        late = rng.choice(ROWS, 400, replace=False)
        train(child, late[:200])
        train(parent, late[200:])
        child.settle(LINK, sent.delta, answer.delta)
        assert (held(child, parent) == made).all()
    while exchange(child, parent, flush=True):
        pass
    for each in (child, parent):
        assert (each.weights / STEP == made).all()
        assert (each.updates == counts).all()
