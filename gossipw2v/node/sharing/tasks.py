"""What a node does differently where all have the same text: who counts it, and what its threads train next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.tasks.listing import CORPUS
from gossipw2v.node.node import Node
from gossipw2v.node.session import Session
from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.shared.cursor import SharedCursor

LOOK = 0.1  # s between looks whether another node has counted the text

log = get_logger("sharing")


def is_shared(core: GossipCore) -> bool:
    """Whether all nodes have the same text."""
    return CORPUS in core.view.config.job


async def count_until_told(node: Node, count: Callable[[Node], Coroutine[Any, Any, None]]) -> None:
    """Count, unless another node has done so before: there is one vocabulary of one text."""
    counting = asyncio.create_task(count(node), name="count")
    try:
        while not counting.done() and node.agreement.ready.empty():
            await asyncio.wait([counting], timeout=LOOK)
        if counting.done():
            return await counting
        log.info("another node has counted the text")
        node.corpus.stop()
        await asyncio.gather(counting, return_exceptions=True)
    finally:
        counting.cancel()


def begin(node: Node, session: Session) -> None:
    """There is a model: tasks may come."""
    cursor = session.trainer.cursor
    if isinstance(cursor, SharedCursor):
        node.core.tasks.begin(session.vocab.digest, cursor.tokens, session.trainer.recipe.epochs)


def hand_on(node: Node, session: Session) -> None:
    """Tell what the threads have done, take back what others have, and hand them what is next."""
    cursor, trainer, tasks = session.trainer.cursor, session.trainer, node.core.tasks
    if not isinstance(cursor, SharedCursor):
        return
    for ended in cursor.queue.done():
        tasks.finished(ended)
    cursor.queue.lose(tasks.lost())
    while cursor.wants(trainer.words_per_second) and (task := tasks.next(node.network.now())) is not None:
        cursor.queue.give(task)
    trainer.total = trainer.trained + tasks.left()
    node.core.own.to_train(trainer.total)
    if tasks.complete:
        cursor.queue.close()


def swarm_total(session: Session, trained: int, total: int) -> int:
    """Words that the whole swarm has to train, of which it has `trained`: of a shared text all, whoever holds it."""
    cursor = session.trainer.cursor
    if not isinstance(cursor, SharedCursor):
        return total
    return max(trained, cursor.words * session.trainer.recipe.epochs)
