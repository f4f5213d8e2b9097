"""Discovery by real multicast: on loopback inside one process, and between network namespaces."""

import asyncio
import gc
import json
import logging
import secrets
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.netns import Netns, netns_available
from zeroconf import DNSOutgoing, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf
from zeroconf.const import _FLAGS_AA, _FLAGS_QR_RESPONSE

from gossipw2v.transport import discovery
from gossipw2v.transport.discovery import SERVICE, Discovery, job_label, read_text

# Drawn anew for each run: other runs may be on the same loopback.
ONE, TWO, THREE = (secrets.token_hex(16) for _ in range(3))
NEWS, SPORT = (f"{job}-{secrets.token_hex(4)}" for job in ("news", "sport"))
LOOPBACK = "127.0.0.1"
Heard = dict[str, list[tuple[str, int]]]


def seeker(heard: Heard, node: str = ONE, job: str = NEWS, port: int = 5001) -> Discovery:
    """A node on loopback that writes down whom it finds."""
    return Discovery(job, node, (LOOPBACK, port), heard.__setitem__)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what others on the network bring about."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


# --- on loopback, in one process


@pytest.mark.parametrize("text", ["Error with socket", "Error with socket: [Errno 101] Network is unreachable"])
def test_an_error_of_zeroconf_is_one_line(text: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("zeroconf").warning(text, exc_info=OSError(101, "Network is unreachable"))
    assert caplog.messages == ["Error with socket: [Errno 101] Network is unreachable"]
    assert "Traceback" not in caplog.text


async def test_two_nodes_of_a_job_find_each_other() -> None:
    heard: tuple[Heard, Heard] = {}, {}
    async with seeker(heard[0]) as one, seeker(heard[1], TWO, port=5002) as two:
        await until(lambda: bool(heard[0] and heard[1]))
        assert heard == ({TWO: [(LOOPBACK, 5002)]}, {ONE: [(LOOPBACK, 5001)]})
        await until(lambda: one.problem is None and two.problem is None)
        assert dict(one.candidates) == heard[0]


async def test_a_node_that_says_goodbye_is_no_candidate_any_more() -> None:
    heard: Heard = {}
    async with seeker(heard) as one:
        async with seeker({}, TWO, port=5002):
            await until(lambda: TWO in one.candidates)
        await until(lambda: not one.candidates)


async def test_the_question_is_put_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """zeroconf by itself stops asking after 14 s; a network that comes later would never be searched."""
    monkeypatch.setattr(discovery, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(discovery, "ASK_ALONE_SECONDS", 0.1)
    heard: list[str] = []
    one = Discovery(NEWS, ONE, (LOOPBACK, 5001), lambda node, _: heard.append(node))
    async with one, seeker({}, TWO, port=5002):
        await until(lambda: heard.count(TWO) > 5)


async def test_another_job_is_left_alone_and_counted() -> None:
    heard: Heard = {}
    async with seeker(heard) as one, seeker({}, TWO, SPORT), seeker({}, THREE, port=5003):
        await until(lambda: THREE in heard and one.ignored["job"] > 0)
    assert set(heard) == {THREE}


TEXT: dict[str, Any] = {"txtvers": "1", "id": TWO, "cl": job_label(NEWS), "pv": "1"}


def announcement(name: str, text: dict[str, Any], port: int = 5002, addresses: tuple[str, ...] = (LOOPBACK,)) -> Any:
    return ServiceInfo(SERVICE, f"{name}.{SERVICE}", port, properties=text, server=f"{name}.local.",
                       parsed_addresses=list(addresses))  # fmt: skip


STRANGERS = [
    ("text", {}),
    ("text", {"noise": b"\xff\x00" * 100}),
    ("text", TEXT | {"id": "../../etc/passwd"}),
    ("text", TEXT | {"id": "f" * 200}),
    ("text", TEXT | {"id": None}),
    ("text", TEXT | {"txtvers": "2"}),
    ("job", TEXT | {"cl": b"\xff" * 8}),
    ("self", TEXT | {"id": ONE}),
]


async def test_announcements_of_strangers_are_passed_over_with_a_reason() -> None:
    heard: Heard = {}
    infos = [announcement(f"stranger{number}", text) for number, (_, text) in enumerate(STRANGERS)]
    infos.append(announcement("nowhere", TEXT, addresses=("0.0.0.0", "224.0.0.251", "255.255.255.255", "fe80::1")))
    infos.append(announcement("portless", TEXT, port=0))
    expected = Counter([reason for reason, _ in STRANGERS] + ["addresses"] * 2)
    async with AsyncZeroconf(interfaces=[LOOPBACK]) as stranger, seeker(heard) as one, seeker({}, THREE, port=5003):
        for info in infos:
            await stranger.async_register_service(info, cooperating_responders=True)
        await until(lambda: one.ignored >= expected and THREE in heard)
    assert set(heard) == {THREE}


async def test_a_flood_of_nodes_displaces_the_oldest_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "CANDIDATES", 5)
    heard: Heard = {}
    infos = [announcement(f"flood{number}", TEXT | {"id": f"{number:032x}"}) for number in range(20)]
    async with AsyncZeroconf(interfaces=[LOOPBACK]) as stranger, seeker(heard) as one:
        for info in infos:
            await stranger.async_register_service(info, cooperating_responders=True)
        await until(lambda: len(heard) == 20)
        assert len(one.candidates) == 5


async def test_details_that_come_late_are_asked_for() -> None:
    heard: Heard = {}
    info = announcement("late", TEXT)
    only_pointer = DNSOutgoing(_FLAGS_QR_RESPONSE | _FLAGS_AA)
    only_pointer.add_answer_at_time(info.dns_pointer(), 0)
    async with AsyncZeroconf(interfaces=[LOOPBACK]) as other, seeker(heard), seeker({}, THREE, port=5003):
        await until(lambda: THREE in heard)
        info.set_server_if_missing()
        registry = other.zeroconf.registry
        registry.async_add(info)
        by_type = registry.types.pop(SERVICE)  # so that it answers for its details, not to "who is there?"
        other.zeroconf.async_send(only_pointer)
        await until(lambda: heard.get(TWO) == [(LOOPBACK, 5002)])
        registry.types[SERVICE] = by_type


@pytest.mark.parametrize("seconds", [0, 0.001, 0.3])
async def test_stopping_before_the_announcement_leaves_nothing_behind(seconds: float) -> None:
    before = asyncio.all_tasks()
    async with seeker({}):
        await asyncio.sleep(seconds)
    await until(lambda: asyncio.all_tasks() <= before)
    gc.collect()  # what was left open warns now, and a warning is an error


@pytest.mark.parametrize("host", ["192.0.2.77", "2001:db8::77", "::1"])  # documentation addresses: nobody's
async def test_what_prevents_discovery_is_said(host: str) -> None:
    async with Discovery(NEWS, ONE, (host, 5001), lambda *_: None) as lost:
        await until(lambda: lost.problem is not None)
        assert host in str(lost.problem)


@pytest.mark.parametrize("node", ["", "abc", "A" * 32, "a" * 64, "../" * 8])
def test_what_cannot_be_announced_is_refused_at_once(node: str) -> None:
    with pytest.raises(ValueError, match="hex digits"):
        Discovery(NEWS, node, (LOOPBACK, 5001), lambda *_: None)


def test_port_zero_is_never_announced() -> None:
    with pytest.raises(ValueError, match="port 0"):
        Discovery(NEWS, ONE, (LOOPBACK, 0), lambda *_: None)


# --- what strangers write


@given(st.dictionaries(st.binary(max_size=9) | st.sampled_from([b"id", b"cl", b"txtvers"]), st.none() | st.binary()))
def test_any_text_record_is_read_or_recognised_as_foreign(properties: dict[bytes, bytes | None]) -> None:
    node, _ = read_text(properties)
    assert node == "" or properties[b"id"] == node.encode()


# --- between namespaces

without_netns = netns_available()
network = pytest.mark.skipif(without_netns is not None, reason=str(without_netns))

# Finds others until the line "stop", writing one JSON line for each; impatient, so that tests are quick.
NODE = """
import asyncio, json, sys
from gossipw2v.transport import discovery

async def main(job, node, host, port):
    discovery.ASK_ALONE_SECONDS, discovery.RESCAN_SECONDS, discovery.FIRST_PAUSE = 1.0, 0.3, 0.3
    def found(node, addresses):
        print(json.dumps([node, addresses]), flush=True)
    async with discovery.Discovery(job, node, (host, int(port)), found):
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main(*sys.argv[1:]))
"""


def start(net: Netns, host: int, node: str, listen: str, job: str = NEWS) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", NODE, job, node, listen, str(7000 + host)]
    return net.popen(host, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


Findings = dict[str, list[list[Any]]]


def findings(process: subprocess.Popen[str], enough: Callable[[Findings], bool]) -> Findings:
    """What a node finds until it is enough, it ends, or 30 s are over."""
    found: Findings = {}
    assert process.stdout is not None
    deadline = threading.Timer(30, process.kill)
    deadline.start()
    while not enough(found) and (line := process.stdout.readline()):
        node, addresses = json.loads(line)
        found[node] = sorted(addresses)
    deadline.cancel()
    return found


@network
@pytest.mark.parametrize("wildcard", [True, False])
def test_three_hosts_on_a_switch_find_each_other(wildcard: bool) -> None:
    with Netns(3) as net:
        nodes = [
            start(net, host, node, "0.0.0.0" if wildcard else net.address(host))
            for host, node in enumerate((ONE, TWO, THREE))
        ]
        everyone = {node: [[net.address(host), 7000 + host]] for host, node in enumerate((ONE, TWO, THREE))}
        for process, own in zip(nodes, (ONE, TWO, THREE), strict=True):
            assert findings(process, lambda found: len(found) == 2) == {
                node: where for node, where in everyone.items() if node != own
            }
        for process in nodes:
            process.communicate("stop\n", timeout=20)
        assert [process.returncode for process in nodes] == [0, 0, 0]


@network
def test_hosts_that_start_before_their_network_find_each_other_once_it_is_there() -> None:
    with Netns(2) as net:
        net.link(1, up=False)
        one, two = (start(net, host, node, net.address(host)) for host, node in enumerate((ONE, TWO)))
        neighbour = start(net, 0, THREE, net.address(0))
        assert set(findings(neighbour, bool)) == {ONE}  # the two of host 0 are at work; host 1 is alone
        net.link(1, up=True)
        assert TWO in findings(one, lambda found: TWO in found)
        assert findings(two, lambda found: len(found) == 2).keys() == {ONE, THREE}


@network
def test_an_address_that_comes_later_is_used_from_then_on() -> None:
    with Netns(2) as net:
        later = net.address(50)
        one = start(net, 0, ONE, "0.0.0.0")
        two = start(net, 1, TWO, later)
        net.run(1, ["ip", "address", "add", f"{later}/24", "dev", "eth0"])
        assert findings(one, bool) == {TWO: [[later, 7001]]}
        assert findings(two, bool) == {ONE: [[net.address(0), 7000]]}
        net.run(0, ["ip", "address", "add", f"{net.address(60)}/24", "dev", "eth0"])
        both = [[net.address(0), 7000], [net.address(60), 7000]]
        assert findings(two, lambda found: found.get(ONE) == both) == {ONE: both}
