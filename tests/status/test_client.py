"""The client against a server that says whatever a test wants it to."""

import os
import subprocess

import pytest
from support.stub_node import stub_node

from gossipw2v.status import client

VECTORS = b"3 2\nthe 0.5 -1\nof 1e-05 2\nand 0 0\n"


@pytest.fixture
def node():
    with stub_node() as server:
        yield server


def test_status_is_what_the_node_sent(node):
    node.body = b'{"state": "training", "progress": null}'
    assert client.status(node.url) == {"state": "training", "progress": None}
    assert node.asked == ["/status"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"status": "ok"}', b'{"state": 3}', b'"\xff"', b"[" * 100_000]
)
def test_what_is_no_status_is_refused(node, body):
    node.body = body
    with pytest.raises(client.AnswerError, match="not like gossipw2v"):
        client.status(node.url)


def test_vectors_arrive_as_they_were_sent(node, tmp_path):
    node.body = VECTORS
    seen = []
    path = tmp_path / "vectors.txt"
    assert client.export(node.url, path, client.Watcher(lambda *progress: seen.append(progress))) == (3, 2)
    assert path.read_bytes() == VECTORS
    assert seen[-1] == (3, 3)
    assert node.asked == ["/export"]
    assert path.stat().st_mode & 0o600 == 0o600


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (VECTORS[:-8], 0),  # a row is missing
        (VECTORS + b"a 1 2\n", 0),  # a row too many
        (VECTORS, len(VECTORS) + 1),  # the node died
        (VECTORS + b"a 1", 0),  # and a part of a row
        (b"", 0),
        (b"3 2", 0),
        (b"3\n", 0),
        (b"-3 2\n", 0),
        (b"9" * 1000, 0),
        (b"<html>\n", 0),
    ],
)
def test_an_incomplete_answer_leaves_no_file_and_the_old_one_alone(node, tmp_path, body, length):
    node.body, node.length = body, length
    path = tmp_path / "vectors.txt"
    path.write_text("old")
    with pytest.raises(client.AnswerError):
        client.export(node.url, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_nodes_own_words_are_told_when_it_refuses(node, tmp_path):
    node.code, node.body = 409, b'{"error": "there is no model yet"}'
    with pytest.raises(client.AnswerError, match="there is no model yet"):
        client.export(node.url, tmp_path / "v")
    node.code, node.body = 500, b"<html>"
    with pytest.raises(client.AnswerError, match="500"):
        client.status(node.url)


def test_nobody_there_is_another_error(node, tmp_path):
    node.shutdown()
    node.server_close()
    with pytest.raises(client.NoNodeError, match=node.url):
        client.status(node.url)
    with pytest.raises(client.NoNodeError):
        client.export(node.url, tmp_path / "v")
    assert not list(tmp_path.iterdir())


def test_a_proxy_of_the_environment_is_not_used(node, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    node.body = b'{"state": "training"}'
    assert client.status(node.url)["state"] == "training"


def test_a_folder_that_does_not_exist_is_an_error_of_the_disk(node, tmp_path):
    node.body = VECTORS
    with pytest.raises(FileNotFoundError):
        client.export(node.url, tmp_path / "none" / "v")


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("127.0.0.1:7412", "http://127.0.0.1:7412"),
        ("http://h:1/", "http://h:1"),
        ("https://h/gossip", "https://h/gossip"),
        ("[::1]:7412", "http://[::1]:7412"),
    ],
)
def test_an_address_becomes_a_url(typed, url):
    assert client.base_url(typed) == url


@pytest.mark.parametrize(
    "typed", ["", "file:///etc/passwd", "ftp://h/", "http://", "http://h?a=1", "h#x", "[::1", "h:x", "a b", "h\n:1"]
)
def test_what_is_no_address_of_a_node_is_refused(typed):
    with pytest.raises(ValueError, match=r"\S"):
        client.base_url(typed)


def test_a_token_is_shown_to_the_node_and_to_nobody_it_points_to(node, tmp_path):
    node.body = b'{"state": "training"}'
    client.status(node.url, b"token")
    client.status(node.url)
    assert node.tokens == ["Bearer token", None]
    with stub_node(VECTORS) as other:
        node.moved = f"{other.url}/export"
        client.export(node.url, tmp_path / "vectors.txt", token=b"token")
        assert (node.tokens[-1], other.tokens) == ("Bearer token", [None])


# --- a busy node ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", client.BUSY)
def test_a_busy_node_is_asked_again_when_it_says(node, tmp_path, code):
    node.codes, node.retry_after, node.body = [code, code], "1", VECTORS
    waits = []
    watcher = client.Watcher(waiting=lambda why, seconds: waits.append((why, seconds)))
    assert client.export(node.url, tmp_path / "v", watcher) == (3, 2)
    assert [seconds for _, seconds in waits] == [1, 1]
    assert all(f"{code}" in why and "try again in 1 s" in why for why, _ in waits)
    assert (tmp_path / "v").read_bytes() == VECTORS


def test_a_node_that_stays_busy_is_not_waited_for_for_ever(node, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.5)
    node.code, node.retry_after, node.body = 429, "7", b'{"error": "2 exports are under way"}'
    with pytest.raises(client.BusyError, match="2 exports are under way; try again in 7 s"):
        client.export(node.url, tmp_path / "v")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, client.RETRY_SECONDS),
        ("", client.RETRY_SECONDS),
        ("Fri, 31 Dec 1999 23:59:59 GMT", client.RETRY_SECONDS),
        ("-1", client.RETRY_SECONDS),
        ("nan", client.RETRY_SECONDS),
        ("\u0663", client.RETRY_SECONDS),
        ("0", 1),
        (" 12 ", 12),
        ("9" * 500, client.MOST_RETRY_SECONDS),
    ],
)
def test_nobody_can_make_us_wait_for_long(header, seconds):
    assert client._retry_seconds(header) == seconds


def test_a_reader_that_goes_away_is_not_taken_for_the_nodes_failure(node, tmp_path):
    node.body = b"20000 2\n" + b"the 0.5 -1\n" * 20_000
    os.mkfifo(tmp_path / "pipe")
    with (
        subprocess.Popen(["head", "-c", "1", tmp_path / "pipe"], stdout=subprocess.PIPE),
        pytest.raises(BrokenPipeError),
    ):
        client.export(node.url, tmp_path / "pipe")
