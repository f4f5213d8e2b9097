#!/usr/bin/env python3
"""A text that comes in instalments, to nodes that follow it, beside the same text at once: scores of both.

    tools/bench_growth.py TEXT --words 2000000 --instalments 10 --nodes 1 2 --wordsim F --simlex F --analogies F

Real daemons on this machine, each with a folder of its own; an instalment is divided among them and put there when all
are done with the one before. Late words are those that come only in the last fifth or so (--late, the first instalment
of them): they are scored by the rank correlation of their cosines to the 1000 most frequent words with those of a model
of all of TEXT, and on the pairs of the test sets that hold one. What stood still is from the nodes' logs.
"""

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from test_sets import TestSets, add_test_sets

from gossipw2v.status import client
from gossipw2v.w2v.evaluation.embedding import Embedding
from gossipw2v.w2v.evaluation.pairs import score_pairs, spearman
from gossipw2v.w2v.text.files import open_text
from gossipw2v.w2v.vectors.files import read_vectors

LINE = 1000  # words of a line
FREQUENT = 1000  # words to which cosines are taken
PATIENCE = 900.0  # s for an instalment
Model = tuple[list[str], np.ndarray]
Nodes = list[tuple[Path, "subprocess.Popen[bytes]"]]


def lines_of(path: Path, words: int) -> list[list[str]]:
    """The first so many words of a text, in lines."""
    found: list[str] = []
    with open_text(path) as (file, _):
        while len(found) < words and (data := file.read(1 << 24)):
            found += data.decode().split()
    found = found[:words]
    return [found[at : at + LINE] for at in range(0, len(found), LINE)]


def write(path: Path, lines: list[list[str]]) -> None:
    """Put a file where a node looks for it, whole."""
    path.with_suffix(".part").write_text("".join(" ".join(line) + "\n" for line in lines))
    path.with_suffix(".part").rename(path)


