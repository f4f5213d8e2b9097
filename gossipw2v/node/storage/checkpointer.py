"""A node's checkpoints in its data directory: the one that it goes on from, and those that it writes.

Writing happens in a thread, one checkpoint at a time, beside training and gossip. What goes wrong there is counted and
shown, and tried again with the next; the last whole checkpoint stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from gossipw2v import __version__
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.overlay.provenance import VersionVector
from gossipw2v.gossip.overlay.retained import SavedLink
from gossipw2v.gossip.records import STEM_BYTES, NodeId, stem
from gossipw2v.node.session import Session
from gossipw2v.node.storage import generations, saved_links
from gossipw2v.node.storage.checkpoint import (
    About,
    Checkpoint,
    CheckpointError,
    Contents,
    Floats,
    SavedState,
    Updates,
    write,
)
from gossipw2v.system.durable import DISK, Disk
from gossipw2v.system.logs import get_logger
from gossipw2v.system.sections import DamagedError
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.rounds.rounds import TextRounds

MOST_ADDRESSES = 64  # members remembered: one that answers is enough
LOOP_PATIENCE = 30.0  # s for the event loop to say how far the node is

T = TypeVar("T")
Progress = tuple[int, int, bool, VersionVector]

log = get_logger("checkpointer")


@dataclass(frozen=True, slots=True)
class Back:
    """A checkpoint to go back to, and int64[2V] updates that are surely in its rows."""

    found: Checkpoint
    counted: Updates

    def put(self, weights: Floats, updates: Updates) -> bool:
        """Read it into float32[2V, D] and int64[2V]; whether it was there, and whole."""
        try:
            self.found.restore(weights, updates)
        except CheckpointError as error:
            log.warning("no checkpoint to go back to", why=str(error))
            return False
        updates[:] = self.counted
        return True


@dataclass(slots=True)
class Totals:
    """What came of writing and reading, for people."""

    written: int = 0  # checkpoints
    failures: int = 0  # attempts to write one
    damaged: int = 0  # files that were found and not used
    size: int = 0  # bytes of the last one that was written
    seconds: float = 0.0  # that the last attempt took


@dataclass(slots=True)
class Checkpointer:
    """Checkpoints in `folder`, of a job with these fields; `resumed` is the one that this node has gone on from.

    `generation`: of the last one that was written or tried. `trouble`: why the last attempt failed, None if it did not.
    """

    folder: Path
    job: dict[str, str]
    disk: Disk = DISK
    resumed: Checkpoint | None = None
    generation: int = 0
    rounds: TextRounds | None = None  # of text that was trained; None where a graph is
    totals: Totals = field(default_factory=Totals)
    trouble: str | None = None
    _newest: int = 0
    _saved: Progress | None = None
    _saved_at: float | None = None
    _began_at: float | None = None
    _counted: Updates | None = None
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    # -- the one to go on from ------------------------------------------------------------------------------

    def look(self, fresh: bool) -> None:
        """Find the checkpoint to go on from, in a thread; with `fresh` whatever there is is kept and not used.

        CheckpointError if one belongs to another job or program; it is left as it is. OSError.
        """
        if fresh:
            for path in generations.set_aside(self.folder, self.disk):
                log.warning("starting over; the checkpoint is kept", path=str(path))
        found = generations.find(self.folder)
        if found.newest is not None:
            self._check_job(found.newest)
        for path, why in found.damaged.items():
            self.totals.damaged += 1
            kept = generations.set_damaged_aside(path, self.disk)
            log.error("a damaged checkpoint is not used", path=str(path), why=why, kept=str(kept))
        self.resumed = found.newest
        self.generation, self._newest = found.last, found.newest.generation if found.newest else 0
        if found.newest is not None:
            log.info("going on from", path=str(found.newest.path), complete=found.newest.state.complete)

    def look_for_text(self, corpus: Corpus) -> None:
        """See what there is of the text of the model to go on from, and what is new, in a thread. CorpusError."""
        if self.rounds is not None and self.resumed is not None:
            self.rounds.take_up(corpus, self.resumed.about.text, self.resumed.state.complete)

    @property
    def was_done(self) -> bool:
        """Whether the model that this node has gone on from was that of a whole swarm that had come to its end."""
        return self.resumed is not None and self.resumed.state.complete

    def _check_job(self, found: Checkpoint) -> None:
        theirs = found.about.job
        names = sorted(name for name in self.job.keys() | theirs.keys() if self.job.get(name) != theirs.get(name))
        if names and not (names == ["epochs"] and _is_more(theirs["epochs"], self.job["epochs"])):
            told = ", ".join(f"{name} is {theirs.get(name)!r} there and {self.job.get(name)!r} here" for name in names)
            raise CheckpointError(f"{found.path}: is of another job: {told}; {_WAYS_OUT}")

    def next_life(self, drawn: NodeId) -> NodeId:
        """The id of this life, from 16 random bytes: with the stem of the one before, if there was one."""
        return drawn if self.resumed is None else stem(self.resumed.state.node) + drawn[STEM_BYTES:]

    def restore(self, session: Session, text: bytes) -> bool:
        """Put a new session where the checkpoint was, in a thread; returns whether there was one for its vocabulary.

        `text`: checksum of the encoded text. CheckpointError if that is another than the checkpoint's.
        """
        found, self.resumed, self._counted = self.resumed, None, None
        if found is None:
            return False
        begins = self.rounds is not None and self.rounds.begins
        if found.about.vocabulary != session.vocab.digest.hex():
            kept = generations.set_aside(self.folder, self.disk)
            log.warning("the checkpoint is of a vocabulary that was given up", kept=", ".join(map(str, kept)))
            return False
        if found.about.text != text.hex() and not begins:
            why = (
                "was trained on another text than there is now, or with another --held-out, --encoding or --graph-share"
            )
            raise CheckpointError(f"{found.path}: {why}; {_WAYS_OUT}")
        found.restore(session.model.weights, session.model.updates)
        try:
            if not begins:
                session.trainer.resume(found.state.places, found.state.losses)
            session.trainer.recipe = replace(session.trainer.recipe, lift=found.state.lift)
        except ValueError as error:
            raise CheckpointError(f"{found.path}: {error}") from error
        self.resumed, self._counted = found, session.model.updates.copy()
        return True

    async def between(self, work: Callable[[], None]) -> None:
        """Do some work, in a thread, while no checkpoint is written: one holds text and places that belong together."""
        async with self._writing:
            await asyncio.to_thread(work)

    @property
    def pausing(self) -> asyncio.Lock:
        """While this is held no checkpoint is written."""
        return self._writing

    def grown(self) -> None:
        """The model has other rows now: what is on disk is older, and nothing to go back to."""
        self._counted = self._saved = None

    async def back(self, session: Session) -> Back | None:
        """The newest checkpoint of a session's model, to go back to; None if there is none that is whole."""
        async with self._writing:
            return await asyncio.to_thread(self._back, session)

    def _back(self, session: Session) -> Back | None:
        """With the updates as they were when its writing began: those inside were read after the rows."""
        if self._counted is None:
            return None
        try:
            found = generations.find(self.folder).newest
        except (OSError, CheckpointError) as error:
            log.warning("no checkpoint to go back to", why=str(error))
            return None
        ours = found is not None and found.about.vocabulary == session.vocab.digest.hex()
        return Back(found, self._counted) if found is not None and ours else None

    def links(self, session: Session) -> list[SavedLink]:
        """Put the references that belong to the checkpoint into a new session's model, in a thread; their links.

        Damaged ones are left out: those links begin anew.
        """
        if self.resumed is None or self.totals.damaged:  # what is older than the others know must not look like new
            return []
        generation, model = self.resumed.generation, session.model
        path, shape = generations.links_of(self.folder, generation), (len(model.weights), model.vector_size)
        kept: list[SavedLink] = []
        try:
            for saved, held in saved_links.read(path, generation, self.resumed.state.node, shape):
                model.take_up(saved.link, held)
                kept.append(saved)
        except FileNotFoundError:
            pass
        except (OSError, DamagedError) as error:
            self.totals.damaged += 1
            log.warning("links begin anew: damaged references are not used", path=str(path), why=str(error))
        if kept:
            log.info("links kept", links=len(kept))
        return kept

    # -- the next -------------------------------------------------------------------------------------------

    async def save(self, core: GossipCore, session: Session, counted: tuple[int, ...]) -> None:
        """Write a checkpoint, unless nothing has changed since the last; never raises for what a disk does."""
        async with self._writing:
            loop = asyncio.get_running_loop()
            change = _progress(core, session, loop.time())
            if _is_kept(change, self._saved):
                return
            self.generation, self._began_at = self.generation + 1, time.monotonic()
            contents, updates = self._contents(core, session, counted, loop), session.model.updates.copy()
            try:
                self.totals.size = await asyncio.to_thread(self._write, contents)
                self._saved, self._saved_at, self._counted = change, time.monotonic(), updates
                await asyncio.to_thread(generations.prune, self.folder, self._newest, self.disk)
                self.trouble = None
            except (OSError, ValueError) as error:
                self.totals.failures += 1
                self.trouble = f"checkpoint {self.generation} could not be written: {error}; {self._rest()}"
            finally:
                self.totals.seconds, self._began_at = time.monotonic() - self._began_at, None

    async def save_links(self, core: GossipCore, session: Session) -> None:
        """Write the references that go with the last checkpoint; nothing changes any more. Never raises for a disk."""
        held = session.model.references()
        links = [(saved, held[saved.link]) for saved in core.view.saved_links() if saved.link in held]
        if not links or self._saved is None or self.unkept is not None:
            return
        path, generation = generations.links_of(self.folder, self._newest), self._newest
        try:
            await asyncio.to_thread(saved_links.write, path, generation, core.node, links, self.disk)
            log.info("links kept", links=len(links))
        except OSError as error:
            log.warning("links begin anew next time: their references could not be written", why=str(error))

    def _write(self, contents: Contents) -> int:
        size = write(generations.path_of(self.folder, self.generation), self.generation, contents, self.disk)
        self._newest, self.totals.written = self.generation, self.totals.written + 1
        return size

    def _contents(
        self, core: GossipCore, session: Session, counted: tuple[int, ...], loop: asyncio.AbstractEventLoop
    ) -> Contents:
        model, vocabulary = session.model, core.view.vocabulary
        assert vocabulary is not None
        about = About(
            __version__,
            self.job,
            session.vocab.digest.hex(),
            session.text.hex(),
            len(session.vocab),
            model.vector_size,
            counted,
        )
        return Contents(
            about, vocabulary, model.weights, model.updates, lambda: _in_loop(loop, lambda: state_of(core, session))
        )

    def _rest(self) -> str:
        return f"the last whole one is {self._newest}" if self._newest else "there is none yet"

    # -- for people -----------------------------------------------------------------------------------------

    @property
    def unkept(self) -> str | None:
        """Why the last checkpoint that was tried is not on disk, or None if it is."""
        return self.trouble if self.generation != self._newest else None

    def problem(self, patience: float) -> str | None:
        """What is wrong with the checkpoints; one that takes longer than `patience` seconds is."""
        took = time.monotonic() - self._began_at if self._began_at is not None else 0.0
        if took > patience:
            return f"checkpoint {self.generation} takes more than {patience:g} s: the disk is slow; {self._rest()}"
        return self.trouble

    def describe(self) -> dict[str, Any]:
        """For `/status`."""
        return {
            "generation": self._newest or None,
            "age_seconds": time.monotonic() - self._saved_at if self._saved_at is not None else None,
            "bytes": self.totals.size,
            "seconds": self.totals.seconds,
            "written": self.totals.written,
            "failures": self.totals.failures,
            "damaged": self.totals.damaged,
            "resumed_from": self.resumed.generation if self.resumed else None,
        }


