"""A node of a swarm in one process: a protocol core, what it trains, and the machine that it runs on.

What a real node's threads do is done here when it is asked for: training, and the row work that the core orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gossipw2v.delta import Batch
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Collect, Instruction, Merge, Settle
from gossipw2v.gossip.records import Stage
from gossipw2v.gossip.replica import RowWork, perform
from gossipw2v.simulation.machine import Machine
from gossipw2v.w2v.training.model import Model


class Worker(Protocol):
    """What a node trains: `trained` of `total` tokens so far, into `model`."""

    model: Model
    total: int
    trained: int

    def train(self, seconds: float, others: tuple[int, int]) -> None:
        """Go on for so long; `others` is (trained, total) of the rest of the swarm."""

    def before_merge(self, now: float) -> None:
        """Rows are about to be merged."""

    def restart(self) -> None:
        """The swarm has agreed on another vocabulary: forget everything."""


class Done(NamedTuple):
    """Row work of a link: rows that changed hands, and how the core is told, which says what it wants next."""

    link: bytes
    rows: int
    tell: Callable[[], list[Instruction]]


@dataclass(slots=True)
class SimulatedNode:
    """A core, what it trains and where. `refused`: why things were turned away. `refuses`: only the machine lives."""

    name: str
    core: GossipCore
    worker: Worker
    machine: Machine
    worked_at: float
    began: bool = False
    refused: list[str] = field(default_factory=list)
    dials: int = 0
    refuses: bool = False

    @property
    def alive(self) -> bool:
        """Whether it has not been killed."""
        return self.machine.on

    @property
    def model(self) -> Model:
        """The replica."""
        return self.worker.model

    @property
    def trained(self) -> int:
        """Tokens of its own text that it has trained."""
        return self.worker.trained

    def join(self) -> list[Instruction]:
        """Once the swarm has a vocabulary, tell the core that the model is there; what it asks for then."""
        core = self.core
        if core.view.vocabulary is None or self.began or core.view.has_model:
            return []
        core.own.to_train(self.worker.total)
        core.own.enter(Stage.JOINING)
        return core.own.ready()

    def begin(self) -> bool:
        """Whether training begins now: the core has just settled in."""
        core = self.core
        if self.began or core.view.vocabulary is None or not core.view.settled_in(self.machine.now):
            return False
        core.own.enter(Stage.TRAINING)
        self.began = True
        return True

    def train(self) -> None:
        """Go on for the time since the last call, once training has begun, and tell the core how far the text is."""
        core, worker, now = self.core, self.worker, self.machine.now
        seconds, self.worked_at = now - self.worked_at, now
        if core.view.vocabulary is None or not self.began:
            return
        if worker.trained < worker.total:
            trained, total = core.view.progress(now)
            worker.train(seconds, (trained - worker.trained, total - worker.total))
        if worker.trained != core.view.me.trained:
            core.own.trained(worker.trained)
        if worker.trained >= worker.total:
            final = core.view.final(now)
            core.own.enter(Stage.COMPLETE if final else Stage.DRAINING)
            core.own.done(True)

    def rows(self, work: RowWork, now: float) -> Done | None:
        """A piece of row work as the merging thread does it: nothing comes of it if the link is gone by then.

        `now`: the swarm's seconds, by which the model measures an hour.
        """
        self.model.now = now
        waits = isinstance(work, Collect | Merge | Settle)
        if waits and work.link not in self.model.links:
            return None
        if isinstance(work, Merge | Settle):
            self.worker.before_merge(self.machine.now)
        got = perform(self.model, work)
        return Done(work.link, len(got.delta) if got else 0, lambda: self._told(work, got)) if waits else None

    def _told(self, work: RowWork, got: Batch | None) -> list[Instruction]:
        match work:
            case Collect() if got is not None:
                return self.core.collected(work.link, got)
            case Merge() if got is not None:
                return self.core.merged(work.link, got, self.machine.now)
        self.core.settled(work.link, self.machine.now)
        return []
