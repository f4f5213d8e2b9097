"""Nodes that find each other by a name in DNS, as those of a headless service do; a real name server answers."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from support.daemons import AGREEMENT, Daemons, difference, write_texts
from support.engines import asked_for
from support.netns import Netns, netns_available

from gossipw2v.status import client

HOSTS = 3
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
HTTP = "127.0.0.1:7412"


@pytest.fixture
def net() -> Iterator[Netns]:
    if shutil.which("dnsmasq", path=PATH) is None:
        pytest.skip("no dnsmasq here (apt-get install dnsmasq-base)")
    if (reason := netns_available()) is not None:
        pytest.skip(reason)
    asked_for()  # a node asks for a name every 30 s
    with Netns(HOSTS) as net:
        folders = [Path("/etc/netns", net.name(host)) for host in range(HOSTS)]
        for folder in folders:  # `ip netns exec` lays its file over /etc/resolv.conf
            folder.mkdir(parents=True)
            (folder / "resolv.conf").write_text(f"nameserver {net.address(0)}\noptions timeout:1 attempts:1\n")
        yield net
    for folder in folders:
        shutil.rmtree(folder)


def test_a_name_that_gets_its_addresses_later_brings_all_nodes_together(net: Netns, tmp_path: Path) -> None:
    """First nobody has the name, as before the first pod is there; then one node has it, which is enough."""
    names = tmp_path / "names"
    names.mkdir()
    options = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--local-ttl=1", "--user=root", "--pid-file"]
    program = str(shutil.which("dnsmasq", path=PATH))
    server = net.popen(0, [program, *options, f"--hostsdir={names}", f"--listen-address={net.address(0)}"])
    given = {"peers": "dns:nodes.example", "listen": "0.0.0.0:7411", "http": HTTP, "min_peers": HOSTS - 1, "epochs": 20}
    with Daemons(tmp_path) as swarm:
        nodes = []
        for host, text in enumerate(write_texts(tmp_path, HOSTS)):
            node = swarm.start(text, popen=partial(net.popen, host), **given)
            node.ask, node.export = (partial(net.call, host, function) for function in (client.status, client.export))
            nodes.append(node)
        for node in nodes:
            node.until(lambda s: any("dns:nodes.example" in problem for problem in s["problems"]))
        (names / "first").write_text(f"{net.address(0)} nodes.example\n")
        server.send_signal(signal.SIGHUP)
        assert swarm.ended() == [0] * HOSTS
        assert difference(nodes) <= AGREEMENT
