#!/usr/bin/env python3
"""Train with this project's kernels and with gensim, in alternation, and compare their speed, quality and stability.

    tools/bench_train.py TEXT [--sizes 100 300] [--threads 1 2] [--negative 5 20] [--window 2 5 10] [--alpha 0.025] ...
    tools/bench_train.py EDGES --lines walks [--labels FILE] --min-count 1 --sample 0
    tools/bench_train.py BASKETS --lines baskets [--drop-first] [--next-item] --min-count 1 --sample 0

Several values of a setting: every combination in turn. Both programs get the same sentences and the same vocabulary;
alpha falls to 0.0001. With --out, each run is a line of JSON there with all its settings, and what is there is not run
again: gensim's runs are kept while the kernels change, as this project's lines hold a digest of their sources.
Speeds of another machine, or of an hour with another load, are not told apart: give each a file of its own.

Words are those of the vocabulary before subsampling, over training time without vocabulary building. gensim is counted
by what it says it has trained, as it leaves out what goes beyond 10,000 words of a batch (where `sample` is 0, a line
of each) and trains some words twice where threads meet; standard error says so where it is more than 1 %. With N
threads its alpha falls only an N-th of the way in an epoch, then goes on where the next one begins.

Quality is Spearman's rho x 100 for pairs of words, analogies solved in per cent, 100 times the mean of 1 / rank at
which a rare twin (--rare) finds its word, micro-F1 in per cent (--labels), hits among 20 in per cent (--next-item). The
longest row is that of both matrices. `gossipw2v[bench]` installs gensim, matplotlib and scikit-learn.
"""

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from bench_corpora import Corpus, Floats, Judge, Vocabulary, read_corpus
from bench_programs import Gensim, Ours, Run, Setting, Trained, gensim_version, kernel_version
from bench_report import Row, draw_heat_maps, scaling, table_head, table_row, varying
from bench_report import describe as in_words
from bench_roofline import Point, cost, draw_roofline, measure_peak, print_points
from test_sets import TestSets, add_test_sets

from gossipw2v.w2v.kernels import sgns

PATIENCE = 20  # seconds between two signs of life


# --- runs ----------------------------------------------------------------------------------------------------------


class Bench:
    """Runs what is not in the result file yet, and keeps it there."""

    def __init__(self, args: argparse.Namespace, corpus: Corpus) -> None:
        self.args, self.corpus = args, corpus
        self.free = varying([asdict(setting) for setting in settings_of(args)])
        self.vocabulary: Callable[[int], Vocabulary] = lru_cache(1)(corpus.vocabulary)
        self.versions = {"gossipw2v": kernel_version()}
        if not args.alone:
            self.versions["gensim"] = gensim_version()
        self.known = read_results(args.out)

    def row(self, setting: Setting) -> Row:
        """All seeds of a setting, both programs in turn, so that whatever else the machine does meets both."""
        results: dict[str, list[dict[str, Any]]] = {"gossipw2v": [], "gensim": []}
        for seed, (who, version) in itertools.product(self.args.seeds, self.versions.items()):
            results[who].append(self.result(Run(who, version, self.corpus.digest, setting, seed)))
        return Row(asdict(setting), results["gossipw2v"], results["gensim"])

    def result(self, run: Run) -> dict[str, Any]:
        """What is known of a run, which is made if it was not or has not been scored on all test sets."""
        key = json.dumps(asdict(run))
        sets = {judge.name: judge.digest for judge in self.corpus.judges}
        there = self.known.get(key)
        if there is None or not sets.items() <= there["sets"].items():
            self.known[key] = there = self.make(run)
            if self.args.out is not None:
                with self.args.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"run": asdict(run), "result": there}, allow_nan=False) + "\n")
        return there

    def make(self, run: Run) -> dict[str, Any]:
        """Train and score."""
        text, name = self.vocabulary(run.setting.min_count), label(run, self.free)
        if run.who == "gensim":
            trainer: Ours | Gensim = Gensim(text, self.corpus, run.setting, run.seed)
        else:
            sgns.warm_up(run.setting.size, run.setting.sg)
            trainer = Ours(text, run.setting, run.seed)
        with signs_of_life(name, lambda: trainer.progress):
            trained = trainer.train()
        result = judged(trained, text, run.setting, self.corpus.judges)
        tell(name, result)
        if self.args.save:
            save(self.args.save / f"{file_name(run)}.txt", text.words, trained.inputs)
        return result


def read_results(path: Path | None) -> dict[str, dict[str, Any]]:
    """Results by their runs. A last line that was cut off is completed by nothing but a line feed, and passed over."""
    if path is None or not path.exists():
        return {}
    *lines, rest = path.read_text("utf-8").split("\n")
    if rest:
        print(f"bench_train: {path}: the last line was cut off; its run is made again", file=sys.stderr)
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")
    found = {}
    for number, line in enumerate(lines, 1):
        try:
            each = json.loads(line)
            found[json.dumps(each["run"])] = each["result"]
        except (ValueError, LookupError, TypeError):
            print(f"bench_train: {path}, line {number}: is no result; passed over", file=sys.stderr)
    return found


