"""Training the own text to its end, and what is done about a model that diverges."""

from __future__ import annotations

import asyncio

from gossipw2v.config.job import Job
from gossipw2v.node.node import Node
from gossipw2v.node.session import Session
from gossipw2v.node.stages.growing import take_over
from gossipw2v.node.stages.progress import FOLLOW, tell, until
from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.training.guard import DivergedError
from gossipw2v.w2v.training.recovery import come_back, nothing_kept
from gossipw2v.w2v.training.trainer import AGAIN, FRESH, Trainer

LAST_SLICES = 30.0  # s for the training threads to end at a breach; a slice takes some 10 ms where cores are free
LAST_PROBE = 60.0  # s for a model to be scored on the test sets of --probe before a node leaves that is done
SMALLER = 0.5  # of alpha, when the model has diverged
CBOW_ALPHA = 0.05  # as usual there

log = get_logger("work")


async def train(node: Node, further: bool) -> None:
    """Train the own text, and keep the swarm and the trainer informed of each other. `further`: the model was done.

    DivergedError, with the node failed, if that cannot be done with the settings that it has.
    """
    assert node.session is not None
    trainer = node.session.trainer
    tell(node)  # alpha is that of the swarm's progress from the first step
    if further and not trainer.done:
        rounds = node.checkpointer.rounds
        trainer.go_further(FRESH if rounds is not None and len(rounds.past) > 1 else AGAIN)
        log.info("goes on with a model that was done", left=trainer.total, alpha=round(trainer.alpha, 6))
    trainer.start()
    while not await trained(node):
        tell(node)
        await take_over(node)
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
