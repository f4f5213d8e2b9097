"""What a node makes of a vocabulary: first vectors that all nodes share, rows that fit a frame, room in memory."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gossipw2v.config.job import Job
from gossipw2v.config.node import Config
from gossipw2v.delta import RowDelta
from gossipw2v.gossip.codec import HEADER, decode, encode
from gossipw2v.gossip.messages import MAX_FRAME, MAX_ORIGINS, MAX_PART, Answer
from gossipw2v.node.agreement import VocabularyGrowth
from gossipw2v.node.session import check_room, initial_weights, make_session, most_rows, windows
from gossipw2v.node.snapshot import describe_vocabulary
from gossipw2v.w2v.given.given import NOTHING, Given
from gossipw2v.w2v.given.warm_start import warm_start
from gossipw2v.w2v.text.shards import Shard
from gossipw2v.w2v.text.vocab import Vocab, VocabError
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors.table import Vectors

WORDS = Vocab(Words.of([b"the", b"of", b"and"]), np.array([30, 20, 10], np.int64))


def config(**job: Any) -> Config:
    return Config(corpus=("text",), data_dir=Path("data"), threads=2, job=Job(**job))


def test_every_node_starts_from_the_same_vectors_whatever_its_vocabulary_holds_beside() -> None:
    weights = initial_weights(WORDS, seed=1, vector_size=16)
    assert (weights.shape, weights.dtype) == ((6, 16), np.float32)
    assert weights.tobytes() == initial_weights(WORDS, 1, 16).tobytes()
    assert np.abs(weights[:3]).max() <= 1 / 16
    assert len({row.tobytes() for row in weights[:3]}) == 3
    assert not weights[3:].any()
    other = Vocab(Words.of([b"of", b"new"]), np.array([5, 4], np.int64))
    assert initial_weights(other, 1, 16)[0].tobytes() == weights[1].tobytes()
    assert initial_weights(WORDS, 2, 16)[0].tobytes() != weights[0].tobytes()


@pytest.mark.parametrize("vector_size", [5, 16, 100, 128])
def test_initial_rows_leave_no_gaps_and_start_on_cache_lines_where_they_can(vector_size: int) -> None:
    weights = initial_weights(WORDS, 1, vector_size)
    assert weights.flags.c_contiguous
    assert weights.shape == (2 * len(WORDS), vector_size)
    assert vector_size % 16 or weights.ctypes.data % 64 == 0
    assert weights[: len(WORDS)].any(axis=1).all()
    assert not weights[len(WORDS) :].any()


@pytest.mark.parametrize("size", [1, 128, 300, 4096])
def test_the_answer_to_the_largest_push_fits_a_frame(size: int) -> None:
    rows = 2 * most_rows(size)  # of both ends
    delta = RowDelta(
        np.arange(rows, dtype=np.int32),
        np.ones(rows, np.uint32),
        np.ones(rows, np.float32),
        np.zeros((rows, size), np.int8),
    )
    origins = {number.to_bytes(16, "big"): 1 << 61 for number in range(min(MAX_ORIGINS, MAX_PART // 26))}
    frame = encode(Answer(bytes(8), 1 << 60, True, 1 << 40, 1 << 40, origins, delta))
    assert len(frame) <= MAX_FRAME + HEADER.size
    assert rows >= 1000
    got = decode(frame[HEADER.size :])
    assert isinstance(got, Answer)
    assert len(got.delta) == rows


def test_a_model_that_does_not_fit_is_refused_before_it_is_made() -> None:
    check_room(config(vector_size=4), WORDS)

    class Huge(Vocab):
        def __len__(self) -> int:
            return 1 << 40

    with pytest.raises(VocabError, match="memory"):
        check_room(config(vector_size=4096), Huge(WORDS.words, WORDS.counts))


def test_a_learner_has_the_jobs_settings() -> None:
    shard = Shard(np.array([0, 1, 2, -1], np.int32), 3, Path("shard"))
    session = make_session(config(vector_size=8, epochs=7, window=2), WORDS, shard, lambda _work, _result: None)
    try:
        assert session.model.weights.shape == (6, 8)
        assert session.trainer.total == 21
        assert (session.trainer.recipe.window, session.trainer.recipe.threads) == (2, 2)
    finally:
        session.close()


def test_links_and_the_status_know_of_given_vectors(tmp_path: Path) -> None:
    rows = np.arange(1, 17, dtype=np.float32).reshape(2, 8)
    start = warm_start((Vectors("a file", Words.of([b"of", b"else"]), rows),), "a file", 8)
    shard = Shard(np.array([0, 1, 2, -1], np.int32), 3, Path("shard"))
    given = Given(start=start)
    settings = replace(config(vector_size=8), data_dir=tmp_path)
    session = make_session(settings, WORDS, shard, lambda _work, _result: None, given)
    try:
        session.model.weights[:] = 0  # as training would move them
        session.model.open_link(bytes(8), overlap=False, catch_up=False)
        reference = session.model.links[bytes(8)].reference
        assert reference[1].tolist() == rows[0].tolist()
        assert reference[[0, 2]].tobytes() == initial_weights(WORDS, 1, 8)[[0, 2]].tobytes()
        told = describe_vocabulary(session, given, VocabularyGrowth())
        assert told is not None
        assert told["start"] == {"from": "a file", "words": 1, "context_vectors": False}
        assert "start" not in (describe_vocabulary(session, NOTHING, VocabularyGrowth()) or {})
    finally:
        session.close()


COMPILED = """
import numpy as np
from gossipw2v.w2v.kernels import hashing, merge, priority, quantize, sampling, sgns
from gossipw2v.w2v.warmup import warm_up
from gossipw2v.node.session import initial_weights
from gossipw2v.w2v.training.estimates import sample_pairs
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.text.shards import encode as encode_text
from gossipw2v.w2v.training.trainer import Recipe, Trainer
from gossipw2v.w2v.text.vocab import count_words, freeze, merge_counts
from gossipw2v.gossip.messages import Answer, Push
from gossipw2v.gossip.codec import HEADER, decode, encode
from pathlib import Path

