"""A model that has diverged comes back, and nothing that others have trained is undone or counted twice."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.samples import repeatable

from gossipw2v.delta import Batch
from gossipw2v.w2v.training.guard import LONGEST
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.recovery import come_back

V, D = 3, 4
ROWS = 2 * V
UP, DOWN = b"parent..", b"child..."
NAMES = ("parent", "node", "child")
CLOSE = 2e-3


def start() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.1, (ROWS, D)).astype(np.float32)


def a_model(*links: bytes) -> Model:
    made = Model(start, ROWS, ROWS, longest=LONGEST)
    for link in links:
        made.open_link(link, overlap=False, catch_up=False)
    return made


@dataclass
class Family:
    """A node between its parent and its child. Training adds one to a row; `trained` int64[3, ROWS] says whose.

    `told`: the node's own as of its last exchange.
    """

    rng: Random
    models: dict[str, Model] = field(init=False)
    trained: np.ndarray = field(default_factory=lambda: np.zeros((3, ROWS), np.int64))
    told: np.ndarray = field(default_factory=lambda: np.zeros(ROWS, np.int64))

    def __post_init__(self) -> None:
        self.models = {"parent": a_model(UP), "node": a_model(UP, DOWN), "child": a_model(DOWN)}

    def train(self, name: str) -> None:
        row, model = self.rng.randrange(ROWS), self.models[name]
        model.weights[row] += 1
        model.updates[row] += 1
        self.trained[NAMES.index(name), row] += 1

    def push(self) -> Batch:
        """The node's half of an exchange with its parent."""
        self.told = self.trained[1].copy()
        return self.models["node"].collect(UP, flush=True)

    def answer(self, sent: Batch) -> None:
        answer = self.models["parent"].merge(UP, sent.delta, flush=True, overlap=False)
        self.models["node"].settle(UP, sent.delta, answer.delta)

    def up(self) -> None:
        self.answer(self.push())

    def down(self) -> None:
        child, node = self.models["child"], self.models["node"]
        sent = child.collect(DOWN, flush=True)
        self.told = self.trained[1].copy()
        child.settle(DOWN, sent.delta, node.merge(DOWN, sent.delta, flush=True, overlap=False).delta)

    def live(self, steps: int) -> None:
        """Train, and exchange whole exchanges, in some order."""
        for _ in range(steps):
            self.rng.choice((self.train, self.train, lambda _name: self.up(), lambda _name: self.down()))(
                self.rng.choice(NAMES)
            )

    def ruin(self) -> None:
        """What is left of the node's model when it has diverged."""
        self.models["node"].weights[:] = self.rng.choice((np.nan, np.inf, 1e9))
        self.models["node"].updates[:] += self.rng.randrange(100)

    def settle_down(self) -> None:
        """Exchange until all are the same."""
        for _ in range(30):
            self.down()
            self.up()


Kept = tuple[np.ndarray, np.ndarray]


def putting(kept: Kept) -> Callable[[np.ndarray, np.ndarray], bool]:
    def put(weights: np.ndarray, updates: np.ndarray) -> bool:
        weights[:], updates[:] = kept
        return True

    return put


@repeatable(300)
@given(st.integers(0, 1 << 32), st.booleans(), st.booleans(), st.booleans())
def test_whenever_it_happens_only_what_nobody_else_had_is_lost(
    seed: int, saved: bool, under_way: bool, meanwhile: bool
) -> None:
    family = Family(Random(seed))
    node = family.models["node"]
    family.live(family.rng.randrange(20))
    kept, owned = (node.weights.copy(), node.updates.copy()), family.trained[1].copy()
    family.live(family.rng.randrange(20))
    sent = family.push() if under_way else None
    if meanwhile:
        for _ in range(5):
            family.train(family.rng.choice(NAMES))
        family.down()
        family.train("node")
    family.ruin()
    come_back(node, *((putting(kept),) if saved else ()))
    safe = np.maximum(family.told, owned) if saved else family.told
    for link in node.links.values():
        assert (node.updates >= link.seen).all()
    if sent is not None:
        family.answer(sent)
    family.settle_down()
    others = family.trained[[0, 2]].sum(axis=0)
    for model in family.models.values():
        found = (model.weights - start()).astype(np.float64)
        assert_allclose(found, np.repeat(found[:, :1], D, axis=1), atol=CLOSE)
        assert (found[:, 0] >= others + safe - CLOSE).all()
        assert (found[:, 0] <= others + family.trained[1] + CLOSE).all()
        assert_allclose(model.weights, node.weights, atol=CLOSE)
        assert (model.updates <= others + family.trained[1]).all()


