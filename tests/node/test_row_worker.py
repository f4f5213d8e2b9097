"""The row_worker: row work in its thread, with a curvature that both ends of a link keep up to date."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gossipw2v.config.job import Job
from gossipw2v.config.node import Config
from gossipw2v.delta import empty
from gossipw2v.gossip.instructions import Collect, Instruction, Merge, OpenLink, Settle
from gossipw2v.node.row_worker import RowWorker
from gossipw2v.node.session import make_session
from gossipw2v.w2v.text.shards import Shard
from gossipw2v.w2v.text.vocab import Vocab
from gossipw2v.w2v.text.words import Words

LINK = b"12345678"
SIZE = 8
WORDS = Vocab(Words.of([b"the", b"of", b"and"]), np.array([30, 20, 10], np.int64))


async def performed(*orders: Instruction) -> tuple[Any, list[Any]]:
    """A session whose row_worker has performed `orders`, and what it reported."""
    results: list[Any] = []
    done = asyncio.Event()

    def report(_work: Any, result: Any) -> None:
        results.append(result)
        if len(results) == len(orders):
            done.set()

    config = Config(corpus=("text",), data_dir=Path("data"), threads=1, job=Job(vector_size=SIZE, sample=0.0))
    tokens = np.tile(np.array([0, 1, 2], np.int32), 50)
    session = make_session(config, WORDS, Shard(tokens, len(tokens), Path("none")), report)
    session.model.weights[:] = np.random.default_rng(0).normal(size=session.model.weights.shape)
    try:
        for order in orders:
            session.row_worker.submit(order)
        async with asyncio.timeout(30):
            await done.wait()
    finally:
        session.close()
    return session, results


@pytest.mark.parametrize(
    "order",
    [Merge(LINK, empty(SIZE), flush=False, overlap=False), Settle(LINK, empty(SIZE), empty(SIZE))],
    ids=["parent", "child"],
)
async def test_both_ends_of_a_link_know_the_curvature_by_which_they_merge(order: Instruction) -> None:
    session, (opened, merged) = await performed(OpenLink(LINK, overlap=False, catch_up=False), order)
    assert opened is None
    assert not isinstance(merged, Exception)
    assert all(curve.curvatures.max() > 0 for curve in session.model.spectra)


async def test_work_on_a_link_that_is_gone_reports_why() -> None:
    _, (result,) = await performed(Collect(LINK, flush=False))
    assert isinstance(result, KeyError)


async def test_it_is_idle_when_all_that_was_submitted_is_done_and_reported() -> None:
    session, _ = await performed(OpenLink(LINK, overlap=False, catch_up=False))
    reported: list[Any] = []
    row_worker = RowWorker(session.model, session.trainer, lambda work, _result: reported.append(work))
    orders = [Merge(LINK, empty(SIZE), flush=False, overlap=False) for _ in range(20)]
    for order in orders:
        row_worker.submit(order)
    await row_worker.idle()
    assert list(map(id, reported)) == list(map(id, orders))
    row_worker.close()


async def test_work_waits_while_the_model_has_diverged_and_is_done_in_order_when_it_is_mended() -> None:
    session, _ = await performed(OpenLink(LINK, overlap=False, catch_up=False))
    reported: list[Any] = []
    row_worker = RowWorker(session.model, session.trainer, lambda work, _result: reported.append(work))
    orders: list[Any] = [Collect(LINK, flush=False), Merge(LINK, empty(SIZE), flush=False, overlap=False)]
    session.trainer.breach = "the loss is not a finite number"
    for order in orders:
        row_worker.submit(order)
    await row_worker.idle()
    assert reported == []
    assert session.model.came == 0

    def mend() -> None:
        session.trainer.breach = None

    await row_worker.mend(mend)
    await row_worker.idle()
    assert list(map(id, reported)) == list(map(id, orders))
    row_worker.close()


async def test_a_model_that_is_never_mended_does_not_hold_up_the_end() -> None:
    session, _ = await performed(OpenLink(LINK, overlap=False, catch_up=False))
    row_worker = RowWorker(session.model, session.trainer, lambda _work, _result: pytest.fail("nothing is to be done"))
    session.trainer.breach = "the loss is not a finite number"
    row_worker.submit(Collect(LINK, flush=False))
    await row_worker.idle()
    row_worker.close()
    await asyncio.sleep(0)
