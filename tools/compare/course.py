"""What all ways of running a baseline share: the nodes and their parts, what happens to them, and what is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compare.baselines.rows import Floats, Phase
from compare.network import BANDWIDTHS, Traffic, bytes_per_second
from compare.replicas import Replica, largest_disagreement, make_replica
from compare.runs import Run
from compare.texts import Material

LOOKS = 6  # scores while a model trains
MARKS = 40  # of the traffic in a run, about
SLOWER = 3.0  # times as slow as the others
PAUSED = 10.0  # s that a node stands still from half time on
DETECTED = 8.0  # s until all believe in a death: the product's own verdict takes as long, all others get it too
RESTARTED = 10.0  # s that a server needs to start anew from its last checkpoint
CHECKPOINTS = 10  # of a server, in a run
DEATH = 0.55  # share of the run at which somebody dies: half-way between two checkpoints
HALF = 0.5  # share of the run at which half of the nodes join, or one stands still
JITTER = 0.05  # by which a node's seconds vary, up and down


@dataclass
class Course:
    """A run under way. `now`: virtual seconds."""

    run: Run
    material: Material
    now: float = 0.0
    stall: float = 0.0  # longest time in which no node trained, after a death
    traffic: Traffic = field(default_factory=Traffic)
    curve: list[tuple[float, float]] = field(default_factory=list)  # seconds and points
    dead: set[int] = field(default_factory=set)
    on_cable: Counter[float] = field(default_factory=Counter)  # s that `send` took, or would take at other bandwidths
    replicas: list[Replica] = field(init=False)

    def __post_init__(self) -> None:
        parts = self.material.parts(self.run.nodes, self.run.text, self.run.seed)
        self.replicas = [make_replica(self.material, part, self.run) for part in parts]
        self.rng = np.random.default_rng(self.run.seed)
        self.bandwidth = bytes_per_second(self.run.bandwidth)

    @property
    def seconds(self) -> float:
        """What a node of the usual speed takes to train its part, without any exchange."""
        total = sum(replica.trainer.total for replica in self.replicas)
        return total / len(self.replicas) / self.run.speed

    def is_late(self, node: int) -> bool:
        """Whether a node joins at half time only."""
        return self.run.event == "join" and node >= (self.run.nodes + 1) // 2

    def interval(self, node: int) -> int:
        """Words that a node trains from one exchange to the next."""
        return max(1, -(-self.replicas[node].trainer.total // self.run.rounds))

    def train(self, node: int) -> float:
        """Train a node's next words; how long it takes."""
        replica, (trained, total) = self.replicas[node], self.progress()
        own = replica.trainer
        words = replica.train(self.interval(node), (trained - own.trained, total - own.total))
        slower = SLOWER if self.run.event == "slow" and node == self.run.nodes - 1 else 1.0
        return float(words / self.run.speed * slower * self.rng.uniform(1 - JITTER, 1 + JITTER))

    def progress(self) -> tuple[int, int]:
        """Words that all nodes have trained, and that they will have in the end: what a dead one had left is lost."""
        trainers = [replica.trainer for replica in self.replicas]
        total = sum(each.trained if node in self.dead else each.total for node, each in enumerate(trainers))
        return sum(each.trained for each in trainers), total

    def send(self, phases: list[Phase]) -> float:
        """Count messages; how long they take where nothing else is on the way."""
        for phase in phases:
            self.traffic.note(phase.transfers)
            for megabits in BANDWIDTHS:
                self.on_cable[megabits] += phase.seconds(bytes_per_second(megabits))  # type: ignore[assignment]
        return sum(phase.seconds(self.bandwidth) for phase in phases)

    def look(self, model: Callable[[], Floats]) -> None:
        """Score the model, if it is time; DivergedError."""
        trained, total = self.progress()
        if trained * LOOKS < total * (len(self.curve) + 1):
            return
        for replica in self.replicas:
            replica.check()
        weights = model()
        self.curve.append((self.now, self.material.scores(weights[: len(weights) // 2], quick=True)["points"]))

    def result(self, weights: Floats) -> dict[str, Any]:
        """What came of it: scores, seconds, bytes."""
        self.traffic.mark(self.now)
        for replica in self.replicas:
            replica.check()
        there = [r.model.weights for n, r in enumerate(self.replicas) if n not in self.dead]
        cpu = sum(replica.cpu_seconds for replica in self.replicas)
        trained = sum(replica.trainer.trained for replica in self.replicas)
        return {
            **self.material.scores(weights[: len(weights) // 2]),
            "apart": largest_disagreement(there),
            "seconds": self.now,
            "stall": self.stall,
            "trained": trained,
            "pairs": sum(replica.trainer.losses.pairs for replica in self.replicas),
            "words_per_cpu_second": trained / max(cpu, 1e-9),
            "curve": self.curve,
            **bytes_of(self.traffic),
            "seconds_at": self._seconds_at(),
        }

    def _seconds_at(self) -> dict[str, float]:
        """Of a run in rounds, where bandwidth changes nothing but the time: by Mbit/s. Of others nothing."""
        own = self.on_cable[self.run.bandwidth]
        return {f"{megabits:g}": self.now - own + seconds for megabits, seconds in self.on_cable.items()}


def bytes_of(traffic: Traffic) -> dict[str, Any]:
    """Of a run: all, of the busiest cable, by kind and direction, and all by some moments."""
    marks = traffic.marks
    return {
        "bytes": traffic.total,
        "busiest": max(traffic.by_node.values(), default=0),
        "messages": dict(sorted(traffic.sums.items())),
        "sent_at": [*marks[: -1 : max(1, len(marks) // MARKS)], *marks[-1:]],
    }


def forget(baseline: Any, node: int) -> None:
    """A node is gone for good: what the baseline keeps of each node it keeps no more of this one."""
    for name in ("replicas", "residuals", "answered", "shares"):
        getattr(baseline, name, {}).pop(node, None)
    getattr(baseline, "nodes", set()).discard(node)
