"""The loss on held-out text: pairs as training draws them, the same each time; a slow twin; what is never trained."""

import asyncio
import math
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gossipw2v.cli.synthetic import World
from gossipw2v.config.job import Job
from gossipw2v.config.node import Config
from gossipw2v.node import snapshot
from gossipw2v.node.node import Node
from gossipw2v.node.session import Session, initial_weights, make_session
from gossipw2v.w2v.text.finding.digests import corpus_digest
from gossipw2v.w2v.text.finding.find import find_files
from gossipw2v.w2v.text.heldout import Division
from gossipw2v.w2v.text.shards import Shard, encode
from gossipw2v.w2v.text.vocab import Vocab, count_words, freeze
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.training import evaluation
from gossipw2v.w2v.training.curvature import Pairs
from gossipw2v.w2v.training.evaluation import COPIES, PAIRS, POINTS, REST, Evaluation, draw_pairs, mean_loss
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.recovery import come_back
from gossipw2v.w2v.training.trainer import Recipe, Trainer

SIZE = 16
Ids = NDArray[np.int32]


def make(tokens: Ids, words: int = 0, vocab: Vocab | None = None, **changes: Any) -> Trainer:
    given = {"window": 5, "negative": 5, "sample": 0.0, "alpha": 0.05, "min_alpha": 1e-4, "epochs": 3}
    recipe = Recipe(**{**given, "ns_exponent": 0.75, "seed": 1, "threads": 1, **changes})
    if vocab is None:
        vocab = Vocab(Words.of([b"%d" % n for n in range(words)]), np.full(words, 10, np.int64))
    return Trainer(Model(lambda: initial_weights(vocab, recipe.seed, SIZE), 100), tokens, vocab.counts, recipe)


def sentences(count: int, length: int) -> Ids:
    """Sentences whose words all differ and are in order."""
    words = np.arange(count * length, dtype=np.int32).reshape(count, length)
    return np.hstack([words, np.full((count, 1), -1, np.int32)]).ravel()


# --- the figure -----------------------------------------------------------------------------------------


def slow_loss(syn0: NDArray[np.float32], syn1neg: NDArray[np.float32], pairs: Pairs) -> float:
    """The obvious twin: one pair after the other, one value at a time."""
    total = 0.0
    for inputs, output, noise in zip(pairs.inputs.tolist(), pairs.outputs.tolist(), pairs.noise.tolist(), strict=True):
        there = [word for word in inputs if word >= 0]
        x = [sum(float(syn0[word, d]) for word in there) / len(there) for d in range(syn0.shape[1])]
        score = sum(a * float(b) for a, b in zip(x, syn1neg[output], strict=True))
        total -= math.log(1 / (1 + math.exp(-score)))
        for word in noise:
            if word != output:
                score = sum(a * float(b) for a, b in zip(x, syn1neg[word], strict=True))
                total -= math.log(1 - 1 / (1 + math.exp(-score)))
    return total / len(pairs.outputs)


@pytest.mark.parametrize("sg", [0, 1])
def test_the_loss_is_that_of_a_slow_twin(sg: int) -> None:
    trainer = make(sentences(4, 9), 36, sg=sg)
    pairs = draw_pairs(trainer.cursor.text.tokens, trainer)
    assert len(pairs.outputs) > evaluation.BATCH  # several batches, the last of them not full
    assert len(pairs.outputs) % evaluation.BATCH
    assert (pairs.noise == pairs.outputs[:, None]).any()
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(72, SIZE)).astype(np.float32)
    found = mean_loss(weights[:36], weights[36:], pairs)
    assert found == pytest.approx(slow_loss(weights[:36], weights[36:], pairs), rel=1e-12)


def test_the_loss_of_an_untrained_model_is_that_of_guessing() -> None:
    trainer = make(sentences(100, 9), 900)
    pairs = draw_pairs(trainer.cursor.text.tokens, trainer)
    same = np.count_nonzero(pairs.noise == pairs.outputs[:, None]) / len(pairs.outputs)
    found = mean_loss(trainer.model.syn0, trainer.model.syn1neg, pairs)
    assert found == pytest.approx((6 - same) * math.log(2), rel=1e-9)


def test_a_model_that_has_diverged_has_no_finite_loss() -> None:
    trainer = make(sentences(4, 9), 36)
    pairs = draw_pairs(trainer.cursor.text.tokens, trainer)
    for value in (np.inf, np.nan, np.float32(3e38)):
        trainer.model.syn0[:], trainer.model.syn1neg[:] = 1, value
        assert not mean_loss(trainer.model.syn0, trainer.model.syn1neg, pairs) < 1e30


