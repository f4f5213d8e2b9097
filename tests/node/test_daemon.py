"""Whole swarms of real daemons on loopback: they meet, train, agree, lose a node, take one in, and stop in order."""

import re
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.daemons import (
    AGREEMENT,
    SMALL,
    STOP_SECONDS,
    Daemon,
    Daemons,
    addresses,
    agree_in_the_end,
    difference,
    read_vectors,
    write_texts,
)

from gossipw2v.node.storage.export import load_model
from gossipw2v.status import client
from gossipw2v.w2v.similarity import largest_difference
from gossipw2v.w2v.text.vocab import count_words, freeze

SHORT, LONG = 20, 200  # epochs: a second or two; some seconds, in which something can happen
UNTRAINED = 6 * np.log(2)  # loss of a pair and its five noise words while all scores are 0


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path, subprocess.Popen) as daemons:
        yield daemons


def trio(swarm: Daemons, texts: list[Path], **options: Any) -> list[Daemon]:
    """Three nodes whose lists of peers are the same, each with its own address in it."""
    listen = addresses(3)
    given = {"peers": ",".join(listen), "min_peers": 2, **options}
    return [swarm.start(text, listen=place, **given) for text, place in zip(texts, listen, strict=True)]


def refusals(status: dict[str, Any]) -> dict[str, int]:
    return {reason: count for reason, count in status["refusals"].items() if count}


def links(status: dict[str, Any], key: str) -> int:
    return sum(link[key] for link in status["links"])


def is_root(status: dict[str, Any]) -> bool:
    return bool(status["links"]) and all(link["role"] == "child" for link in status["links"])


# --- a swarm --------------------------------------------------------------------------------------------


def check_agreement(swarm: Daemons, texts: list[Path]) -> None:
    """All have completed and hold the same vectors, of the words that one node would find in the whole text."""
    assert swarm.ended() == [0] * len(swarm.all)
    expected = freeze(count_words(texts), SMALL["min-count"], 0)
    for daemon in swarm.all:
        words, _, meta = daemon.model()
        assert words == expected.words
        assert meta["complete"] is True
    assert difference(swarm.all) <= AGREEMENT


def test_three_nodes_with_a_list_of_addresses_agree(swarm: Daemons, tmp_path: Path) -> None:
    texts = write_texts(tmp_path, 3)
    nodes = trio(swarm, texts, epochs=LONG)
    during = [node.until(lambda s: s["progress"]["loss"] and links(s, "received_rows")) for node in nodes]
    check_agreement(swarm, texts)
    vocabulary = freeze(count_words(texts), SMALL["min-count"], 0)
    for status in during:
        assert status["vocabulary"] == {
            "words": len(vocabulary),
            "tokens": vocabulary.tokens,
            "digest": vocabulary.digest.hex(),
            "version": 0,
            "proposed": False,
            "dropped": 0,
        }
        assert sum(member["alive"] for member in status["members"]) == 3
        assert (status["events"]["adasum"], status["events"]["reset"]) == (0, 0)
        assert set(refusals(status)) <= {"self", "peer"}  # its own address is in its list: refused, at both ends
        assert status["problems"] == []
        assert 0 < status["progress"]["loss"] < 0.95 * UNTRAINED
    assert sum(len(status["links"]) for status in during) == 4  # a tree of three has two edges, seen from both ends


def test_three_nodes_that_look_for_each_other_agree(swarm: Daemons, tmp_path: Path) -> None:
    texts = write_texts(tmp_path, 3)
    job = f"test-{secrets.token_hex(4)}"  # other runs may be on the same loopback
    for text in reversed(texts):
        node = swarm.start(text, peers="auto", min_peers=2, job=job, epochs=SHORT)
        assert node.where["pid"] == node.process.pid
    check_agreement(swarm, texts)


@pytest.mark.parametrize("root", [True, False], ids=["the root", "a leaf"])
def test_when_one_of_three_is_killed_the_others_complete(swarm: Daemons, tmp_path: Path, root: bool) -> None:
    nodes = trio(swarm, write_texts(tmp_path, 3), epochs=LONG)
    states = [node.progress(0.1) for node in nodes]
    leaves = {link["peer"] for state in states for link in state["links"] if link["role"] == "child"}
    parents = {link["peer"] for state in states for link in state["links"] if link["role"] == "parent"}
    victim = next(
        node
        for node, state in zip(nodes, states, strict=True)
        if (is_root(state) if root else state["node"] in leaves - parents)
    )
    assert victim.end(signal.SIGKILL) == -signal.SIGKILL
    left = [node for node in nodes if node is not victim]
    assert [node.end() for node in left] == [0, 0]
    assert difference(left) <= AGREEMENT
    assert all(node.model()[2]["complete"] for node in left)


