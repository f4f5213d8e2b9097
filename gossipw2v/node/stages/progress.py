"""How far a node and its swarm are, told to each other; and what is waited for by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gossipw2v.gossip.records import Stage
from gossipw2v.node.node import Node
from gossipw2v.node.session import ENOUGH
from gossipw2v.node.sharing.tasks import hand_on, swarm_total
from gossipw2v.system.notify import notify

FOLLOW = 0.1  # s between looks at how far the threads and the swarm are
SLOWEST = 0.5  # s between exchanges of long runs: who dies takes little along; with 2, churn cost two points of analogy
LAST_EXCHANGES = 2.0  # s for the last exchanges of a node that was told to stop
LAST_ANSWERS = 1.0  # s for those under way then


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
