"""Real daemons that hold some of their text out: what they show of it, everywhere, and what they refuse."""

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import Daemon, Daemons, write_texts

from gossipw2v.status.humanize import UNKNOWN

UNTRAINED = 6 * 0.6931  # the loss of guessing a pair and five noise words


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


def fetch(node: Daemon, path: str) -> str:
    with urllib.request.urlopen(f"{node.url}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def status_of(node: Daemon) -> str:
    """What the command prints."""
    line = [sys.executable, "-m", "gossipw2v", "status", "--url", node.url]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout


def complete(node: Daemon) -> dict:
    """The status once all is trained and, if there is anything to measure, measured."""
    return node.until(lambda s: s["state"] == "complete" and (s["held_out"]["loss"] or not s["held_out"]["pairs"]))


def test_the_loss_on_held_out_text_is_shown_wherever_people_look(swarm: Daemons, tmp_path: Path) -> None:
    options = {"epochs": 12, "held_out": 0.05, "checkpoint_interval": 0.2, "until_complete": False}
    node = swarm.start(write_texts(tmp_path, 1, sentences=8000)[0], **options)
    status = complete(node)
    held_out, loss = status["held_out"], status["held_out"]["loss"]
    assert held_out["share"] == 0.05
    assert 0.03 < held_out["words"] / status["corpus"]["tokens"] < 0.07
    assert status["progress"]["total_tokens"] < 12 * 0.97 * status["corpus"]["tokens"]
    assert 1000 < held_out["pairs"] <= 20_000
    assert 0 < loss < 0.8 * UNTRAINED
    last = {"trained_tokens": status["progress"]["total_tokens"], "loss": loss}
    assert last.items() <= held_out["history"][-1].items()
    found = re.search(r"^gossipw2v_held_out_loss (\S+)$", fetch(node, "/metrics"), re.MULTILINE)
    assert found is not None
    assert float(found[1]) == pytest.approx(loss)
    assert f"on held-out text {loss:.3g}" in status_of(node)
    node.says(f"loss on held-out text.*{round(loss, 4)}")


def test_nothing_held_out_has_no_loss_and_says_so(swarm: Daemons, tmp_path: Path) -> None:
    text = write_texts(tmp_path, 1)[0]
    few = tmp_path / "few"
    few.write_text("one two three four\nfour three two one\n")
    for node in (
        swarm.start(text, epochs=2, held_out=0, until_complete=False),
        swarm.start(few, epochs=2, held_out=0.5, min_count=1, until_complete=False),
    ):
        status = complete(node)
        assert status["progress"]["ratio"] == 1
        assert {**status["held_out"], "share": None} == {
            "share": None, "words": 0, "pairs": 0, "loss": None, "seconds": 0, "history": []
        }  # fmt: skip
        assert "gossipw2v_held_out_loss" not in fetch(node, "/metrics")
        assert f"on held-out text {UNKNOWN}" in status_of(node)
    assert "too little text to hold any out" not in swarm.all[0].log()
    assert "too little text to hold any out" in swarm.all[1].log()


def test_a_node_goes_on_with_the_share_that_it_began_with_and_no_other(swarm: Daemons, tmp_path: Path) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=2, held_out=0.05)
    assert node.end() == 0
    said = node.log()
    swarm.again(node, "--held-out=0.1")
    assert node.end() == 2
    assert "was trained on another text than there is now, or with another --held-out" in node.log()
    assert "--fresh" in node.log().removeprefix(said)
    said = node.log()
    swarm.again(node, "--held-out=0.05")
    assert node.end() == 0
    assert re.search(r"encoded the text.*reused=True", node.log().removeprefix(said))


def test_two_nodes_hold_out_their_own_and_come_to_one_model(swarm: Daemons, tmp_path: Path) -> None:
    texts = write_texts(tmp_path, 2, sentences=8000)
    first = swarm.start(texts[0], peers="127.0.0.1:9", min_peers=1, epochs=12, held_out=0.05, until_complete=False)
    second = swarm.start(texts[1], peers=first.address, min_peers=1, epochs=12, held_out=0, until_complete=False)
    for node in (first, second):
        node.until(lambda s: s["state"] == "complete" and s["progress"]["ratio"] == 1)
    last = first.until(measured_of_all)["held_out"]
    assert last["loss"] < 0.8 * UNTRAINED
    assert second.status()["held_out"]["loss"] is None


def measured_of_all(status: dict) -> bool:
    """Whether the last measurement was of the model in which all is that the swarm has trained."""
    return status["held_out"]["history"][-1]["swarm_trained_tokens"] == status["progress"]["swarm_total_tokens"]