def test_a_node_that_comes_late_takes_over_what_was_learned(swarm: Daemons, tmp_path: Path) -> None:
    texts = write_texts(tmp_path, 3)
    service = {"epochs": LONG, "until_complete": False}  # however fast they are: they are there when the third comes
    first = swarm.start(texts[0], peers=addresses(1)[0], min_peers=1, **service)
    second = swarm.start(texts[1], peers=first.address, **service)
    before = first.progress(0.2)
    late = swarm.start(texts[2], peers=second.address, **service)
    joined = late.until(lambda s: s["progress"]["trained_tokens"] > 0)
    assert joined["vocabulary"] == before["vocabulary"]
    assert links(joined, "received_rows") >= joined["vocabulary"]["words"]
    assert joined["progress"]["swarm_trained_tokens"] > before["progress"]["swarm_trained_tokens"]
    alone = before["progress"]["swarm_total_tokens"]
    for node in swarm.all:  # the first two may have been complete before they heard of the third's work
        node.until(lambda s: s["state"] == "complete" and s["progress"]["swarm_trained_tokens"] > alone)
        node.until(lambda s: s["state"] == "complete" and s["progress"]["ratio"] == 1)
    assert agree_in_the_end(swarm.all)


def test_a_late_node_whose_words_nobody_knows_takes_part_all_the_same(swarm: Daemons, tmp_path: Path) -> None:
    first = swarm.start(write_texts(tmp_path, 1)[0], peers=addresses(1)[0], epochs=SHORT, until_complete=False)
    first.progress(0.05)
    strange = tmp_path / "strange"
    strange.write_text("nobody-ever nobody-else\n" * 100)
    late = swarm.start(strange, peers=first.address, epochs=SHORT)
    assert late.end() == 0
    assert first.end(signal.SIGTERM, STOP_SECONDS) == 0
    assert difference(swarm.all) <= AGREEMENT


# --- a service ------------------------------------------------------------------------------------------


def test_a_service_stays_serves_and_lets_others_join_when_all_is_done(swarm: Daemons, tmp_path: Path) -> None:
    texts = write_texts(tmp_path, 2)
    service = swarm.start(texts[0], peers=addresses(1)[0], epochs=SHORT, until_complete=False)
    alone = service.until(lambda s: s["state"] == "complete")
    assert alone["progress"]["trained_tokens"] == alone["progress"]["total_tokens"] > 0
    assert fetch(service, "/healthz")[0] == 200
    code, metrics = fetch(service, "/metrics")
    assert code == 200
    assert b'gossipw2v_state{state="complete"} 1.0' in metrics
    assert client.export(service.url, tmp_path / "before.txt") == (alone["vocabulary"]["words"], SMALL["vector-size"])
    first, _, _ = load_model(service.data)

    late = swarm.start(texts[1], peers=service.address, epochs=SHORT)
    assert late.end() == 0
    own = alone["progress"]["trained_tokens"]
    both = service.until(lambda s: s["state"] == "complete" and s["progress"]["swarm_trained_tokens"] > own)
    moved = dict(
        re.findall(
            rb"gossipw2v_gossip_(sent_bytes|received_bytes|exchanges)_total (\d+)", fetch(service, "/metrics")[1]
        )
    )
    assert len(moved) == 3
    assert all(int(number) > 0 for number in moved.values())
    assert [member["state"] for member in both["members"]].count("complete") >= 1
    client.export(service.url, tmp_path / "after.txt")
    words, vectors = read_vectors(tmp_path / "after.txt")
    theirs, learned, _ = late.model()
    assert words == list(theirs) == list(first)
    assert largest_difference(vectors, learned) <= AGREEMENT
    assert largest_difference(vectors, read_vectors(tmp_path / "before.txt")[1]) > 0.1  # more was learned

    assert service.end(signal.SIGTERM, STOP_SECONDS) == 0
    assert difference(swarm.all) <= AGREEMENT


def fetch(daemon: Daemon, path: str) -> tuple[int, bytes]:
    """GET a page over a plain socket."""
    host, _, port = daemon.where["http"].rpartition(":")
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    return int(answer.split()[1]), answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_training_in_order_and_leaves_the_model(
    swarm: Daemons, tmp_path: Path, number: signal.Signals
) -> None:
    nodes = trio(swarm, write_texts(tmp_path, 3), epochs=10_000, min_peers=0)
    for node in nodes:
        node.until(lambda s: s["progress"]["trained_tokens"] > 0 and s["links"])
    assert [node.end(number, STOP_SECONDS) for node in nodes] == [0, 0, 0]
    for node in nodes:
        _, vectors, meta = node.model()
        assert meta["complete"] is False
        assert np.isfinite(vectors).all()
        assert "Traceback" not in node.log()
        assert [path.name for path in node.data.iterdir() if path.name.endswith("tmp")] == []