def _is_more(before: str, now: str) -> bool:
    """Whether a number of epochs, as a job has it, has been raised."""
    return before.isdecimal() and int(now) > int(before)


def _progress(core: GossipCore, session: Session, now: float) -> Progress:
    """What differs when there is something to write: what was trained here shows in the updates.

    Residuals of others and names of origins come without any, but links take them for known.
    """
    others = {origin: n for origin, n in core.view.claims().items() if origin != core.node}
    return int(session.model.updates.sum()), session.model.came, core.view.final(now), others


def _is_kept(now: Progress, saved: Progress | None) -> bool:
    """Whether there is nothing to write: a final model is that still when others come, or its parent leaves."""
    if saved is None or now == saved:
        return saved is not None
    return saved[2] and (now[:2], now[3]) == (saved[:2], saved[3])


def state_of(core: GossipCore, session: Session) -> SavedState:
    """How far a node is; called in the event loop, after the rows of the checkpoint were taken."""
    trainer = session.trainer
    core.own.trained(session.trained)
    now = asyncio.get_running_loop().time()
    return SavedState(
        core.node,
        core.view.final(now),
        core.view.claims(),
        {**core.view.lives(), core.node: session.trained},
        tuple(trainer.cursor.positions),
        tuple(trainer.losses.by_epoch),
        tuple(core.view.members.addresses(now))[:MOST_ADDRESSES],
        tuple(core.tasks.done()),
        trainer.recipe.lift,
    )


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], T]) -> T:
    """What `call` returns in the event loop; for another thread."""

    async def called() -> T:
        return call()

    return asyncio.run_coroutine_threadsafe(called(), loop).result(LOOP_PATIENCE)


_WAYS_OUT = "give what it was made with or another --data-dir, or start over with --fresh, which keeps it"
