#!/usr/bin/env python3
"""How long a node takes to answer over HTTP which words are near, alone and while all cores train.

    OPENBLAS_NUM_THREADS=1 tools/bench_queries.py [--words 70000 1000000] [--sizes 128 300] [--questions 100]

For each number of words and the size beside it: a model of random rows, the server of a node on loopback, and one
client that asks for `neighbors` of random words, one after another. Times are in milliseconds, from the request to the
last byte; `loop` is how late the event loop ran, which answers everybody else. Then the same while as many threads as
there are cores train the model on random text, and unknown words, which are looked for letter by letter.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

from gossipw2v.status.server import StatusSources, serve
from gossipw2v.system.machine import usable_cores
from gossipw2v.system.metrics import Metrics
from gossipw2v.system.pulse import Pulse
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Recipe, Trainer

TOKENS = 2_000_000  # of the random text
RECIPE = Recipe(5, 5, 1e-4, 0.025, 0.0001, 100_000, 0.75, 1, usable_cores())


@dataclass(frozen=True)
class Bench:
    """A model with its words and a text to train."""

    words: Words
    model: Model
    tokens: NDArray[np.int32]

    @contextmanager
    def training(self) -> Iterator[Trainer]:
        """All cores train, until the block ends."""
        counts = np.maximum(1, np.bincount(self.tokens, minlength=len(self.words))).astype(np.int64)
        trainer = Trainer(self.model, self.tokens, counts, RECIPE, guarded=False)
        trainer.start()
        try:
            yield trainer
        finally:
            trainer.stop()


def make(words: int, size: int) -> Bench:
    """Words named by numbers, rows as long as trained ones, and a text in which words are as frequent as in English."""
    rng = np.random.default_rng(1)
    model = Model(lambda: rng.standard_normal((2 * words, size), np.float32) * np.float32(0.1), 1000)
    tokens = (words ** rng.random(TOKENS)).astype(np.int32) - 1
    return Bench(Words.of([b"word%d" % row for row in range(words)]), model, tokens)


async def measure(bench: Bench, questions: int, title: str, form: str) -> None:
    """Ask so many questions and print a line."""
    sources = StatusSources(dict, lambda: (0, iter(())), lambda: (bench.words, bench.model.syn0))
    server = await serve(("127.0.0.1", 0), sources, Metrics())
    pulse, rng, seconds = Pulse(), np.random.default_rng(2), list[float]()
    watching = asyncio.create_task(pulse.watch())
    async with aiohttp.ClientSession() as session:
        for row in rng.integers(0, len(bench.words), questions):
            began = time.perf_counter()
            parameters: dict[str, Any] = {"word": form % row}
            async with session.get(f"http://{server.address}/api/v1/neighbors", params=parameters) as answer:
                await answer.read()
            seconds.append(time.perf_counter() - began)
    watching.cancel()
    await server.close()
    p50, p99 = (1000 * float(np.quantile(seconds, share)) for share in (0.5, 0.99))
    late = 1000 * (pulse.lag(0.99) or 0)
    print(f"{title:<44} p50 {p50:7.1f}   p99 {p99:7.1f}   loop p99 {late:6.1f}", flush=True)


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--words", type=int, nargs="+", default=[70_000, 1_000_000])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 300])
    parser.add_argument("--questions", type=int, default=100)
    args = parser.parse_args()
    for words, size in zip(args.words, args.sizes, strict=True):
        sgns.warm_up(size, 1)
        bench, name = make(words, size), f"{words:,} x {size}"
        asyncio.run(measure(bench, args.questions, f"{name}, alone", "word%d"))
        asyncio.run(measure(bench, args.questions, f"{name}, unknown word, alone", "wodr%d"))
        with bench.training() as trainer:
            time.sleep(3)
            before, began = trainer.trained, time.perf_counter()
            asyncio.run(measure(bench, args.questions, f"{name}, {RECIPE.threads} threads train", "word%d"))
            rate = (trainer.trained - before) / (time.perf_counter() - began)
            asyncio.run(measure(bench, args.questions, f"{name}, unknown word, training", "wodr%d"))
            before, began = trainer.trained, time.perf_counter()
            time.sleep(5)
            free = (trainer.trained - before) / (time.perf_counter() - began)
            print(f"    trained {rate:,.0f} words/s under questions without a pause, {free:,.0f} without any")


if __name__ == "__main__":
    main()
