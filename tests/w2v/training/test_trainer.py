"""Training in threads: all tokens of all epochs, alpha as the swarm's progress asks, bits that repeat, a clean stop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gossipw2v.node.session import initial_weights
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.text.vocab import Vocab
from gossipw2v.w2v.training.curvature import KINSHIP
from gossipw2v.w2v.training.estimates import sample_pairs
from gossipw2v.w2v.training.guard import ENOUGH, LONGEST, PATIENCE
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import SLICE, Recipe, Trainer

SIZE = 16
NAMES = [b"w%03d" % number for number in range(200)]
UNTRAINED = 6 * np.log(2)


def a_text(sentences: int = 3000, seed: int = 1) -> NDArray[np.int32]:
    """Sentences of ten words, each about one of twenty topics: there is something to learn."""
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 20, (sentences, 1)) * 10 + rng.integers(0, 10, (sentences, 10))
    ends = np.full((sentences, 1), -1)
    return np.hstack([words, ends]).astype(np.int32).ravel()


def make(tokens: NDArray[np.int32], **changes: Any) -> Trainer:
    given = {"window": 5, "negative": 5, "sample": 0.0, "alpha": 0.05, "min_alpha": 1e-4, "epochs": 3}
    recipe = Recipe(**{**given, "ns_exponent": 0.75, "seed": 1, "threads": 1, **changes})
    counts = np.bincount(tokens[tokens >= 0], minlength=len(NAMES)).astype(np.int64) + 1
    vocab = Vocab(NAMES, counts)
    return Trainer(Model(lambda: initial_weights(vocab, recipe.seed, SIZE), 100), tokens, counts, recipe)


@contextmanager
def running(trainer: Trainer) -> Iterator[Trainer]:
    trainer.start()
    try:
        yield trainer
    finally:
        assert trainer.stop(60)


def train(trainer: Trainer) -> Trainer:
    """To the end."""
    with running(trainer):
        assert trainer.wait(60)
    if trainer.threads.failure is not None:
        raise trainer.threads.failure
    return trainer


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_token_of_every_epoch_is_trained(threads: int) -> None:
    trainer = train(make(a_text(), threads=threads))
    assert trainer.trained == trainer.total == 3 * 30_000
    assert trainer.done
    assert trainer.words_per_second > 0
    assert np.isfinite(trainer.model.weights).all()
    assert (trainer.model.updates > 0).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_training_learns_what_stands_together(threads: int) -> None:
    trainer = train(make(a_text(), epochs=10, threads=threads))
    assert trainer.losses.recent is not None
    assert trainer.losses.recent < 0.8 * UNTRAINED
    unit = trainer.model.syn0 / np.linalg.norm(trainer.model.syn0, axis=1, keepdims=True)
    alike = (unit @ unit.T).reshape(20, 10, 20, 10).mean(axis=(1, 3))
    assert (alike.argmax(axis=1) == np.arange(20)).all()


def test_the_loss_falls() -> None:
    early, late = train(make(a_text(), epochs=1)), train(make(a_text(), epochs=10))
    assert early.losses.recent is not None
    assert late.losses.recent is not None
    assert late.losses.recent < early.losses.recent < 1.05 * UNTRAINED


def test_a_mapped_text_is_forgotten_while_it_is_counted_and_in_every_epoch() -> None:
    trainer, calls = make(a_text()), []
    text = trainer.cursor.text
    text.let_go = lambda: calls.append(trainer.trained)
    assert text.count(0, len(text)) == 30_000
    assert calls == [0]
    train(trainer)
    assert [at // 30_000 for at in calls[1:]] == [0, 1, 2]


def test_one_thread_and_one_seed_give_the_same_bits() -> None:
    one, same, other = (train(make(a_text(), seed=seed)) for seed in (7, 7, 8))
    assert one.model.weights.tobytes() == same.model.weights.tobytes()
    assert one.model.updates.tobytes() == same.model.updates.tobytes()
    assert one.losses.recent == same.losses.recent
    assert one.model.weights.tobytes() != other.model.weights.tobytes()


def test_alpha_falls_with_the_progress_of_the_whole_swarm() -> None:
    trainer = make(a_text(), alpha=0.1, min_alpha=0.01)
    assert trainer.alpha == pytest.approx(0.1)
    trainer.others = (90_000, 270_000)  # a quarter of all
    assert trainer.alpha == pytest.approx(0.1 * (1 - 90_000 / 360_000))
    trainer.others = (0, 0)
    train(trainer)
    assert trainer.alpha == 0.01
    trainer.others = (0, 90_000)  # another node has its text still before it
    assert trainer.alpha == pytest.approx(0.05)
    trainer.others = (1 << 60, 0)
    assert trainer.alpha == 0.01


def test_alpha_rises_to_a_fifth_for_a_little_more_and_falls_again() -> None:
    trainer = make(a_text(), alpha=0.1, min_alpha=0.001)
    trainer.others = (910_000, 910_000)  # earlier lives and others: nine tenths and more of all there is
    assert trainer.alpha == pytest.approx(0.009)
    trainer.go_further()
    assert trainer.alpha == pytest.approx(0.02)
    trainer.others = (955_000, 910_000)
    assert trainer.alpha == pytest.approx(0.01)
    trainer.others = (1_000_000, 910_000)
    assert trainer.alpha == 0.001
    trainer.others = (910_000, 1_820_000)  # somebody brings more text: as in a run that knew of it
    assert trainer.alpha == pytest.approx(0.1 * 1_000_000 / 1_910_000)


def test_alpha_of_much_more_is_that_of_a_longer_run() -> None:
    trainer = make(a_text(), alpha=0.1, min_alpha=0.001)
    trainer.others = (60_000, 60_000)
    before = trainer.alpha
    trainer.go_further()
    assert trainer.alpha == before == pytest.approx(0.06)


def test_each_call_trains_with_the_alpha_of_its_moment_and_knows_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    real = sgns.sgns_train

    def spy(*arguments: Any) -> Any:
        seen.append(arguments[6].alpha)
        assert arguments[6].first_alpha == 0.1
        return real(*arguments)

    monkeypatch.setattr(sgns, "sgns_train", spy)
    trainer = train(make(a_text(), alpha=0.1, min_alpha=0.001))
    assert len(seen) == 3 * -(-len(a_text()) // SLICE)
    assert seen[0] == 0.1
    assert all(after < before for before, after in pairwise(seen))
    assert trainer.alpha == 0.001


def test_stopping_takes_effect_within_a_slice() -> None:
    trainer = make(a_text(), epochs=10_000, threads=2)
    with running(trainer):
        while not trainer.trained:
            pass
    at = trainer.trained
    assert 0 < at < trainer.total
    assert not trainer.done
    assert trainer.wait(0)
    assert trainer.trained == at


def test_a_stop_before_the_start_trains_nothing() -> None:
    trainer = make(a_text())
    assert trainer.stop()
    with running(trainer):
        pass
    assert trainer.trained == 0
    assert trainer.losses.recent is None


def test_the_death_of_a_thread_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(sgns, "sgns_train", fail)
    trainer = make(a_text(), threads=2)
    with running(trainer):
        assert trainer.wait(60)
    assert isinstance(trainer.threads.failure, MemoryError)
    assert not trainer.done


@pytest.mark.parametrize("tokens", [[], [-1], [-1, -1, -1]])
@pytest.mark.parametrize("sg", [0, 1])
def test_no_text_is_done_at_once(tokens: list[int], sg: int) -> None:
    trainer = make(np.array(tokens, np.int32), sg=sg)
    assert trainer.done
    train(trainer)
    assert trainer.trained == trainer.total == 0
    trainer.model.learn_curvature(sample_pairs(trainer, 100, np.random.default_rng(1)))


def test_sampled_pairs_stand_within_a_window() -> None:
    tokens = np.arange(200, dtype=np.int32)
    trainer = make(tokens, window=3, negative=4)
    pairs = sample_pairs(trainer, 50, np.random.default_rng(1))
    assert pairs.inputs.shape == (50, 1)
    assert pairs.outputs.shape == (50,)
    assert pairs.noise.shape == (50, 4)
    apart = np.abs(pairs.inputs[:, 0] - pairs.outputs)
    assert apart.min() >= 1
    assert apart.max() == 3
    assert pairs.noise.min() >= 0
    assert pairs.noise.max() < 200


def test_each_epoch_has_its_mean_loss() -> None:
    trainer = make(a_text(), epochs=4, threads=2)
    assert trainer.losses.means == []
    train(trainer)
    losses = trainer.losses.means
    assert len(losses) == 4
    assert losses[0] > losses[1] > losses[3] > 0
    assert min(losses) * 0.5 < trainer.losses.recent < losses[0]


def test_sampled_windows_of_cbow_surround_their_word() -> None:
    trainer = make(np.arange(200, dtype=np.int32), window=3, negative=4, sg=0)
    pairs = sample_pairs(trainer, 50, np.random.default_rng(1))
    assert pairs.inputs.shape == (50, 6)
    assert pairs.noise.shape == (50, 4)
    sizes = set()
    for words, middle in zip(pairs.inputs.tolist(), pairs.outputs.tolist(), strict=True):
        there = [word for word in words if word >= 0]
        reach = max(abs(word - middle) for word in there)
        near = range(max(0, middle - reach), min(200, middle + reach + 1))
        assert there == [word for word in near if word != middle]
        sizes.add(reach)
    assert sizes == {1, 2, 3}
    trainer.model.learn_curvature(pairs)
    trainer.model.syn0[:], trainer.model.syn1neg[:] = 0.5, 0.5
    trainer.model.learn_curvature(pairs)
    top = SIZE / 4 * np.exp(-SIZE / 4) / (1 + np.exp(-SIZE / 4)) ** 2  # of p (1 - p) y y'; a pair has 4 more
    assert trainer.model.spectra[0].curvatures[-1] == pytest.approx(KINSHIP * 5 * top, rel=1e-3)


def test_cbow_learns_what_stands_together() -> None:
    trainer = train(make(a_text(), epochs=10, sg=0))
    assert trainer.losses.recent is not None
    assert trainer.losses.recent < 0.8 * UNTRAINED
    unit = trainer.model.syn0 / np.linalg.norm(trainer.model.syn0, axis=1, keepdims=True)
    alike = (unit @ unit.T).reshape(20, 10, 20, 10).mean(axis=(1, 3))
    assert (alike.argmax(axis=1) == np.arange(20)).all()


# --- going on -------------------------------------------------------------------------------------------


def interrupted(tokens: NDArray[np.int32], at: int, **changes: Any) -> Trainer:
    """A trainer whose only thread was stopped after so many steps."""
    trainer = make(tokens, **changes)
    for _ in zip(range(at), trainer.steps(0, SLICE), strict=False):
        pass
    return trainer


def went_on(before: Trainer, tokens: NDArray[np.int32], **changes: Any) -> Trainer:
    """Another trainer that goes on from there, as after a restart."""
    trainer = make(tokens, **changes)
    trainer.model.weights[:], trainer.model.updates[:] = before.model.weights, before.model.updates
    trainer.resume(before.cursor.positions, before.losses.by_epoch)
    done = before.before + before.trained
    trainer.others = (done, done)  # what a life before has trained counts for alpha, as that of a node that died
    return trainer


@pytest.mark.parametrize("stops", [(1,), (2,), (3,), (1, 1), (4, 1)])
def test_one_that_was_interrupted_ends_with_the_same_bits(stops: tuple[int, ...]) -> None:
    tokens = a_text()
    through = train(make(tokens))
    trainer = interrupted(tokens, stops[0])
    for steps in stops[1:]:
        trainer = went_on(trainer, tokens)
        for _ in zip(range(steps), trainer.steps(0, SLICE), strict=False):
            pass
    last = train(went_on(trainer, tokens))
    assert last.before > 0
    assert last.before + last.trained == through.trained
    assert last.model.weights.tobytes() == through.model.weights.tobytes()
    assert last.model.updates.tobytes() == through.model.updates.tobytes()
    assert last.losses.means == pytest.approx(through.losses.means)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_another_number_of_threads_trains_what_is_left(threads: int) -> None:
    tokens = a_text()
    trainer = train(went_on(interrupted(tokens, 3), tokens, threads=threads))
    assert trainer.done
    assert 0 < trainer.trained < 90_000
    assert trainer.before + trainer.trained == 90_000


def test_a_finished_text_stays_finished() -> None:
    tokens = a_text()
    trainer = train(went_on(train(make(tokens)), tokens, threads=2))
    assert trainer.done
    assert (trainer.trained, trainer.total, trainer.before) == (0, 0, 90_000)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("words", [1, 777, 30_000, -1, -777, -20_000])
def test_words_can_be_left_out_or_trained_again(threads: int, words: int) -> None:
    tokens = a_text()
    trainer = make(tokens, threads=threads)
    trainer.shift(40_000)
    assert trainer.total == 50_000
    trainer.shift(words)
    assert trainer.total == 50_000 - words
    assert train(trainer).trained == 50_000 - words


def test_no_more_is_left_out_than_there_is_nor_trained_again_than_there_was() -> None:
    trainer = make(a_text(), threads=2)
    trainer.shift(-5)
    assert trainer.total == 90_000
    trainer.shift(1 << 40)
    assert trainer.total == 0
    assert train(trainer).done


def test_positions_of_another_text_are_refused() -> None:
    long, short = train(make(a_text(), epochs=1)), make(a_text(sentences=10), epochs=1)
    inside, outside = short.cursor.positions, interrupted(a_text(), 1).cursor.positions
    for positions, losses in (([], []), (outside, []), (long.cursor.positions, [(1.0, 1.0)] * 2)):
        with pytest.raises(ValueError, match=r"positions outside|losses of 2 epochs"):
            short.resume(positions, losses)
        assert short.cursor.positions == inside
    assert short.total == 100


# --- a model that diverges ------------------------------------------------------------------------------


def spoiling(monkeypatch: pytest.MonkeyPatch, spoil: Callable[..., tuple[int, float] | None], after: int = 0) -> None:
    """Kernels that do `spoil(tokens, weights, pairs, loss)` after so many slices; what it returns is what they say."""
    real, calls = sgns.sgns_train, iter(range(1 << 30))

    def kernel(tokens: Any, syn0: Any, *others: Any) -> tuple[int, float]:
        said = real(tokens, syn0, *others)
        return (spoil(tokens, syn0, *said) if next(calls) >= after else None) or said

    monkeypatch.setattr(sgns, "sgns_train", kernel)


def not_a_number(tokens: Any, syn0: Any, _pairs: int, _loss: float) -> None:
    syn0[tokens[tokens >= 0][-1]] = np.nan


def too_long(tokens: Any, syn0: Any, _pairs: int, _loss: float) -> None:
    syn0[tokens[tokens >= 0][-3]] += LONGEST


def bad_loss(_tokens: Any, _syn0: Any, _pairs: int, _loss: float) -> tuple[int, float]:
    return ENOUGH, 2 * UNTRAINED * ENOUGH


FAULTS = {not_a_number: "not finite", too_long: "has length", bad_loss: "the loss of a pair is"}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_breach_ends_all_threads_and_says_why(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any], threads: int
) -> None:
    spoiling(monkeypatch, fault, after=2)
    trainer = make(a_text(), epochs=10_000, threads=threads)
    with running(trainer):
        assert trainer.wait(60)
    assert FAULTS[fault] in str(trainer.breach)
    assert trainer.threads.failure is None
    assert not trainer.done
    assert 0 < trainer.trained <= (2 + (PATIENCE + 1) * threads) * SLICE
    assert all(np.isfinite(trainer.losses.means))  # of slices that were well
    assert trainer.losses.recent is not None
    assert fault is bad_loss or trainer.losses.recent < 1.1 * UNTRAINED


def test_after_a_breach_it_goes_on_where_it_was_with_smaller_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    spoiling(monkeypatch, bad_loss, after=1)
    trainer = make(a_text(), alpha=0.1, threads=2, epochs=40)
    with running(trainer):
        assert trainer.wait(60)
        at, asked = trainer.trained, trainer.alpha
        monkeypatch.undo()
        trainer.go_on(0.5)
        assert trainer.breach is None
        assert trainer.alpha <= asked / 2
        assert trainer.wait(60)
    assert 0 < at < trainer.trained == trainer.total == 40 * 30_000
    assert trainer.alpha == pytest.approx(0.5e-4)


def test_nothing_goes_on_after_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    spoiling(monkeypatch, not_a_number)
    trainer = make(a_text(), epochs=10_000)
    with running(trainer):
        assert trainer.wait(60)
    monkeypatch.undo()
    at = trainer.trained
    trainer.go_on(0.5)
    assert trainer.wait(60)
    assert trainer.trained == at


def test_a_row_that_the_last_slices_broke_is_found_when_all_is_looked_over() -> None:
    trainer = train(make(a_text()))
    trainer.look_over()
    assert trainer.breach is None
    trainer.model.syn1neg[100, 3] = np.inf
    trainer.look_over()
    assert trainer.breach == "the output vector of word 100 holds a value that is not finite"


def test_a_loss_that_was_bad_in_a_text_too_short_to_judge_by_is_found_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoiling(monkeypatch, bad_loss)
    trainer = train(make(a_text()))
    assert trainer.done
    assert trainer.breach is None
    trainer.look_over()
    assert "the loss of a pair is 8.32, and 4.16 without" in str(trainer.breach)


def test_nobody_looks_where_that_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    spoiling(monkeypatch, bad_loss)
    trainer = make(a_text())
    trainer.guarded = False
    assert train(trainer).done
    assert trainer.breach is None


def test_steps_of_an_alpha_that_is_far_too_large_are_a_breach() -> None:
    trainer = train(make(a_text(), alpha=1.0, negative=20, epochs=1000))
    assert trainer.breach is not None
    assert trainer.trained < trainer.total // 10
