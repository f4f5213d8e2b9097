"""A node of a swarm in one process: a protocol core, what it trains, and the machine that it runs on.

What a real node's threads do is done here when it is asked for: training, and the row work that the core orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Collect, DropLink, Instruction, Merge, OpenLink, Settle
from gossipw2v.gossip.records import State
from gossipw2v.simulation.machine import Host
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
class Node:
    """A core, what it trains and where. `refused`: why things were turned away. `refuses`: only the machine lives."""

    name: str
    core: GossipCore
    worker: Worker
    host: Host
    worked_at: float
    began: bool = False
    refused: list[str] = field(default_factory=list)
    dials: int = 0
    refuses: bool = False

    @property
    def alive(self) -> bool:
        """Whether it has not been killed."""
        return self.host.on

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
        core.own.enter(State.JOINING)
        return core.own.ready()

    def begin(self) -> bool:
        """Whether training begins now: the core has just settled in."""
        core = self.core
        if self.began or core.view.vocabulary is None or not core.view.settled_in(self.host.now):
            return False
        core.own.enter(State.TRAINING)
        self.began = True
        return True

    def train(self) -> None:
        """Go on for the time since the last call, once training has begun, and tell the core how far the text is."""
        core, worker, now = self.core, self.worker, self.host.now
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
            core.own.enter(State.COMPLETE if final else State.DRAINING)
            core.own.done(True)

    def rows(self, work: Instruction, now: float) -> Done | None:
        """A piece of row work as the merging thread does it: nothing comes of it if the link is gone by then.

        `now`: the swarm's seconds, by which the model measures an hour.
        """
        model, core = self.model, self.core
        model.now = now
        match work:
            case OpenLink():
                model.open_link(work.link, work.overlap, work.catch_up, work.origin, work.take)
            case DropLink():
                model.drop_link(work.link)
            case Collect() if work.link in model.links:
                got = model.collect(work.link, work.flush, work.room)
                return Done(work.link, len(got.delta), lambda: core.collected(work.link, got))
            case Merge() if work.link in model.links:
                self.worker.before_merge(self.host.now)
                merged = model.merge(work.link, work.delta, work.flush, work.overlap, work.room)
                return Done(work.link, len(merged.delta), lambda: core.merged(work.link, merged, self.host.now))
            case Settle() if work.link in model.links:
                self.worker.before_merge(self.host.now)
                model.settle(work.link, work.sent, work.answer, work.overlap)
                return Done(work.link, 0, lambda: self._settled(work.link))
        return None

    def _settled(self, link: bytes) -> list[Instruction]:
        self.core.settled(link, self.host.now)
        return []
