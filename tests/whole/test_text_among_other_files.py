"""Real daemons whose text lies among other things: what they write themselves, and other encodings than UTF-8."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import Daemon, Daemons

from gossipw2v.node.storage.export import export_model
from gossipw2v.status import client, report

WORDS = b"the quick brown fox jumps over the lazy dog\n" * 400
LIGHT = {"epochs": 1, "min_count": 1, "settle_seconds": 0, "held_out": 0}


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


def words_of(node: Daemon) -> set[bytes]:
    return set(node.model()[0])


def test_what_a_node_writes_among_its_text_never_becomes_text(swarm: Daemons, tmp_path: Path) -> None:
    folder = tmp_path / "node1"  # where `data` and `log` will be, too
    folder.mkdir()
    (folder / "a.txt").write_bytes(WORDS)
    (folder / "secret").write_text("0123456789abcdefghijklmnopqrstuvwxyz")
    (folder / "secret").chmod(0o600)
    (folder / "peers").write_text("127.0.0.1:9 # nobody\n")
    (folder / "again").symlink_to("data")
    more = {"secret_file": folder / "secret", "peers": f"file:{folder / 'peers'}", "log_format": "json"}
    node = swarm.start(folder, **LIGHT, **more)
    assert node.end() == 0
    assert words_of(node) == set(WORDS.split())
    export_model(node.data, folder / "vectors.txt")
    (folder / "old.log").write_bytes((folder / "log").read_bytes())
    swarm.again(node)
    assert node.end() == 0
    assert "going on from" in node.log()
    assert node.log().count("vectors.txt") == node.log().count("old.log") == 1
    swarm.again(node, "--fresh")
    assert node.end() == 0
    assert (node.data / "checkpoint-1.aside").exists()
    assert words_of(node) == set(WORDS.split())


def test_text_in_another_encoding_is_refused_until_it_is_said(swarm: Daemons, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("größer schöner wärmer müde Bär\n".encode("cp1252") * 400)
    node = swarm.start(path, **LIGHT)
    assert node.end() == 2
    assert f"{path}: 2,400 of 12,400 bytes" in node.log()
    assert "--encoding cp1252" in node.log()
    swarm.again(node, "--encoding", "cp1252")
    assert node.end() == 0
    assert {word.decode() for word in words_of(node)} == {"größer", "schöner", "wärmer", "müde", "Bär"}
    swarm.again(node, "--encoding", "koi8-r")
    assert node.end() == 2
    assert "--encoding" in node.log().splitlines()[-1]
    swarm.again(node, "--encoding", "latin-1")  # the same words
    assert node.end() == 0


def test_a_few_broken_bytes_are_a_problem_that_is_told_and_counted(swarm: Daemons, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_bytes(WORDS + b"caf\xe9 bar\n" + b"x" * 1001 + b"\n")
    (folder / "a.txt~").write_bytes(WORDS)
    (folder / "_SUCCESS").touch()
    node = swarm.start(folder, until_complete=False, **LIGHT)
    status = node.until(lambda s: s["state"] == "complete")
    corpus = status["corpus"]
    assert [corpus[key] for key in ("files", "passed_over_files", "replaced_bytes", "dropped_tokens")] == [1, 2, 1, 1]
    (problem,) = status["problems"]
    assert "a.txt: 1 of" in problem
    assert status["degraded"]
    assert "text: files read 1, passed over 2; bytes replaced 1; words too long 1" in report.render(status)
    assert "is a backup of an editor" in node.log()
    assert "a.txt~" in node.log()
    assert "warning" in node.log()
    assert client.status(node.url)["corpus"]["encoding"] == "utf-8"


@pytest.mark.parametrize("kind", ["device", "archive", "empty", "folder"])
def test_a_text_that_is_none_ends_the_start_at_once(kind: str, swarm: Daemons, tmp_path: Path) -> None:
    path = tmp_path / "text"
    if kind == "device":
        path.symlink_to(os.devnull)
    elif kind == "folder":
        path.mkdir()
        (path / "empty").touch()
    else:
        path.write_bytes(b"PK\x03\x04" if kind == "archive" else b"")
    node = swarm.start(path, **LIGHT)
    assert node.end() == 2
    assert str(path) in node.log()
