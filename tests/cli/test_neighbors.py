"""`gossipw2v neighbors` as a process: what it prints, asks and says when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support.stub_node import stub_node

ANSWER = {"word": "king", "neighbors": [{"word": "queen", "similarity": 0.75}, {"word": "a\x1b[2J", "similarity": 0.5}]}


def run(*args: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "gossipw2v", "neighbors", *args]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_each_word_has_its_list_and_nothing_moves_the_cursor() -> None:
    with stub_node(json.dumps(ANSWER).encode()) as node:
        result = run("king", "K\u00f6nig & co", "--url", node.url, "--topn", "2")
    assert (result.returncode, result.stdout.count("near king"), result.stderr) == (0, 2, "")
    assert "  queen  0.7500\n" in result.stdout
    assert "\x1b" not in result.stdout
    assert node.asked == [
        "/api/v1/neighbors?word=king&topn=2",
        "/api/v1/neighbors?word=K%C3%B6nig+%26+co&topn=2",
    ]


def test_for_programs_it_is_what_the_node_sent() -> None:
    with stub_node(json.dumps(ANSWER).encode()) as node:
        result = run("king", "--json", "--url", node.url)
    assert json.loads(result.stdout) == ANSWER


def test_an_unknown_word_is_told_with_what_may_have_been_meant_and_the_others_are_shown() -> None:
    refusal = json.dumps({"error": "'kign' is not in the vocabulary", "hint": "close to it: king"}).encode()
    with stub_node(refusal, code=404) as node:
        result = run("kign", "--url", node.url)
    assert result.returncode == 1
    assert "'kign' is not in the vocabulary; close to it: king" in result.stderr


@pytest.mark.parametrize("body", [b"{}", b"[]", b"no", b'{"neighbors": 1}'])
def test_something_else_at_the_port_is_named(body: bytes) -> None:
    with stub_node(body) as node:
        result = run("king", "--url", node.url)
    assert (result.returncode, result.stdout) == (1, "")
    assert "not like gossipw2v" in result.stderr


@pytest.mark.parametrize("body", [b'{"neighbors": [1, {}, {"word": 3, "similarity": "x"}]}'])
def test_rows_of_any_kind_are_shown_somehow(body: bytes) -> None:
    with stub_node(body) as node:
        assert run("king", "--url", node.url).returncode == 0


@pytest.mark.parametrize("args", [(), ("a", "--topn", "0"), ("a", "--topn", "1001"), ("a", "--url", "ftp://x")])
def test_wrong_usage(args: tuple[str, ...]) -> None:
    assert run(*args).returncode == 2


def test_no_node() -> None:
    result = run("a", "--url", "http://127.0.0.1:9")
    assert result.returncode == 69
    assert "no node answers" in result.stderr
