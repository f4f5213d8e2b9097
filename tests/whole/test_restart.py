"""Real daemons that are stopped, killed and started again: what they go on from, and what they refuse."""

import json
import os
import resource
import signal
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.daemons import STOP_SECONDS, Daemon, Daemons, addresses, agree_in_the_end, write_texts

from gossipw2v.cli.synthetic import World
from gossipw2v.node.storage.checkpoint import MAGIC, VERSION
from gossipw2v.node.storage.export import load_model
from gossipw2v.node.storage.generations import find
from gossipw2v.system.lock import LOCK_FILE
from gossipw2v.system.sections import digest
from gossipw2v.w2v.evaluation.analogies import score_analogies
from gossipw2v.w2v.evaluation.embedding import Embedding
from gossipw2v.w2v.evaluation.layouts import Question
from gossipw2v.w2v.similarity import largest_difference

OFTEN = 0.1  # s between checkpoints
SHORT, LONG = 40, 80  # epochs: three seconds, of which the first checkpoints take a tenth
TWICE = 1.1  # what was trained after the last checkpoint may be trained again
ENOUGH = 0.2  # of the planted analogies: half without any kill, .3 when a node comes late and trains alone


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


def kept(node: Daemon, generation: int = 1) -> dict[str, Any]:
    """Wait for its first checkpoint, or a later one."""
    return node.until(lambda s: (s["checkpoint"]["generation"] or 0) >= generation)


def kept_some(nodes: Sequence[Daemon]) -> list[dict[str, Any]]:
    """Wait until each has a checkpoint that was begun when something had been trained."""
    first = [node.until(lambda s: s["progress"]["trained_tokens"])["checkpoint"]["generation"] or 0 for node in nodes]
    return [kept(node, at + 2) for node, at in zip(nodes, first, strict=True)]


def resumed(node: Daemon) -> dict[str, Any]:
    """The status once what the checkpoint held is in the model, which comes after its vocabulary."""
    return node.until(lambda s: s["checkpoint"]["resumed_from"] and s["progress"]["total_tokens"])


def analogies(node: Daemon) -> float:
    """Share of the planted analogies that come out right."""
    words, vectors = node.serving()
    questions = [Question(kind, a, b, c, (d,)) for kind, a, b, c, d in World().analogies()]
    embedding = Embedding.of([word.decode() for word in words], vectors)
    return score_analogies(embedding, questions, "world")[0].figures["3cosadd"]


def ended(swarm: Daemons) -> list[dict[str, Any]]:
    """What the models say of themselves that services which are done leave, all with the same vectors."""
    for node in swarm.all:
        node.until(lambda s: s["state"] == "complete")
    assert agree_in_the_end(swarm.all)
    assert analogies(swarm.all[0]) > ENOUGH
    for node in swarm.all:
        node.process.send_signal(signal.SIGTERM)
    assert swarm.ended() == [0] * len(swarm.all)
    assert not [node.name for node in swarm.all if "Traceback" in node.log()]
    return [node.model()[2] for node in swarm.all]


# --- a swarm --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("killed", [(0,), (0, 1), (0, 1, 2)], ids=["one", "two", "all"])
def test_killed_and_restarted_nodes_go_on_and_the_job_ends_as_if_nothing_had_been(
    swarm: Daemons, tmp_path: Path, killed: tuple[int, ...]
) -> None:
    listen = addresses(3)
    for text, place in zip(write_texts(tmp_path, 3, sentences=24_000), listen, strict=True):
        options = {"peers": ",".join(listen), "min_peers": 2, "epochs": LONG, "checkpoint_interval": OFTEN}
        swarm.start(text, listen=place, until_complete=False, **options)  # others may be done before one is back
    before = kept_some(swarm.all)
    tokens = sum(status["progress"]["total_tokens"] for status in before)  # of all epochs
    for number in killed:
        assert swarm.all[number].end(signal.SIGKILL) == -signal.SIGKILL
    for number in killed:
        swarm.again(swarm.all[number])
    for number in killed:
        status = resumed(swarm.all[number])
        assert status["vocabulary"] == before[number]["vocabulary"]
        assert status["node"] != before[number]["node"]
        assert status["progress"]["trained_tokens"] > 0
    for described in ended(swarm):
        assert tokens <= sum(described["origins"].values()) <= TWICE * tokens  # none is lost