def forms():
    found = {}
    for module in (hashing, merge, priority, quantize, sampling, sgns):
        for name, each in vars(module).items():
            if hasattr(each, "signatures"):
                found[module.__name__, name] = len(each.signatures)
    return found

warm_up(16)
before = forms()
text = Path("text")
text.write_text("a b c d e\\n" * 2000)
vocab = freeze(merge_counts([count_words([text]), count_words([text])]), 1, 0)
shard = encode_text([text], vocab, Path("."), bytes(16))
shard = encode_text([text], vocab, Path("."), bytes(16))
nodes = [Model(lambda: initial_weights(vocab, 1, 16), 100) for _ in range(2)]
for node in nodes:
    trainer = Trainer(node, shard.tokens, vocab.counts, Recipe(5, 5, 1e-3, 0.025, 1e-4, 2, 0.75, 1, 1))
    trainer.start()
    trainer.wait(60)
    assert trainer.done and trainer.threads.failure is None
    node.open_link(bytes(8), False, False)
    node.learn_curvature(sample_pairs(trainer, 100, np.random.default_rng(1)))
for flush in (False, True):
    sent = nodes[0].collect(bytes(8), flush).delta
    push = decode(encode(Push(bytes(8), 1, False, 0, 0, {}, sent))[HEADER.size:])
    merged = nodes[1].merge(bytes(8), push.delta, flush, False).delta
    answer = decode(encode(Answer(bytes(8), 1, False, 0, 0, {}, merged))[HEADER.size:])
    nodes[0].settle(bytes(8), sent, answer.delta)
after = forms()
print({name: (before[name], after[name]) for name in after if after[name] > before[name]} or "nothing")
"""


def test_nothing_is_compiled_once_a_node_is_ready(tmp_path: Path) -> None:
    """What training, merging and scanning call has been compiled by the warm-up, for just these kinds of arrays."""
    command = [sys.executable, "-c", COMPILED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "nothing\n"), done.stderr


@pytest.mark.parametrize(
    ("settings", "lengths", "reaches"),
    [
        ({}, [3, 4], (1, 5, 0)),
        ({"shrink_windows": 0, "window": 7}, [3, 4], (7, 7, 0)),
        ({"lines": "whole"}, [1, 3, 5], (4, 4, 2)),
        ({"lines": "whole"}, [1, 1], (1, 1, 1)),
        ({"lines": "whole"}, [400], (255, 255, 398)),
    ],
)
def test_windows_are_as_the_job_and_its_lines_say(
    settings: dict[str, Any], lengths: list[int], reaches: tuple[int, int, int]
) -> None:
    tokens = np.concatenate([np.append(np.zeros(length), -1) for length in lengths]).astype(np.int32)
    assert windows(Job(**settings), Shard(tokens, sum(lengths), Path("text"))) == reaches


WALKED = """
import asyncio
from pathlib import Path
import numpy as np
from gossipw2v.w2v.graphs.source import GraphSource
from gossipw2v.w2v.graphs.walks import WalkPlan
from gossipw2v.w2v.kernels import hashing, sampling
from gossipw2v.w2v.kernels.graphs import parsing, rows, walks
from gossipw2v.w2v.text.vocab import freeze
from gossipw2v.w2v.warmup import warm_up

def forms():
    modules = (hashing, sampling, parsing, rows, walks)
    found = {(m.__name__, name): getattr(each, "signatures", ()) for m in modules for name, each in vars(m).items()}
    return {name: len(signatures) for name, signatures in found.items() if signatures}

warm_up(16, graph=True)
before = forms()
for number, third in enumerate(("", " 2.5")):
    edges = Path(f"edges{number}")
    edges.write_text("".join(f"{n} {n * 7 % 50}{third}\\n" for n in range(50)))
    for directed in (False, True):
        for life in range(2):
            source = GraphSource([str(edges)], Path("."), WalkPlan(p=0.5, q=2.0, share=(1, 2)), directed, 0.1)
            source.find()
            vocab = freeze(asyncio.run(source.count()), 1)
            text = asyncio.run(source.encode(vocab))
            text.ids(0, 0, len(text)), text.at(np.arange(9))
after = forms()
print({name: (before.get(name), after[name]) for name in after if after[name] > before.get(name, 0)} or "nothing")
"""


def test_nothing_is_compiled_once_a_node_with_a_graph_is_ready(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WALKED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["nothing"]), done.stdout + done.stderr
