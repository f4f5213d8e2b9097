"""Three daemons on three hosts: they find each other by real multicast, and survive what networks and machines do."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.daemons import (
    AGREEMENT,
    STOP_SECONDS,
    Daemon,
    Daemons,
    Status,
    agree_in_the_end,
    difference,
    write_texts,
)
from support.netns import Netns, netns_available

from gossipw2v.gossip.records import DEAD_AFTER
from gossipw2v.status import client

HOSTS = 3
HTTP = "127.0.0.1:7412"  # each host has its own loopback


@pytest.fixture
def net() -> Iterator[Netns]:
    reason = netns_available()
    if reason is not None:
        pytest.skip(reason)
    with Netns(HOSTS) as net:
        yield net


def start(net: Netns, swarm: Daemons, host: int, text: Path, **options: Any) -> Daemon:
    """Start a daemon with the settings that a user would give it on a machine of its own."""
    given = {"peers": "auto", "listen": "0.0.0.0:7411", "http": HTTP, "min_peers": HOSTS - 1, **options}
    daemon = swarm.start(text, popen=partial(net.fork, host), **given)
    daemon.ask, daemon.export = (partial(net.call, host, function) for function in (client.status, client.export))
    return daemon


def addresses(status: Status) -> set[str]:
    return {address for member in status["members"] for address in member["addresses"]}


def end_as_one(net: Netns, swarm: Daemons, tmp_path: Path) -> None:
    """A whole job, a part of the text on each host."""
    texts = write_texts(tmp_path, HOSTS)
    nodes = [start(net, swarm, host, text, epochs=20) for host, text in enumerate(texts)]
    assert swarm.ended() == [0] * HOSTS
    assert all(node.model()[2]["complete"] for node in nodes)
    assert difference(nodes) <= AGREEMENT


def test_three_hosts_find_each_other_and_agree(net: Netns, tmp_path: Path) -> None:
    with Daemons(tmp_path) as swarm:
        end_as_one(net, swarm, tmp_path)


@pytest.mark.parametrize("dead", [False, True], ids=["for a moment", "until they take each other for dead"])
def test_a_cable_that_is_pulled_and_plugged_in_again(net: Netns, tmp_path: Path, dead: bool) -> None:
    with Daemons(tmp_path) as swarm:
        texts = write_texts(tmp_path, HOSTS)
        nodes = [start(net, swarm, host, text, epochs=200, until_complete=False) for host, text in enumerate(texts)]
        before = [node.until(lambda s: s["progress"]["trained_tokens"] and s["links"]) for node in nodes]
        assert addresses(before[0]) == {f"{net.address(host)}:7411" for host in range(HOSTS)}
        net.link(2, up=False)
        cut = nodes[2].status()
        if dead:
            nodes[2].until(lambda s: alive(s) == 1)
            nodes[0].until(lambda s: alive(s) == HOSTS - 1)
            alone = nodes[2].status()
            assert alone["state"] in ("training", "draining", "complete")  # nobody waits for a cable
            assert alone["progress"]["trained_tokens"] > cut["progress"]["trained_tokens"]
        else:
            time.sleep(DEAD_AFTER / 4)
        net.link(2, up=True)
        for node in nodes:
            node.until(lambda s: s["state"] == "complete" and alive(s) == HOSTS and s["links"])
        assert agree_in_the_end(nodes)
        assert [node.end(signal.SIGTERM, STOP_SECONDS) for node in nodes] == [0] * HOSTS


def alive(status: Status) -> int:
    return sum(member["alive"] for member in status["members"])


def trained(status: Status) -> int:
    return int(status["progress"]["trained_tokens"])


def known(status: Status) -> set[tuple[str, bool]]:
    """First address of each member, and whether it is alive."""
    return {(member["addresses"][0], member["alive"]) for member in status["members"] if member["addresses"]}


def running(net: Netns, swarm: Daemons, folder: Path, **options: Any) -> list[Daemon]:
    """Services on all hosts that train for some seconds and have links."""
    texts = write_texts(folder, HOSTS)
    given = {"epochs": 60, "until_complete": False, "settle_seconds": 0.5, **options}
    nodes = [start(net, swarm, host, text, **given) for host, text in enumerate(texts)]
    for node in nodes:
        node.until(lambda s: s["progress"]["trained_tokens"] and s["links"] and alive(s) == HOSTS)
    return nodes


def come_together(nodes: list[Daemon]) -> None:
    for node in nodes:
        node.until(lambda s: s["state"] == "complete" and alive(s) == HOSTS and s["links"])
    assert agree_in_the_end(nodes)
    assert [node.end(signal.SIGTERM, STOP_SECONDS) for node in nodes] == [0] * HOSTS


def test_hosts_that_have_only_ipv6_find_each_other_and_agree(tmp_path: Path) -> None:
    if (reason := netns_available(6)) is not None:
        pytest.skip(reason)
    with Netns(HOSTS, 6) as net, Daemons(tmp_path) as swarm:
        texts = write_texts(tmp_path, HOSTS)
        nodes = [start(net, swarm, host, text, listen="[::]:7411", epochs=20) for host, text in enumerate(texts)]
        seen = [node.until(lambda s: alive(s) == HOSTS) for node in nodes]
        assert all(addresses(s) == {f"[{net.address(host)}]:7411" for host in range(HOSTS)} for s in seen)
        assert swarm.ended() == [0] * HOSTS
        assert all(node.model()[2]["complete"] for node in nodes)
        assert difference(nodes) <= AGREEMENT


def test_without_multicast_one_address_is_enough_though_all_have_the_same_docker_bridge(
    net: Netns, tmp_path: Path
) -> None:
    """A chain: the second knows the first, the third, by a file, the second."""
    for host in range(HOSTS):
        net.multicast(host, on=False)
        net.bridge(host, "docker0", "172.17.0.1/16")
    peers = tmp_path / "peers"
    peers.write_text(f"# one for all\n{net.address(1)}\n")
    named = ["auto", f"auto,{net.address(0)}:7411", f"auto,file:{peers}"]
    with Daemons(tmp_path) as swarm:
        texts = write_texts(tmp_path, HOSTS)
        pairs = enumerate(zip(texts, named, strict=True))
        nodes = [start(net, swarm, host, text, peers=peers, epochs=20) for host, (text, peers) in pairs]
        seen = [node.until(lambda s: alive(s) == HOSTS) for node in nodes]
        bridges = {"172.17.0.1:7411"}
        assert all(addresses(s) == {f"{net.address(h)}:7411" for h in range(HOSTS)} | bridges for s in seen)
        assert swarm.ended() == [0] * HOSTS
        assert all(node.model()[2]["complete"] for node in nodes)
        assert difference(nodes) <= AGREEMENT


def test_a_machine_that_slept_comes_back_and_takes_nobody_for_dead(net: Netns, tmp_path: Path) -> None:
    with Daemons(tmp_path) as swarm:
        nodes = running(net, swarm, tmp_path, epochs=300)
        sleeper, *others = sorted(nodes, key=lambda node: node.status()["node"], reverse=True)  # the root
        pid = sleeper.where["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            before = [trained(node.status()) for node in others]
            after = [trained(node.until(lambda s: alive(s) == HOSTS - 1)) for node in others]
        finally:
            os.kill(pid, signal.SIGCONT)
        assert all(later > sooner for sooner, later in zip(before, after, strict=True))
        assert alive(sleeper.status()) == HOSTS
        come_together(nodes)


def test_a_node_whose_address_changes_is_reached_at_the_new_one(net: Netns, tmp_path: Path) -> None:
    with Daemons(tmp_path) as swarm:
        nodes = running(net, swarm, tmp_path, peers=f"{net.address(0)}:7411")
        new = net.address(HOSTS + 1)
        net.move(2, new)
        for node in nodes:
            node.until(lambda s: (f"{new}:7411", True) in known(s) and alive(s) == HOSTS)
        come_together(nodes)


def test_when_one_way_between_two_hosts_is_gone_for_a_while_nobody_is_taken_for_dead(
    net: Netns, tmp_path: Path
) -> None:
    """From the lowest host to the highest, its parent: the one between hears both."""
    with Daemons(tmp_path) as swarm:
        nodes = running(net, swarm, tmp_path, epochs=100)
        ids = [node.status()["node"] for node in nodes]
        low, between, high = sorted(range(HOSTS), key=ids.__getitem__)
        net.deaf(low, high, on=True)

        def found_another_way(status: Status) -> bool:
            assert all(alive(node.status()) == HOSTS for node in nodes)
            return [link["peer"] for link in status["links"]] == [ids[between]]

        nodes[low].until(found_another_way)
        net.deaf(low, high, on=False)
        come_together(nodes)


def test_narrow_ways_that_lose_packets_only_slow_a_swarm_down(net: Netns, tmp_path: Path) -> None:
    for host in range(HOSTS):
        net.narrow(host, megabits=20)
    with Daemons(tmp_path) as swarm:
        texts = write_texts(tmp_path, HOSTS)
        nodes = [start(net, swarm, host, text, epochs=60) for host, text in enumerate(texts)]
        assert swarm.ended() == [0] * HOSTS
        assert min(net.lost(host) for host in range(HOSTS)) > 0
        assert all(node.model()[2]["complete"] for node in nodes)
        assert difference(nodes) <= AGREEMENT


@pytest.mark.parametrize("third", range(HOSTS), ids=["lowest", "middle", "highest"])
def test_two_hosts_that_cannot_talk_to_each_other_are_one_swarm_through_a_third(
    net: Netns, tmp_path: Path, third: int
) -> None:
    """Whichever of the three has the higher priority."""
    with Daemons(tmp_path) as swarm:
        nodes = running(net, swarm, tmp_path)
        upwards = sorted(range(HOSTS), key=lambda host: nodes[host].status()["node"])
        net.deaf(*(host for host in upwards if host != upwards[third]), on=True)
        come_together(nodes)


def test_two_hosts_that_never_talk_to_each_other_end_as_one_swarm(net: Netns, tmp_path: Path) -> None:
    net.deaf(0, 1, on=True)
    with Daemons(tmp_path) as swarm:
        end_as_one(net, swarm, tmp_path)
