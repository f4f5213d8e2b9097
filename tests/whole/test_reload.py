"""SIGUSR1 has a daemon read secrets and bans again; what it trains and its links are not disturbed."""

import secrets
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.daemons import Daemon, Daemons, addresses, write_texts
from support.stranger import Stranger

from gossipw2v.gossip.messages import Message, Refuse
from gossipw2v.status import client
from gossipw2v.transport.authority import issue

ENDLESS = 10_000  # epochs


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as swarm:
        yield swarm


def write_secret(path: Path) -> bytes:
    secret = secrets.token_urlsafe(32)
    path.write_text(secret)
    path.chmod(0o600)
    return secret.encode()


def reload(daemon: Daemon, says: str) -> None:
    """Have it read its configuration again, and wait until it tells what came of it."""
    before = len(daemon.log())
    daemon.process.send_signal(signal.SIGUSR1)
    daemon._until(lambda: says in daemon.log()[before:], f"it said {says}")


def alive(status: dict[str, Any]) -> int:
    return sum(member["alive"] for member in status["members"])


def pair(swarm: Daemons, tmp_path: Path, **options: Any) -> list[Daemon]:
    first, second = addresses(2)
    texts = write_texts(tmp_path, 2)
    given = {"epochs": ENDLESS, "min_peers": 1, **options}
    nodes = [swarm.start(texts[0], listen=first, peers=second, config=tmp_path / "one.toml", **given)]
    nodes.append(swarm.start(texts[1], listen=second, peers=first, **given))
    for node in nodes:
        node.until(lambda s: s["links"])
    return nodes


def answer_to(node: Daemon, other: Daemon) -> Message | None:
    """What a node says to one that goes by the id of another."""
    with Stranger(node.address) as stranger:
        stranger.send(replace(stranger.hello, node=bytes.fromhex(other.where["node"]), addresses=[]))
        return stranger.read()


def test_a_new_secret_holds_for_new_connections_and_links_stay(swarm: Daemons, tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("")
    file = tmp_path / "secret"
    old = write_secret(file)
    node, other = pair(swarm, tmp_path, secret_file=file)
    new = write_secret(file)
    reload(node, "reloaded")
    me = secrets.token_bytes(16)
    with Stranger(node.address, tls=issue(new, me).client) as stranger:
        assert stranger.hello.node.hex() == node.where["node"]
    with pytest.raises((AssertionError, OSError)), Stranger(node.address, tls=issue(old, me).client):
        pass
    before = node.status()["links"][0]["exchanges"]
    node.until(lambda s: s["links"] and s["links"][0]["exchanges"] > before)
    assert other.status()["links"]


def test_a_ban_holds_at_once_and_can_be_lifted(swarm: Daemons, tmp_path: Path) -> None:
    config = tmp_path / "one.toml"
    config.write_text("")
    node, other = pair(swarm, tmp_path)
    config.write_text(f'ban = ["{other.where["node"]}"]\nwindow = 9\n')
    reload(node, "reloaded")
    assert "window" in node.log()[node.log().rindex("reloaded") :]  # which waits for a restart
    status = node.until(lambda s: not s["links"])
    assert status["standing"]["banned"] == [other.where["node"]]
    assert isinstance(answer_to(node, other), Refuse)
    config.write_text("ban = []\n")
    reload(node, "reloaded")
    assert node.status()["standing"]["banned"] == []
    assert not isinstance(answer_to(node, other), Refuse)


def test_a_configuration_that_is_wrong_changes_nothing_and_is_told(swarm: Daemons, tmp_path: Path) -> None:
    config = tmp_path / "one.toml"
    config.write_text('ban = ["10.9.0.0/16"]\n')
    (text,) = write_texts(tmp_path, 1)
    node = swarm.start(text, config=config, epochs=ENDLESS)
    node.until(lambda s: s["state"] == "training")
    config.write_text('ban = ["everybody"]\n')
    reload(node, "nothing was reloaded")
    status = node.status()
    assert status["standing"]["banned"] == ["10.9.0.0/16"]
    assert any("everybody" in problem for problem in status["problems"])
    config.write_text("")
    reload(node, "reloaded")
    assert not node.status()["problems"]
    assert node.end(signal.SIGTERM) == 0


def test_a_new_token_holds_for_http(swarm: Daemons, tmp_path: Path) -> None:
    token = tmp_path / "token"
    old = write_secret(token)
    (text,) = write_texts(tmp_path, 1)
    node = swarm.start(text, http_token_file=token, epochs=ENDLESS)
    node.says("listening")
    assert client.status(node.url, old)
    new = write_secret(token)
    reload(node, "reloaded")
    assert client.status(node.url, new)
    with pytest.raises(client.AnswerError, match="token"):
        client.status(node.url, old)


def test_at_a_start_the_signal_ends_nothing(swarm: Daemons, tmp_path: Path) -> None:
    (text,) = write_texts(tmp_path, 1)
    node = swarm.start(text)
    node._until((node.data / "lock").exists, "it had its folder")
    for _ in range(3):
        node.process.send_signal(signal.SIGUSR1)
    assert node.end() == 0
    assert node.model()[2]["complete"]
