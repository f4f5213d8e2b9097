"""Real daemons for tests: processes with sockets, on parts of a small generated world; none outlives its test."""

import functools
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossipw2v.cli.synthetic import World
from gossipw2v.config.options import PREFIX
from gossipw2v.node.storage.export import load_model
from gossipw2v.status import client
from gossipw2v.w2v.similarity import largest_difference
from gossipw2v.w2v.warmup import warm_up
from support.forks import COMMAND, Forked

Status = dict[str, Any]
Popen = Callable[..., "subprocess.Popen[Any] | Forked"]

PATIENCE = 240.0  # s, many times what a busy machine takes: only a test that fails waits as long
STOP_SECONDS = 10.0  # the bound that the daemon promises
POLL_SECONDS = 0.05
LOG_LINES = 25
FIRST_PORT, LAST_PORT = 10_000, 32_000
AGREEMENT = 1e-3  # of the row's norm
SMALL = {"vector-size": 32, "sample": 1e-3, "min-count": 5, "settle-seconds": 1}


@dataclass
class Daemon:
    """One daemon and its folder, which holds `log` and `data`. `ask` and `export` get what is behind a URL."""

    name: str
    folder: Path
    process: "subprocess.Popen[Any] | Forked"
    ask: Callable[[str], Status] = client.status
    export: Callable[[str, Path], object] = client.export

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    @property
    def where(self) -> dict[str, Any]:
        """What it wrote into node.json; waits for it."""
        path = self.data / "node.json"
        self._until(path.exists, "it listens")
        return dict(json.loads(path.read_bytes()))

    @property
    def url(self) -> str:
        """Where it answers over HTTP."""
        return f"http://{self.where['http']}"

    @property
    def address(self) -> str:
        """Where it listens for other nodes."""
        return str(self.where["listen"])

    def status(self) -> Status:
        """Its status now, however busy the machine is; AssertionError if it has ended."""
        return self.until(lambda _: True)

    def until(self, condition: Callable[[Status], object]) -> Status:
        """The first status that meets `condition`. A daemon that ends before is an AssertionError."""
        found: list[Status] = []

        def met() -> bool:
            with suppress(client.NoNodeError):
                status = self.ask(self.url)
                if condition(status):
                    found.append(status)
            return bool(found)

        self._until(met, "its status was as awaited")
        return found[0]

    def progress(self, share: float) -> Status:
        """Wait until the node has trained this share of its own text."""
        return self.until(lambda s: s["progress"]["trained_tokens"] > share * s["progress"]["total_tokens"] > 0)

    def end(self, number: signal.Signals | None = None, seconds: float = PATIENCE) -> int:
        """Send a signal, if any, and wait for the end; the exit code."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def model(self) -> tuple[list[bytes], NDArray[np.float32], dict[str, Any]]:
        """Words, input vectors and description that it left in its data directory."""
        words, weights, meta = load_model(self.data)
        return words, weights[: len(words)], meta

    def serving(self) -> tuple[list[bytes], NDArray[np.float32]]:
        """Words and input vectors that it exports now."""
        path = self.folder / "vectors.txt"
        self.export(self.url, path)
        return read_vectors(path)

    def log(self) -> str:
        """All it has said."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def says(self, pattern: str) -> None:
        """Wait until its log holds a match, which may go over several lines."""
        self._until(lambda: re.search(pattern, self.log(), re.DOTALL) is not None, f"it said {pattern}")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self._alive(what)
            assert time.monotonic() < deadline, f"{self.name}: {PATIENCE:.0f} s have passed before {what}"
            time.sleep(POLL_SECONDS)

    def _alive(self, what: str) -> None:
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode} before {what}"


