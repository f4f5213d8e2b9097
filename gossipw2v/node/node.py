"""One node's parts and what they tell each other: the core asks, the model answers, people look.

The parts are made once (`Node`); the stages of a job (`work`) and the process around it (`daemon`) only use them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from gossipw2v.config.job import Job, job_fields
from gossipw2v.config.node import Config
from gossipw2v.delta import Batch, DeltaError
from gossipw2v.gossip.census import COUNTS
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Collect, Freeze, Instruction, Merge, OpenLink, Received, Settle
from gossipw2v.gossip.messages import ProtocolError
from gossipw2v.gossip.records import Member, Stage
from gossipw2v.gossip.replica import RowWork
from gossipw2v.node.checkpointer import Keeper
from gossipw2v.node.session import Learner
from gossipw2v.node.snapshot import (
    describe_corpus,
    describe_held_out,
    describe_job,
    describe_links,
    describe_load,
    describe_members,
    describe_progress,
    describe_start,
    describe_vocabulary,
)
from gossipw2v.node.waiting import describe, reason
from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import return_memory, usable_cores
from gossipw2v.system.metrics import Metrics
from gossipw2v.system.pulse import Pulse
from gossipw2v.transport.network import Network
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.heldout import Division
from gossipw2v.w2v.text.vocab import Counts, Vocab, VocabError, freeze, merge_counts
from gossipw2v.w2v.word2vec_format import ExportError, check_finite, lines

log = get_logger("node")


@dataclass(slots=True)
class Node:
    """The parts; `core` and `network` as of `begin`.

    `vocabularies` brings every vocabulary that this node is to train with, the first and any later; an error: none can
    be made of what was counted. `where`: the addresses that were really bound, for people.
    `stage`: what the node does before it counts, None from then on; `begun`: whether there are `core` and `network`.
    `entered`: when it came to its `state`. `stuck`: why it seems not to get on, None if it does.
    `stopping`: set when the node was told to end. `divergences`: how often the model has diverged; `failure`: why this
    node has failed and is about to end, None as long as it has not.
    """

    config: Config
    random: bytes
    now: float
    state: Stage = Stage.COUNTING
    learner: Learner | None = None
    metrics: Metrics = field(default_factory=Metrics)
    pulse: Pulse = field(default_factory=Pulse)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    vocabularies: asyncio.Queue[Vocab | VocabError] = field(default_factory=asyncio.Queue)
    problems: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    stage: str | None = "starting"
    begun: bool = False
    entered: float = 0.0
    divergences: int = 0
    stuck: str | None = None
    failure: str | None = None
    core: GossipCore = field(init=False)
    network: Network = field(init=False)
    corpus: Corpus = field(init=False)
    keeper: Keeper = field(init=False)
    _background: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        config = self.config
        division = Division(config.held_out, config.job.seed)
        threads = config.threads or usable_cores()
        self.corpus = Corpus(config.corpus, config.data_dir, threads, division, config.encoding)
        job = {name: str(value) for name, value in job_fields(config.job).items()}
        self.keeper = Keeper(config.data_dir, job)

    def begin(self) -> None:
        """Make the core, with the id of this life; after the keeper has looked for an earlier one."""
        config = self.config
        rules = GossipConfig(
            job=self.keeper.job,
            interval=config.exchange_interval,
            max_bandwidth=config.max_bandwidth,
            seats=config.children,
            lost_patience=config.lost_patience,
            quiet=config.settle_seconds if config.peers != ("none",) else 0.0,
            banned=config.ban,
        )
        me = Member(self.keeper.next_life(self.random[:16]), 0, Stage.COUNTING, min_peers=config.min_peers)
        self.core = GossipCore(me, rules, Random(self.random), self.now)
        self.network = Network(self.core, self.metrics, self._on_rows)
        self.begun = True

    # -- what the core asks for -----------------------------------------------------------------------------

    def _on_rows(self, instruction: Instruction) -> None:
        match instruction:
            case Freeze():
                self._start(self._freeze(instruction.origins), "freeze")
            case Received():
                self._received(instruction)
            case _ if self.learner is not None:
                self._count_event(instruction)
                if isinstance(instruction, OpenLink):
                    instruction = replace(instruction, host=self.core.view.host_of(instruction.link))
                self.learner.merger.submit(instruction)  # type: ignore[arg-type]
            case _:
                log.debug("no model yet", instruction=type(instruction).__name__)

    def _count_event(self, instruction: Instruction) -> None:
        match instruction:
            case OpenLink(overlap=True):
                self.metrics.happened("reset")
            case OpenLink():
                self.metrics.happened("link_opened")
            case Merge(overlap=True):
                self.metrics.happened("adasum")

    def merged(self, work: RowWork, result: Batch | Exception | None) -> None:
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

    async def _freeze(self, origins: tuple[str, ...]) -> None:
        try:
            data = await asyncio.to_thread(_frozen, [self.counts[name] for name in origins], self.config.job)
        except VocabError as error:
            self.vocabularies.put_nowait(error)
            return
        self._let_go()  # before there are new words: they take the place of the old
        vocab = await asyncio.to_thread(Vocab.from_bytes, data)
        log.info("froze the vocabulary", nodes=len(origins), words=len(vocab))
        self.adopt(vocab, data)

    def _received(self, blob: Received) -> None:
        """Counts or a vocabulary from another node: believed only as far as they can be checked."""
        try:
            if blob.name.startswith(COUNTS):
                self.counts[blob.name] = Counts.from_bytes(blob.data)
                self.core.own.hold_counts(blob.name, blob.data)
            else:
                self.adopt(Vocab.from_bytes(blob.data), blob.data)
        except VocabError as error:
            self.core.own.reject(blob.data)
            self.metrics.refused("blob")
            log.warning("refused", name=blob.name, text=str(error))

    def adopt(self, vocab: Vocab, data: bytes) -> None:
        """Train with `vocab`, which is `data` as bytes, and offer it to others."""
        self._let_go()
        self.network.perform(self.core.own.frozen(data, vocab.tokens))
        self.vocabularies.put_nowait(vocab)

    def _let_go(self) -> None:
        """Counts are of no use once there is a vocabulary, and large."""
        self.counts.clear()
        self.corpus.let_go()
        return_memory()

    # -- what people see ------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The `/status` answer; a short one as long as there are no parts to describe."""
        now = asyncio.get_running_loop().time()
        if not self.begun:
            return describe_start(self.config, self._shown_state(), now - self.now, self.where)
        self.problem("checkpoint", self.keeper.problem(self.config.checkpoint_interval))
        return {
            **describe_job(self.config, self.core, self._shown_state()),
            "uptime_seconds": now - self.now,
            "addresses": self.where,
            "tls": self.network.credentials is not None,
            "vocabulary": describe_vocabulary(self.learner),
            "progress": describe_progress(self.config, self.core, self.learner, now),
            "held_out": describe_held_out(self.config, self.learner),
            "members": describe_members(self.core, now),
            "links": describe_links(self.core, self.learner),
            "standing": self.core.view.scores(now),
            "load": describe_load(self.learner, self.pulse),
            "refusals": self.metrics.refusals(),
            "events": self.metrics.events(),
            "corpus": describe_corpus(self.corpus),
            "checkpoint": self.keeper.describe(),
            "divergences": self.divergences,
            "failure": self.failure,
            "stuck": self.stuck,
            "waiting": self.waiting(),
            "degraded": bool(self.problems),
            "problems": list(self.problems.values()),
        }

    def waiting(self) -> dict[str, Any] | None:
        """What this node waits for, and who is there; None if it does not wait."""
        now = self.network.now()
        why = reason(self.core, self.state, now) if self.stage is None else None
        return None if why is None else describe(self.core, self.network.contacts, why, now - self.entered, now)

    def _shown_state(self) -> str:
        if self.failure is not None:
            return "failed"
        return "stopping" if self.stopping.is_set() else self.stage or self.state.name.lower()

    def export(self) -> tuple[int, Iterator[bytes]]:
        """Words and the word2vec text of the model as it is now.

        LookupError if there is none yet, ExportError if the model has failed or holds a value that is not finite.
        """
        if self.learner is None:
            raise LookupError("no model yet: the vocabulary is not frozen")
        if self.failure is not None:
            raise ExportError(self.failure)
        words, vectors = self.learner.vocab.words, self.learner.model.syn0
        check_finite(words, vectors)
        return len(words), lines(words, vectors)

    def enter(self, state: Stage) -> None:
        """Go to another stage; the swarm is told with the next beat."""
        self.state, self.entered = state, self.network.now()
        self.core.own.enter(state)
        log.info("state", state=state.name.lower())

    def problem(self, part: str, text: str | None) -> None:
        """Show what does not work, or that it works again."""
        if text is None:
            self.problems.pop(part, None)
        elif self.problems.get(part) != text:
            self.problems[part] = text
            log.warning("problem", part=part, text=text)

    def fail(self, why: str) -> None:
        """This node is of no use any more: say so, once."""
        self.failure = self.problems["model"] = why
        log.critical("failed", problem=why)

    # -- the model ------------------------------------------------------------------------------------------

    async def save(self) -> None:
        """Write a checkpoint if there is anything new; not of a model that waits for what others have, or is broken.

        The loss on held-out text is measured first, so that a slow disk does not hold it up.
        """
        if self.learner is not None and self.state >= Stage.TRAINING and self.failure is None:
            await self.evaluate(self.learner, self.state is Stage.COMPLETE)
            await self.keeper.save(self.core, self.learner, self.corpus.totals())
            self.problem("checkpoint", self.keeper.trouble)

    async def evaluate(self, learner: Learner, last: bool) -> None:
        """Measure the loss on held-out text, in a thread, if there is a new one and it is time, or the `last`.

        Not of a model that has diverged and is to be mended: nobody goes on with that one.
        """
        if learner.trainer.breach is not None:
            return
        trainer, evaluation, now = learner.trainer, learner.evaluation, self.network.now()
        trained, swarm = trainer.before + trainer.trained, self.core.view.progress(now)[0]
        if evaluation.due((trained, swarm, learner.model.came), now, last):
            loss = await asyncio.to_thread(evaluation.measure, trained, swarm)
            log.info("loss on held-out text", loss=round(loss, 4), pairs=len(evaluation.pairs.outputs), trained=trained)

    async def save_links(self) -> None:
        """Keep the links for the next life of a node that was told to stop and has said goodbye."""
        ends = self.stopping.is_set() and self.failure is None
        if self.learner is not None and self.state >= Stage.TRAINING and ends:
            await self.keeper.save_links(self.core, self.learner)

    def close_learner(self) -> None:
        """Stop the threads that train and merge; the model is let go."""
        learner, self.learner = self.learner, None
        if learner is not None:
            learner.close()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.problem(task.get_name(), str(error))


def _frozen(parts: list[Counts], job: Job) -> bytes:
    return freeze(merge_counts(parts), job.min_count, job.max_vocab).to_bytes()
