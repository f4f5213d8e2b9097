"""Models that diverge, in real daemons: once they recover, the second time the node fails and the others go on."""

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.daemons import AGREEMENT, SMALL, Daemon, Daemons, addresses, compile_once, difference, write_texts

from gossipw2v.config.job import Job
from gossipw2v.config.node import Config
from gossipw2v.gossip.records import Stage
from gossipw2v.node.daemon import Daemon as Process
from gossipw2v.node.node import Node
from gossipw2v.node.storage import checkpoint
from gossipw2v.node.storage.export import export_model
from gossipw2v.node.storage.generations import find
from gossipw2v.status import client, report
from gossipw2v.system.sections import blocks
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.similarity import largest_difference
from gossipw2v.w2v.training.guard import ENOUGH, LONGEST, PATIENCE, DivergedError
from gossipw2v.w2v.vectors.table import ExportError

UNTRAINED = 6 * np.log(2)
FAR_TOO_LARGE = {"alpha": 1.0, "negative": 20}
SOME, LONG = 80, 200  # epochs: a second or two, in which there are dozens of exchanges; some seconds
TOLD = (
    "diverged and half of alpha would still be far too much",
    "alpha 1 (0.025 is usual)",
    "negative 20 (5 is usual)",
    "--alpha 0.025",
)


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


def check_failed_clearly(node: Daemon) -> None:
    """It said what to change, once, and left nothing that is not finite."""
    log = node.log()
    (told,) = [line for line in log.splitlines() if "[critical" in line]
    assert all(text in told for text in TOLD)
    assert "Traceback" not in log
    assert "not kept" not in log
    found = find(node.data).newest
    assert found is None or np.isfinite(found.weights()).all()


# --- settings that are too large ------------------------------------------------------------------------


@pytest.mark.parametrize("window", [5, 10])
def test_a_node_alone_fails_clearly_with_steps_that_are_far_too_large(
    swarm: Daemons, tmp_path: Path, window: int
) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=10_000, window=window, **FAR_TOO_LARGE)
    status = node.until(lambda s: s["state"] == "failed")
    assert ill(node)["reason"] == status["failure"] == status["problems"][-1]
    with pytest.raises(client.AnswerError, match=TOLD[0]):  # while it answers: no command may have started by then
        node.serving()
    assert not (node.folder / "vectors.txt").exists()
    assert status["divergences"] == 1
    shown = report.render(status)
    assert all(text in shown for text in ("failed", *TOLD, f"window {window} (5 is usual)"))
    assert node.end() == 1
    check_failed_clearly(node)


