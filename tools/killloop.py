#!/usr/bin/env python3
"""Kill a node with SIGKILL at random moments, again and again, and look at what is left on its disk each time.

    tools/killloop.py --times 1000 --warm
    tools/killloop.py --times 50 --lanes 2 --seed 7

A real node trains on a small world and is killed while it starts, reads its checkpoint, trains, or writes the next one
(every tenth of a second). After each kill the newest checkpoint must be whole, finite, and no older than any that was
seen before; the next start must go on from it. Ends with 1 if a state was unreadable. Ctrl-C ends it early.

With --warm nodes are forked from a process that has loaded everything, which saves most of what a start costs, or a
share of them, as by --warm 0.8; else each is a command of its own.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gossipw2v.cli.main import main as command
from gossipw2v.cli.synthetic import World
from gossipw2v.node.storage.checkpoint import Checkpoint, CheckpointError
from gossipw2v.node.storage.generations import find
from gossipw2v.status import client
from gossipw2v.system.launch import prepare_machine

INTERVAL = 0.1  # s between checkpoints
MOMENTS = {"started": 0.2, "answering": 0.2, "training": 0.6}  # after which a kill comes, and how often
WITHIN = {"started": 1.5, "answering": 0.5, "training": 0.8}  # s from there
STOP = threading.Event()
PATIENCE = 120.0  # s for a node to answer


class Started:
    """A node that was started as a command; killed when the block ends. `ended`: its code if it had ended before."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        with log.open("ab") as file:
            line = [sys.executable, "-m", "gossipw2v", *arguments]
            self._process = subprocess.Popen(line, stdout=file, stderr=file)
        self.ended: int | None = None

    def lives(self) -> bool:
        return self._process.poll() is None

    def __enter__(self) -> "Started":
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = self._process.poll()
        self._process.kill()
        self._process.wait()


