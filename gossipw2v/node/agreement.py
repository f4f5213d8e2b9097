"""How a node comes to the vocabulary that it trains with: from counts, its own and others', or as others froze it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from gossipw2v.config.job import Job
from gossipw2v.config.node import Config
from gossipw2v.gossip.blobs.names import PROPOSAL, VOCABULARY, proposal_id, version_name
from gossipw2v.gossip.census import COUNTS, digest_of
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Received
from gossipw2v.gossip.messages import Offer
from gossipw2v.node.condition import Condition
from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import return_memory
from gossipw2v.transport.network import Network
from gossipw2v.w2v.given.given import NOTHING, Given
from gossipw2v.w2v.growth.ledger import WaitingWords, left_over
from gossipw2v.w2v.growth.versions import Rule, next_version, rank_of, renumbering, root_of
from gossipw2v.w2v.phrases.rule import PhraseRule
from gossipw2v.w2v.text.vocab import Counts, Vocab, VocabError, freeze, merge_counts
from gossipw2v.w2v.trainable import Trainable

log = get_logger("agreement")


class Version(NamedTuple):
    """Another version of the vocabulary, its bytes, and how it is offered."""

    vocab: Vocab
    data: bytes
    offer: Offer


def may_grow(config: Config) -> bool:
    """Whether a vocabulary may get words it had not at first: unless phrases, a list or a shared text fix it."""
    return not (config.graph or config.vocab or config.job.phrases or config.job.shared_corpus)


def proposes_words(config: Config) -> bool:
    """Whether this node proposes the words of text that comes."""
    return config.follow and not config.until_complete and may_grow(config)


@dataclass(slots=True)
class VocabularyGrowth:
    """What a node has to do with versions of its vocabulary.

    `waiting`: words of its text that are in none yet; None where it proposes none. `newer`: the version to take over
    next. `dropped`: words that were given up with a version that others had made apart. `proposed`: whether this node
    waits for a version of what it has proposed.
    """

    possible: bool = True  # whether this job's vocabulary may grow
    waiting: WaitingWords | None = None
    newer: Version | None = None
    dropped: int = 0
    proposed: bool = False


@dataclass(slots=True)
class VocabularyAgreement:
    """Counts that are held and the vocabularies that came of them.

    `ready` brings every vocabulary that this node is to train with, the first and any later; an error: none can be made
    of what was counted. Versions of one vocabulary are `growth.newer` instead.
    """

    job: Job
    core: GossipCore
    network: Network
    corpus: Trainable
    condition: Condition
    given: Given = NOTHING  # what words there may be
    counts: dict[str, Counts] = field(default_factory=dict)  # by the name that the census gives them
    ready: asyncio.Queue[Vocab | VocabError] = field(default_factory=asyncio.Queue)
    growth: VocabularyGrowth = field(default_factory=VocabularyGrowth)
    vocab: Vocab | None = None  # in use, or about to be
    _own: Counts | None = None  # of the own text, until it is known which of its words wait
    _task: asyncio.Task[None] | None = None  # the freezing under way

    def freeze(self, origins: tuple[str, ...]) -> None:
        """Freeze the vocabulary from the counts of these origins, or make a version of proposals, in a thread."""
        grows = origins[0].startswith(PROPOSAL)
        self._task = asyncio.create_task((self._grow if grows else self._freeze)(origins), name="freeze")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.condition.problem("freeze", str(error))

    async def _freeze(self, origins: tuple[str, ...]) -> None:
        try:
            parts = [self.counts[name] for name in origins]
            data = await asyncio.to_thread(_frozen, parts, self.job, self.given)
        except VocabError as error:
            self.ready.put_nowait(error)
            return
        self._keep_own()
        self._let_go()  # before there are new words: they take the place of the old
        vocab = await asyncio.to_thread(Vocab.from_bytes, data)
        log.info("froze the vocabulary", nodes=len(origins), words=len(vocab))
        self.adopt(vocab, data)

    async def _grow(self, names: tuple[str, ...]) -> None:
        before = self.vocab
        assert before is not None
        parts = {proposal_id(name, part.to_bytes()): part for name in names if (part := self.counts.get(name))}
        rule = Rule(self.job.min_count, self.job.max_vocab)
        try:
            vocab = await asyncio.to_thread(next_version, before, parts, rule)
        except VocabError as error:
            self.condition.problem("growth", str(error))
            self.core.growth.failed(self.network.now())
            return
        self.condition.problem("growth", None)
        log.info("made a version", version=vocab.version, proposals=len(parts), new=len(vocab) - len(before))
        self._arrived(vocab, await asyncio.to_thread(vocab.to_bytes))

    def received(self, blob: Received) -> None:
        """Counts or a vocabulary from another node: believed only as far as they can be checked."""
        try:
            if blob.name.startswith(COUNTS):
                counts = Counts.from_bytes(blob.data)
                self.given.check(counts.words)
                self.counts[blob.name] = counts
                self.core.own.hold_counts(blob.name, blob.data)
            elif blob.name.startswith(PROPOSAL):
                counts = Counts.from_bytes(blob.data)
                self.core.growth.hold(blob.name, blob.data, self.network.now())
                held = self.core.view.blobs  # one takes the place of the last of its node
                self.counts = {name: each for name, each in (self.counts | {blob.name: counts}).items() if name in held}
            else:
                self._received(Vocab.from_bytes(blob.data), blob)
        except VocabError as error:
            self.core.own.reject(blob.data)
            self.network.metrics.refused("blob")
            log.warning("refused", name=blob.name, text=str(error))

    def _received(self, vocab: Vocab, blob: Received) -> None:
        self.given.check(vocab.units, vocab.counts)
        if vocab.version and not self.growth.possible:
            raise VocabError("version of a vocabulary: the vocabulary of this job does not grow")
        if blob.name != (version_name(root_of(vocab)) if vocab.version else VOCABULARY):
            raise VocabError("vocabulary: it was offered as one that it is not")
        if self.vocab is not None and root_of(vocab) == root_of(self.vocab):
            renumbering(self.vocab, vocab)  # raises for one that only says so
            if not self._arrived(vocab, blob.data):
                raise VocabError("version of a vocabulary: it was offered as a higher one than it is")
        else:
            self.adopt(vocab, blob.data)

    def _arrived(self, vocab: Vocab, data: bytes) -> bool:
        """Have a version taken over, unless there is a higher one; whether it will be."""
        offer = Offer(version_name(root_of(vocab)), digest_of(data), len(data), rank_of(vocab))
        if not self.core.growth.made(offer):
            return False
        self.growth.newer = Version(vocab, data, offer)
        return True

    def adopt(self, vocab: Vocab, data: bytes) -> None:
        """Train with `vocab`, which is `data` as bytes, and offer it to others."""
        self._keep_own()
        self._let_go()
        self.vocab, self.growth.newer = vocab, None
        root = root_of(vocab) if vocab.version else b""
        self.network.perform(self.core.own.frozen(data, rank_of(vocab), root))
        self.ready.put_nowait(vocab)

    def _keep_own(self) -> None:
        """Keep the own counts until it is known which of their words wait."""
        if self._own is None and self.growth.waiting is not None:
            self._own = self.corpus.counts

    async def count_from(self, vocab: Vocab) -> None:
        """This vocabulary, or version, is in use from now on: what waits is what it does not hold."""
        if self.growth.newer is not None and self.growth.newer.vocab is vocab:
            self.growth.newer = None
        own, self.vocab, self._own = self._own, vocab, None
        self.counts.clear()
        if self.growth.waiting is not None:
            try:
                await asyncio.to_thread(partial(_wait_for, self.growth.waiting, vocab, own))
                self.condition.problem("waiting words", None)
            except OSError as error:
                self.condition.problem("waiting words", f"words that wait could not be kept: {error}")

    def _let_go(self) -> None:
        """Counts are of no use once there is a vocabulary, and large."""
        self.counts.clear()
        self.corpus.let_go()
        return_memory()


def _wait_for(waiting: WaitingWords, vocab: Vocab, own: Counts | None) -> None:
    waiting.begin(root_of(vocab), left_over(own, vocab.words) if own is not None else None)
    waiting.adopted(vocab)
    waiting.write()


def _frozen(parts: list[Counts], job: Job, given: Given) -> bytes:
    rule = PhraseRule(job.phrases, job.phrase_threshold, job.phrase_min_count)
    return freeze(given.frozen_from(merge_counts(parts)), job.min_count, job.max_vocab, rule).to_bytes()
