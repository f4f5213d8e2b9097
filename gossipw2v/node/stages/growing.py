"""Words of new text become words of the model: they are proposed, and the version made of them is taken over.

A version is taken over at an exchange's boundary, without a restart: links go on, queries are answered, and training
that is under way stands still only while the matrices are copied.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from gossipw2v.gossip.blobs.names import proposal_id
from gossipw2v.node.agreement import Version
from gossipw2v.node.node import Node
from gossipw2v.node.session import Session, initial_weights
from gossipw2v.node.stages.progress import FOLLOW, tell
from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.growth.ledger import WaitingWords
from gossipw2v.w2v.growth.rows import carry_over, moved_delta, new_rows, put_in_place, renumber_links
from gossipw2v.w2v.growth.texts import renumber_texts
from gossipw2v.w2v.growth.versions import Renumbering, follows, renumbering, root_of
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import Source
from gossipw2v.w2v.text.rounds.record import known
from gossipw2v.w2v.text.rounds.rounds import TextRounds
from gossipw2v.w2v.text.vocab import Vocab, count_words
from gossipw2v.w2v.training.cursor import Position

PATIENCE = 60.0  # s at rest until new text is trained with the words that there are
TRIES = 100  # looks, FOLLOW seconds apart, until row work under way must have ended
LAST_SLICE = 10.0  # s for training threads to end at a slice of some 10 ms

log = get_logger("growth")


async def take_over(node: Node) -> bool:
    """Go on with the newest version that there is; whether there was one, and its time had come."""
    version, session = node.agreement.growth.newer, node.session
    if version is None or session is None or session.trainer.breach is not None:
        return False
    if not (session.trainer.done or follows(session.vocab, version.vocab)):
        return False  # the text is encoded with words that are given up: it is trained to its end before
    async with node.checkpointer.pausing:
        node.core.growth.pause(True)
        try:
            if not await _at_a_boundary(node, session):
                return False
            await _go_on(node, session, version)
        finally:
            node.core.growth.pause(False)
    node.network.perform(node.core.growth.tell())
    await node.agreement.count_from(session.vocab)
    return True


async def _at_a_boundary(node: Node, session: Session) -> bool:
    """Wait until no exchange is half done, now that none is begun or answered any more."""
    for _ in range(TRIES):
        await session.row_worker.idle()
        if not node.core.growth.busy:
            return True
        await asyncio.sleep(FOLLOW)
    return False


async def _go_on(node: Node, session: Session, version: Version) -> None:
    """Renumber the model and its links."""
    vocab, model, worker, job = version.vocab, session.model, session.row_worker, node.config.job
    to = await asyncio.to_thread(renumbering, session.vocab, vocab)
    first = await asyncio.to_thread(node.given.rows_of, vocab.words, node.config.data_dir)
    initial = partial(initial_weights, vocab, job.seed, job.vector_size, first)
    worker.hold()
    names: dict[bytes, bytes] = {}
    try:
        await worker.run(partial(renumber_links, model, to, initial))
        grown = await worker.run(partial(new_rows, to, initial))
        await worker.run(partial(carry_over, model, to, grown))  # once more below: only now is its memory there
        began, trains = time.monotonic(), not session.trainer.done
        await asyncio.to_thread(session.trainer.threads.halt, LAST_SLICE)
        await worker.run(partial(carry_over, model, to, grown))
        # from here to the end nothing else runs in this loop: whoever looks finds the old version or the new one
        names = _links_go_on(node, version, to)
        put_in_place(model, grown, initial, names)
        before, same = session.vocab, follows(session.vocab, vocab)
        session.grow(vocab, first)
        node.checkpointer.grown()
        if not same and node.checkpointer.rounds is not None:
            await asyncio.to_thread(_texts_go_on, node, session, node.checkpointer.rounds, before, to)
    finally:
        worker.release(names)
    node.agreement.growth.dropped += to.dropped
    still = round(time.monotonic() - began, 4) if trains else 0.0  # what training stood still
    log.info("took a version over", version=vocab.version, words=len(vocab), dropped=to.dropped, stood_still=still)


def _texts_go_on(node: Node, session: Session, rounds: TextRounds, before: Vocab, to: Renumbering) -> None:
    """All text has been trained, with words of which some were given up: what is kept of it goes by the new numbers."""
    shard = renumber_texts(rounds, before, session.vocab, to)
    if shard is not None:
        session.go_on_with(node.config, shard)
        session.trainer.resume([Position((), node.config.job.epochs, 0)], ())


def _links_go_on(node: Node, version: Version, to: Renumbering) -> dict[bytes, bytes]:
    moved = partial(moved_delta, rows=to.rows)
    return node.core.growth.go_on(version.data, version.offer, root_of(version.vocab), moved, node.network.now())


async def words_of(node: Node, files: list[Source]) -> None:
    """Have the words of new files in the vocabulary before these are trained, if that can be. CorpusError, OSError."""
    waiting, corpus = node.agreement.growth.waiting, node.corpus
    if waiting is None or not isinstance(corpus, Corpus) or node.session is None:
        return
    await _count(waiting, corpus, files)
    least = node.config.job.min_local_count
    if await asyncio.to_thread(waiting.unknown, node.session.vocab, least):
        node.agreement.growth.proposed = True
        try:
            await _agree(node, waiting, node.session)
        finally:
            node.agreement.growth.proposed = False


async def join_in(node: Node) -> None:
    """Propose what waits if others propose something: a word may be rare everywhere, and not in all."""
    waiting = node.agreement.growth.waiting
    if waiting is not None and len(waiting.waiting.words) and node.core.growth.joins_in(node.network.now()):
        await _propose(node, waiting)


async def _count(waiting: WaitingWords, corpus: Corpus, files: list[Source]) -> None:
    """Count those of some files that have not been, in this life or an earlier one."""
    marks = [file.mark for file in await asyncio.to_thread(known, files, corpus.form)]
    fresh = {mark: file for mark, file in zip(marks, files, strict=True) if mark not in waiting.marks}
    if fresh:
        counts = await asyncio.to_thread(count_words, list(fresh.values()), corpus.reader())
        await asyncio.to_thread(waiting.add, counts, fresh)
        await asyncio.to_thread(waiting.write)


async def _agree(node: Node, waiting: WaitingWords, session: Session) -> None:
    """Propose what waits, until it is in a version; with none for PATIENCE seconds of rest, go on without."""
    deadline, name = node.network.now() + PATIENCE, await _propose(node, waiting)
    while node.network.now() < deadline:
        if await take_over(node):
            lineage = session.vocab.lineage
            if lineage is not None and name in lineage.included:
                return
            name = await _propose(node, waiting)
        tell(node)
        await asyncio.sleep(FOLLOW)
        if not node.core.view.final(node.network.now()):
            deadline = node.network.now() + PATIENCE
    log.warning("no version came: new text is trained with the words that there are", seconds=PATIENCE)


async def _propose(node: Node, waiting: WaitingWords) -> bytes:
    """Offer what waits; what a version will call it."""
    counts = await asyncio.to_thread(waiting.proposal, node.config.job.min_local_count)
    name, data = node.core.growth.name(counts.tokens), counts.to_bytes()
    called = proposal_id(name, data)
    waiting.propose(called, counts)
    await asyncio.to_thread(waiting.write)
    node.agreement.counts[name] = counts
    node.network.perform(node.core.growth.propose(name, data, node.network.now()))
    log.info("proposes words", words=len(counts.words), version=node.session.vocab.version + 1 if node.session else 1)
    return called