class Forked:
    """As `Started`, but forked from a process that has loaded everything."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self._process = multiprocessing.Process(target=_node, args=(arguments, log))
        self._process.start()
        self.ended: int | None = None

    def lives(self) -> bool:
        return self._process.exitcode is None

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = self._process.exitcode
        self._process.kill()
        self._process.join()


def _node(arguments: list[str], log: Path) -> None:
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    command(arguments)


@dataclass
class Lane:
    """One data directory and the nodes that live in it one after the other."""

    folder: Path
    text: Path
    rng: random.Random
    warm: float  # share of its nodes that are forked
    kills: int = 0
    early: int = 0  # before they trained
    unwritten: int = 0
    resumed: int = 0
    generation: int = 0
    words: int = 0
    lost_words: list[int] = field(default_factory=list)
    lost_seconds: list[float] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def live(self) -> None:
        """Start a node, kill it at some moment, and look at what it has left."""
        (moment,) = self.rng.choices(list(MOMENTS), list(MOMENTS.values()))
        delay = self.rng.uniform(0, WITHIN[moment])
        self.kills, self.early = self.kills + 1, self.early + (moment != "training")
        (self.folder / "node.json").unlink(missing_ok=True)
        with (Forked if self.rng.random() < self.warm else Started)(self._arguments(), self.folder / "log") as node:
            url = self._reach(node, moment)
            time.sleep(delay)
            status = client.status(url) if url else None
        if node.ended is not None:
            self._note(f"the node ended by itself with {node.ended}")
        self._look(status)

    def _arguments(self) -> list[str]:
        options = {
            "corpus": self.text, "data-dir": self.folder, "peers": "none", "listen": "127.0.0.1:0",
            "http": "127.0.0.1:0", "threads": 1, "epochs": 10_000, "checkpoint-interval": INTERVAL, "sample": 1e-3,
        }  # fmt: skip
        return ["start", *(f"--{name}={value}" for name, value in options.items())]

    def _reach(self, node: "Started | Forked", moment: str) -> str | None:
        """Wait until the node is so far; where it answers, if it does."""
        if moment == "started":
            return None
        deadline, where = time.monotonic() + PATIENCE, self.folder / "node.json"
        while node.lives() and time.monotonic() < deadline:
            if where.exists():
                url = f"http://{json.loads(where.read_bytes())['http']}"
                if moment == "answering" or client.status(url)["state"] in ("training", "draining", "complete"):
                    return url
            time.sleep(0.01)
        self._note(f"the node was not {moment} within {PATIENCE:.0f} s")
        return None

    def _note(self, text: str) -> None:
        """Something that must not be."""
        self.bad.append(f"kill {self.kills}: {text}")
        print(f"{self.folder.name}, {self.bad[-1]}", file=sys.stderr, flush=True)

    def _look(self, status: dict[str, Any] | None) -> None:
        try:
            found = find(self.folder)
        except (CheckpointError, OSError) as error:
            self._note(str(error))
            return
        for path, why in found.damaged.items():
            self._note(f"{path.name}: {why}")
        if status is not None:
            self._compare(status)
        if found.newest is not None:
            self._check(found.newest, status)
        elif self.generation:
            self._note(f"generation {self.generation} is gone")
        else:
            self.unwritten += 1

    def _compare(self, status: dict[str, Any]) -> None:
        """The node that was killed had gone on from what was found after the kill before."""
        origin = status["checkpoint"]["resumed_from"]
        self.resumed += origin is not None
        if status["state"] in ("training", "draining", "complete") and origin != (self.generation or None):
            self._note(f"went on from {origin}, not from {self.generation}")

    def _check(self, found: Checkpoint, status: dict[str, Any] | None) -> None:
        weights = found.weights()
        words = sum(found.state.lives.values())
        if found.generation < self.generation or words < self.words or not np.isfinite(weights).all():
            self._note(f"{found.path.name} has {words} words, after {self.words} in {self.generation}")
        self.generation, self.words = found.generation, words
        if status is not None and status["state"] == "training":
            lost = max(0, status["progress"]["trained_tokens"] - words)
            self.lost_words.append(lost)
            self.lost_seconds.append(lost / max(1.0, status["progress"]["words_per_second"]))


def run(times: int, lanes: int, seed: int, folder: Path, warm: float) -> Iterator[Lane]:
    """`times` kills in so many data directories at once; each lane when it is done."""
    text = folder / "text"
    text.write_text("".join(f"{line}\n" for line in World().sentences(40_000, 1)), encoding="utf-8")
    made = [Lane(folder / f"lane{n}", text, random.Random(f"{seed}/{n}"), warm) for n in range(lanes)]
    with ThreadPoolExecutor(lanes) as pool:
        yield from pool.map(_live_through, made, [times * (n + 1) // lanes - times * n // lanes for n in range(lanes)])


def _live_through(lane: Lane, times: int) -> Lane:
    lane.folder.mkdir()
    for _ in range(times):
        if STOP.is_set():
            break
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
        f"{kills} kills, {early} of them before training, {unwritten} before anything had been written",
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
    forked = "fork nodes, or that share of them, from a process that has loaded everything"
    parser.add_argument("--warm", metavar="SHARE", nargs="?", type=float, const=1.0, default=0.0, help=forked)
    args = parser.parse_args()
    signal.signal(signal.SIGINT, lambda *_: STOP.set())
    prepare_machine()
    subprocess.run([sys.executable, "-c", "import warm"], cwd=Path(__file__).parent, check=True)  # lest all compile
    multiprocessing.set_start_method("forkserver")
    multiprocessing.set_forkserver_preload(["warm"] if args.warm else [])
    with tempfile.TemporaryDirectory(prefix="killloop-") as folder:
        lanes = list(run(args.times, args.lanes, args.seed, Path(folder), args.warm))
    print(report(lanes))
    return 1 if any(lane.bad for lane in lanes) else 0


if __name__ == "__main__":
    sys.exit(main())
