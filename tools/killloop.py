#!/usr/bin/env python3
"""Kill a node with SIGKILL at random moments, again and again, and look at what is left on its disk each time.

    tools/killloop.py --times 1000
    tools/killloop.py --times 50 --lanes 2 --seed 7

A real node trains on a small world and is killed while it starts, reads its checkpoint, trains, or writes the next one
(every tenth of a second). After each kill the newest checkpoint must be whole, finite, and no older than any that was
seen before; the next start must go on from it. Ends with 1 if a state was unreadable.
"""

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gossipw2v import client, kernels, rows, scanner
from gossipw2v.checkpoint import Checkpoint, CheckpointError
from gossipw2v.cli import prepare_machine
from gossipw2v.generations import find
from gossipw2v.world import World

INTERVAL = 0.1  # s between checkpoints
EARLY = 0.3  # share of kills during the start
START_SECONDS = 1.5  # within which those come
LATE_SECONDS = 0.8  # within which the others come, once the node answers
PATIENCE = 60.0  # s for a node to answer


@dataclass
class Lane:
    """One data directory and the nodes that live in it one after the other."""

    folder: Path
    text: Path
    rng: random.Random
    kills: int = 0
    early: int = 0
    unwritten: int = 0
    resumed: int = 0
    generation: int = 0
    words: int = 0
    lost_words: list[int] = field(default_factory=list)
    lost_seconds: list[float] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def live(self) -> None:
        """Start a node, kill it at some moment, and look at what it has left."""
        early = self.rng.random() < EARLY
        delay = self.rng.uniform(0, START_SECONDS if early else LATE_SECONDS)
        self.kills, self.early = self.kills + 1, self.early + early
        (self.folder / "node.json").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log, subprocess.Popen(self._command(), stdout=log, stderr=log) as node:
            try:
                status = None if early else self._answer(node, delay)
                if early:
                    time.sleep(delay)
            finally:
                ended = node.poll()
                node.send_signal(signal.SIGKILL)
        if ended is not None:
            self.bad.append(f"kill {self.kills}: the node ended by itself with {ended}")
        self._look(status)

    def _command(self) -> list[str]:
        options = {
            "corpus": self.text, "data-dir": self.folder, "peers": "none", "listen": "127.0.0.1:0",
            "http": "127.0.0.1:0", "threads": 1, "epochs": 10_000, "checkpoint-interval": INTERVAL, "sample": 1e-3,
        }  # fmt: skip
        return [sys.executable, "-m", "gossipw2v", "start", *(f"--{name}={value}" for name, value in options.items())]

    def _answer(self, node: "subprocess.Popen[Any]", delay: float) -> dict[str, Any] | None:
        """What the node says of itself just before it is killed, `delay` seconds after it could first be asked."""
        deadline = time.monotonic() + PATIENCE
        while node.poll() is None and time.monotonic() < deadline:
            if (self.folder / "node.json").exists():
                url = f"http://{json.loads((self.folder / 'node.json').read_bytes())['http']}"
                time.sleep(delay)
                return client.status(url)
            time.sleep(0.01)
        self.bad.append(f"kill {self.kills}: the node did not answer")
        return None

    def _look(self, status: dict[str, Any] | None) -> None:
        try:
            found = find(self.folder)
        except (CheckpointError, OSError) as error:
            self.bad.append(f"kill {self.kills}: {error}")
            return
        self.bad += [f"kill {self.kills}: {path.name}: {why}" for path, why in found.damaged.items()]
        if status is not None:
            self._compare(status)
        if found.newest is not None:
            self._check(found.newest, status)
        elif self.generation:
            self.bad.append(f"kill {self.kills}: generation {self.generation} is gone")
        else:
            self.unwritten += 1

    def _compare(self, status: dict[str, Any]) -> None:
        """The node that was killed had gone on from what was found after the kill before."""
        origin = status["checkpoint"]["resumed_from"]
        self.resumed += origin is not None
        if status["state"] in ("training", "draining", "complete") and origin != (self.generation or None):
            self.bad.append(f"kill {self.kills}: went on from {origin}, not from {self.generation}")

    def _check(self, found: Checkpoint, status: dict[str, Any] | None) -> None:
        weights = found.weights()
        words = sum(found.state.lives.values())
        if found.generation < self.generation or words < self.words or not np.isfinite(weights).all():
            self.bad.append(f"kill {self.kills}: {found.path.name} has {words} words, after {self.words}")
        self.generation, self.words = found.generation, words
        if status is not None and status["state"] == "training":
            lost = max(0, status["progress"]["trained_tokens"] - words)
            self.lost_words.append(lost)
            self.lost_seconds.append(lost / max(1.0, status["progress"]["words_per_second"]))


def run(times: int, lanes: int, seed: int, folder: Path) -> Iterator[Lane]:
    """`times` kills in so many data directories at once; each lane when it is done."""
    text = folder / "text"
    text.write_text("".join(f"{line}\n" for line in World().sentences(40_000, 1)), encoding="utf-8")
    made = [Lane(folder / f"lane{n}", text, random.Random(f"{seed}/{n}")) for n in range(lanes)]
    with ThreadPoolExecutor(lanes) as pool:
        yield from pool.map(_live_through, made, [times * (n + 1) // lanes - times * n // lanes for n in range(lanes)])


def _live_through(lane: Lane, times: int) -> Lane:
    lane.folder.mkdir()
    for _ in range(times):
        lane.live()
        if lane.kills % 50 == 0:
            print(f"{lane.folder.name}: {lane.kills} kills, {len(lane.bad)} bad", file=sys.stderr, flush=True)
    return lane


def report(lanes: list[Lane]) -> str:
    """What came of it."""
    bad = [f"{lane.folder.name}, {text}" for lane in lanes for text in lane.bad]
    kills, early, unwritten, resumed = (
        sum(getattr(lane, name) for lane in lanes) for name in ("kills", "early", "unwritten", "resumed")
    )
    words, seconds = ([n for lane in lanes for n in getattr(lane, name)] for name in ("lost_words", "lost_seconds"))
    lines = [
        *bad,
        f"{kills} kills, {early} of them during the start, {unwritten} before anything had been written",
        f"{resumed} times asked, a node had gone on from the checkpoint found before",
        f"unreadable states: {len(bad)}",
    ]
    if seconds:
        middle, most = statistics.median(seconds), max(seconds)
        lines.append(f"work lost, of {len(seconds)}: median {middle:.2f} s, most {most:.2f} s ({max(words):,} words)")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1000, help="kills (default %(default)s)")
    parser.add_argument("--lanes", type=int, default=2, help="nodes at once, each alone (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default %(default)s)")
    args = parser.parse_args()
    prepare_machine()
    for compile_once in (lambda: kernels.warm_up(128), lambda: rows.warm_up(128), scanner.warm_up):
        compile_once()
    with tempfile.TemporaryDirectory(prefix="killloop-") as folder:
        lanes = list(run(args.times, args.lanes, args.seed, Path(folder)))
    print(report(lanes))
    return 1 if any(lane.bad for lane in lanes) else 0


if __name__ == "__main__":
    sys.exit(main())
