"""The folder in which the processes of a real run find what they need, and leave what comes of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from test_sets import TestSets

from compare.baselines.rows import Floats
from compare.network import SERVER
from compare.real.frames import Address
from compare.runs import Run
from compare.texts import Material, Tokens
from gossipw2v.node.session import initial_weights
from gossipw2v.w2v.text.vocab import Vocab

PORT = 7411
FIRST = 0  # the node that dies where there is no server
HALF = 0.5  # share of the training at which somebody dies


@dataclass
class RealJob:
    """A run, and the host of each node and of the server, -1. `listener`: the socket of this process, if it has one."""

    folder: Path
    run: Run
    hosts: dict[int, str]
    listener: socket.socket | None = None

    @classmethod
    def write(cls, folder: Path, run: Run, hosts: dict[int, str], material: Material) -> RealJob:
        """Fill the folder."""
        about = {"run": asdict(run), "hosts": {str(node): host for node, host in hosts.items()}}
        (folder / "job.json").write_text(json.dumps(about), encoding="utf-8")
        (folder / "vocab").write_bytes(material.vocab.to_bytes())
        job = cls(folder, run, hosts)
        for node, part in enumerate(material.parts(run.nodes, run.text, run.seed)):
            np.save(job.part(node), part)
        return job

    @classmethod
    def read(cls, folder: Path) -> RealJob:
        """What `write` wrote."""
        about = json.loads((folder / "job.json").read_text("utf-8"))
        return cls(folder, Run(**about["run"]), {int(node): host for node, host in about["hosts"].items()})

    @property
    def addresses(self) -> dict[int, Address]:
        """Where each process listens."""
        return {node: (host, PORT) for node, host in self.hosts.items()}

    @property
    def checkpoint(self) -> Path:
        """What the server comes back with."""
        return self.folder / "checkpoint.npy"

    def part(self, node: int) -> Path:
        """A node's text as word ids."""
        return self.folder / f"part{node}.npy"

    def course(self, node: int) -> Path:
        """A line for each time that a node has trained its words for an exchange."""
        return self.folder / f"course{node}"

    def model(self, node: int) -> Path:
        """Both matrices of a node that is done, or of the server, float32[2V, D]."""
        return self.folder / f"model{node if node != SERVER else '-server'}.npy"

    def material(self, part: Tokens) -> Material:
        """What a replica is made of; there is nothing to judge by."""
        vocab = Vocab.from_bytes((self.folder / "vocab").read_bytes())
        return Material(vocab, [], part, TestSets({}, []), self.folder, self.run.corpus, generated=False)

    def initial(self) -> Floats:
        """The vectors that all begin with."""
        vocab = Vocab.from_bytes((self.folder / "vocab").read_bytes())
        return np.ascontiguousarray(initial_weights(vocab, self.run.seed, self.run.vector_size))

    @property
    def obituary(self) -> Path:
        """The second at which the one that was to die has died."""
        return self.folder / "died"

    def die(self) -> None:
        """End this process as a crash would, if somebody is to die in this run."""
        if self.run.event == "death" and not self.obituary.exists():
            self.obituary.write_text(repr(time.monotonic()))
            os.kill(os.getpid(), signal.SIGKILL)


def save_model(path: Path, weights: Floats) -> None:
    """As a whole or not at all: a process may be killed at any moment."""
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.save(file, weights)
    os.replace(temporary, path)  # noqa: PTH105 - it says what it does
