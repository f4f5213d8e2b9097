"""The product itself in a real run: a daemon on each host, started as people start it and asked over HTTP."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from support.netns import Netns

from compare.baselines.rows import Floats
from compare.real.hosts import FailedError, start, told
from compare.real.job import HALF
from compare.real.watching import Sightings
from compare.runs import Run
from compare.texts import Material
from gossipw2v.node.storage.export import load_model
from gossipw2v.status import client

URL = "http://127.0.0.1:7412"  # of each host's own
PORT = 7411
DONE = ("complete", "left")


@dataclass
class Daemons:
    """Daemons that train a run; the text is written as words again, which they count themselves."""

    net: Netns
    run: Run
    material: Material
    folder: Path
    total: int
    started: dict[int, subprocess.Popen[Any]] = field(default_factory=dict)
    status: dict[int, dict[str, Any]] = field(default_factory=dict)  # what each said last
    dead: int | None = None

    def begin(self) -> None:
        """Start all."""
        for node, part in enumerate(self.material.parts(self.run.nodes, self.run.text, self.run.seed)):
            text = self.folder / f"text{node}"
            words = [self.material.words[number] if number >= 0 else "\n" for number in part.tolist()]
            text.write_text(" ".join(words), encoding="utf-8")
            self.started[node] = start(self.net, node, self._argv(node, text), self.folder / f"log{node}")

    def _argv(self, node: int, text: Path) -> list[str]:
        run, other = self.run, self.net.address(1 if node == 0 else 0)
        settings = {
            "corpus": text, "data-dir": self._data(node), "listen": f"{self.net.address(node)}:{PORT}",
            "peers": f"{other}:{PORT}", "min-peers": run.nodes - 1, "settle-seconds": 1, "threads": 1, "held-out": 0,
            "min-count": 1, "vector-size": run.vector_size, "window": run.window, "negative": run.negative,
            "alpha": run.alpha, "epochs": run.epochs, "seed": run.seed, "lost-patience": 5, "log-level": "warning",
        }  # fmt: skip
        flags = [f"--{name}={value}" for name, value in settings.items()]
        return ["-m", "gossipw2v", "start", "--until-complete", *flags]

    def _data(self, node: int) -> Path:
        return self.folder / f"data{node}"

    def look(self, seen: Sightings) -> None:
        """Ask all that run; half-way one of them is killed, if that is to be."""
        for node, process in self.started.items():
            if node == self.dead or process.poll() is not None:
                continue
            seen.look_at(process.pid)
            with suppress(OSError, ValueError, client.NoNodeError, client.AnswerError):
                self.status[node] = status = self.net.call(node, client.status, URL)
                seen.saw(node, time.monotonic(), int(status.get("progress", {}).get("trained_tokens", 0)))
        if self.run.event == "death" and seen.killed is None and seen.trained >= HALF * self.total:
            self._kill(seen)

    def ended(self) -> bool:
        """Whether all have left but the one that was killed."""
        codes = {node: process.poll() for node, process in self.started.items() if node != self.dead}
        for node, code in codes.items():
            if code:
                raise FailedError(told(f"node {node}", code, self.folder / f"log{node}"))
        return all(code == 0 for code in codes.values())

    def _kill(self, seen: Sightings) -> None:
        """The root of the tree: the one that links to no parent."""
        roles = {n: {link.get("role") for link in status.get("links", [])} for n, status in self.status.items()}
        victim = next((node for node, role in roles.items() if role and "parent" not in role), 0)
        self.started[victim].kill()
        self.started[victim].wait()
        seen.killed, seen.dead, self.dead = time.monotonic(), victim, victim

    def model(self) -> Floats:
        """Of a node that has lived to the end."""
        survivor = next(node for node in self.started if node != self.dead)
        words, weights, _ = load_model(self._data(survivor))
        place = {word.decode("utf-8", "replace"): row for row, word in enumerate(words)}
        return np.ascontiguousarray(weights[[place[word] for word in self.material.words]])
