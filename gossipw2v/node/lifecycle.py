"""The stages of a job, as one node lives them:

count -> agree on the vocabulary -> encode -> join -> train and gossip -> drain -> complete

A node that goes on from a checkpoint has its vocabulary and begins with encoding, which finds the text encoded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from gossipw2v.config.job import Job
from gossipw2v.gossip.census import counts_name
from gossipw2v.gossip.records import Stage
from gossipw2v.node.node import Node
from gossipw2v.node.session import ENOUGH, Session, check_room, make_session
from gossipw2v.node.sharing.tasks import begin, count_until_told, hand_on, is_shared, swarm_total
from gossipw2v.node.storage.checkpoint import CheckpointError
from gossipw2v.node.storage.inputs import own_files
from gossipw2v.system.logs import get_logger
from gossipw2v.system.notify import notify
from gossipw2v.w2v.graphs.walks import WalkText
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.shared.text import SharedText
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.rounds.follow import Follower
from gossipw2v.w2v.text.shards import Shard, ShardError
from gossipw2v.w2v.text.vocab import Vocab, VocabError
from gossipw2v.w2v.training.guard import DivergedError
from gossipw2v.w2v.training.recovery import come_back, nothing_kept
from gossipw2v.w2v.training.trainer import Trainer

FOLLOW = 0.1  # s between looks at how far the threads and the swarm are
JOIN_PATIENCE = 30.0  # s until a node that cannot link to the tree trains all the same
GOODBYE = 20.0  # s that a node which is done waits for its children to be done
SLOWEST = 0.5  # s between exchanges of long runs: who dies takes little along; with 2, churn cost two points of analogy
FIRST_CHECKPOINT = 5.0  # s; later ones come at the interval that is set
LAST_EXCHANGES = 2.0  # s for the last exchanges of a node that was told to stop
LAST_ANSWERS = 1.0  # s for those under way then
LAST_SLICES = 30.0  # s for the training threads to end at a breach; a slice takes some 10 ms where cores are free
LAST_PROBE = 60.0  # s for a model to be scored on the test sets of --probe before a node leaves that is done
SMALLER = 0.5  # of alpha, when the model has diverged
CBOW_ALPHA = 0.05  # as usual there

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
    await until(node, lambda: node.core.view.final(node.network.now()))
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


async def evaluate(node: Node) -> None:
    """Measure the loss on held-out text once the own text is trained: the node may leave soon after it is complete."""
    assert node.session is not None
    await node.evaluate(node.session, last=True)


async def probe(node: Node) -> None:
    """Have the model of the end scored, which no other follows, after the one that is being scored."""
    assert node.session is not None
    for _ in range(2):
        node.start_probe(node.session)
        await until(node, lambda: not node.probe.busy, LAST_PROBE)


async def train(node: Node, further: bool) -> None:
    """Train the own text, and keep the swarm and the trainer informed of each other. `further`: the model was done.

    DivergedError, with the node failed, if that cannot be done with the settings that it has.
    """
    assert node.session is not None
    trainer = node.session.trainer
    tell(node)  # alpha is that of the swarm's progress from the first step
    if further and not trainer.done:
        trainer.go_further()
        log.info("goes on with a model that was done", left=trainer.total, alpha=round(trainer.alpha, 6))
    trainer.start()
    while not await trained(node):
        tell(node)
        await asyncio.sleep(FOLLOW)
    tell(node)
    node.core.own.done(True)
    exchanges = sum(link.end.flow.exchanges for link in node.core.view.links())
    rate = round(trainer.words_per_second)
    log.info("own text trained", tokens=trainer.trained, words_per_second=rate, exchanges=exchanges)


async def trained(node: Node) -> bool:
    """Whether all of the own text has been trained, and well; a model that has diverged is mended, once."""
    assert node.session is not None
    trainer = node.session.trainer
    if trainer.threads.failure is not None:
        raise trainer.threads.failure
    if trainer.done and trainer.breach is None:
        await asyncio.to_thread(trainer.look_over)
    if trainer.breach is not None:
        await mend(node, node.session, trainer.breach)
        return False
    return trainer.done


async def mend(node: Node, session: Session, breach: str) -> None:
    """The model has diverged: take it back and go on with smaller steps.

    DivergedError if that has been tried before, or if even half of alpha is more than kernels keep within bounds.

    The text is not trained again: others have been told how far it is, may hold what came of it, and count on this
    node's share of all that is left. What is lost is what a node that is killed loses, and nobody else notices: until
    the rows are back the row worker does nothing, so no exchange sees any of this, and `come_back` gives no row fewer
    updates than any other end has seen. Provenance goes on to claim the text, of which others may have all; where two
    histories overlap that errs on the side of too little, never of twice.
    """
    trainer = session.trainer
    node.condition.divergences += 1
    if (how := hopeless(trainer)) is not None:
        node.condition.fail(too_large(node.config.job, f"{how}: {breach}"))
        raise DivergedError(node.condition.failure)
    if not await asyncio.to_thread(trainer.wait, LAST_SLICES):
        raise RuntimeError("the training threads did not end when the model diverged")
    back = await node.checkpointer.back(session)

    def take_back() -> None:
        come_back(session.model, back.put if back is not None else nothing_kept)
        trainer.go_on(SMALLER)

    await session.row_worker.mend(take_back)
    node.condition.problem(
        "model", f"the model diverged: {breach}; it was taken back, and alpha is half of what was set"
    )


def hopeless(trainer: Trainer) -> str | None:
    """Why there is no going on with smaller steps; None if there is."""
    if trainer.scale < 1:
        return "again with half of alpha"
    if trainer.done:
        return "at the end of the text"
    if not sgns.is_bounded(SMALLER * trainer.recipe.alpha, trainer.recipe.negative):
        return "and half of alpha would still be far too much"
    return None


def too_large(job: Job, breach: str) -> str:
    """What to tell people whose settings make the model diverge, and what they can do."""
    usual = Job()
    alpha = usual.alpha if job.sg else CBOW_ALPHA
    given = ", ".join(
        f"{name} {value:g} ({common:g} is usual)"
        for name, value, common in (
            ("alpha", job.alpha, alpha),
            ("negative", job.negative, usual.negative),
            ("window", job.window, usual.window),
        )
    )
    return (
        f"the model diverged {breach}. The settings are too large for this text: {given}. Start all nodes again with a "
        f"smaller one, such as --alpha {min(alpha, job.alpha / 4):g}, and with --fresh"
    )


async def serve_on(node: Node) -> None:
    """A service stays when the swarm is done; if others join later, it goes on to the end of their work too.

    So it does with files that come, if it follows its text.
    """
    rounds = node.checkpointer.rounds
    follower = Follower(rounds) if node.config.follow and rounds is not None else None
    while True:
        final = node.core.view.final(node.network.now())
        if (now := Stage.COMPLETE if final else Stage.DRAINING) is not node.state:
            node.enter(now)
        if final:
            await node.save()
        await asyncio.sleep(1.0)
        tell(node)
        if follower is not None and final and time.monotonic() > follower.due:
            await follow(node, follower)


async def follow(node: Node, follower: Follower) -> None:
    """Train new files, if there are any, into the model that was done; what is wrong with them is told, and waits."""
    try:
        shard = await new_text(node, follower)
    except (CorpusError, ShardError, OSError) as error:
        follower.rounds.begins = False
        node.condition.problem("new text", f"{error}; new text waits until that is mended")
        return
    node.condition.problem("new text", None)
    node.condition.problem("files", follower.rounds.told)
    if shard is not None:
        await train_more(node, shard)


async def new_text(node: Node, follower: Follower) -> Shard | None:
    """What has come since the last round, encoded and noted as the next; None if nothing. Errors as `follow` has."""
    corpus, rounds = node.corpus, follower.rounds
    assert isinstance(corpus, Corpus)
    assert node.session is not None
    new = await asyncio.to_thread(lambda: follower.look(corpus, own_files(node.config)))
    if not new:
        return None
    rounds.begin(corpus, new)
    shard = await rounds.text(corpus, node.session.vocab)
    await asyncio.to_thread(rounds.noted)
    return shard


async def train_more(node: Node, shard: Shard) -> None:
    """Train another text into the model; the swarm waits for it, and has it in the end."""
    assert node.session is not None
    await node.checkpointer.between(partial(node.session.go_on_with, node.config, shard))
    node.core.own.done(False)
    node.core.own.to_train(node.session.to_train)
    node.enter(Stage.TRAINING)
    await train(node, further=True)
    node.enter(Stage.DRAINING)
    await evaluate(node)


async def until(node: Node, condition: Callable[[], bool], patience: float = float("inf")) -> None:
    """Wait for a condition, at most `patience` seconds."""
    deadline = node.network.now() + patience
    while not condition() and node.network.now() < deadline:
        tell(node)
        await asyncio.sleep(FOLLOW)


def tell(node: Node) -> None:
    """Own progress to the swarm, the swarm's progress to the trainer, both to the service manager."""
    assert node.session is not None
    trainer = node.session.trainer
    if node.core.view.links():
        node.condition.problem("tree", None)
    hand_on(node, node.session)
    node.core.own.trained(node.session.trained)
    trained, total = node.core.view.progress(node.network.now())
    total = swarm_total(node.session, trained, total)
    trainer.others = (trained - trainer.trained, total - trainer.total)
    if trainer.words_per_second:
        run_seconds = trainer.total / trainer.words_per_second
        interval = pause(run_seconds, node.config.exchange_interval)
        spent = node.session.row_worker.cpu_seconds, trainer.threads.cpu_seconds
        node.core.own.pace(interval, node.session.brake.look(*spent, run_seconds / interval))
    notify(f"STATUS={node.state.name.lower()}, {trained / max(1, total):.0%} of the swarm's text trained")


def pause(run_seconds: float, shortest: float) -> float:
    """Seconds from one exchange on a link to the next in a run of that length."""
    return max(shortest, min(SLOWEST, run_seconds / ENOUGH))


async def come_to_rest(node: Node) -> None:
    """Hand over what was trained last, so that a stopped node's work is not lost, and end what is under way."""
    tell(node)
    if node.state is Stage.TRAINING:
        before = {link.name: link.end.flow.exchanges for link in node.core.view.links()}
        await until(node, lambda: _handed_over(node, before), LAST_EXCHANGES)
    node.core.own.rest()
    await until(node, lambda: node.core.view.at_rest, LAST_ANSWERS)


def _handed_over(node: Node, before: dict[bytes, int]) -> bool:
    ends = [link.end for link in node.core.view.links()]
    return all(end.flow.exchanges >= before.get(end.link, 0) + 2 and not end.pending for end in ends)
