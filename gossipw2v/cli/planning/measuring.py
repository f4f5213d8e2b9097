"""What this machine takes for what a node does, timed for a second or two on its own kernels; nothing of a network."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import numpy as np

from gossipw2v.cli.planning.frequencies import zipf
from gossipw2v.cli.planning.rates import Rates
from gossipw2v.cli.planning.task import Task
from gossipw2v.config.job import Job
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.warmup import warm_up

MOST_ROWS = 1 << 18  # words of the measured matrices: beyond, they are far larger than any cache anyhow
SLICE = 20_000  # tokens of a kernel call, as in the daemon
TEXT = 10 * SLICE  # tokens that are trained again and again
LARGE = 1e8  # words of the text that the made-up one is taken from
MERGED = 16_384  # rows of the measured exchanges


def measure(task: Task, seconds: float) -> Rates:
    """This machine's rates for a task; `seconds`: how long each of both things is tried. Kernels are compiled first."""
    warm_up(task.vector_size, task.sg)
    return Rates(
        word=word_seconds(task, seconds),
        merged_row=merged_row_seconds(task.vector_size, seconds),
        merged_value=0.0,
        measured=True,
    )


def word_seconds(task: Task, seconds: float) -> float:
    """CPU seconds that one thread takes for a word of the text."""
    call = _training(task)
    call()  # fills caches
    return _timed(call, seconds) / SLICE


def merged_row_seconds(vector_size: int, seconds: float) -> float:
    """CPU seconds that an end of a link takes for a row of an exchange, the mean of both ends."""
    call = _exchanging(vector_size)
    call()
    return _timed(call, seconds) / (2 * MERGED)


def _timed(call: Callable[[], None], seconds: float) -> float:
    """CPU seconds of a call, the mean of as many as `seconds` have room for."""
    began, calls = time.thread_time(), 0
    while calls < 2 or time.thread_time() - began < seconds:
        call()
        calls += 1
    return (time.thread_time() - began) / calls


def _training(task: Task) -> Callable[[], None]:
    """Trains the next slice of a made-up text each time it is called."""
    words = min(task.vocab, MOST_ROWS)
    groups = zipf(words)
    shares = np.repeat(groups.shares, groups.sizes.astype(np.int64))
    counts = np.maximum(shares * LARGE, 1).astype(np.int64)
    tokens = np.random.default_rng(1).choice(words, TEXT, p=shares / shares.sum()).astype(np.int32)
    weights = sgns.aligned(2 * words, task.vector_size)
    sgns.init_rows(np.arange(words, dtype=np.uint64), 1, weights[:words])
    tables = sgns.keep_table(counts, Job.sample), sgns.noise_table(counts, Job.ns_exponent)
    params = sgns.Params(task.window, task.negative, task.alpha, task.alpha)
    thread = sgns.rng_state(1, 0), sgns.make_scratch(task.vector_size, task.window, task.negative)
    matrices = weights[:words], weights[words:], np.zeros(2 * words, np.int64)
    train, slices = sgns.sgns_train if task.sg else sgns.cbow_train, itertools.cycle(np.split(tokens, TEXT // SLICE))
    return lambda: train(next(slices), *matrices, *tables, params, *thread) and None


def _exchanging(vector_size: int) -> Callable[[], None]:
    """Has two models exchange MERGED rows each time it is called, which both have trained."""
    rng, link = np.random.default_rng(1), b"measured"
    initial = rng.standard_normal((MERGED, vector_size), np.float32)
    child, parent = (Model(initial.copy, MERGED, MERGED) for _ in range(2))
    for model in (child, parent):
        model.open_link(link, overlap=False, catch_up=False)

    def exchange() -> None:
        for model in (child, parent):
            model.weights += 1e-3
            model.updates += 1
        pushed = child.collect(link, flush=False)
        answer = parent.merge(link, pushed.delta, flush=False, overlap=False)
        child.settle(link, pushed.delta, answer.delta)

    return exchange
