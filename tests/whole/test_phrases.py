"""Phrases of a whole swarm: daemons find the same ones, of the counts of all, and keep them over a restart."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import AGREEMENT, STOP_SECONDS, Daemon, Daemons, addresses, difference, write_texts

RARE, FREQUENT = 4, 30
PHRASES = {"phrases": 1, "phrase_threshold": 10, "phrase_min_count": 5}


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


@pytest.fixture
def halves(tmp_path: Path) -> list[Path]:
    """In each `zig zag` is too rare for a phrase, `new york` is one, and `zig` and `zag` are met apart, too."""
    texts = write_texts(tmp_path, 2)
    for path in texts:
        with path.open("a") as file:
            file.write("zig zag\nzig\nzag\n" * RARE + "new york\n" * FREQUENT + "york\n" * RARE)
    return texts


def start_both(swarm: Daemons, texts: list[Path], **settings: object) -> list[Daemon]:
    places = addresses(2)
    return [
        swarm.start(text, listen=place, peers=",".join(places), min_peers=1, epochs=2, **PHRASES, **settings)
        for text, place in zip(texts, places, strict=True)
    ]


def test_two_halves_agree_on_phrases_that_neither_would_have_found(swarm: Daemons, halves: list[Path]) -> None:
    one, other = start_both(swarm, halves)
    assert swarm.ended() == [0, 0]
    words = one.model()[0]
    assert list(words) == list(other.model()[0])
    assert {b"new_york", b"zig_zag"} <= set(words)
    assert b"new" not in set(words)  # it is never met outside the phrase
    assert difference([one, other]) <= AGREEMENT
    alone = swarm.start(halves[0], epochs=1, min_count=RARE, **{**PHRASES})
    assert alone.end() == 0
    assert b"new_york" in set(alone.model()[0])
    assert b"zig_zag" not in set(alone.model()[0])


def test_pairs_that_are_rare_in_a_text_do_not_leave_its_node(swarm: Daemons, halves: list[Path]) -> None:
    least = RARE + 1
    one, other = start_both(swarm, halves, min_local_count=least)
    assert swarm.ended() == [0, 0]
    for node in (one, other):
        words = set(node.model()[0])
        assert {b"zig", b"zag", b"new_york"} <= words
        assert b"zig_zag" not in words
    flags = ("--corpus", halves[0], "--min-local-count", str(least), "--phrases", "1")
    shown = subprocess.run(
        [sys.executable, "-m", "gossipw2v", "what-leaves", *flags], capture_output=True, check=True
    ).stdout.splitlines()
    told = {line.split(b"\t")[0]: int(line.split(b"\t")[1]) for line in shown}
    assert told[b"new york"] == FREQUENT
    assert b"zig" in told
    assert b"zig zag" not in told
    assert min(told.values()) >= least


def test_a_node_comes_back_to_its_phrases(swarm: Daemons, halves: list[Path]) -> None:
    node = swarm.start(halves[0], epochs=400, checkpoint_interval=0.5, **{**PHRASES, "phrases": 2})
    before = node.until(lambda s: s["state"] == "training" and s["checkpoint"]["generation"])
    assert node.end(signal.SIGTERM, STOP_SECONDS) == 0
    words = list(node.model()[0])
    assert b"new_york" in words
    swarm.again(node)
    after = node.until(lambda s: s["state"] == "training")
    assert after["vocabulary"] == before["vocabulary"]
    assert after["progress"]["trained_tokens"] > 0
    assert re.search(r"encoded the text.*reused=True", node.log())
    assert node.end(signal.SIGTERM, STOP_SECONDS) == 0
    assert list(node.model()[0]) == words


def test_nodes_of_other_phrases_are_of_another_job(swarm: Daemons, halves: list[Path]) -> None:
    here, there = addresses(2)
    swarm.start(halves[0], listen=here, peers=there, min_peers=1, **PHRASES)
    other = swarm.start(halves[1], listen=there, peers=here, min_peers=1, **{**PHRASES, "phrase_threshold": 20})
    refused = other.until(lambda s: s["waiting"] and s["waiting"]["refused"])["waiting"]["refused"]
    assert any("phrase_threshold is" in why for why in refused.values())  # by the address of whoever dialled first
