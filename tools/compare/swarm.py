"""Runs the product: its core, protocol, frames and merge in its own simulator, where all of a node share one cable."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scenarios import Texts, make_swarm

from compare.course import DEATH, HALF, LOOKS, PAUSED, SLOWER, bytes_of
from compare.network import Cables, SharedWires, Traffic, bytes_per_second
from compare.replicas import DivergedError, scenario_of
from compare.runs import Run
from compare.texts import Material
from gossipw2v.delta import DeltaError
from gossipw2v.gossip.codec import HEADER, decode
from gossipw2v.gossip.messages import Answer, Push
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Watch

STEPS = 200  # looks at the swarm in a run
PATIENCE = 40  # times as long as training takes without any exchange, until a run is given up
STAND_STILL = "n0"  # the node that is paused

WAYS = {Push: "up", Answer: "down"}  # on a link; all else goes either way


@dataclass
class Counting(Watch):
    """Counts the bytes of all frames that arrive, by the kind of message."""

    traffic: Traffic = field(default_factory=Traffic)

    def delivered(self, node: SimulatedNode, frame: bytes) -> None:  # noqa: ARG002 - of whichever node
        """A frame has come."""
        kind = type(decode(frame[HEADER.size :]))
        self.traffic.sums[f"{kind.__name__} {WAYS.get(kind, 'peer')}"] += len(frame)


class Gossip:
    """A swarm under way. Times count from the moment at which the first node begins to train."""

    def __init__(self, run: Run, material: Material) -> None:
        self.run, self.material, self.watch = run, material, Counting()
        late = range((run.nodes + 1) // 2, run.nodes) if run.event == "join" else ()
        speeds = tuple(1 / SLOWER if run.event == "slow" and n == run.nodes - 1 else 1.0 for n in range(run.nodes))
        words = int(np.count_nonzero(material.tokens >= 0))
        self.scenario = scenario_of(run, words, speeds, tuple(f"{HALF}:join:n{node}" for node in late))
        parts = material.parts(run.nodes, run.text, run.seed)
        texts = Texts(material.vocab, parts, np.empty(0, np.int32))
        self.swarm, self.later = make_swarm(texts, self.scenario)
        self.late = [f"join:n{node}" for node in late]
        self.began: float | None = None
        self.trained, self.still_since, self.stall, self.cpu_seconds = 0, 0.0, 0.0, 0.0
        self.curve: list[tuple[float, float]] = []
        self._wire()

    def _wire(self) -> None:
        swarm = self.swarm
        self.cables = Cables(bytes_per_second(self.run.bandwidth))
        swarm.wires = SharedWires(swarm.clock, swarm.rng, swarm.line, cables=self.cables)
        swarm.watch = self.watch
        for node in swarm.nodes.values():
            self._time(node.worker)

    def _time(self, worker: Any) -> None:
        """Count the CPU seconds of a node's training."""
        train = worker.train

        def timed(seconds: float, others: tuple[int, int]) -> None:
            began = time.process_time()
            train(seconds, others)
            self.cpu_seconds += time.process_time() - began

        worker.train = timed

    @property
    def nodes(self) -> list[SimulatedNode]:
        """Those that live."""
        return self.swarm.living()

    @property
    def seconds(self) -> float:
        """Since training began."""
        return 0.0 if self.began is None else self.swarm.now - self.began

    def go(self) -> dict[str, Any]:
        """To the end; the result. DivergedError."""
        step = self.scenario.seconds / STEPS
        try:
            while self.began is None or self.late or not self.swarm.complete():
                self.swarm.run(step)
                self._look()
        except DeltaError as error:
            raise DivergedError(f"diverged: {error}") from error
        return self._result()

    def _look(self) -> None:
        swarm = self.swarm
        trained = sum(node.trained for node in swarm.nodes.values())
        if self.began is None and trained:
            self.began = self.still_since = swarm.now
            self._plan()
        if self.began is not None and any(node.trained < node.worker.total for node in self.nodes):
            if trained > self.trained:
                self.still_since = swarm.now
            self.stall = max(self.stall, swarm.now - self.still_since)
        self.trained = trained
        self.watch.traffic.mark(self.seconds)
        self._score()
        if self.seconds > PATIENCE * self.scenario.seconds + 100:
            raise TimeoutError(f"no end after {self.seconds:.0f} virtual seconds")

    def _plan(self) -> None:
        clock, whole = self.swarm.clock, self.scenario.seconds
        if self.run.event == "pause":
            clock.at(HALF * whole, lambda: self.swarm.pause(STAND_STILL, PAUSED))
        if self.run.event == "death":
            clock.at(DEATH * whole, lambda: self.swarm.kill(self.root().name))
        if self.run.event == "join":
            clock.at(HALF * whole, self._let_in)

    def _let_in(self) -> None:
        late, self.late = self.late, []
        for name in late:
            self.later[name]()
            self._time(self.swarm.nodes[name.removeprefix("join:")].worker)

    def root(self) -> SimulatedNode:
        """The node of the highest priority, to which all links lead."""
        return max(self.nodes, key=lambda node: node.core.node)

    def _score(self) -> None:
        total = sum(node.worker.total for node in self.swarm.nodes.values())
        if self.trained * LOOKS >= total * (len(self.curve) + 1) and len(self.curve) < LOOKS:
            points = self.material.scores(self.root().model.syn0, quick=True)["points"]
            self.curve.append((self.seconds, points))

    def _result(self) -> dict[str, Any]:
        workers: list[Any] = [node.worker for node in self.swarm.nodes.values()]
        if not all(np.isfinite(node.model.weights).all() for node in self.nodes):
            raise DivergedError("diverged: a value is not a finite number")
        traffic = self.watch.traffic
        traffic.by_node = self.cables.carried
        return {
            **self.material.scores(self.root().model.syn0),
            "apart": self.swarm.apart(),
            "seconds": self.seconds,
            "stall": self.stall,
            "trained": self.trained,
            "pairs": sum(worker.trainer.losses.pairs for worker in workers),
            "words_per_cpu_second": self.trained / max(self.cpu_seconds, 1e-9),
            "curve": self.curve,
            **bytes_of(traffic),
        }
