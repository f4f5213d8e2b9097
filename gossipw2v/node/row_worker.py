"""The one thread in which rows change hands, so that neither the event loop nor training waits for a merge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gossipw2v.delta import Batch, DeltaError
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Collect, Merge, OpenLink, Settle
from gossipw2v.gossip.messages import ProtocolError
from gossipw2v.gossip.replica import RowWork, perform
from gossipw2v.system.logs import get_logger
from gossipw2v.system.metrics import Metrics
from gossipw2v.transport.network import Network
from gossipw2v.w2v.training.estimates import Estimates
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Trainer

T = TypeVar("T")

log = get_logger("rows")

PATIENCE = 5.0  # s for what is queued


@dataclass(slots=True)
class RowWorker:
    """Performs the core's row work on `model`, one piece after the other, and hands results to `report`.

    `report(work, result)` runs in the event loop; `result` is a Batch, None, or the exception that was raised.
    """

    model: Model
    trainer: Trainer
    report: Callable[[RowWork, Batch | Exception | None], None]
    cpu_seconds: float = 0.0
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "merge"))
    _held: list[tuple[RowWork, asyncio.AbstractEventLoop]] = field(default_factory=list)
    _estimates: Estimates = field(init=False)
    _later: list[RowWork] | None = None  # work that came while rows are renumbered; None: they are not

    def __post_init__(self) -> None:
        self._estimates = Estimates(self.model, self.trainer, time.monotonic())

    def follow(self, trainer: Trainer) -> None:
        """Go by another trainer of the same model."""
        self.trainer = self._estimates.trainer = trainer

    def submit(self, work: RowWork) -> None:
        """Queue a piece of work; the core keeps at most one exchange per link under way, so the queue is short."""
        if self._later is not None:
            self._later.append(work)
            return
        loop = asyncio.get_running_loop()
        self._thread.submit(self._perform, work, loop)

    async def run(self, work: Callable[[], T]) -> T:
        """Do something in the thread, after all that was submitted; what was reported of that has been handled then."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def hold(self) -> None:
        """Keep what is submitted from now on until `release`."""
        self._later = []

    def release(self, names: dict[bytes, bytes]) -> None:
        """Do what was kept; links have new names by now, by the old ones."""
        later, self._later = self._later or [], None
        for work in later:
            self.submit(replace(work, link=names.get(work.link, work.link)))

    async def mend(self, model: Callable[[], None]) -> None:
        """Mend the model between two pieces of work, then do what has been held back since it diverged."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._mend, model)

    async def idle(self) -> None:
        """Return when all that was submitted is done and reported, or at the latest after some seconds."""
        loop = asyncio.get_running_loop()
        await asyncio.wait([loop.run_in_executor(self._thread, int)], timeout=PATIENCE)

    def close(self) -> None:
        """Finish the piece under way and drop the rest; returns within a few milliseconds' work."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _mend(self, model: Callable[[], None]) -> None:
        model()
        held, self._held = self._held, []
        for each in held:
            self._perform(*each)

    def _perform(self, work: RowWork, loop: asyncio.AbstractEventLoop) -> None:
        if self.trainer.breach is not None:  # nothing of a model that has diverged goes out, nor into it
            self._held.append((work, loop))
            return
        began = time.thread_time()
        result: Batch | Exception | None
        try:
            result = self._do(work)
        except Exception as error:  # goes to the loop, which ends the link
            result = error
        self.cpu_seconds += time.thread_time() - began
        try:
            loop.call_soon_threadsafe(self.report, work, result)
        except RuntimeError:
            return  # the loop is closed: the daemon is stopping

    def _do(self, work: RowWork) -> Batch | None:
        if isinstance(work, Merge | Settle):
            self._look_at_the_clock()
        return perform(self.model, work)

    def _look_at_the_clock(self) -> None:
        self.model.now = time.monotonic()
        self._estimates.refresh(self.model.now)


@dataclass(slots=True)
class RowReports:
    """Tells the core what came of its row work, in the event loop, and counts it."""

    core: GossipCore
    network: Network
    metrics: Metrics

    def prepared(self, work: RowWork) -> RowWork:
        """A piece of work as it goes to the row worker: counted, and a new link with the host at its other end."""
        self._count(work)
        return replace(work, host=self.core.view.host_of(work.link)) if isinstance(work, OpenLink) else work

    def _count(self, instruction: RowWork) -> None:
        match instruction:
            case OpenLink(overlap=True):
                self.metrics.happened("reset")
            case OpenLink():
                self.metrics.happened("link_opened")
            case Merge(overlap=True):
                self.metrics.happened("adasum")

    def done(self, work: RowWork, result: Batch | Exception | None) -> None:
        """A piece of row work is done; runs in the event loop."""
        now = self.network.now()
        if isinstance(result, DeltaError):
            self.network.perform(self.core.broken(work.link, ProtocolError(result.reason, str(result)), now))
        elif isinstance(result, KeyError):
            return  # the link was dropped while this waited
        elif isinstance(result, Exception):
            log.error("merging failed", exc_info=result)
            self.network.perform(self.core.broken(work.link, ProtocolError("internal", "merging failed"), now))
        elif isinstance(work, Collect) and result is not None:
            self.network.perform(self.core.collected(work.link, result))
        elif isinstance(work, Merge) and result is not None:
            self.metrics.exchanged()
            self.network.perform(self.core.merged(work.link, result, now))
            if result.clipped:
                self._clipped(work.link, result.clipped, now)
        elif isinstance(work, Settle) and (seconds := self.core.settled(work.link, now)) is not None:
            self.metrics.exchanged(seconds)

    def _clipped(self, link: bytes, rows: int, now: float) -> None:
        found, host = self.core.view.link(link), self.core.view.host_of(link)
        log.warning("rows were to move too far", rows=rows, peer=found.peer.hex() if found else None, host=host)
        self.metrics.clipped(rows)
        self.network.perform(self.core.clipped(link, now))