def judged(trained: Trained, text: Vocabulary, setting: Setting, judges: list[Judge]) -> dict[str, Any]:
    """What is kept of a run: JSON, with null for what is not a finite number."""
    finite = bool(np.isfinite(trained.inputs).all() and np.isfinite(trained.outputs).all())
    scores = {judge.name: judge.score(text.words, trained.inputs) if finite else np.nan for judge in judges}
    longest = [longest_row(matrix) for matrix in (trained.inputs, trained.outputs)]
    words = int(text.counts.sum())
    return {
        "speed": trained.words / trained.seconds,
        "seconds": trained.seconds,
        "words": words,
        "vocabulary": len(text.words),
        "trained": trained.words / (words * setting.epochs),
        "pairs": trained.pairs / trained.words,
        "finite": finite,
        "longest": or_none(max(longest) if finite else np.nan),
        "longest_input": or_none(longest[0]),
        "longest_output": or_none(longest[1]),
        "scores": {name: or_none(score) for name, score in scores.items()},
        "sets": {judge.name: judge.digest for judge in judges},
    }


def longest_row(matrix: Floats) -> float:
    """The largest Euclidean length; sums are of double precision, as squares of finite floats may not be finite."""
    return float(np.sqrt(np.einsum("vd,vd->v", matrix, matrix, dtype=np.float64).max()))


def or_none(value: float) -> float | None:
    """A number that JSON can hold."""
    return float(value) if np.isfinite(value) else None


