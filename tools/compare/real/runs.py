"""A run with real processes: started, watched, perhaps robbed of one of them, and judged. Bounded in time.

Seconds are this machine's, on which all processes share the cores: they say how a way of exchanging stands narrow
cables and deaths, not how fast it is on machines of its own.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from support.netns import Netns

from compare.baselines.rows import Floats
from compare.network import SERVER
from compare.real.daemons import Daemons
from compare.real.hosts import FailedError, hosts, start, told
from compare.real.job import FIRST, RealJob
from compare.real.watching import Sightings
from compare.runs import Run
from compare.texts import Material

STARTED = 120.0  # s in which the first node should have begun to train
LONGEST = 120.0  # s from then on, after which a run is given up
LOOK = 0.05  # s between two looks


class Fleet(Protocol):
    """The processes of a run."""

    total: int

    def look(self, seen: Sightings) -> None:
        """Note how far all are, and who has died; of some it is this that ends one when it is time."""

    def ended(self) -> bool:
        """Whether all that should end have ended; FailedError if one did that should not."""

    def model(self) -> Floats:
        """float32[V, D], what has come of it, in the order of the material's words."""


@dataclass
class Processes:
    """The processes of a baseline."""

    net: Netns
    job: RealJob
    total: int
    started: dict[int, subprocess.Popen[Any]] = field(default_factory=dict)
    dead: int | None = None

    def begin(self) -> None:
        """Start all."""
        for node in self.job.hosts:
            self._start(node, 0)

    def _start(self, node: int, life: int) -> None:
        host = self.job.run.nodes if node == SERVER else node
        argv = ["-m", "compare.real", str(self.job.folder), str(node), str(life)]
        self.started[node] = start(self.net, host, argv, self._log(node))

    def _log(self, node: int) -> Path:
        return self.job.folder / f"log{node}"

    def look(self, seen: Sightings) -> None:
        """Read what they have noted."""
        for process in self.started.values():
            seen.look_at(process.pid)
        for node in range(self.job.run.nodes):
            if self.job.course(node).exists():
                for line in self.job.course(node).read_text("utf-8").splitlines(keepends=True):
                    if line.endswith("\n"):
                        when, trained = line.split()
                        seen.saw(node, float(when), int(trained))
        if seen.killed is None and self.job.obituary.exists():
            self._bury(seen)

    def ended(self) -> bool:
        """Whether all have ended but the one that was killed for good."""
        codes = {node: process.poll() for node, process in self.started.items() if node != self.dead}
        for node, code in codes.items():
            if code and not (code == -signal.SIGKILL and self.job.obituary.exists()):
                raise FailedError(told(f"process {node}", code, self._log(node)))
        return all(code == 0 for code in codes.values())

    def _bury(self, seen: Sightings) -> None:
        """A server is started again at once, and comes back with its checkpoint; of nodes the first is gone."""
        victim = SERVER if SERVER in self.started else FIRST
        self.started[victim].wait()
        seen.killed = float(self.job.obituary.read_text())
        if victim == SERVER:
            self._start(SERVER, life=1)
        else:
            self.dead = seen.dead = victim
            (self.job.folder / f"done{victim}").touch()  # nobody waits for it

    def model(self) -> Floats:
        """The server's, or the mean of the nodes' by their weights."""
        if SERVER in self.job.hosts:
            return self._half(SERVER)
        living = [node for node in self.started if node != self.dead]
        shares = [float(path.read_text()) if (path := self._share(node)).exists() else 1.0 for node in living]
        mean = np.average([self._half(node) for node in living], axis=0, weights=shares)
        return np.asarray(mean, np.float32)

    def _share(self, node: int) -> Path:
        return self.job.folder / f"share{node}"

    def _half(self, node: int) -> Floats:
        weights: Floats = np.load(self.job.model(node))
        return weights[: len(weights) // 2]


def run_real(run: Run, material: Material) -> dict[str, Any]:
    """The result of a run. FailedError, NoHostsError."""
    servers = 1 if run.baseline == "server-sync" else 0
    with tempfile.TemporaryDirectory() as temporary, hosts(run.nodes + servers, run.bandwidth) as net:
        fleet = begin(net, run, material, Path(temporary))
        seen, end = watch(fleet, run.event == "death")
        bytes_sent = [net.sent(host) for host in range(run.nodes + servers)]
        scores = material.scores(fleet.model())
    return {
        **scores, "apart": 0.0, "seconds": end - seen.began, "stall": seen.stall(end), "trained": seen.trained,
        "pairs": 0.0, "words_per_cpu_second": 0.0, "curve": [], "messages": {}, "bytes": sum(bytes_sent),
        "busiest": max(bytes_sent), "processes_cpu": seen.cpu_seconds, "largest_process": seen.largest,
    }  # fmt: skip


def begin(net: Netns, run: Run, material: Material, folder: Path) -> Fleet:
    """Start the processes of a run."""
    total = int(np.count_nonzero(material.tokens >= 0)) * run.epochs
    if run.baseline == "gossip":
        daemons = Daemons(net, run, material, folder, total)
        daemons.begin()
        return daemons
    servers = {SERVER: net.address(run.nodes)} if run.baseline == "server-sync" else {}
    addresses = {**servers, **{node: net.address(node) for node in range(run.nodes)}}
    processes = Processes(net, RealJob.write(folder, run, addresses, material), total)
    processes.begin()
    return processes


def watch(fleet: Fleet, death: bool) -> tuple[Sightings, float]:
    """Look until all have ended; what was seen, and when that was. FailedError."""
    seen, looks = Sightings(), _Looks(STARTED)
    for _ in looks:
        fleet.look(seen)
        if seen.trained and looks.longest == STARTED:
            looks.longest = time.monotonic() - looks.began + LONGEST
        if fleet.ended():
            break
    else:
        raise FailedError(f"no end after {looks.longest:.0f} s, {seen.trained / fleet.total:.0%} of the text trained")
    fleet.look(seen)
    if death and seen.killed is None:
        raise FailedError("the training was over before anybody had died")
    return seen, time.monotonic()


@dataclass
class _Looks:
    """Moments to look at a run, for at most `longest` seconds from the first on."""

    longest: float
    began: float = field(default_factory=time.monotonic)

    def __iter__(self) -> Iterator[None]:
        while time.monotonic() < self.began + self.longest:
            yield
            time.sleep(LOOK)