class Daemons:
    """`with Daemons(folder) as swarm:` ends every daemon with the block; a failure shows the last of their logs.

    `popen` is what starts them: `subprocess.Popen` makes each a command that loads everything itself.
    """

    def __init__(self, folder: Path, popen: Popen = Forked) -> None:
        self.all: list[Daemon] = []
        self._folder, self._popen = folder, popen

    def start(self, corpus: Path, popen: Popen | None = None, **options: object) -> Daemon:
        """Start a daemon on `corpus`; options as on the command line, `_` for `-`, over those of `SMALL`.

        With `graph=True` it is the file of edges of a graph.

        `until_complete=False` makes it a service. Peers are "none" unless they are given.
        """
        name = f"node{len(self.all) + 1}"
        folder = self._folder / name
        folder.mkdir(exist_ok=True)  # a test may have put a disk there
        with (folder / "log").open("wb") as log:
            argv = _command(corpus, folder / "data", options)
            process = (popen or self._popen)(argv, stdout=log, stderr=log, env=_environ(), cwd=folder)
        daemon = Daemon(name, folder, process)
        self.all.append(daemon)
        return daemon

    def again(self, daemon: Daemon, *more: str) -> None:
        """Start a daemon that has ended once more, with the same command, and `more` flags; its log goes on."""
        daemon.process.wait(PATIENCE)
        (daemon.data / "node.json").unlink(missing_ok=True)
        with (daemon.folder / "log").open("ab") as log:
            argv = [*daemon.process.args, *more]
            popen = type(daemon.process)
            daemon.process = popen(argv, stdout=log, stderr=log, env=_environ(), cwd=daemon.folder)

    def ended(self) -> list[int]:
        """Wait until all have ended of their own accord; their exit codes."""
        return [daemon.end() for daemon in self.all]

    def __enter__(self) -> "Daemons":
        compile_once()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for daemon in self.all:
            if daemon.process.poll() is None:
                daemon.process.kill()
            daemon.process.wait()
        if error is not None:
            for daemon in self.all:
                error.add_note("\n".join([f"--- {daemon.name}", *daemon.log().splitlines()[-LOG_LINES:]]))


def _command(corpus: Path, data: Path, options: dict[str, object]) -> list[str]:
    given: dict[str, object] = {
        "peers": "none",
        "listen": "127.0.0.1:0",
        "http": "127.0.0.1:0",
        "threads": 1,
        "log-format": "text",
        "log-level": "info",
        "until-complete": True,
        **SMALL,
        **{name.replace("_", "-"): value for name, value in options.items()},
        "data-dir": data,
    }
    given["graph" if given.pop("graph", False) else "corpus"] = corpus
    flags = ["--until-complete"] if given.pop("until-complete") else []
    flags += [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]
    return [*COMMAND, "start", *flags]


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


@functools.cache
def compile_once() -> None:
    """Fill the cache of compiled kernels, so that three daemons do not do so all at once."""
    warm_up(vector_size=8)


@functools.cache
def _world() -> World:
    return World()


def write_texts(folder: Path, count: int, sentences: int = 4000) -> list[Path]:
    """`count` texts of one world, each of so many sentences of some eleven words."""
    paths = [folder / f"text{number}" for number in range(1, count + 1)]
    for seed, path in enumerate(paths, 1):
        path.write_text("".join(f"{line}\n" for line in _world().sentences(sentences, seed)), encoding="utf-8")
    return paths


def addresses(count: int) -> list[str]:
    """Addresses on loopback whose ports are free, and below those that the system gives to connections."""
    found: set[str] = set()
    while len(found) < count:
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(f"127.0.0.1:{port}")
    return list(found)


def agree_in_the_end(daemons: Sequence[Daemon]) -> bool:
    """Whether running nodes come to export the same vectors before patience ends.

    Only while all run: when one leaves, the others may link anew, which moves values by a thousandth.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        (words, vectors), *others = [daemon.serving() for daemon in daemons]
        # a version of the vocabulary comes to one node after the other
        if all(known == words and largest_difference(vectors, theirs) <= AGREEMENT for known, theirs in others):
            return True
        time.sleep(POLL_SECONDS)
    return False


def read_vectors(path: Path) -> tuple[list[bytes], NDArray[np.float32]]:
    """Words and float32[V, D] of a file in word2vec's text format."""
    rows = [line.split(b" ") for line in path.read_bytes().splitlines()[1:]]
    return [row[0] for row in rows], np.array([row[1:] for row in rows], np.float32)


def difference(daemons: Sequence[Daemon]) -> float:
    """The largest difference between what two of them left, as `similarity` measures it; all hold the same words."""
    words, vectors, _ = daemons[0].model()
    worst = 0.0
    for other in daemons[1:]:
        others, theirs, _ = other.model()
        assert others == words
        worst = max(worst, largest_difference(vectors, theirs))
    return worst


def resident(daemon: Daemon) -> int:
    """Bytes of memory that a daemon takes; 0 where there is no /proc."""
    path = Path(f"/proc/{daemon.process.pid}/status")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:")), 0)
