"""A node on a worker of an engine: its text is written, its process started, looked after and asked for its vectors.

Nothing here knows an engine: each calls the same steps in the same order. Nodes take a free port, so that no two can
want the same; when all listen, the driver or the workers among themselves tell each the addresses of all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.api import process
from gossipw2v.config.address import Address
from gossipw2v.engines.plan import EngineError, SwarmPlan
from gossipw2v.node.storage.checkpoint import CheckpointError
from gossipw2v.node.storage.export import load_model
from gossipw2v.status import client
from gossipw2v.status.humanize import finite, section
from gossipw2v.system import lock
from gossipw2v.w2v.text.sources.records import gathered, text_of

LEASE_SECONDS = 300.0  # without a look, after which a node is taken for forgotten
LISTEN_SECONDS = 120.0  # for a node to take its port, which it does before it compiles or reads anything
ASK_SECONDS = 0.2
PEERS, SECRET, TEXT = "peers", "secret", "text"


class Sighting(NamedTuple):
    """Whether a node has come to its end, and which share of its text it had trained when it was last heard, 0 to 1."""

    ended: bool
    trained: float


@dataclass(slots=True)
class WorkerNode:
    """The `number`-th node of a plan, from 1 on; text, log and, unless the plan says where, state are in `folder`."""

    plan: SwarmPlan
    number: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    _gathering: float | None = None  # since when it waits for others, in monotonic seconds
    _trained: float = 0.0  # share of its text, as last heard

    @classmethod
    def at(cls, plan: SwarmPlan, number: int, scratch: str | None = None) -> WorkerNode:
        """A node with a new folder below `scratch`, the system's for temporary files if None. OSError."""
        node = cls(plan, number, Path(tempfile.mkdtemp(prefix="gossipw2v-", dir=scratch)))
        (node.folder / TEXT).mkdir()
        return node

    @property
    def name(self) -> str:
        """How people call it."""
        return f"node {self.number} of {self.plan.nodes}"

    @property
    def data(self) -> Path:
        """Where it keeps its state."""
        kept = self.plan.data_dir
        return self.folder / process.DATA if kept is None else Path(kept, f"node-{self.number}")

    # -- before ---------------------------------------------------------------------------------------------

    def write(self, rows: Iterable[object]) -> None:
        """Write the rows as `write_text` does."""
        write_text(rows, str(self.folder))

    @property
    def has_text(self) -> bool:
        """Whether anything but white space was written, going by the first MiB of each file."""
        for path in (self.folder / TEXT).iterdir():
            with path.open("rb") as file:
                if file.read(1 << 20).strip():
                    return True
        return False

    def start(self) -> int:
        """Start the process; the port that it takes. EngineError if it has no text, or ends."""
        if not self.has_text:
            raise EngineError(f"{self.name} has no text; take fewer nodes, or divide the rows anew")
        self._free_data()
        (self.folder / PEERS).touch()
        (self.folder / SECRET).touch(0o600)
        (self.folder / SECRET).write_text(self.plan.secret, "ascii")
        settings = {
            **self.plan.settings,
            "corpus": [str(self.folder / TEXT)],
            "plain": True,
            "peers": [f"file:{self.folder / PEERS}"],
            "min_peers": self.plan.nodes - 1,
            "secret_file": str(self.folder / SECRET),
            "http": "127.0.0.1:0",
            "data_dir": str(self.data),
            "until_complete": True,
        }
        leash = (sys.executable, "-m", "gossipw2v.engines.leash", str(LEASE_SECONDS), str(self.folder))
        self.process = process.start(self.folder, settings, leash)
        return self._port()

    def _free_data(self) -> None:
        """Wait until a node of a former try has left the folder, which it does within seconds of its end."""
        self.data.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + LISTEN_SECONDS
        while lock.in_use(self.data):
            if time.monotonic() > deadline:
                raise EngineError(f"{self.name}: {self.data} is in use by another node; give fit another data_dir")
            time.sleep(ASK_SECONDS)
        (self.data / process.NODE_FILE).unlink(missing_ok=True)

    def _port(self) -> int:
        deadline = time.monotonic() + LISTEN_SECONDS
        while (found := process.where(self.data)) is None:
            self._feed()
            if time.monotonic() > deadline:
                raise EngineError(f"{self.name} does not listen after {LISTEN_SECONDS:g} s; {self.folder} has its log")
            time.sleep(ASK_SECONDS)
        return Address.parse(str(found["listen"])).port

    def meet(self, addresses: Iterable[str]) -> None:
        """Tell the node where all are, HOST:PORT each; it looks again within seconds."""
        beside = self.folder / f"{PEERS}.new"
        beside.write_text("".join(f"{address}\n" for address in addresses), "utf-8")
        beside.replace(self.folder / PEERS)

    # -- while it trains ------------------------------------------------------------------------------------

    def look(self) -> Sighting:
        """Say that it is still wanted, and how far it is. EngineError if it will never come to its end.

        To be called every few seconds: a node that nobody looks at for five minutes ends.
        """
        assert self.process is not None
        if self.process.poll() == 0:
            return Sighting(True, 1.0)
        self._feed()
        if (found := process.where(self.data)) is not None:
            with suppress(OSError, client.NoNodeError, client.AnswerError):
                status = client.status(f"http://{found['http']}")
                self._bound_waiting(status["state"] == "gathering")
                self._trained = _share(status)
        return Sighting(False, self._trained)

    def _feed(self) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        if code := self.process.poll():
            raise EngineError(process.last_words(self.name, self.folder, code))
        with suppress(BrokenPipeError):  # it has ended since
            os.write(self.process.stdin.fileno(), b".")

    def _bound_waiting(self, gathering: bool) -> None:
        now = time.monotonic()
        self._gathering = (self._gathering or now) if gathering else None
        if self._gathering is not None and now - self._gathering > self.plan.patience:
            raise EngineError(
                f"{self.name} has waited {self.plan.patience:g} s (patience) for the others: can workers reach each "
                "other's ports, and has each of them as much text?"
            )

    def wait(self) -> None:
        """Look after the node until it has come to its end. EngineError."""
        while not self.look().ended:
            time.sleep(ASK_SECONDS)

    # -- after ----------------------------------------------------------------------------------------------

    def vectors(self) -> tuple[list[str], NDArray[np.float32]]:
        """Words, most frequent first, and float32 [V, D] that it has left. EngineError if it was stopped before."""
        try:
            words, weights, about = load_model(self.data)
        except CheckpointError as error:
            raise EngineError(f"{self.name} has left no model: {error}") from error
        if not about["complete"]:
            raise EngineError(f"{self.name} was stopped before the swarm was done")
        return [word.decode() for word in words], weights[: len(words)]

    def close(self) -> None:
        """End the process if it still runs, and remove what is in its folder."""
        if self.process is not None:
            process.stop([self.process], process.STOP_SECONDS + 5)  # the leash needs as long as its node
            assert self.process.stdin is not None
            self.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _share(status: Mapping[str, Any]) -> float:
    progress = section(status, "progress")
    done, total = finite(progress.get("trained_tokens")), finite(progress.get("total_tokens"))
    return done / total if done and total else 0.0


def write_text(rows: Iterable[object], folder: str, part: int = 0) -> None:
    """Write rows, texts or lists of words, to the `part`-th file of a node's text, as they come; None is passed over.

    TypeError for a row that is neither; OSError.
    """
    with Path(folder, TEXT, f"part-{part:05}.txt").open("wb") as file:
        file.writelines(gathered(_texts(rows), "replace"))


def _texts(rows: Iterable[object]) -> Iterator[str]:
    for row in rows:
        if row is None:
            continue
        text = text_of(list(row) if isinstance(row, tuple | np.ndarray) else row)
        if text is None:
            raise TypeError(f"a row is {type(row).__name__}, {row!r:.80}; give texts or lists of words")
        yield text