def free(count: int) -> list[str]:
    """Addresses whose ports are free."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in taken]


class Swarm:
    """Daemons that follow their folders; ended with the block."""

    def __init__(self, folder: Path, nodes: int, args: argparse.Namespace, follow: bool = True) -> None:
        self.folder, self.args, self.follow = folder, args, follow
        self.nodes: Nodes = []
        self.texts = [folder / f"text{n}" for n in range(nodes)]
        for text in self.texts:
            text.mkdir(parents=True)

    def start(self) -> None:
        """Start all of them; each is told where the next is."""
        places = free(len(self.texts))
        for n, text in enumerate(self.texts):
            data, peers = self.folder / f"data{n}", places[n - 1] if len(places) > 1 else "none"
            flags = {
                "corpus": text, "data-dir": data, "peers": peers, "listen": places[n], "http": "127.0.0.1:0",
                "threads": 1, "epochs": self.args.epochs, "vector-size": self.args.vector_size, "sample": 1e-4,
                "min-peers": len(self.texts) - 1, "settle-seconds": 1, "log-format": "json", "seed": self.args.seed,
                "replay": self.args.replay, "window": self.args.window,
            }  # fmt: skip
            command = [
                sys.executable,
                "-m",
                "gossipw2v",
                "start",
                *(f"--{name}={value}" for name, value in flags.items()),
            ]
            with (self.folder / f"log{n}").open("wb") as log:
                process = subprocess.Popen([*command, *["--follow"] * self.follow], stdout=log, stderr=log)
            self.nodes.append((data, process))

    def _note(self, data: Path) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while not (data / "node.json").exists():
            time.sleep(0.1)
            if time.monotonic() > deadline:
                raise TimeoutError(f"no node in {data}")
        return dict(json.loads((data / "node.json").read_text()))

    def urls(self) -> list[str]:
        """Where they answer."""
        return [f"http://{self._note(data)['http']}" for data, _ in self.nodes]

    def done(self, rounds: int, trained: int) -> int:
        """Wait until all have trained so many rounds and more than so many words; the words that were trained."""
        deadline, again = time.monotonic() + PATIENCE, 0
        while time.monotonic() < deadline:
            time.sleep(0.2)
            try:
                found = [client.status(url) for url in self.urls()]
            except client.NoNodeError:
                continue
            words = min(status["progress"].get("swarm_trained_tokens", 0) for status in found)
            whole = all(s["state"] == "complete" and s["corpus"]["rounds"] >= rounds for s in found)
            again = again + 1 if whole and words > trained else 0
            if again == 5:
                return words
        raise TimeoutError(f"round {rounds} did not end")

    def model(self) -> Model:
        """Words and vectors of the first node."""
        path = self.folder / "vectors.txt"
        client.export(self.urls()[0], path)
        found = read_vectors(path)
        return [word.decode() for word in found.words], np.array(found.rows[:])

    def logged(self, event: str) -> Iterator[dict[str, Any]]:
        """What all have said of an event."""
        for n in range(len(self.texts)):
            for line in (self.folder / f"log{n}").read_text().splitlines():
                if re.search(event, line) and line.startswith("{"):
                    yield json.loads(line)

    def __enter__(self) -> "Swarm":
        return self

    def __exit__(self, *_: object) -> None:
        for _, process in self.nodes:
            process.terminate()
        for _, process in self.nodes:
            process.wait(60)


def parts(lines: list[list[str]], nodes: int) -> list[list[list[str]]]:
    """Lines divided among nodes."""
    return [lines[n::nodes] for n in range(nodes)]


def at_once(folder: Path, lines: list[list[str]], nodes: int, args: argparse.Namespace) -> Model:
    """All of it in one run."""
    with Swarm(folder, nodes, args, follow=False) as swarm:
        for text, part in zip(swarm.texts, parts(lines, nodes), strict=True):
            write(text / "all.txt", part)
        swarm.start()
        swarm.done(1, 0)
        return swarm.model()


def in_instalments(folder: Path, pieces: list[list[list[str]]], nodes: int, args: argparse.Namespace) -> Model:
    """One piece after the other."""
    trained = 0
    with Swarm(folder, nodes, args) as swarm:
        for number, piece in enumerate(pieces, 1):
            for text, part in zip(swarm.texts, parts(piece, nodes), strict=True):
                write(text / f"part{number:03}.txt", part)
            if number == 1:
                swarm.start()
            began, trained = time.monotonic(), swarm.done(number, trained)
            vocabulary = client.status(swarm.urls()[0])["vocabulary"]
            print(f"  instalment {number}: {vocabulary['words']} words, {time.monotonic() - began:.1f} s", flush=True)
        still = [entry["stood_still"] for entry in swarm.logged("took a version over")]
        print(f"  versions taken over: {len(still)}, stood still at most {1000 * max(still, default=0):.1f} ms")
        return swarm.model()


def late_words(pieces: list[list[list[str]]], late: int) -> set[str]:
    """Words that come only from that instalment on."""
    before = {word for piece in pieces[: late - 1] for line in piece for word in line}
    return {word for piece in pieces[late - 1 :] for line in piece for word in line} - before


def agreement(model: Model, reference: Model, late: list[str]) -> float:
    """Mean rank correlation x 100 of the cosines of words to the most frequent ones, with those of a reference."""
    frequent = [word for word in islice(reference[0], FREQUENT) if word in set(model[0])]
    one, other = (unit(each, [*late, *frequent]) for each in (model, reference))
    split = len(late)
    ranks = [spearman(a[split:] @ a[n], b[split:] @ b[n]) for n in range(split) for a, b in [(one, other)]]
    return 100 * float(np.mean(ranks))


def unit(model: Model, words: list[str]) -> np.ndarray:
    """Rows of words, of length 1."""
    index = {word: row for row, word in enumerate(model[0])}
    rows = model[1][[index[word] for word in words]].astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def report(name: str, model: Model, sets: TestSets, late: list[str], reference: Model) -> None:
    """A line of figures."""
    embedding = Embedding.of(*model, case_sensitive=True)
    chosen = set(late)
    pairs = [pair for each in sets.pairs.values() for pair in each if chosen & {pair[0], pair[1]}]
    found = score_pairs(embedding, pairs, "late")[0] if pairs else None
    figures = {key: round(value, 1) for key, value in sets.scores(*model).items()}
    told = f"{100 * found.figures['spearman']:.1f} of {found.known}" if found and found.known > 1 else "-"
    print(f"{name}: {figures}, late words {agreement(model, reference, late):.1f}, their pairs {told}", flush=True)


def main() -> int:
    """Train and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--words", type=int, default=2_000_000)
    parser.add_argument("--instalments", type=int, default=10)
    parser.add_argument("--late", type=int, default=8, help="the first instalment of late words")
    parser.add_argument("--reference-words", type=int, default=17_000_000)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--vector-size", type=int, default=100)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--replay", type=float, default=0.2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    add_test_sets(parser)
    args = parser.parse_args()
    sets, lines = TestSets.read(args), lines_of(args.text, args.words)
    size = -(-len(lines) // args.instalments)
    pieces = [lines[at : at + size] for at in range(0, len(lines), size)]
    with tempfile.TemporaryDirectory() as scratch:
        folder, args.seed = Path(scratch), 1
        reference = at_once(folder / "reference", lines_of(args.text, args.reference_words), 1, args)
        for seed in args.seeds:
            args.seed = seed
            for nodes in args.nodes:
                whole = at_once(folder / f"whole{seed}-{nodes}", lines, nodes, args)
                grown = in_instalments(folder / f"grown{seed}-{nodes}", pieces, nodes, args)
                known = set(whole[0]) & set(grown[0]) & set(reference[0])
                late = sorted(late_words(pieces, args.late) & known)
                print(f"seed {seed}, {nodes} nodes: {len(whole[0])} and {len(grown[0])} words, {len(late)} late ones")
                report("  at once       ", whole, sets, late, reference)
                report("  in instalments", grown, sets, late, reference)
    return 0


if __name__ == "__main__":
    sys.exit(main())
