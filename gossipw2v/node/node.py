"""One node's parts and what they tell each other: the core asks, the model answers, people look.

The parts are made once (`Node`); the stages of a job (`work`) and the process around it (`daemon`) only use them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field, replace
from random import Random
from typing import Any

from gossipw2v.config.job import job_fields
from gossipw2v.config.node import Config
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Collect, DropLink, Freeze, Instruction, Merge, OpenLink, Received, Settle
from gossipw2v.gossip.records import Member, Portion, Stage
from gossipw2v.gossip.tasks.listing import CORPUS
from gossipw2v.node.agreement import VocabularyAgreement, VocabularyGrowth, may_grow, proposes_words
from gossipw2v.node.condition import Condition
from gossipw2v.node.row_worker import RowReports
from gossipw2v.node.session import Session
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
from gossipw2v.node.storage.checkpointer import Checkpointer
from gossipw2v.node.storage.export import stream
from gossipw2v.node.storage.inputs import read_given
from gossipw2v.node.waiting import describe, reason
from gossipw2v.status.query import ExportRequest
from gossipw2v.system.logs import get_logger
from gossipw2v.system.metrics import Metrics
from gossipw2v.transport.network import Network
from gossipw2v.w2v.evaluation.probe import Probe
from gossipw2v.w2v.given.given import NOTHING, Given
from gossipw2v.w2v.growth.ledger import WaitingWords
from gossipw2v.w2v.shared.source import SharedCorpus
from gossipw2v.w2v.text.rounds.rounds import TextRounds
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.trainable import Trainable, trainable_of
from gossipw2v.w2v.vectors.selection import Selection
from gossipw2v.w2v.vectors.table import ExportError, Floats

log = get_logger("node")


@dataclass(slots=True)
class Node:
    """The parts; `core` and what goes with it as of `begin`, `given` as of `read_given`.

    `stopping`: set when the node was told to end.
    """

    config: Config
    random: bytes
    now: InitVar[float]
    state: Stage = Stage.COUNTING
    session: Session | None = None
    metrics: Metrics = field(default_factory=Metrics)
    probe: Probe = field(default_factory=Probe)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    condition: Condition = field(default_factory=Condition)
    given: Given = NOTHING
    corpus: Trainable = field(init=False)
    checkpointer: Checkpointer = field(init=False)
    core: GossipCore = field(init=False)
    network: Network = field(init=False)
    rows: RowReports = field(init=False)
    agreement: VocabularyAgreement = field(init=False)

    def __post_init__(self, now: float) -> None:
        config, self.condition.born = self.config, now
        self.corpus = trainable_of(config)
        walks = config.walks if config.graph else None
        job = {name: str(value) for name, value in job_fields(config.job, walks).items()}
        rounds = None if config.graph else TextRounds(config.data_dir, config.replay, config.follow, config.job.seed)
        if rounds is not None:
            rounds.grows = proposes_words(config)
        self.checkpointer = Checkpointer(config.data_dir, job, rounds=rounds)

    def read_given(self) -> None:
        """Read what the job begins with besides text, and is part of it; in a thread. VocabError, WarmStartError."""
        self.given = read_given(self.config)
        self.checkpointer.job |= self.given.job

    def begin(self, portion: Portion | None = None) -> None:
        """Make the core, with the id of this life; after the checkpointer has looked for an earlier one.

        `portion`: what others are told that this node trains.
        """
        config = self.config
        rules = GossipConfig(
            job=self.checkpointer.job,
            interval=config.exchange_interval,
            max_bandwidth=config.max_bandwidth,
            seats=config.children,
            lost_patience=config.lost_patience,
            quiet=config.settle_seconds if config.peers != ("none",) else 0.0,
            banned=config.ban,
        )
        if isinstance(self.corpus, SharedCorpus):
            pieces = self.corpus.pieces
            rules = replace(rules, job={**rules.job, CORPUS: pieces.digest.hex()}, listing=pieces.listing)
        own = self.checkpointer.next_life(self.random[:16])
        me = Member(own, 0, Stage.COUNTING, min_peers=config.min_peers, portion=portion)
        self.core = GossipCore(me, rules, Random(self.random), self.condition.born)
        self.network = Network(self.core, self.metrics, self._on_rows)
        self.rows = RowReports(self.core, self.network, self.metrics)
        self.agreement = VocabularyAgreement(
            config.job, self.core, self.network, self.corpus, self.condition, self.given
        )
        waiting = WaitingWords.read(config.data_dir) if proposes_words(config) else None
        self.agreement.growth = VocabularyGrowth(may_grow(config), waiting)
        self.condition.begun = True

    # -- what the core asks for -----------------------------------------------------------------------------

    def _on_rows(self, instruction: Instruction) -> None:
        match instruction:
            case Freeze():
                self.agreement.freeze(instruction.origins)
            case Received():
                self.agreement.received(instruction)
            case OpenLink() | DropLink() | Collect() | Merge() | Settle() if self.session is not None:
                self.session.row_worker.submit(self.rows.prepared(instruction))
            case _:
                log.debug("no model yet", instruction=type(instruction).__name__)

    # -- what people see ------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The `/status` answer; a short one as long as there are no parts to describe."""
        now = asyncio.get_running_loop().time()
        if not self.condition.begun:
            uptime = now - self.condition.born
            start = describe_start(self.config, self._shown_state(), uptime, self.condition.where)
            return {**start, "probe": self.probe.describe()}
        self.condition.problem("checkpoint", self.checkpointer.problem(self.config.checkpoint_interval))
        return {
            **describe_job(self.config, self.core, self._shown_state()),
            "uptime_seconds": now - self.condition.born,
            "addresses": self.condition.where,
            "tls": self.network.credentials is not None,
            "vocabulary": describe_vocabulary(self.session, self.given, self.agreement.growth),
            "progress": describe_progress(self.config, self.core, self.session, now),
            "held_out": describe_held_out(self.config, self.session),
            "probe": self.probe.describe(),
            "members": describe_members(self.core, now),
            "links": describe_links(self.core, self.session),
            "traffic": self.metrics.traffic(),
            "standing": self.core.view.scores(now),
            "load": describe_load(self.session, self.condition.pulse),
            "refusals": self.metrics.refusals(),
            "events": self.metrics.events(),
            "corpus": describe_corpus(self.corpus, self.checkpointer.rounds),
            "checkpoint": self.checkpointer.describe(),
            "tasks": self.core.tasks.counted() if isinstance(self.corpus, SharedCorpus) else None,
            "divergences": self.condition.divergences,
            "failure": self.condition.failure,
            "stuck": self.condition.stuck,
            "waiting": self.waiting(),
            "degraded": bool(self.condition.problems),
            "problems": list(self.condition.problems.values()),
        }

    def waiting(self) -> dict[str, Any] | None:
        """What this node waits for, and who is there; None if it does not wait."""
        now = self.network.now()
        why = reason(self.core, self.state, now) if self.condition.stage is None else None
        return (
            None if why is None else describe(self.core, self.network.contacts, why, now - self.condition.entered, now)
        )

    def _shown_state(self) -> str:
        if self.condition.failure is not None:
            return "failed"
        return "stopping" if self.stopping.is_set() else self.condition.stage or self.state.name.lower()

    def export(self, asked: ExportRequest) -> tuple[int, Iterator[bytes]]:
        """Words and the word2vec text, or binary, of what is asked for of the model as it is now.

        LookupError if there is none yet, ExportError if the model has failed or holds a value that is not finite.
        """
        _, syn0 = self.live_model()
        assert self.session is not None  # or there is none
        matrices = syn0, self.session.model.syn1neg
        return stream(self.session.vocab, matrices, Selection(asked.matrix, asked.top), asked.binary)

    def live_model(self) -> tuple[Words, Floats]:
        """The words and their vectors as they are trained, float32[V, D], not copied; errors as of `export`."""
        if self.session is None:
            raise LookupError("no model yet: the vocabulary is not frozen")
        if self.condition.failure is not None:
            raise ExportError(self.condition.failure)
        return self.session.vocab.words, self.session.model.syn0

    def enter(self, state: Stage) -> None:
        """Go to another stage; the swarm is told with the next beat."""
        self.state, self.condition.entered = state, self.network.now()
        self.core.own.enter(state)
        log.info("state", state=state.name.lower())

    # -- the model ------------------------------------------------------------------------------------------

    async def save(self) -> None:
        """Write a checkpoint if there is anything new; not of a model that waits for what others have, or is broken.

        The loss on held-out text is measured first, and the probe begins, so that a slow disk does not hold them up.
        """
        if self.session is not None and self.state >= Stage.TRAINING and self.condition.failure is None:
            await self.evaluate(self.session, self.state is Stage.COMPLETE)
            self.start_probe(self.session)
            await self.checkpointer.save(self.core, self.session, self.corpus.totals())
            self.condition.problem("checkpoint", self.checkpointer.trouble)

    async def evaluate(self, session: Session, last: bool) -> None:
        """Measure the loss on held-out text, in a thread, if there is a new one and it is time, or the `last`.

        Not of a model that has diverged and is to be mended: nobody goes on with that one.
        """
        if session.trainer.breach is not None:
            return
        trainer, evaluation, now = session.trainer, session.evaluation, self.network.now()
        trained, swarm = trainer.before + trainer.trained, self.core.view.progress(now)[0]
        if evaluation.due((trained, swarm, session.model.came), now, last):
            loss = await asyncio.to_thread(evaluation.measure, trained, swarm)
            log.info("loss on held-out text", loss=round(loss, 4), pairs=len(evaluation.pairs.outputs), trained=trained)

    def start_probe(self, session: Session) -> None:
        """Score the model on the test sets of `--probe` in their thread, unless that has been done or is under way.

        Not a model that has diverged and is to be mended.
        """
        trainer, model = session.trainer, session.model
        if trainer.breach is None:
            trained, swarm = trainer.before + trainer.trained, self.core.view.progress(self.network.now())[0]
            self.probe.start(session.vocab.words, model.syn0, (trained, swarm, model.came))

    async def save_links(self) -> None:
        """Keep the links for the next life of a node that was told to stop and has said goodbye."""
        ends = self.stopping.is_set() and self.condition.failure is None
        if self.session is not None and self.state >= Stage.TRAINING and ends:
            await self.checkpointer.save_links(self.core, self.session)

    def close_session(self) -> Session | None:
        """Stop the threads that train and merge; the model is let go, and is for the caller to keep."""
        session, self.session = self.session, None
        if session is not None:
            session.close()
        return session
