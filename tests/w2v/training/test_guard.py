"""The guard of training: rows and losses of models that learn pass, those of models that have diverged do not."""

import math
from typing import Any

import numpy as np
import pytest

from gossipw2v.node.session import initial_weights
from gossipw2v.w2v.text.vocab import Vocab
from gossipw2v.w2v.training.guard import (
    ENOUGH,
    LONGEST,
    LOOKED_AT,
    MARGIN,
    PATIENCE,
    Guard,
    describe,
    first_unsound,
    sound,
)
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import SLICE, Recipe, Trainer

V, D, NEGATIVE = 50, 6, 5
WORDS = np.arange(V, dtype=np.int32)
UNTRAINED = (1 + NEGATIVE) * math.log(2)
BROKEN = [np.nan, np.inf, -np.inf, np.float32(3e38), np.float32(1.01 * LONGEST)]


def rows(length: float = 20.0) -> np.ndarray:
    """float32[2V, D] of that length each."""
    drawn = np.random.default_rng(1).normal(size=(2 * V, D))
    return (length * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def a_guard(weights: np.ndarray | None = None) -> Guard:
    return Guard(rows() if weights is None else weights, NEGATIVE)


# --- rows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("row", [0, 7, V - 1, V, V + 7, 2 * V - 1])
def test_a_broken_row_is_found_wherever_it_is(value: float, row: int) -> None:
    weights = rows()
    assert first_unsound(weights) is None
    assert sound(weights).all()
    weights[row, 2] = value
    assert first_unsound(weights) == row
    assert np.flatnonzero(~sound(weights)).tolist() == [row]


def test_only_the_rows_of_the_given_words_are_looked_at() -> None:
    weights = rows()
    weights[[3, V + 9], 0] = np.nan
    assert first_unsound(weights, np.array([-1, 4, -1, 8], np.int32)) is None
    assert first_unsound(weights, np.array([-1, 4, 3], np.int32)) == 3
    assert first_unsound(weights, np.array([4, 9], np.int32)) == V + 9
    assert first_unsound(weights, np.array([], np.int32)) is None


def test_a_row_is_as_long_as_it_may_be_and_no_longer() -> None:
    for length, found in ((0.999 * LONGEST, None), (1.001 * LONGEST, 0)):
        assert first_unsound(rows(length)) == found
    assert first_unsound(rows(1e4), longest=np.inf) is None
    assert sound(rows(1e4), np.inf).all()


@pytest.mark.parametrize(("row", "told"), [(3, "input vector of word 3"), (V + 4, "output vector of word 4")])
def test_a_broken_row_is_described(row: int, told: str) -> None:
    weights = rows(200)
    assert describe(weights, row) == f"the {told} has length 200"
    weights[row, 1] = np.nan
    assert describe(weights, row) == f"the {told} holds a value that is not finite"


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("offset", [0, V])
def test_a_slice_whose_last_words_have_broken_rows_is_a_breach(value: float, offset: int) -> None:
    weights = rows()
    weights[offset + 5, 1] = value
    slices = np.concatenate([WORDS[:6], np.full(LOOKED_AT, -1, np.int32)]), np.concatenate([WORDS[6:], WORDS[:6]])
    assert a_guard(weights).look(slices[0], 10, 10.0) is None  # too long ago
    assert "word 5 " in str(a_guard(weights).look(slices[1], 10, 10.0))


# --- the loss -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_a_breach_at_once(loss: float) -> None:
    assert a_guard().look(WORDS, 1, loss) == "the loss is not a finite number"


@pytest.mark.parametrize(
    ("share", "breach"), [(0.5, False), (1.0, False), (0.99 * MARGIN, False), (1.01 * MARGIN, True)]
)
def test_a_loss_that_stays_above_that_of_no_training_at_all_is_a_breach(share: float, breach: bool) -> None:
    *before, told = verdicts(a_guard(), [share] * PATIENCE)
    assert before == [None] * (PATIENCE - 1)
    assert (told is not None) == breach
    assert not breach or f"{UNTRAINED:.3g} without any training" in str(told)


def verdicts(guard: Guard, shares: list[float]) -> list[str | None]:
    """What it says of slices with these losses, as shares of that of a model that knows nothing."""
    return [guard.look(WORDS, ENOUGH, share * UNTRAINED * ENOUGH) for share in shares]


def test_a_loss_that_comes_down_or_was_high_for_a_moment_is_no_breach() -> None:
    falling = [9 * 0.97**n for n in range(3 * PATIENCE)]
    for shares in (falling, [5.0] * (PATIENCE - 1) + [1.0], ([4.0] * (PATIENCE // 2) + [0.6]) * 5):
        assert not any(verdicts(a_guard(), shares))
    assert any(verdicts(a_guard(), [*falling[:PATIENCE], *[falling[PATIENCE]] * PATIENCE]))


def test_few_pairs_are_not_judged_until_there_are_enough() -> None:
    guard, few = a_guard(), ENOUGH // 4
    told = [guard.look(WORDS, few, 2 * UNTRAINED * few) for _ in range(4 * PATIENCE)]
    assert not any(told[:-1])
    assert told[-1] is not None


def test_each_judgement_is_of_pairs_of_its_own() -> None:
    guard = a_guard()
    assert guard.look(WORDS, 100 * ENOUGH, 0.1 * UNTRAINED * 100 * ENOUGH) is None
    assert any(verdicts(guard, [1.5] * PATIENCE))


def test_slices_that_were_not_measured_say_nothing_of_the_loss() -> None:
    guard = a_guard()
    assert not any(guard.look(WORDS, 100 * ENOUGH, 0.0) for _ in range(PATIENCE))
    assert any(verdicts(guard, [2] * PATIENCE))


# --- models that learn ----------------------------------------------------------------------------------


def a_text() -> np.ndarray:
    """Sentences of ten words of one of ten topics, which change from one half to the other."""
    rng = np.random.default_rng(1)
    words = rng.integers(0, 10, (12_000, 1)) * 5 + rng.integers(0, 5, (12_000, 10))
    words[6000:] = rng.permutation(V)[words[6000:]]
    return np.hstack([words, np.full((12_000, 1), -1)]).astype(np.int32).ravel()


@pytest.mark.parametrize(
    "settings",
    [{"alpha": 0.025}, {"alpha": 0.075}, {"negative": 1}, {"negative": 10}, {"window": 10}, {"sg": 0, "alpha": 0.05}],
    ids=str,
)
def test_models_that_learn_stay_far_from_the_bounds_also_when_the_text_changes(settings: dict[str, Any]) -> None:
    trainer, worst, before = a_trainer(**settings), 0.0, np.zeros(2)
    for _ in trainer.steps(0, SLICE):
        pairs, loss = np.sum(trainer.losses.by_epoch, axis=0) - before
        before += pairs, loss
        assert trainer.breach is None
        worst = max(worst, loss / pairs / ((1 + trainer.recipe.negative) * math.log(2)))
    assert trainer.done
    assert worst < (1 + MARGIN) / 2
    assert np.linalg.norm(trainer.model.weights, axis=1).max() < LONGEST / 4


def a_trainer(**settings: Any) -> Trainer:
    usual = {"window": 5, "negative": 5, "sample": 0.0, "alpha": 0.05, "min_alpha": 1e-4, "epochs": 3}
    recipe = Recipe(**{**usual, "ns_exponent": 0.75, "seed": 1, "threads": 1, **settings})
    tokens = a_text()
    counts = np.bincount(tokens[tokens >= 0], minlength=V).astype(np.int64)
    vocab = Vocab([b"%02d" % n for n in range(V)], counts)
    return Trainer(Model(lambda: initial_weights(vocab, 1, 16), 100), tokens, counts, recipe)


@pytest.mark.parametrize("length", [3, 20, 80])
def test_rows_that_others_have_moved_are_no_breach_but_trained_again(length: float) -> None:
    trainer = a_trainer(alpha=0.025, epochs=20)
    steps = trainer.steps(0, SLICE)
    for _ in range(40):
        next(steps)
    trainer.model.weights += np.float32(length / np.sqrt(trainer.model.vector_size))  # all in one direction
    for _ in steps:
        pass
    assert trainer.breach is None
    assert trainer.done
    assert trainer.losses.recent is not None
    assert trainer.losses.recent < 0.9 * UNTRAINED
