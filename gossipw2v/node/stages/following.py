"""A service whose job is done: it goes on with what others train, and with text that comes."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from gossipw2v.gossip.records import Stage
from gossipw2v.node.node import Node
from gossipw2v.node.stages.growing import join_in, take_over, words_of
from gossipw2v.node.stages.progress import tell
from gossipw2v.node.stages.training import evaluate, train
from gossipw2v.node.storage.inputs import own_files
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.rounds.follow import Follower
from gossipw2v.w2v.text.shards import Shard, ShardError
from gossipw2v.w2v.text.vocab import VocabError


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
        await take_over(node)
        await join_in(node)
        if follower is not None and final and time.monotonic() > follower.due:
            await follow(node, follower)


async def follow(node: Node, follower: Follower) -> None:
    """Train new files, if there are any, into the model that was done; what is wrong with them is told, and waits."""
    try:
        shard = await new_text(node, follower)
    except (CorpusError, ShardError, VocabError, OSError) as error:
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
    await words_of(node, new)
    rounds.begin(corpus, new)
    shard = await rounds.text(corpus, node.session.vocab)
    node.enter(Stage.TRAINING)  # before the round counts: whoever looks must not find it complete
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
