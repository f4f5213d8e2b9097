"""How a node comes to the vocabulary that it trains with: from counts, its own and others', or as others froze it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gossipw2v.config.job import Job
from gossipw2v.gossip.census import COUNTS
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Received
from gossipw2v.node.condition import Condition
from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import return_memory
from gossipw2v.transport.network import Network
from gossipw2v.w2v.given.given import NOTHING, Given
from gossipw2v.w2v.phrases.rule import PhraseRule
from gossipw2v.w2v.text.vocab import Counts, Vocab, VocabError, freeze, merge_counts
from gossipw2v.w2v.trainable import Trainable

log = get_logger("agreement")


@dataclass(slots=True)
class VocabularyAgreement:
    """Counts that are held and the vocabularies that came of them.

    `ready` brings every vocabulary that this node is to train with, the first and any later; an error: none can be made
    of what was counted.
    """

    job: Job
    core: GossipCore
    network: Network
    corpus: Trainable
    condition: Condition
    given: Given = NOTHING  # what words there may be
    counts: dict[str, Counts] = field(default_factory=dict)  # by the name that the census gives them
    ready: asyncio.Queue[Vocab | VocabError] = field(default_factory=asyncio.Queue)
    _task: asyncio.Task[None] | None = None  # the freezing under way

    def freeze(self, origins: tuple[str, ...]) -> None:
        """Freeze the vocabulary from the counts of these origins, in a thread."""
        self._task = asyncio.create_task(self._freeze(origins), name="freeze")
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
        self._let_go()  # before there are new words: they take the place of the old
        vocab = await asyncio.to_thread(Vocab.from_bytes, data)
        log.info("froze the vocabulary", nodes=len(origins), words=len(vocab))
        self.adopt(vocab, data)

    def received(self, blob: Received) -> None:
        """Counts or a vocabulary from another node: believed only as far as they can be checked."""
        try:
            if blob.name.startswith(COUNTS):
                counts = Counts.from_bytes(blob.data)
                self.given.check(counts.words)
                self.counts[blob.name] = counts
                self.core.own.hold_counts(blob.name, blob.data)
            else:
                vocab = Vocab.from_bytes(blob.data)
                self.given.check(vocab.units, vocab.counts)
                self.adopt(vocab, blob.data)
        except VocabError as error:
            self.core.own.reject(blob.data)
            self.network.metrics.refused("blob")
            log.warning("refused", name=blob.name, text=str(error))

    def adopt(self, vocab: Vocab, data: bytes) -> None:
        """Train with `vocab`, which is `data` as bytes, and offer it to others."""
        self._let_go()
        self.network.perform(self.core.own.frozen(data, vocab.tokens))
        self.ready.put_nowait(vocab)

    def _let_go(self) -> None:
        """Counts are of no use once there is a vocabulary, and large."""
        self.counts.clear()
        self.corpus.let_go()
        return_memory()


def _frozen(parts: list[Counts], job: Job, given: Given) -> bytes:
    rule = PhraseRule(job.phrases, job.phrase_threshold, job.phrase_min_count)
    return freeze(given.frozen_from(merge_counts(parts)), job.min_count, job.max_vocab, rule).to_bytes()