def test_there_is_no_loss_of_nothing() -> None:
    trainer = make(sentences(4, 9), 36)
    for text in ([], [3, -1], [3, -1, 4, -1]):
        pairs = draw_pairs(np.array(text, np.int32), trainer)
        assert pairs.noise.shape == (0, 5)
        with pytest.raises(ValueError, match="no pairs"):
            mean_loss(trainer.model.syn0, trainer.model.syn1neg, pairs)
        found = Evaluation(trainer.model, pairs, len(text))
        assert not found.due((1,), 0.0, last=True)
        assert found.describe()["loss"] is None


# --- the pairs ------------------------------------------------------------------------------------------


def test_pairs_are_those_of_training_and_the_same_for_a_seed() -> None:
    text = sentences(3000, 10)
    trainer = make(text, 30_000, window=3)
    pairs = draw_pairs(text, trainer)
    assert (pairs.inputs.shape, pairs.outputs.shape, pairs.noise.shape) == ((PAIRS, 1), (PAIRS,), (PAIRS, 5))
    apart = np.abs(pairs.inputs[:, 0] - pairs.outputs)
    assert (pairs.inputs[:, 0] // 10 == pairs.outputs // 10).all()
    # each reach is drawn a third of the time: neighbours are met always, the third word a third of the time;
    # sentences of ten words have 9, 8 and 7 such pairs
    expected = np.array([9 * 3, 8 * 2, 7 * 1])
    assert np.bincount(apart, minlength=4)[1:] / PAIRS == pytest.approx(expected / expected.sum(), abs=0.02)
    again, other = draw_pairs(text, trainer), draw_pairs(text, make(text, 30_000, window=3, seed=2))
    for name in ("inputs", "outputs", "noise"):
        assert getattr(pairs, name).tobytes() == getattr(again, name).tobytes()
        assert getattr(pairs, name).tobytes() != getattr(other, name).tobytes()


def test_bags_surround_their_word() -> None:
    text = sentences(3000, 10)
    pairs = draw_pairs(text, make(text, 30_000, window=3, sg=0))
    assert (pairs.inputs.shape, pairs.outputs.shape) == ((PAIRS, 6), (PAIRS,))
    for words, middle in zip(pairs.inputs.tolist(), pairs.outputs.tolist(), strict=True):
        there = [word for word in words if word >= 0]
        reach = max(abs(word - middle) for word in there)
        near = range(max(middle // 10 * 10, middle - reach), min(middle // 10 * 10 + 10, middle + reach + 1))
        assert there == [word for word in near if word != middle]
        assert reach <= 3


def test_frequent_words_are_thinned_out_before_windows_are_drawn() -> None:
    text = np.array([0, 1, 0, 2, 0, 3, 0, 4, -1] * 500, np.int32)
    counts = np.array([10**6, 1, 1, 1, 1], np.int64)
    vocab = Vocab(Words.of([b"%d" % n for n in range(5)]), counts)
    pairs = draw_pairs(text, make(text, vocab=vocab, window=1, sample=1e-4))
    common = np.mean((pairs.inputs[:, 0] == 0) | (pairs.outputs == 0))
    assert common < 0.1
    assert {1, 2} in [{a, b} for a, b in zip(pairs.inputs[:, 0].tolist(), pairs.outputs.tolist(), strict=True)]
    assert np.mean(pairs.noise == 0) > 0.9  # by frequency


def test_a_short_text_is_drawn_from_several_times_and_wide_windows_stay_bounded() -> None:
    text = sentences(1, 10)
    few = draw_pairs(text, make(text, 10, window=1, negative=1))
    assert len(few.outputs) == COPIES * 18
    text = sentences(20, 1000)
    wide = draw_pairs(text, make(text, 20_000, window=255, sg=0))
    assert wide.inputs.size <= evaluation.CONTEXT
    assert len(wide.outputs) > 1000


# --- in the course of a run -----------------------------------------------------------------------------


def evaluation_of(trainer: Trainer, text: Ids) -> Evaluation:
    return Evaluation(trainer.model, draw_pairs(text, trainer), int(np.count_nonzero(text >= 0)))


def test_it_is_due_when_the_model_is_another_and_it_has_rested() -> None:
    text = sentences(4, 9)
    found = evaluation_of(make(text, 36), text)
    assert found.due((1, 0), 100.0, last=False)
    found.seconds = 0.5
    assert not found.due((1, 0), 100.0 + REST, last=True)
    assert not found.due((2, 0), 99.0 + REST / 2, last=False)
    assert found.due((2, 0), 100.0 + REST / 2, last=False)
    assert found.due((2, 1), 100.0 + REST / 2, last=True)


def test_the_history_is_bounded_and_goes_from_the_first_to_the_last() -> None:
    text = sentences(1, 3)
    found = evaluation_of(make(text, 3), text)
    for n in range(5 * POINTS):
        loss = found.measure(n, 2 * n)
        told = found.describe()
        assert len(told["history"]) <= POINTS
        assert told["history"][0]["trained_tokens"] == 0
        assert told["history"][-1] == {"trained_tokens": n, "swarm_trained_tokens": 2 * n, "loss": loss}
        assert told["loss"] == loss
    places = [point["trained_tokens"] for point in found.describe()["history"]]
    assert all(one < other for one, other in pairwise(places))
    assert len(places) > POINTS // 2


async def test_a_node_measures_in_a_thread_and_tells_what_came_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text, threads, measure = sentences(4, 9), [], Evaluation.measure
    monkeypatch.setattr(
        Evaluation, "measure", lambda *given: threads.append(threading.current_thread()) or measure(*given)
    )
    node = begun(tmp_path)
    assert node.snapshot()["held_out"] == {"share": 0.1, **snapshot.NOTHING_HELD_OUT}
    session = node.session = learner_of(node, text)
    assert node.snapshot()["held_out"].keys() == snapshot.NOTHING_HELD_OUT.keys() | {"share"}
    await node.evaluate(session, last=False)
    node.close_session()
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


async def test_a_model_that_has_diverged_is_not_measured_before_it_is_mended(tmp_path: Path) -> None:
    node = begun(tmp_path)
    session = node.session = learner_of(node, sentences(4, 9))
    first = session.model.weights.copy()
    session.model.weights[:] = np.nan
    session.trainer.look_over()
    assert session.trainer.breach is not None
    await node.evaluate(session, last=True)
    assert node.snapshot()["held_out"]["history"] == []
    come_back(session.model)
    session.trainer.stop()  # so that going on trains nothing
    session.trainer.go_on(0.5)
    await node.evaluate(session, last=True)
    node.close_session()
    assert session.model.weights.tobytes() == first.tobytes()
    (point,) = session.evaluation.describe()["history"]
    assert point["loss"] == pytest.approx(6 * math.log(2), rel=1e-3)


def begun(folder: Path) -> Node:
    """A node that holds a tenth of its text out and has no model yet."""
    config = Config(corpus=("text",), data_dir=folder, threads=1, held_out=0.1, job=Job(vector_size=SIZE))
    node = Node(config, bytes(32), asyncio.get_running_loop().time())
    node.begin()
    return node


def learner_of(node: Node, text: Ids) -> Session:
    """What a node learns with that trains a text of 36 words and holds the same out."""
    vocab = Vocab(Words.of([b"%02d" % n for n in range(36)]), np.full(36, 10, np.int64))
    return make_session(node.config, vocab, Shard(text, 36, Path("none"), held_out=text), node.rows.done)


@pytest.fixture(scope="module")
def world_text(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    path = tmp_path_factory.mktemp("world") / "text"
    path.write_text("".join(f"{line}\n" for line in World().sentences(20_000, seed=1)))
    return find_files([str(path)])


@pytest.mark.parametrize("sg", [1, 0])
def test_the_loss_on_held_out_text_falls_in_training(sg: int, world_text: list[Path], tmp_path: Path) -> None:
    vocab = freeze(count_words(world_text), 5)
    shard = encode(world_text, vocab, tmp_path, corpus_digest(world_text), division=Division(0.02, 1))
    trainer = make(shard.tokens, vocab=vocab, sg=sg, sample=1e-3, epochs=4)
    found = evaluation_of(trainer, shard.held_out)
    losses, steps = [found.measure(0, 0)], trainer.steps(0, 20_000)
    while trainer.trained < trainer.total:
        share = trainer.trained
        while trainer.trained < min(trainer.total, share + trainer.total // 4):
            next(steps)
        losses.append(found.measure(trainer.trained, 0))
    assert losses[0] == pytest.approx(6 * math.log(2), abs=0.1)
    assert all(later < earlier for earlier, later in pairwise(losses))
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("sg", [1, 0])
def test_words_that_are_only_in_held_out_sentences_are_not_trained(sg: int, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("".join(f"a{n} b{n} c{n}\n" for n in range(500)))
    files = find_files([str(tmp_path / "text")])
    vocab = freeze(count_words(files), 1)  # of the whole text
    assert len(vocab) == 1500
    shard = encode(files, vocab, tmp_path, corpus_digest(files), division=Division(0.1, 1))
    trainer = make(shard.tokens, vocab=vocab, sg=sg, negative=1)
    before = trainer.model.syn0.copy()
    for _ in trainer.steps(0, 20_000):
        pass
    out = np.unique(shard.held_out[shard.held_out >= 0])
    still = np.flatnonzero((trainer.model.syn0 == before).all(axis=1))
    assert len(out) > 60
    assert still.tolist() == out.tolist()
    assert not trainer.model.updates[out].any()
    assert trainer.total == 3 * (1500 - len(out))
