"""Swarms in one process whose nodes share a text: real cores, and a book of what was trained."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Swarm
from gossipw2v.w2v.training.model import Model

VOCABULARY = b"V" * 16
MEETING = 40.0  # s after which nodes that were parted have met again


@dataclass
class Book:
    """Who began and who ended each task, and why one may have been begun more than once."""

    begun: Counter[int] = field(default_factory=Counter)
    ended: Counter[int] = field(default_factory=Counter)
    excused: Counter[int] = field(default_factory=Counter)  # in flight at a death
    apart: Counter[int] = field(default_factory=Counter)  # begun anew, or given up, since nodes did not hear each other
    contested: set[int] = field(default_factory=set)  # tasks that two nodes held then

    def begins(self, task: int) -> None:
        if self.begun[task] and task in self.contested:
            self.apart[task] += 1
        self.begun[task] += 1

    def loses(self, task: int) -> None:
        if task in self.contested:
            self.apart[task] += 1

    def excess(self) -> dict[int, int]:
        """Tasks that were begun more often than there is a reason for."""
        return {t: n for t, n in self.begun.items() if n > 1 + self.excused[t] + self.apart[t]}


@dataclass
class Sharer:
    """Trains what its core takes, `speed` tokens a second."""

    model: Model
    book: Book
    tokens: tuple[int, ...]
    passes: int
    speed: float
    node: SimulatedNode = field(init=False)
    trained: int = 0
    task: int | None = None
    left: float = 0.0

    @property
    def total(self) -> int:
        return self.trained + (not self.node.core.tasks.complete)

    def train(self, seconds: float, others: tuple[int, int]) -> None:
        tasks, now = self.node.core.tasks, self.node.machine.now
        if not tasks.tokens:
            tasks.begin(VOCABULARY, self.tokens, self.passes)
        for task in tasks.lost():
            self.book.loses(task)
            self.task = None if task == self.task else self.task
        owed = seconds * self.speed
        while owed > 0 and (self.task is not None or self._take(now)):
            done = min(owed, self.left)
            owed, self.left = owed - done, self.left - done
            if self.left <= 0:
                self._end()
        self.node.core.own.to_train(self.trained + tasks.left())

    def _take(self, now: float) -> bool:
        self.task = self.node.core.tasks.next(now)
        if self.task is None:
            return False
        self.left = self.tokens[self.task % len(self.tokens)]
        self.book.begins(self.task)
        return True

    def _end(self) -> None:
        assert self.task is not None
        self.trained += self.tokens[self.task % len(self.tokens)]
        self.node.core.tasks.finished(self.task)
        self.book.ended[self.task] += 1
        self.task = None

    def before_merge(self, now: float) -> None:
        pass

    def restart(self) -> None:
        assert not self.trained, "the swarm has one vocabulary"


@dataclass
class Sharing:
    """A swarm whose nodes share `pieces` pieces of `each` tokens."""

    seed: int
    pieces: int = 20
    each: int = 100
    passes: int = 2
    lost_patience: float = 10.0
    book: Book = field(default_factory=Book)
    swarm: Swarm = field(init=False)
    healed_at: float = float("-inf")  # when all ways are free again

    def __post_init__(self) -> None:
        rules = GossipConfig(
            job={"job": "test", "corpus": "D"}, interval=4.0, quiet=1.0, lost_patience=self.lost_patience, listing=b"f"
        )
        self.swarm = Swarm(seed=self.seed, rules=rules, tick=0.2)

    @property
    def size(self) -> int:
        """All tasks."""
        return self.pieces * self.passes

    def add(self, name: str, speed: float, min_peers: int = 0) -> SimulatedNode:
        model = Model(lambda: np.zeros((4, 2), np.float32), budget=4)
        worker = Sharer(model, self.book, (self.each,) * self.pieces, self.passes, speed)
        worker.node = self.swarm.add(name, worker, min_peers)
        return worker.node

    def start(self, *speeds: float) -> None:
        names = [f"n{i}" for i in range(len(speeds))]
        for name, speed in zip(names, speeds, strict=True):
            self.add(name, speed, len(speeds) - 1)
        for name in names:
            self.swarm.introduce(name, *[other for other in names if other != name])
            self.swarm.count(name, b"the same")

    def join(self, name: str, speed: float) -> None:
        known = [node.name for node in self.swarm.living()]
        self.add(name, speed)
        self.swarm.introduce(name, *known)
        self.swarm.count(name, b"the same")

    def kill(self, name: str, silent: bool) -> None:
        """What it had in hand, and what nobody has heard of yet, may be trained again."""
        dying = self.swarm.nodes[name].core.tasks
        self.swarm.kill(name, silent)
        heard = set().union(*(node.core.tasks.table.done for node in self.swarm.living()))
        self.book.excused.update(dying.taken | (dying.table.done - heard))

    def look(self) -> None:
        """Note which tasks several hold, or have done, while the swarm is parted, or just was."""
        if self.swarm.now < self.healed_at + MEETING:
            tables = [node.core.tasks.table for node in self.swarm.living()]
            for task in range(self.size):
                if len({table.get(task).owner for table in tables}) > 1:
                    self.book.contested.add(task)

    def complete(self) -> bool:
        return all(node.core.tasks.complete for node in self.swarm.living())

    def run(self, seconds: float) -> bool:
        """Go on until all is done, at most so long."""
        end = self.swarm.now + seconds
        while self.swarm.now < end and not self.complete():
            self.look()
            self.swarm.run(0.5)
        return self.complete()

    # -- faults ---------------------------------------------------------------------------------------------

    def disturb(self, kinds: tuple[str, ...], seconds: float) -> None:
        """Let some of it happen, every few seconds on average."""
        rng, at = self.swarm.rng, 5.0
        while (at := at + rng.expovariate(1 / 4)) < seconds:
            fault = getattr(self, f"_{rng.choice(kinds)}")
            self.swarm.clock.at(at, fault)

    def _kill(self) -> None:
        living = [node.name for node in self.swarm.living()]
        if len(living) > 2 and not self.complete():
            self.kill(self.swarm.rng.choice(living), self.swarm.rng.random() < 0.5)

    def _join(self) -> None:
        if len(self.swarm.living()) < 6:
            self.join(f"n{len(self.swarm.nodes)}", self.swarm.rng.choice((40, 80, 120)))

    def _partition(self) -> None:
        names = [node.name for node in self.swarm.living()]
        part = set(self.swarm.rng.sample(names, self.swarm.rng.randrange(1, len(names))))
        self.swarm.partition(part, set(self.swarm.nodes) - part)
        seconds = self.swarm.rng.choice((2.0, 15.0, 40.0))
        self.healed_at = max(self.healed_at, self.swarm.now + seconds)
        self.swarm.clock.at(seconds, self.swarm.partition)