@pytest.mark.parametrize(("nodes", "stopped"), [(2, (0,)), (2, (1,)), (3, (0, 1, 2))], ids=["one", "other", "all"])
def test_stopped_nodes_go_on_with_the_links_that_both_ends_still_hold(
    swarm: Daemons, tmp_path: Path, nodes: int, stopped: tuple[int, ...]
) -> None:
    listen = addresses(nodes)
    for text, place in zip(write_texts(tmp_path, nodes, sentences=24_000), listen, strict=True):
        options = {"peers": ",".join(listen), "min_peers": nodes - 1, "epochs": LONG, "settle_seconds": 3}
        swarm.start(text, listen=place, until_complete=False, **options)  # as above
    before = [node.progress(0.05) for node in swarm.all]
    tokens = sum(status["progress"]["total_tokens"] for status in before)
    for number in stopped:
        swarm.all[number].process.send_signal(signal.SIGTERM)
    assert [swarm.all[number].end(seconds=STOP_SECONDS) for number in stopped] == [0] * len(stopped)
    kept = {number: swarm.all[number].log().count("links kept") for number in stopped}
    for number in stopped:
        swarm.again(swarm.all[number])
    opened = [status["events"].get("link_opened", 0) for status in before]
    for number, node in enumerate(swarm.all):
        after = node.until(lambda s: s["links"] and s["links"][0]["exchanges"] > 2)
        assert kept.get(number, 1) == 1
        assert after["events"].get("link_opened", 0) == (0 if number in stopped else opened[number])
        assert after["events"].get("reset", 0) == 0
    assert {sum(described["origins"].values()) for described in ended(swarm)} == {tokens}


def test_one_remembered_address_is_enough(swarm: Daemons, tmp_path: Path) -> None:
    texts, nobody = write_texts(tmp_path, 2), addresses(1)[0]
    first = swarm.start(texts[0], peers=nobody, min_peers=1, epochs=SHORT, until_complete=False)
    second = swarm.start(texts[1], peers=first.address, epochs=SHORT, until_complete=False, checkpoint_interval=OFTEN)
    second.until(lambda s: s["state"] == "complete")
    assert second.end(signal.SIGTERM, STOP_SECONDS) == 0
    swarm.again(second, f"--peers={nobody}")
    back = second.until(lambda s: s["state"] == "complete" and s["links"])
    assert [link["peer"] for link in back["links"]] == [first.status()["node"]]


# --- one node -------------------------------------------------------------------------------------------


def test_one_that_was_stopped_again_and_again_ends_with_the_same_bits(swarm: Daemons, tmp_path: Path) -> None:
    text = write_texts(tmp_path, 1)[0]
    through, stopped = (swarm.start(text, epochs=400, seed=7, checkpoint_interval=OFTEN) for _ in range(2))
    for share in (0.1, 0.3):
        stopped.progress(share)
        assert stopped.end(signal.SIGTERM, STOP_SECONDS) == 0
        assert not stopped.model()[2]["complete"]
        swarm.again(stopped)
    assert swarm.ended() == [0, 0]
    one, other = load_model(through.data), load_model(stopped.data)
    assert one[0] == other[0]
    assert one[1].tobytes() == other[1].tobytes()
    assert len(one[2]["origins"]) == 1
    assert len(other[2]["origins"]) == 3  # lives
    assert sum(one[2]["origins"].values()) == sum(other[2]["origins"].values())


def test_another_number_of_threads_trains_the_rest(swarm: Daemons, tmp_path: Path) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=400, checkpoint_interval=OFTEN)
    node.progress(0.1)
    node.end(signal.SIGKILL)
    swarm.again(node, "--threads=3")
    assert node.end() == 0
    _, vectors, described = node.model()
    assert described["complete"] is True
    assert np.isfinite(vectors).all()


def test_a_finished_job_stays_finished_and_is_served(swarm: Daemons, tmp_path: Path) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=SHORT, until_complete=False)
    node.until(lambda s: s["state"] == "complete" and s["checkpoint"]["generation"])
    _, before = node.serving()
    trained = node.status()["progress"]
    node.end(signal.SIGKILL)
    swarm.again(node)
    after = node.until(lambda s: s["state"] == "complete")["progress"]
    assert (after["ratio"], after["trained_tokens"]) == (1, trained["trained_tokens"])
    assert node.serving()[1].tobytes() == before.tobytes()