@pytest.mark.parametrize("careful", [True, False])
def test_a_row_of_a_checkpoint_that_is_older_than_the_reference_would_undo_what_others_trained(careful: bool) -> None:
    family = Family(Random(1))
    node, parent = family.models["node"], family.models["parent"]
    kept = node.weights.copy(), node.updates.copy()
    parent.weights[0] += 2
    parent.updates[0] += 2
    family.up()
    family.ruin()
    come_back(node, putting(kept))
    if not careful:
        node.weights[:], node.updates[:] = kept
    family.settle_down()
    left = parent.weights[0, 0] - start()[0, 0]
    assert left == pytest.approx(2 if careful else 0, abs=CLOSE)


def test_alone_it_comes_back_from_the_checkpoint() -> None:
    node = a_model()
    node.weights[2] += 3
    node.updates[2] = 7
    kept = node.weights.copy(), node.updates.copy()
    node.weights[:] = np.nan
    node.updates += 5
    come_back(node, putting(kept))
    assert_array_equal(node.weights, kept[0])
    assert_array_equal(node.updates, kept[1])


@pytest.mark.parametrize("kept", [None, lambda _weights, _updates: False], ids=["none", "damaged"])
def test_without_anything_else_it_comes_back_from_the_initial_vectors(
    kept: Callable[[np.ndarray, np.ndarray], bool] | None,
) -> None:
    node = a_model()
    node.weights[:] = np.nan
    node.updates += 5
    come_back(node, *((kept,) if kept else ()))
    assert_array_equal(node.weights, start())
    assert not node.updates.any()


@pytest.mark.parametrize("bad", [np.nan, 1e9])
def test_a_broken_row_of_the_checkpoint_is_the_initial_one(bad: float) -> None:
    node = a_model()
    node.weights += 1
    node.updates += 4
    kept = node.weights.copy(), node.updates.copy()
    kept[0][3, 1] = bad
    come_back(node, putting(kept))
    assert_array_equal(node.weights[3], start()[3])
    assert node.updates.tolist() == [4, 4, 4, 0, 4, 4]
    assert_array_equal(np.delete(node.weights, 3, 0), np.delete(start() + 1, 3, 0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2 * LONGEST])
def test_a_broken_row_goes_neither_up_nor_down_and_stays_pending(bad: float) -> None:
    family = Family(Random(1))
    node = family.models["node"]
    for row in (1, 4):
        node.weights[row] += 1
        node.updates[row] += 1
    node.weights[1, 2] = bad
    sent = family.push()
    assert sent.delta.rows.tolist() == [4]
    assert sent.pending == 1
    family.answer(sent)
    family.models["child"].weights[[1, 5]] += 1
    family.models["child"].updates[[1, 5]] += 1
    family.down()
    for name in ("parent", "child"):
        change = family.models[name].weights - start()
        assert np.abs(change).max() == pytest.approx(1, abs=CLOSE)
        assert change[4, 0] == pytest.approx(1, abs=CLOSE)
    assert family.models["parent"].updates[1] == 0
    assert family.models["child"].updates[1] == 1
    assert node.updates[1] - node.links[DOWN].seen[1] == 1  # its own is still to be told of
    come_back(node)
    family.settle_down()
    for model in family.models.values():
        assert_allclose(model.weights[[1, 4, 5]] - start()[[1, 4, 5]], np.ones((3, D)), atol=CLOSE)