def ill(node: Daemon) -> dict[str, Any]:
    """What /healthz says of a node that is ill."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{node.url}/healthz", timeout=10)
    with refused.value as answer:
        assert answer.code == 503
        said: dict[str, Any] = json.loads(answer.read())
    assert (said["state"], said["ok"]) == ("failed", False)
    return said


def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "gossipw2v", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_all_nodes_of_a_swarm_fail_clearly_with_steps_that_are_far_too_large(swarm: Daemons, tmp_path: Path) -> None:
    listen = addresses(3)
    for text, place in zip(write_texts(tmp_path, 3), listen, strict=True):
        swarm.start(text, listen=place, peers=",".join(listen), min_peers=2, epochs=10_000, **FAR_TOO_LARGE)
    assert swarm.ended() == [1, 1, 1]
    for node in swarm.all:
        check_failed_clearly(node)


# --- a checkpoint with broken rows ----------------------------------------------------------------------


def plant(node: Daemon, value: float, monkeypatch: pytest.MonkeyPatch, rows: int = 3) -> list[bytes]:
    """Put a value into the first rows of the checkpoint that a node left, as no node would write it; the words."""
    found = find(node.data).newest
    assert found is not None
    weights, updates = np.empty((2 * found.about.words, found.about.vector_size), np.float32), None
    updates = np.empty(len(weights), np.int64)
    found.restore(weights, updates)
    weights[:rows, 1] = value
    monkeypatch.setattr(checkpoint, "_finite", lambda held: blocks(held, "<f4"))
    whole = checkpoint.Contents(found.about, found.vocabulary, weights, updates, lambda: found.state)
    checkpoint.write(found.path, found.generation, whole)
    monkeypatch.undo()
    return list(node.model()[0][:rows])


@pytest.mark.parametrize("value", [np.nan, 1e9], ids=["nan", "long"])
def test_a_node_that_goes_on_from_broken_rows_recovers_and_completes_well(
    swarm: Daemons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=LONG, until_complete=False)
    node.progress(0.1)
    assert node.end(signal.SIGTERM) == 0
    plant(node, value, monkeypatch)
    swarm.again(node)
    done = node.until(lambda s: s["state"] == "complete")
    assert (done["divergences"], done["failure"], done["degraded"]) == (1, None, True)
    assert "the model diverged: the input vector of word" in done["problems"][0]
    assert "alpha is half of what was set" in done["problems"][0]
    assert done["progress"]["trained_tokens"] == done["progress"]["total_tokens"]
    assert done["progress"]["loss"] < 0.9 * UNTRAINED
    assert "gossipw2v_divergences_total 1.0" in urllib.request.urlopen(f"{node.url}/metrics").read().decode()
    _, vectors = node.serving()
    assert np.isfinite(vectors).all()
    assert 0.1 < np.linalg.norm(vectors[:3], axis=1).min() < LONGEST / 4  # trained again
    assert node.end(signal.SIGTERM) == 0
    assert np.isfinite(node.model()[1]).all()


def test_one_of_three_that_goes_on_from_broken_rows_does_the_others_no_harm(
    swarm: Daemons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = addresses(3)
    for text, place in zip(write_texts(tmp_path, 3), listen, strict=True):
        swarm.start(text, listen=place, peers=",".join(listen), min_peers=2, epochs=2 * LONG)
    nodes = list(swarm.all)
    for node in nodes:
        node.progress(0.05)
    sick = nodes[1]
    assert sick.end(signal.SIGTERM) == 0
    plant(sick, np.nan, monkeypatch, rows=50)
    swarm.again(sick)
    assert swarm.ended() == [0, 0, 0]
    for node in nodes:
        _, vectors, described = node.model()
        assert described["complete"] is True
        assert np.linalg.norm(vectors, axis=1).max() < LONGEST / 4
    assert difference(nodes) <= AGREEMENT


def test_a_checkpoint_that_is_not_finite_is_not_exported(
    swarm: Daemons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=1)
    assert node.end() == 0
    (first, *_) = plant(node, np.nan, monkeypatch)
    out = tmp_path / "out"
    out.mkdir()
    refused = command("export", "--data-dir", node.data, out / "vectors.txt")
    assert refused.returncode == 1
    assert f"the vector of '{first.decode()}' holds a value that is not finite" in refused.stderr
    assert list(out.iterdir()) == []
    with pytest.raises(ExportError, match="not finite"):
        export_model(node.data, out / "vectors.txt")


# --- nodes in this process, so that one of them can be made ill -----------------------------------------

PLACES = {"root": 2, "leaf": 0}  # by the ids that `living` gives
Fault = Callable[[Any, Any, int, float], tuple[int, float] | None]


def not_a_number(tokens: Any, syn0: Any, pairs: int, loss: float) -> None:
    syn0[tokens[tokens >= 0]] = np.nan


def too_long(tokens: Any, syn0: Any, pairs: int, loss: float) -> None:
    syn0[tokens[tokens >= 0]] *= 1e4


def bad_loss(tokens: Any, syn0: Any, pairs: int, loss: float) -> tuple[int, float]:
    return 10 * ENOUGH, 2 * UNTRAINED * 10 * ENOUGH  # enough to be judged by, however short the slice is


@asynccontextmanager
async def living(folder: Path, count: int, **job: Any) -> AsyncIterator[list[tuple[Node, asyncio.Task[None]]]]:
    """Nodes of one swarm, the last of the highest priority, each with its task, which ends with the node."""
    compile_once()
    listen, nodes = addresses(count), []
    for n, text in enumerate(write_texts(folder, count)):
        config = Config(
            corpus=(str(text),),
            data_dir=folder / f"data{n}",
            threads=1,
            peers=tuple(listen) if count > 1 else ("none",),
            min_peers=count - 1,
            listen=listen[n],
            http="127.0.0.1:0",
            settle_seconds=SMALL["settle-seconds"],
            until_complete=count > 1,
            job=Job(**{"vector_size": 32, "sample": 1e-3, "min_count": 5, **job}),
        )
        config.data_dir.mkdir()
        node = Node(config, bytes([n + 1]) * 32, asyncio.get_running_loop().time())
        nodes.append((node, asyncio.create_task(Process(node, lambda config=config: config).run())))
    try:
        yield nodes
    finally:
        for node, _ in nodes:
            node.stopping.set()
        await asyncio.gather(*(task for _, task in nodes), return_exceptions=True)
        await asyncio.sleep(0.2)  # the loop hands over connections that were accepted meanwhile, and they are closed


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(90):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def make_ill(monkeypatch: pytest.MonkeyPatch, node: Node, fault: Fault, times: int) -> None:
    """Let so many slices of a node that has not begun go wrong, from its tenth exchange on."""
    real, left = sgns.sgns_train, [times]

    def kernel(tokens: Any, syn0: Any, *others: Any) -> tuple[int, float]:
        said, session = real(tokens, syn0, *others), node.session
        if session is None or session.model.weights.ctypes.data != syn0.ctypes.data or not left[0]:
            return said
        if all(link.end.flow.exchanges < 10 for link in node.core.view.links()):
            return said
        left[0] -= 1
        return fault(tokens, syn0, *said) or said

    monkeypatch.setattr(sgns, "sgns_train", kernel)


@pytest.mark.parametrize("fault", [not_a_number, too_long, bad_loss], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("place", PLACES)
async def test_one_of_three_that_diverges_twice_fails_and_the_others_complete(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Fault, place: str
) -> None:
    async with living(tmp_path, 3, epochs=SOME) as nodes:
        sick, task = nodes[PLACES[place]]
        make_ill(monkeypatch, sick, fault, times=1 << 30)
        await until(lambda: sick.condition.failure is not None)
        assert sick.snapshot()["state"] == "failed"
        with pytest.raises(DivergedError, match="diverged again"):
            await task
        others = [(node, each) for node, each in nodes if node is not sick]
        await asyncio.gather(*(each for _, each in others))
        assert sick.condition.divergences == 2
        for node, _ in others:
            assert node.state is Stage.COMPLETE
            assert (node.condition.divergences, node.condition.problems) == (0, {})
            member = node.core.view.members.get(sick.core.node)
            assert member is not None
            assert member.state is Stage.LEFT
            assert node.core.view.scores(0.0)["origins"] == []
            assert well(node)
        assert not list(sick.config.data_dir.glob("checkpoint-*.links"))


def well(node: Node) -> bool:
    """Whether what it left is a model that has learned."""
    found = find(node.config.data_dir).newest
    assert found is not None
    lengths = np.linalg.norm(found.weights(), axis=1)
    return bool(found.state.complete and np.isfinite(lengths).all() and 0.5 < lengths.max() < LONGEST / 4)


@pytest.mark.parametrize("fault", [not_a_number, too_long, bad_loss], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("place", PLACES)
async def test_one_of_three_that_diverges_once_recovers_and_all_agree(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Fault, place: str
) -> None:
    async with living(tmp_path, 3, epochs=SOME) as nodes:
        sick, _ = nodes[PLACES[place]]
        make_ill(monkeypatch, sick, fault, times=PATIENCE if fault is bad_loss else 1)
        await asyncio.gather(*(each for _, each in nodes))
        for node, _ in nodes:
            assert node.condition.divergences == (node is sick)
            assert well(node)
            assert node.core.view.scores(0.0)["origins"] == []
        assert "taken back" in sick.condition.problems["model"]
        first, *rest = [found.weights() for node, _ in nodes if (found := find(node.config.data_dir).newest)]
        assert max(largest_difference(first, other) for other in rest) <= AGREEMENT


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
async def test_a_running_node_exports_nothing_that_is_not_finite(tmp_path: Path, value: float) -> None:
    async with living(tmp_path, 1, epochs=2) as ((node, _),):
        await until(lambda: node.state is Stage.COMPLETE)
        assert node.session is not None
        url, out = f"http://{node.condition.where['http']}", tmp_path / "out"
        out.mkdir()
        await asyncio.to_thread(client.export, url, out / "good.txt")
        node.session.model.syn0[7, 3] = value
        word = node.session.vocab.words[7].decode()
        with pytest.raises(client.AnswerError, match=f"the vector of '{word}' holds a value that is not finite"):
            await asyncio.to_thread(client.export, url, out / "bad.txt")
        refused = await asyncio.to_thread(command, "export", "--url", url, out / "bad.txt")
        assert refused.returncode == 1
        assert f"the vector of '{word}'" in refused.stderr
        assert [path.name for path in out.iterdir()] == ["good.txt"]