@contextmanager
def signs_of_life(name: str, progress: Callable[[], float]) -> Iterator[None]:
    """A line on standard error every 20 seconds, until what is within ends."""
    began, over = time.perf_counter(), threading.Event()

    def tell_now_and_then() -> None:
        while not over.wait(PATIENCE):
            print(f"{name}: {progress():.0%} after {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)

    thread = threading.Thread(target=tell_now_and_then, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def label(run: Run, names: list[str]) -> str:
    """A run in words, of its settings those that have several values."""
    return ", ".join(filter(None, [run.who, in_words(asdict(run.setting), names), f"seed {run.seed}"]))


def file_name(run: Run) -> str:
    """A run as a name for its vectors."""
    return "-".join([run.who, *(f"{name}{value:g}" for name, value in asdict(run.setting).items()), f"seed{run.seed}"])


def tell(name: str, result: dict[str, Any]) -> None:
    """A line for what was trained, on standard error: the table is what a person keeps."""
    scores = "".join(f", {score} {value:.1f}" for score, value in result["scores"].items() if value is not None)
    longest = f"longest row {result['longest']:.1f}" if result["finite"] else "not finite"
    print(f"{name}: {result['speed'] / 1e3:,.0f} k words/s{scores}, {longest}", file=sys.stderr, flush=True)
    if abs(result["trained"] - 1) > 0.01:
        print(f"{name}: trained {result['trained']:.1%} of the words it was given", file=sys.stderr, flush=True)


def save(path: Path, words: list[str], vectors: Floats) -> None:
    """word2vec text, for `gossipw2v evaluate`."""
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n")
        for word, vector in zip(words, vectors.tolist(), strict=True):
            file.write(f"{word} {' '.join(f'{value:.6g}' for value in vector)}\n")


# --- the command ---------------------------------------------------------------------------------------------------


def settings_of(args: argparse.Namespace) -> list[Setting]:
    """Every combination that was asked for."""
    names = {"size": "sizes"}
    values = [getattr(args, names.get(each.name, each.name)) for each in fields(Setting)]
    return [Setting(*each) for each in itertools.product(*values)]


def roofline(rows: list[Row], bench: Bench, path: Path) -> None:
    """A table and a picture of what the cores did in this project's runs."""
    peak, points = measure_peak(), []
    names = varying([row.setting for row in rows]) or ["size", "threads"]
    for row in rows:
        counts = bench.vocabulary(row.setting["min_count"]).counts
        points.append(point(row, counts, in_words(row.setting, names)))
    print_points(points, peak)
    draw_roofline(points, peak, path)


def point(row: Row, counts: Any, name: str) -> Point:
    """Where the median of a row's runs lies."""
    run = sorted(row.ours, key=lambda result: float(result["speed"]))[len(row.ours) // 2]
    operations, moved = cost(counts, row.setting, run["pairs"])
    return name, operations / moved, operations * run["speed"] / row.setting["threads"]


def compare(args: argparse.Namespace, folder: Path) -> None:
    """Run and show all that was asked for."""
    if (args.picture or args.roofline) and find_spec("matplotlib") is None:
        raise ValueError("--picture and --roofline need matplotlib: pip install 'gossipw2v[bench]'")
    corpus = read_corpus(args, TestSets.read(args), folder)
    bench, settings = Bench(args, corpus), settings_of(args)
    scores, plain = [judge.name for judge in corpus.judges], [asdict(setting) for setting in settings]
    words, lines = corpus.sizes()
    print(f"{args.file.name}: {words:,} words in {lines:,} lines; seeds {', '.join(map(str, args.seeds))}; ", end="")
    print(table_head(plain, scores), flush=True)
    rows = []
    for setting in settings:
        rows.append(bench.row(setting))
        print(table_row(rows[-1], varying(plain), scores), flush=True)
    if threads := scaling(rows):
        print(f"\nTimes as fast:\n\n{threads}")
    if args.picture:
        draw_heat_maps(rows, scores, args.picture)
    if args.roofline:
        roofline(rows, bench, args.roofline)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="text, edges or baskets; may be packed with gzip, bzip2 or xz")
    add_corpus(parser.add_argument_group("what is trained on"))
    add_settings(parser.add_argument_group("settings; several values: every combination"))
    add_test_sets(parser)
    parser.add_argument("--alone", action="store_true", help="without gensim")
    parser.add_argument("--out", type=Path, metavar="FILE", help="results, a line of JSON each; known ones are reused")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write the vectors of what is run now there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw heat maps against gensim, as SVG")
    parser.add_argument("--roofline", type=Path, metavar="FILE", help="measure the core's peak and draw a roofline")
    args = parser.parse_args()
    wrong = next(refusals(args), None)
    if wrong:
        parser.error(wrong)
    args.seeds = args.seeds or list(range(1, args.rounds + 1))
    return args


def add_corpus(group: Any) -> None:
    """The arguments that say what the lines are."""
    group.add_argument(
        "--lines", choices=["text", "walks", "baskets"], default="text",
        help="text: all words, in lines of --line; walks: over a graph, an edge a line; baskets: lines as they are",
    )  # fmt: skip
    group.add_argument("--words", type=count, default=sys.maxsize, help="train on no more words than this")
    group.add_argument("--line", type=count, default=1000, metavar="N", help="of text: words of a line")
    group.add_argument("--rare", action="store_true", help="rename 5 to 20 occurrences of 500 words, and score these")
    group.add_argument("--walks", type=count, default=10, metavar="N", help="of walks: from each node")
    group.add_argument("--length", type=count, default=40, metavar="N", help="of walks: nodes of one")
    group.add_argument("--labels", type=Path, metavar="FILE", help="of walks: a node and its labels a line, to score")
    group.add_argument("--drop-first", action="store_true", help="of baskets: the first word of a line is no item")
    group.add_argument("--next-item", action="store_true", help="of baskets: hold out each last item, to score")


def add_settings(group: Any) -> None:
    """The arguments that say how to train."""
    several: Callable[..., Any] = lambda *names, **more: group.add_argument(*names, nargs="+", **more)  # noqa: E731
    several("--sg", type=int, choices=[0, 1], default=[1], help="1: skip-gram, 0: CBOW")
    several("--sizes", type=count, default=[100, 128, 300], metavar="D", help="dimensions")
    several("--threads", type=count, default=[1, 2], metavar="N")
    several("--window", type=count, default=[5], metavar="N")
    several("--negative", type=count, default=[5], metavar="N", help="noise words")
    several("--alpha", type=float, default=[0.025], help="first step size; CBOW wants about 0.05")
    several("--sample", type=float, default=[1e-4], help="0: keep all")
    several("--epochs", type=count, default=[1], metavar="N")
    several("--min-count", type=count, default=[5], metavar="N")
    group.add_argument("--rounds", type=count, default=3, help="runs of each; their seeds are 1, 2, ...")
    several("--seeds", type=int, metavar="N", help="instead of --rounds")


def count(text: str) -> int:
    """A number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def refusals(args: argparse.Namespace) -> Iterator[str]:
    """What does not go together."""
    if args.labels and args.lines != "walks":
        yield "--labels are of nodes: give --lines walks"
    if (args.next_item or args.drop_first) and args.lines != "baskets":
        yield "--next-item and --drop-first are of baskets: give --lines baskets"
    if args.rare and min(args.min_count) > 5:
        yield "--rare makes words that occur 5 times: give --min-count 5 or less"
    if args.picture and args.alone:
        yield "--picture compares with gensim: leave --alone out"
    if not all(0 < alpha < np.inf for alpha in args.alpha) or not all(0 <= sample < 1 for sample in args.sample):
        yield "--alpha must be above 0, and --sample in 0 to 1"


def main() -> int:
    """Exit code 2 with one line on standard error for what cannot be read or does not go together."""
    args = arguments()
    try:
        for folder in filter(None, (args.save, args.out and args.out.parent)):
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            compare(args, Path(folder))
    except (OSError, ValueError) as error:
        print(f"bench_train: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
