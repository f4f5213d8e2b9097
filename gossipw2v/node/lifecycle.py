"""The stages of a job, as one node lives them:

count -> agree on the vocabulary -> encode -> join -> train and gossip -> drain -> complete

A node that goes on from a checkpoint has its vocabulary and begins with encoding, which finds the text encoded.
"""

from __future__ import annotations

import asyncio

from gossipw2v.gossip.census import counts_name
from gossipw2v.gossip.records import Stage
from gossipw2v.node.node import Node
from gossipw2v.node.session import check_room, make_session
from gossipw2v.node.sharing.tasks import begin, count_until_told, is_shared
from gossipw2v.node.stages.following import serve_on
from gossipw2v.node.stages.growing import take_over
from gossipw2v.node.stages.progress import FOLLOW, until
from gossipw2v.node.stages.training import evaluate, probe, train
from gossipw2v.node.storage.checkpoint import CheckpointError
from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.graphs.walks import WalkText
from gossipw2v.w2v.shared.text import SharedText
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.shards import Shard
from gossipw2v.w2v.text.vocab import Vocab, VocabError

JOIN_PATIENCE = 30.0  # s until a node that cannot link to the tree trains all the same
GOODBYE = 20.0  # s that a node which is done waits for its children to be done
TOGETHER = 1.0  # s between looks for another version of the vocabulary, while others train
FIRST_CHECKPOINT = 5.0  # s; later ones come at the interval that is set

log = get_logger("work")


