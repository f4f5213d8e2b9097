#!/usr/bin/env python3
"""How long a node takes to answer over HTTP which words are near, and what its answers take from training.

    tools/bench_queries.py [--words 70000 1000000] [--sizes 128 300] [--questions 100] [--rate 10] [--rounds 10]

For each number of words and the size beside it: a model of random rows, the server of a node on loopback, and one
client that asks for `neighbors` of random words, one after another. Times are in milliseconds, from the request to the
last byte; `loop` is how late the event loop ran, which answers everybody else. First alone, also unknown words, which
are looked for letter by letter.

Then as many threads as there are cores train the model on random text, and a client in a process of its own asks: not
at all, `--rate` times a second, and without a pause, in rounds that alternate. What it takes from training is the mean
of the rounds' ratios of words, by the clock and by the CPU time of the threads that train: the latter says more where
others use the machine; both hold what the client took of this machine, too. `CPU` is what a question took of the cores
in milliseconds, in its thread, in the event loop and, besides, in the client; `node` is the share of all cores that the
first two took while so many were asked.
"""

import argparse
import asyncio
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

from gossipw2v.status.server import StatusSources, serve
from gossipw2v.system.machine import usable_cores
from gossipw2v.system.metrics import Metrics
from gossipw2v.system.pulse import Pulse
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.kernels.search import lookup, nearest
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Recipe, Trainer

ROUND_SECONDS = 3.0
CLIENT = """
import http.client, json, random, sys, time
connection, random_words = http.client.HTTPConnection(sys.argv[1]), random.Random(2)
for line in sys.stdin:
    rate, seconds = map(float, line.split())
    began, used, times = time.perf_counter(), time.process_time(), []
    if not rate:
        time.sleep(seconds)
    while rate and time.perf_counter() - began < seconds:
        time.sleep(max(0.0, began + len(times) / rate - time.perf_counter()))
        asked = time.perf_counter()
        connection.request("GET", f"/api/v1/neighbors?word=word{random_words.randrange(int(sys.argv[2]))}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        times.append(time.perf_counter() - asked)
    print(json.dumps([times, time.process_time() - used]), flush=True)
"""
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


@dataclass
class Asking:
    """What came of a number of rounds with so many questions a second; 0: none, infinite: without a pause."""

    rate: float
    ratios: list[float] = field(default_factory=list)  # of the speed of training to that without questions
    work: list[float] = field(default_factory=list)  # of the words trained in a second of the cores, likewise
    seconds: list[float] = field(default_factory=list)  # of each answer
    cpu: list[float] = field(default_factory=list)  # seconds of a question in its thread, each round's mean
    loop: list[float] = field(default_factory=list)  # in the event loop
    client: list[float] = field(default_factory=list)  # and in the process that asks
    shares: list[float] = field(default_factory=list)  # of the cores that questions took from the node

    def print(self) -> None:
        """A line."""
        ratio, work = np.mean(self.ratios), np.mean(self.work)
        error = np.std(self.ratios) / max(1, len(self.ratios) - 1) ** 0.5
        p50, p99 = (1000 * float(np.quantile(self.seconds, share)) for share in (0.5, 0.99))
        title = "without a pause" if math.isinf(self.rate) else f"{self.rate:g} a second"
        cpu, loop, client = (1000 * np.mean(each) for each in (self.cpu, self.loop, self.client))
        print(
            f"    {title:<20} training x {ratio:.4f} +- {error:.4f}, a CPU second x {work:.4f}   p50 {p50:6.1f}"
            f"   p99 {p99:6.1f}   CPU {cpu:.2f} + {loop:.2f} + {client:.2f}   node {np.mean(self.shares):.2%}",
            flush=True,
        )


class Client:
    """A process that asks; it is started once, since starting takes more than asking."""

    def __init__(self, url: str, words: int) -> None:
        line = [sys.executable, "-c", CLIENT, url, str(words)]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, rate: float, seconds: float) -> tuple[list[float], float]:
        """Ask for so long; the seconds of each answer, and those of the client's CPU."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(rate, seconds, file=self._process.stdin, flush=True)
        times, used = json.loads(self._process.stdout.readline())
        return times, used

    def end(self) -> None:
        """It ends with its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


async def contend(bench: Bench, trainer: Trainer, rounds: int, rate: float) -> None:
    """Rounds without questions, with some, and with as many as are answered; two rounds without are around each."""
    sources = StatusSources(dict, lambda: (0, iter(())), lambda: (bench.words, bench.model.syn0))
    server = await serve(("127.0.0.1", 0), sources, Metrics())
    client, kinds = Client(str(server.address), len(bench.words)), [Asking(rate), Asking(math.inf)]
    await asyncio.to_thread(client.ask, math.inf, 1.0)
    for _ in range(rounds):
        for kind in kinds:
            before = await _speed(trainer, client, 0)
            during = await _speed(trainer, client, kind.rate, kind)
            without = (before + await _speed(trainer, client, 0)) / 2
            kind.ratios.append(float(during[0] / without[0]))
            kind.work.append(float(during[1] / without[1]))
    client.end()
    await server.close()
    for kind in kinds:
        kind.print()


async def _speed(trainer: Trainer, client: Client, rate: float, noted: Asking | None = None) -> NDArray[np.float64]:
    """Words a second under questions, and words a second of the training threads' CPU."""
    before, began, cpu, loop = _trained(trainer), time.perf_counter(), _cpu("query"), time.thread_time()
    times, asking = await asyncio.to_thread(client.ask, rate, ROUND_SECONDS)
    words, used = _trained(trainer) - before
    seconds, cpu, loop = time.perf_counter() - began, _cpu("query") - cpu, time.thread_time() - loop
    if noted is not None:
        noted.seconds += times
        for taken, each in ((cpu, noted.cpu), (loop, noted.loop), (asking, noted.client)):
            each.append(taken / len(times))
        noted.shares.append((cpu + loop) / seconds / RECIPE.threads)
    return np.array([words / seconds, words / used])


def _trained(trainer: Trainer) -> NDArray[np.float64]:
    return np.array([trainer.trained, trainer.threads.cpu_seconds])


def _cpu(name: str) -> float:
    """Seconds of CPU of the threads whose name begins so."""
    clocks = (
        time.pthread_getcpuclockid(each.ident or 0) for each in threading.enumerate() if each.name.startswith(name)
    )
    return sum(map(time.clock_gettime, clocks))


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--words", type=int, nargs="+", default=[70_000, 1_000_000])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 300])
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--rate", type=float, default=10.0, help="questions a second")
    parser.add_argument("--rounds", type=int, default=10, help="how often each rate is tried")
    args = parser.parse_args()
    for words, size in zip(args.words, args.sizes, strict=True):
        sgns.warm_up(size, 1)
        nearest.warm_up()
        lookup.warm_up()
        bench, name = make(words, size), f"{words:,} x {size}"
        asyncio.run(measure(bench, args.questions, f"{name}, alone", "word%d"))
        asyncio.run(measure(bench, args.questions, f"{name}, unknown word, alone", "wodr%d"))
        with bench.training() as trainer:
            time.sleep(3)
            print(f"{name}, {RECIPE.threads} threads train {trainer.words_per_second:,.0f} words/s", flush=True)
            asyncio.run(contend(bench, trainer, args.rounds, args.rate))


if __name__ == "__main__":
    main()
