#!/usr/bin/env python3
"""Train on a text with this project's kernel and with gensim, in alternation, and compare their speed.

    tools/bench_train.py TEXT [--sizes 100 128 300] [--threads 1 2] [--rounds 3] [--epochs 3] [--wordsim FILE] ...

Both get the same words (cut into lines of 1,000), window 5, 5 noise words, sample 1e-4, alpha 0.025 to 0.0001.
Words are those of the vocabulary before subsampling, over training time without vocabulary building. GFLOP/s count
what SGNS asks for (dot product and two updates of each pair that is computed) against the fused multiply-adds that
one core was seen to do. Bytes per word are rows read and written outside the chunk's own memory.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from evaluate import TestSets, add_test_sets
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from gossipw2v import kernels

WINDOW, NEGATIVE, SAMPLE, ALPHA, LAST_ALPHA, MIN_COUNT = 5, 5, 1e-4, 0.025, 0.0001, 5
SLICE = 50_000  # tokens of one kernel call
LINE = 1000  # words of a line; gensim cuts lines at 10,000

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Text:
    """The corpus as both programs want it."""

    lines: Path
    words: list[str]
    counts: NDArray[np.int64]
    tokens: NDArray[np.int32]


@dataclass(frozen=True)
class Run:
    """One training: words per second, pairs per word, and the vectors in the order of `Text.words`."""

    speed: float
    pairs: float
    vectors: Floats


def read_text(path: Path, limit: int, folder: Path) -> Text:
    """At most `limit` words of `path`, counted, encoded and cut into lines."""
    words = path.read_text("utf-8", errors="replace").split()[:limit]
    lines = folder / "lines.txt"
    lines.write_text("".join(" ".join(words[i : i + LINE]) + "\n" for i in range(0, len(words), LINE)), "utf-8")
    known = [(word, n) for word, n in Counter(words).most_common() if n >= MIN_COUNT]
    ids = {word: i for i, (word, _) in enumerate(known)}
    tokens = np.fromiter((ids[word] for word in words if word in ids), np.int32)
    return Text(lines, list(ids), np.array([n for _, n in known], np.int64), tokens)


class Ours:
    """This project's kernel, a slice of the text for each thread, one alpha for all."""

    def __init__(self, text: Text, size: int, threads: int, epochs: int) -> None:
        self.text, self.threads, self.total, self.epochs = text, threads, epochs * len(text.tokens), epochs
        vocabulary = len(text.words)
        self.weights = kernels.aligned(2 * vocabulary, size)
        self.updates = np.zeros(2 * vocabulary, np.int64)
        self.keep = kernels.keep_table(text.counts, SAMPLE)
        self.noise = kernels.noise_table(text.counts, 0.75)
        self.done = [0] * threads

    def train(self, seed: int) -> Run:
        half = len(self.text.words)
        kernels.init_rows(np.arange(half, dtype=np.uint64), seed, self.weights[:half])
        parts = np.array_split(self.text.tokens, self.threads)
        workers = [threading.Thread(target=self._work, args=(n, part, seed)) for n, part in enumerate(parts)]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        speed = self.total / (time.perf_counter() - start)
        return Run(speed, self.updates[:half].sum() / self.total, self.weights[:half])

    def _work(self, n: int, tokens: NDArray[np.int32], seed: int) -> None:
        half, size = len(self.text.words), self.weights.shape[1]
        state, scratch = kernels.rng_state(seed, n), kernels.make_scratch(size, WINDOW, NEGATIVE)
        syn0, syn1neg = self.weights[:half], self.weights[half:]
        for _ in range(self.epochs):
            for i in range(0, len(tokens), SLICE):
                part = tokens[i : i + SLICE]
                params = kernels.Params(WINDOW, NEGATIVE, max(LAST_ALPHA, ALPHA * (1 - sum(self.done) / self.total)))
                kernels.sgns_train(part, syn0, syn1neg, self.updates, self.keep, self.noise, params, state, scratch)
                self.done[n] += len(part)