def test_the_encoded_text_is_used_again_and_nothing_is_counted(swarm: Daemons, tmp_path: Path) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=10_000, checkpoint_interval=OFTEN)
    corpus = kept(node)["corpus"]
    (shard,) = node.data.glob("*.shard")
    written = shard.stat().st_ino
    node.end(signal.SIGKILL)
    swarm.again(node)
    status = resumed(node)
    assert status["corpus"]["tokens"] == corpus["tokens"] > 0
    assert node.log().count("counted") == 1
    assert shard.stat().st_ino == written


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(swarm: Daemons, tmp_path: Path) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=10_000, checkpoint_interval=OFTEN)
    node.until(lambda s: (s["checkpoint"]["generation"] or 0) >= 2)
    node.end(signal.SIGKILL)
    found = find(node.data).newest
    assert found is not None
    data = bytearray(found.path.read_bytes())
    data[len(data) // 2] ^= 1
    found.path.write_bytes(data)
    swarm.again(node)
    status = resumed(node)
    assert status["checkpoint"]["damaged"] == 1
    assert status["checkpoint"]["resumed_from"] == found.generation - 1
    assert f"{found.path.name}.damaged" in node.log()
    assert found.path.with_name(f"{found.path.name}.damaged").exists()


# --- a disk that fails ----------------------------------------------------------------------------------


def test_a_node_that_cannot_write_goes_on_says_so_and_recovers(swarm: Daemons, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: both fail in the middle of a write."""
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=10_000, checkpoint_interval=OFTEN)
    good = kept(node)["checkpoint"]["generation"]
    limits = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (100_000, limits[1]))
    bad = node.until(lambda s: s["degraded"] and s["checkpoint"]["failures"] >= 2)
    assert "could not be written: [Errno 27] File too large" in bad["problems"][0]
    assert bad["state"] == "training"
    assert bad["checkpoint"]["generation"] >= good
    found = find(node.data)
    assert found.newest is not None
    assert found.damaged == {}
    at = bad["progress"]["trained_tokens"]
    node.until(lambda s: s["progress"]["trained_tokens"] > at)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, limits)
    again = node.until(lambda s: not s["degraded"] and s["checkpoint"]["generation"] > found.newest.generation)
    assert again["problems"] == []
    assert not [path for path in node.data.iterdir() if path.name.endswith(".tmp")] or node.status()


# --- refused --------------------------------------------------------------------------------------------


@pytest.fixture
def left(swarm: Daemons, tmp_path: Path) -> Daemon:
    """A node that was stopped in the middle of its work."""
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=10_000, checkpoint_interval=OFTEN)
    kept(node)
    assert node.end(signal.SIGTERM, STOP_SECONDS) == 0
    return node


def checkpoints(node: Daemon) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in node.data.glob("checkpoint-*")}


def refused(swarm: Daemons, node: Daemon, *flags: str) -> str:
    """AssertionError unless it ends with 2 and leaves the checkpoints as they are; what it said."""
    before, said = checkpoints(node), node.log()
    swarm.again(node, *flags)
    assert node.end() == 2
    assert checkpoints(node) == before
    assert "Traceback" not in node.log()
    return node.log().removeprefix(said)


def test_another_job_is_refused_unless_it_is_to_start_over(swarm: Daemons, left: Daemon) -> None:
    told = refused(swarm, left, "--vector-size=16", "--window=3")
    assert "vector_size is '32' there and '16' here, window is '5' there and '3' here" in told
    assert "--fresh" in told
    before = checkpoints(left)
    swarm.again(left, "--vector-size=16", "--window=3", "--fresh")
    status = kept(left)
    assert status["checkpoint"]["resumed_from"] is None
    after = checkpoints(left)
    assert {name: after[f"{name}.aside"] for name in before} == before


def test_another_text_is_refused_but_not_another_time_or_name(swarm: Daemons, left: Daemon, tmp_path: Path) -> None:
    text = tmp_path / "text1"
    words = text.read_text()
    text.write_text(words.replace("\n", " more\n", 1))
    assert "was trained on another text than there is now" in refused(swarm, left)
    text.write_text(words)
    os.utime(text, (1, 1))
    swarm.again(left)
    resumed(left)


def test_a_future_version_is_refused(swarm: Daemons, left: Daemon) -> None:
    prefix = struct.pack("<8sIQI", MAGIC, VERSION + 1, 1 << 20, 0)
    (left.data / f"checkpoint-{1 << 20}").write_bytes(prefix + digest(prefix) + b"unknown")
    assert f"checkpoint-{1 << 20}: is of version {VERSION + 1}" in refused(swarm, left)


def test_a_second_daemon_in_a_folder_is_refused(swarm: Daemons, tmp_path: Path) -> None:
    text = write_texts(tmp_path, 1)[0]
    node = swarm.start(text, epochs=10_000)
    where = node.where
    second = swarm.start(text)
    assert second.end() == 0  # a folder of its own
    (node.folder / "link").symlink_to(node.data)
    swarm.again(second, f"--data-dir={node.folder / 'link'}")
    assert second.end() == 2
    assert f"in use by the node with pid {node.process.pid}" in second.log()
    assert json.loads((node.data / "node.json").read_bytes()) == where
    assert (node.data / LOCK_FILE).read_text() == f"{node.process.pid}\n"


def test_a_model_that_was_kept_is_the_one_that_was_served(swarm: Daemons, tmp_path: Path) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=SHORT, until_complete=False)
    node.until(lambda s: s["state"] == "complete" and s["checkpoint"]["generation"])
    words, vectors = node.serving()
    others, theirs, _ = node.model()
    assert list(others) == words
    assert largest_difference(vectors, theirs) == 0
