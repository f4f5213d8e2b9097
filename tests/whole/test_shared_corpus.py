"""One text for all: real daemons train each word of it once an epoch, whoever dies; other files are refused by name."""

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import Daemon, Daemons, addresses, agree_in_the_end, write_texts

EPOCHS = 3


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


@pytest.fixture
def text(tmp_path: Path) -> Path:
    folder = tmp_path / "text"
    folder.mkdir()
    write_texts(folder, 3, 8000)
    return folder


def start(swarm: Daemons, folders: list[Path], **options: object) -> list[Daemon]:
    """Nodes that know each other, a folder each."""
    places, job = addresses(len(folders)), {"epochs": EPOCHS, "shared_corpus": True, **options}
    return [
        swarm.start(folder, listen=place, peers=",".join(p for p in places if p != place), **job)
        for folder, place in zip(folders, places, strict=True)
    ]


def words_of(node: Daemon, epochs: int = EPOCHS) -> int:
    """Words that all nodes are to train, as a node counts them."""
    found = re.search(r"vocabulary .* tokens=(\d+)", node.log())
    held_out = re.search(r"held_out=(\d+)", node.log())
    assert found
    assert held_out
    return epochs * (int(found[1]) - int(held_out[1]))


def trained(node: Daemon) -> int:
    found = re.search(r"own text trained.* tokens=(\d+)", node.log())
    assert found
    return int(found[1])


def test_three_nodes_train_each_word_once_an_epoch(swarm: Daemons, text: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mounted" / "elsewhere"
    shutil.copytree(text, copy)
    nodes = start(swarm, [text, copy, text], min_peers=2, until_complete=False)
    for node in nodes:
        node.until(lambda s: s["state"] == "complete")
    assert agree_in_the_end(nodes)
    assert sum(map(trained, nodes)) == words_of(nodes[0])
    counted = nodes[0].status()["tasks"]
    assert counted["done"] == counted["all"] > 0
    assert (counted["left"], counted["in_hand"]) == (0, 0)
    assert all("loss on held-out text" in node.log() for node in nodes)


def test_the_rest_of_a_node_that_was_killed_is_trained_by_the_others(swarm: Daemons, text: Path) -> None:
    dead, *others = start(swarm, [text] * 3, min_peers=2, epochs=30, until_complete=False)
    dead.until(lambda s: s["progress"]["trained_tokens"] > 0)
    dead.end(signal.SIGKILL)
    statuses = [node.until(lambda s: s["state"] == "complete") for node in others]
    whole = words_of(dead, 30)
    told = sum(member["trained_tokens"] for member in statuses[0]["members"])
    assert whole <= told + 0.1 * whole  # what it trained last, it could tell nobody
    assert told < 1.1 * whole


def test_a_stopped_node_goes_on_where_all_were(swarm: Daemons, text: Path) -> None:
    node = swarm.start(text, shared_corpus=True, epochs=40, checkpoint_interval=0.5)
    node.until(lambda s: s["progress"]["ratio"] > 0.1)
    first = node.status()["progress"]["trained_tokens"]
    assert node.end(signal.SIGTERM) == 0
    swarm.again(node)
    assert node.end() == 0
    assert "going on from" in node.log()
    assert 0 < trained(node) < words_of(node, 40) - 0.8 * first


def test_a_late_node_is_given_tasks(swarm: Daemons, text: Path) -> None:
    one, two = addresses(2)
    job = {"shared_corpus": True, "epochs": 60}
    first = swarm.start(text, listen=one, peers=two, **job)
    first.until(lambda s: s["progress"]["trained_tokens"] > 0)
    late = swarm.start(text, listen=two, peers=one, **job)
    assert swarm.ended() == [0, 0]
    assert trained(late) > 0


@pytest.mark.parametrize("change", ["another byte", "another file"])
def test_a_file_that_differs_is_named_by_both(swarm: Daemons, text: Path, tmp_path: Path, change: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(text, other)
    if change == "another byte":
        changed = other / "text2"
        changed.write_bytes(changed.read_bytes()[:-2] + b"x\n")
        told = "--shared-corpus: text2 differs in what it holds"
    else:
        (other / "text9").write_text("some more words\n")
        told = r"--shared-corpus: text9 is (here and not there|there and not here)"
    nodes = start(swarm, [text, other], min_peers=1)
    for node in nodes:
        node.says(told)
    assert all(len(node.status()["members"]) == 1 for node in nodes)


def test_a_node_with_a_text_of_its_own_is_another_job_s(swarm: Daemons, text: Path) -> None:
    one, two = addresses(2)
    first = swarm.start(text, listen=one, peers=two, shared_corpus=True, min_peers=1)
    swarm.start(text, listen=two, peers=one, min_peers=1)
    first.says("another job: corpus is None there|another job: .*shared_corpus is")