def train_gensim(text: Text, size: int, threads: int, epochs: int, seed: int) -> Run:
    """gensim from its fastest source, a file of lines."""
    from gensim.models import Word2Vec  # noqa: PLC0415 - not needed with --alone

    model = Word2Vec(
        vector_size=size, window=WINDOW, negative=NEGATIVE, sample=SAMPLE, min_count=MIN_COUNT, sg=1,
        alpha=ALPHA, min_alpha=LAST_ALPHA, workers=threads, epochs=epochs, seed=seed,
    )  # fmt: skip
    model.build_vocab(corpus_file=str(text.lines))
    start = time.perf_counter()
    model.train(
        corpus_file=str(text.lines), total_words=model.corpus_total_words,
        total_examples=model.corpus_count, epochs=epochs,
    )  # fmt: skip
    speed = epochs * len(text.tokens) / (time.perf_counter() - start)
    return Run(speed, 0.0, model.wv.vectors[[model.wv.key_to_index[word] for word in text.words]])


@intrinsic
def _multiply_add(_context, n):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Repeat 48 independent multiply-adds of 16 floats n times."""

    def emit(_ctx, b, _signature, args):  # type: ignore[no-untyped-def]
        vector = ir.VectorType(ir.FloatType(), 16)
        sums = [cgutils.alloca_once_value(b, ir.Constant(vector, [1.0 + i] * 16)) for i in range(12)]
        factor, term = ir.Constant(vector, [0.999] * 16), ir.Constant(vector, [0.001] * 16)
        with cgutils.for_range(b, args[0]):
            for place in 4 * sums:
                product = b.fmul(b.load(place), factor, flags=("contract",))
                b.store(b.fadd(product, term, flags=("contract",)), place)
        total = b.load(sums[0])
        for place in sums[1:]:
            total = b.fadd(total, b.load(place))
        return b.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float32(types.int64), emit


def measure_peak() -> float:
    """Floating-point operations a second of one core that does nothing but fused multiply-adds: the best of five."""

    @njit
    def burn(n: int) -> float:
        return _multiply_add(n)

    burn(1)
    rounds, best = 2_000_000, 0.0
    for _ in range(5):
        start = time.perf_counter()
        burn(rounds)
        best = max(best, rounds * 48 * 16 * 2 / (time.perf_counter() - start))
    return best


def measure_bandwidth() -> float:
    """Bytes a second that one core moves between memory and itself, copying what fits in no cache: the best of five."""
    source, target, best = np.ones(1 << 26, np.float32), np.zeros(1 << 26, np.float32), 0.0
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        best = max(best, 2 * source.nbytes / (time.perf_counter() - start))
    return best


def cost(text: Text, size: int, pairs: float) -> tuple[float, float]:
    """Operations and bytes of one word of the text: 6 * size for a pair, and a row is read and written."""
    kept = float((kernels.keep_table(text.counts, SAMPLE) / 0xFFFFFFFF * text.counts).sum() / text.counts.sum())
    operations = 6 * size * (pairs + kept * kernels.SHARED)
    rows = kept * (2 + kernels.SHARED / kernels.POSITIONS)
    return operations, rows * 2 * 4 * size


def compare(text: Text, size: int, threads: int, args: argparse.Namespace) -> tuple[list[Run], list[Run]]:
    """Runs of both, in turn, so that whatever else the machine does meets both."""
    ours, theirs = [], []
    for seed in range(1, args.rounds + 1):
        ours.append(Ours(text, size, threads, args.epochs).train(seed))
        if not args.alone:
            theirs.append(train_gensim(text, size, threads, args.epochs, seed))
        show_quality(text, args.sets, size, ours[-1], theirs[-1] if theirs else None)
        if args.save:
            for name, runs in (("gossipw2v", ours), ("gensim", theirs)):
                if runs:
                    save(args.save / f"{name}-{size}-{threads}-{seed}.txt", text.words, runs[-1].vectors)
    return ours, theirs


def show_quality(text: Text, sets: TestSets, size: int, ours: Run, theirs: Run | None) -> None:
    """A line for each that was trained, on standard error: the table is what a person keeps."""
    for name, run in (("gossipw2v", ours), ("gensim", theirs)):
        if run is not None and (sets.pairs or sets.questions):
            scores = sets.scores(text.words, run.vectors)
            shown = ", ".join(f"{score} {value:.1f}" for score, value in scores.items())
            print(f"{name}, {size} dimensions: {shown}", file=sys.stderr)


def save(path: Path, words: list[str], vectors: Floats) -> None:
    """word2vec text, for tools/evaluate.py."""
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n")
        for word, vector in zip(words, vectors.tolist(), strict=True):
            file.write(f"{word} {' '.join(f'{value:.6g}' for value in vector)}\n")


def spread(runs: list[Run]) -> str:
    """Median and range in thousands of words a second."""
    speeds = [run.speed / 1e3 for run in runs]
    return f"{median(speeds):6.0f} ({min(speeds):.0f}-{max(speeds):.0f})" if runs else "-"


def rows(text: Text, peak: float, args: argparse.Namespace) -> Iterator[tuple[str, float, float]]:
    """A line of the table for each setting, with its operations per byte and per second."""
    for size in args.sizes:
        kernels.warm_up(size)
        for threads in args.threads:
            ours, theirs = compare(text, size, threads, args)
            speed = median(run.speed for run in ours)
            ratio = f"{speed / median(run.speed for run in theirs):.1f}" if theirs else "-"
            operations, moved = cost(text, size, ours[0].pairs)
            share = 100 * operations * speed / (threads * peak)
            line = f"| {size} | {threads} | {spread(ours)} | {spread(theirs)} | {ratio} "
            line += f"| {operations * speed / 1e9:.0f} | {share:.0f} % | {moved:.0f} |"
            yield line, operations / moved, operations * speed / threads


def draw_roofline(points: list[tuple[str, float, float]], peak: float, path: Path) -> None:
    """Operations a second of one core against operations a byte, under what arithmetic and memory allow.

    Frequent rows stay in the caches, so a point may lie above the memory's slope.
    """
    pyplot: Any
    try:
        from matplotlib import pyplot  # noqa: PLC0415 - not needed without --picture
    except ImportError:
        raise SystemExit("bench_train: --picture needs matplotlib: pip install matplotlib") from None
    figure, axes = pyplot.subplots(figsize=(8, 5))
    intensities = np.logspace(-1, 3, 200)
    bandwidth = measure_bandwidth()
    roof = np.minimum(peak, bandwidth * intensities) / 1e9
    label = f"roof: {peak / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.0f} GB/s, as measured"
    axes.plot(intensities, roof, color="black", label=label)
    for line, intensity, speed in points:
        size, threads = (part.strip() for part in line.split("|")[1:3])
        shown = f"{size} dimensions, {threads} thread{'s' * (threads != '1')}: {speed / peak:.0%} of the peak"
        axes.scatter(intensity, speed / 1e9, marker="o" if threads == "1" else "^", label=shown)
    axes.set(xscale="log", yscale="log", xlabel="operations per byte of rows", ylabel="GFLOP/s of one core")
    axes.set(ylim=(1, 2 * peak / 1e9), title="Skip-gram with negative sampling under the roofline")
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Callable[..., Any] = parser.add_argument
    add("text", type=Path)
    add("--sizes", type=int, nargs="+", default=[100, 128, 300], metavar="D")
    add("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    add("--rounds", type=int, default=3, help="runs of each; their seeds are 1, 2, ...")
    add("--epochs", type=int, default=1)
    add("--words", type=int, default=sys.maxsize, help="read no more words than this")
    add("--alone", action="store_true", help="without gensim")
    add("--save", type=Path, metavar="FOLDER", help="write the vectors there, for tools/evaluate.py")
    add("--picture", type=Path, metavar="FILE", help="draw a roofline; needs matplotlib")
    add_test_sets(parser)
    args = parser.parse_args()
    args.sets = TestSets.read(args)
    if args.save:
        args.save.mkdir(parents=True, exist_ok=True)
    peak = measure_peak()
    with tempfile.TemporaryDirectory() as folder:
        text = read_text(args.text, args.words, Path(folder))
        print(f"{len(text.tokens):,} words, {len(text.words):,} different; peak {peak / 1e9:.0f} GFLOP/s a core\n")
        print("| dimensions | threads | gossipw2v, k words/s | gensim | ratio | GFLOP/s | of peak | bytes/word |")
        print("|---|---|---|---|---|---|---|---|")
        points = []
        for point in rows(text, peak, args):
            print(point[0], flush=True)
            points.append(point)
    if args.picture:
        draw_roofline(points, peak, args.picture)


if __name__ == "__main__":
    main()