async def work(node: Node) -> None:
    """Do the job, anew if the swarm comes to another vocabulary; returns when the node may leave."""
    if node.checkpointer.resumed is None:
        await (count_until_told(node, count) if is_shared(node.core) else count(node))
    vocab = await agreed(node)
    while True:
        job = asyncio.create_task(learn(node, vocab), name="learn")
        other = asyncio.create_task(agreed(node), name="vocabulary")
        try:
            await asyncio.wait((job, other), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (job, other):
                task.cancel()  # nothing happens to the one that is done
            await asyncio.gather(job, other, return_exceptions=True)
        if other.cancelled():
            return job.result()
        vocab = other.result()
        log.warning("the swarm agreed on another vocabulary: starting again with it", words=len(vocab))


async def resume(node: Node) -> None:
    """Take the vocabulary of the checkpoint, if there is one, and what its model holds; before others can be heard."""
    found = node.checkpointer.resumed
    if found is None:
        return
    try:
        vocab = await asyncio.to_thread(Vocab.from_bytes, found.vocabulary)
        node.corpus.counted_before(found.about.counted)
    except (VocabError, TypeError) as error:
        raise CheckpointError(f"{found.path}: {error}") from error
    node.agreement.adopt(vocab, found.vocabulary)
    begins = node.checkpointer.rounds is not None and node.checkpointer.rounds.begins
    node.core.own.resumed(found.state.origins, {} if begins else found.state.lives)  # of a text that is trained
    if is_shared(node.core):
        node.core.tasks.resumed(vocab.digest, found.state.tasks)


async def count(node: Node) -> None:
    """Count the own text and offer the counts."""
    counts = await node.corpus.count(node.config.job.phrases)
    totals = {"replaced": counts.replaced, "too_long": counts.dropped, "forgotten": counts.pruned_words}
    log.info("counted", tokens=counts.tokens, words=len(counts.words), files=len(node.corpus.files), **totals)
    if node.config.job.phrases:
        log.info("counted neighbours", grams=len(counts.grams), forgotten=counts.grams.pruned)
    node.condition.problem("text", node.corpus.problem)
    if node.core.view.vocabulary is None:
        offered = node.given.leaving(counts.at_least(node.config.job.min_local_count))
        kept = len(counts.words) - len(offered.words)
        log.info("offers its counts", words=len(offered.words), grams=len(offered.grams), kept_to_itself=kept)
        node.agreement.counts[counts_name(node.core.node, is_shared(node.core))] = offered
        node.enter(Stage.GATHERING)
        node.network.perform(node.core.own.counted(offered.to_bytes()))


async def agreed(node: Node) -> Vocab:
    """The next vocabulary to train with. VocabError if none can be made of what was counted."""
    vocab = await node.agreement.ready.get()
    if isinstance(vocab, VocabError):
        raise vocab
    return vocab


async def learn(node: Node, vocab: Vocab) -> None:
    """Encode, join, train, drain, complete."""
    await prepare(node, vocab)
    await join(node)
    await shift(node)
    node.enter(Stage.TRAINING)
    await train(node, node.checkpointer.was_done)
    node.enter(Stage.DRAINING)
    await evaluate(node)
    while not node.core.view.final(node.network.now()):
        await take_over(node)
        await until(node, lambda: node.core.view.final(node.network.now()), TOGETHER)
    node.enter(Stage.COMPLETE)
    await node.save()
    if node.config.until_complete:
        await probe(node)
        await until(node, lambda: node.core.view.children_complete(node.network.now()), GOODBYE)
    else:
        await serve_on(node)


async def prepare(node: Node, vocab: Vocab) -> None:
    """Turn the text into ids and allocate the model."""
    node.close_session()
    node.enter(Stage.ENCODING)
    log.info("vocabulary", words=len(vocab), joins=len(vocab.joins), tokens=vocab.tokens, digest=vocab.digest.hex())
    check_room(node.config, vocab)
    shard = await text(node, vocab)
    node.condition.problem("text", node.corpus.problem)
    session = await asyncio.to_thread(make_session, node.config, vocab, shard, node.rows.done, node.given)
    if await asyncio.to_thread(node.checkpointer.restore, session, shard.checksum):
        node.core.own.take_up(await asyncio.to_thread(node.checkpointer.links, session), node.network.now())
    if node.checkpointer.rounds is not None:
        await asyncio.to_thread(node.checkpointer.rounds.noted)
    await node.agreement.count_from(vocab)
    node.session = session  # from here on it is seen, exported and merged
    node.core.own.to_train(session.trainer.total)
    begin(node, session)
    node.enter(Stage.JOINING)
    node.network.perform(node.core.own.ready())


async def text(node: Node, vocab: Vocab) -> Shard | WalkText | SharedText:
    """What is to be trained, as ids of `vocab`."""
    rounds, corpus = node.checkpointer.rounds, node.corpus
    if rounds is None or not isinstance(corpus, Corpus):
        return await corpus.encode(vocab)
    shard = await rounds.text(corpus, vocab)
    node.condition.problem("files", rounds.told)
    return shard


async def join(node: Node) -> None:
    """Wait until this node is linked to the tree and holds what the swarm has learned."""
    deadline = node.network.now() + JOIN_PATIENCE
    while not node.core.view.settled_in(node.network.now()):
        if any(link.awaited for link in node.core.view.links()):
            deadline = node.network.now() + JOIN_PATIENCE
        elif node.network.now() > deadline:
            node.condition.problem("tree", "no link to the others yet: training alone until one comes")
            return
        await take_over(node)
        await asyncio.sleep(FOLLOW)


async def shift(node: Node) -> None:
    """Leave out what an earlier life trained and others have merged; train again what nobody has."""
    assert node.session is not None
    trainer = node.session.trainer
    if is_shared(node.core):
        return  # what has been done is in the table of tasks
    if moved := node.core.own.shift():
        before = trainer.total
        await asyncio.to_thread(trainer.shift, moved)
        node.core.own.to_train(trainer.total)
        log.info("others hold the work of an earlier life", further=before - trainer.total)


async def keep(node: Node) -> None:
    """Write checkpoints until cancelled."""
    pause = min(FIRST_CHECKPOINT, node.config.checkpoint_interval)
    while True:
        await asyncio.sleep(pause)
        await node.save()
        pause = node.config.checkpoint_interval
