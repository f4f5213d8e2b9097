"""Real daemons whose data directory is on a small disk that is full: after a while, or from the beginning."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from support.daemons import Daemon, Daemons, Status, addresses, read_vectors, write_texts
from support.mounts import SmallDisk, mounts_available

from gossipw2v.cli.main import IO_ERROR
from gossipw2v.node.storage.generations import find
from gossipw2v.node.storage.inputs import NODE_FILE
from gossipw2v.system.durable import TEMPORARY

ROOM = 4 << 20  # bytes; the encoded text takes 173,000, a checkpoint 270,000
TEXT = 256 << 10
OFTEN = 0.3  # s between checkpoints
SHORT, ENDLESS = 20, 10_000  # epochs
FULL = "No space left on device"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """What the first daemon's data directory is on."""
    if (reason := mounts_available()) is not None:
        pytest.skip(reason)
    with SmallDisk(tmp_path / "node1" / "data", ROOM) as disk:
        yield disk


@pytest.fixture
def swarm(disk: SmallDisk, tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


def fills_up(node: Daemon, disk: SmallDisk) -> Status:
    """Fill the disk until the node has told of two checkpoints that did not fit."""

    def told(status: Status) -> bool:
        disk.fill()  # again: what a failed checkpoint had taken is free again
        return bool(status["degraded"] and status["checkpoint"]["failures"] >= 2)

    return node.until(told)


def trains_on(node: Daemon, since: Status) -> Status:
    trained = since["progress"]["trained_tokens"]
    return node.until(lambda s: s["state"] == "training" and s["progress"]["trained_tokens"] > trained)


def recovers(node: Daemon, disk: SmallDisk, generation: int) -> None:
    """With room again, the next checkpoint is written and all is well."""
    disk.clear()
    again = node.until(lambda s: not s["degraded"] and (s["checkpoint"]["generation"] or 0) > generation)
    assert again["problems"] == []
    assert whole(node) > generation


def whole(node: Daemon) -> int:
    """The generation that is on disk; AssertionError if there is none or a damaged one."""
    found = find(node.data)
    assert found.newest is not None
    assert found.damaged == {}
    return found.newest.generation


def test_a_disk_that_fills_up_stops_neither_training_nor_exchanges_and_is_used_again(
    swarm: Daemons, disk: SmallDisk, tmp_path: Path
) -> None:
    texts = write_texts(tmp_path, 2)
    node = swarm.start(texts[0], peers=addresses(1)[0], min_peers=1, epochs=ENDLESS, checkpoint_interval=OFTEN)
    swarm.start(texts[1], peers=node.address, epochs=ENDLESS)
    node.until(lambda s: s["checkpoint"]["generation"] and s["links"])
    full = fills_up(node, disk)
    good = full["checkpoint"]["generation"]
    assert re.fullmatch(rf"checkpoint \d+ .*{FULL}.*/data/.*; the last whole one is {good}", full["problems"][0])
    exchanged = full["links"][0]["exchanges"]
    trains_on(node, full)
    node.until(lambda s: s["links"] and s["links"][0]["exchanges"] > exchanged)
    with urlopen(f"{node.url}/metrics") as answer:
        numbers = dict(
            re.findall(r"^gossipw2v_(degraded|checkpoint_failures_total) (\S+)", answer.read().decode(), re.M)
        )
    assert float(numbers["degraded"]) == 1
    assert float(numbers["checkpoint_failures_total"]) >= 2
    assert whole(node) == good
    command = [sys.executable, "-m", "gossipw2v", "export", str(tmp_path / "vectors"), "--data-dir", str(node.data)]
    subprocess.run(command, check=True, capture_output=True)
    assert read_vectors(tmp_path / "vectors")[1].any()
    recovers(node, disk, good)


def test_a_node_that_is_killed_and_started_again_on_a_full_disk_goes_on(
    swarm: Daemons, disk: SmallDisk, tmp_path: Path
) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=ENDLESS, checkpoint_interval=OFTEN)
    node.until(lambda s: s["checkpoint"]["generation"])
    fills_up(node, disk)
    node.end(signal.SIGKILL)
    good = whole(node)
    (node.data / NODE_FILE).unlink()
    disk.fill()
    swarm.again(node)
    node.says(rf"going on from.*{NODE_FILE}.*{FULL}.*state=training.*could not be written.*{FULL}")
    assert whole(node) == good
    assert not (node.data / NODE_FILE).exists()
    recovers(node, disk, good)
    assert node.status()["checkpoint"]["resumed_from"] == good


def test_a_disk_without_room_for_compiled_kernels_is_named(swarm: Daemons, disk: SmallDisk, tmp_path: Path) -> None:
    cache = tmp_path / "node1" / "data" / "kernels"

    def popen(argv: list[str], env: dict[str, str], **options: Any) -> "subprocess.Popen[Any]":
        return subprocess.Popen(argv, env={**env, "NUMBA_CACHE_DIR": str(cache)}, **options)

    disk.fill()
    node = swarm.start(write_texts(tmp_path, 1)[0], popen, epochs=SHORT)
    assert node.end() == IO_ERROR
    assert re.search(f"critical.*cannot go on.*{cache}: compiled kernels cannot be kept there: .*{FULL}", node.log())


@pytest.mark.parametrize(
    ("room", "told"),
    [
        (0, rf"/data: {FULL}: check the data directory's space"),
        (TEXT, rf"the model was not kept: checkpoint \d+ could not be written: .*{FULL}.*; there is none yet"),
    ],
    ids=["no room for the text", "no room for the model"],
)
def test_a_disk_that_is_full_from_the_beginning_ends_the_node_with_74_and_the_reason(
    swarm: Daemons, disk: SmallDisk, tmp_path: Path, room: int, told: str
) -> None:
    disk.fill(room)
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=SHORT)
    assert node.end() == IO_ERROR
    assert re.search(f"critical.*cannot go on.*{told}", node.log())
    assert "Traceback" not in node.log()
    assert not [path for path in node.data.iterdir() if path.name.endswith(TEMPORARY)]
    disk.clear()
    swarm.again(node)
    assert node.end() == 0
    assert node.model()[2]["complete"]