def test_a_node_that_waits_for_others_can_be_stopped(swarm: Daemons, tmp_path: Path) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], peers=addresses(1)[0], min_peers=5)
    node.until(lambda s: s["state"] == "gathering")
    assert node.end(signal.SIGTERM, STOP_SECONDS) == 0
    assert not list(node.data.glob("checkpoint-*"))


def test_a_node_that_counts_can_be_stopped(swarm: Daemons, tmp_path: Path) -> None:
    text = tmp_path / "large"
    block = write_texts(tmp_path, 1)[0].read_bytes() * 250
    with text.open("wb") as file:
        for _ in range(10):
            file.write(block)
    node = swarm.start(text)
    node.until(lambda s: s["state"] == "counting" and s["corpus"]["bytes"])
    assert node.end(signal.SIGTERM, STOP_SECONDS) == 0
    assert "Traceback" not in node.log()


# --- who may take part ----------------------------------------------------------------------------------


def test_min_peers_waits_until_so_many_have_counted(swarm: Daemons, tmp_path: Path) -> None:
    texts = write_texts(tmp_path, 2)
    first = swarm.start(texts[0], peers=addresses(1)[0], min_peers=1, epochs=SHORT)
    first.until(lambda s: s["state"] == "gathering")
    waited = first.until(lambda s: s["uptime_seconds"] > 4 * SMALL["settle-seconds"])
    assert waited["state"] == "gathering"
    assert waited["vocabulary"] is None
    with pytest.raises(client.AnswerError, match="no model yet"):
        client.export(first.url, tmp_path / "early.txt")
    swarm.start(texts[1], peers=first.address, epochs=SHORT)
    check_agreement(swarm, texts)


def test_nodes_of_different_jobs_refuse_each_other_and_go_on_alone(swarm: Daemons, tmp_path: Path) -> None:
    texts = write_texts(tmp_path, 2)
    one = swarm.start(texts[0], peers=addresses(1)[0], epochs=SHORT, until_complete=False)
    two = swarm.start(texts[1], peers=one.address, epochs=SHORT, until_complete=False, window=3)
    for node, text in ((one, texts[0]), (two, texts[1])):
        node.until(lambda s: s["state"] == "complete" and (s["refusals"]["job"] or s["refusals"]["peer"]))
        assert node.end(signal.SIGTERM, STOP_SECONDS) == 0
        words, _, meta = node.model()
        assert words == freeze(count_words([text]), SMALL["min-count"], 0).words
        assert meta["complete"] is True
        assert "window is '" in node.log()


# --- mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["listen", "http"])
def test_a_port_in_use_ends_the_start_with_its_name(swarm: Daemons, tmp_path: Path, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        node = swarm.start(write_texts(tmp_path, 1)[0], **{flag: place})
        assert node.end() == 74
    assert f"--{flag} {place}: another program listens there (address already in use)" in node.log()
    assert place.rpartition(":")[2] in node.log()
    assert "Traceback" not in node.log()


@pytest.mark.parametrize(("text", "told"), [("", "empty"), (" \n\n", "words"), ("same same same\n", "at least two")])
def test_a_text_of_nothing_ends_with_2_and_says_why(swarm: Daemons, tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "poor.txt"
    path.write_text(text)
    node = swarm.start(path)
    assert node.end() == 2
    assert str(path) in node.log()
    assert told in node.log()
    assert "Traceback" not in node.log()


def test_words_that_are_all_too_rare_end_with_2_and_say_why(swarm: Daemons, tmp_path: Path) -> None:
    path = tmp_path / "rare.txt"
    path.write_text("every word stands here once\n")
    node = swarm.start(path)
    assert node.end() == 2
    assert "min" in node.log()
    assert "Traceback" not in node.log()


def test_a_missing_text_ends_with_2_before_a_port_is_taken(swarm: Daemons, tmp_path: Path) -> None:
    node = swarm.start(tmp_path / "missing.txt")
    assert node.end() == 2
    assert "missing.txt" in node.log()
    assert not (node.data / "node.json").exists()


# --- one node -------------------------------------------------------------------------------------------


def test_one_thread_and_one_seed_give_the_same_bits(swarm: Daemons, tmp_path: Path) -> None:
    text = write_texts(tmp_path, 1)[0]
    nodes = [swarm.start(text, epochs=SHORT, seed=seed) for seed in (7, 7, 8)]
    assert swarm.ended() == [0, 0, 0]
    one, same, other = (load_model(node.data) for node in nodes)
    assert one[0] == same[0] == other[0]
    assert one[1].tobytes() == same[1].tobytes()
    assert one[1].tobytes() != other[1].tobytes()


def test_several_threads_train_the_whole_text(swarm: Daemons, tmp_path: Path) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], epochs=LONG, threads=3, until_complete=False)
    status = node.until(lambda s: s["state"] == "complete")
    assert status["progress"]["trained_tokens"] == status["progress"]["total_tokens"] > 0
    assert status["progress"]["loss"] < 0.9 * UNTRAINED
    assert status["progress"]["ratio"] == 1
