"""The protocol core on real sockets: strangers do not reach it, and are not called again and again."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from gossipw2v.config.address import Address
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.membership.connections import QUARREL_PAUSE
from gossipw2v.gossip.records import Member, Stage
from gossipw2v.system.metrics import Metrics
from gossipw2v.transport import streams
from gossipw2v.transport.authority import issue
from gossipw2v.transport.credentials import Credentials
from gossipw2v.transport.network import Network
from gossipw2v.transport.streams import bound

SECRET, OTHER = b"c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmx5", b"YW5vdGhlci1zZWNyZXQtb2YtYW5vdGhl"
ONE, TWO = bytes(range(16)), bytes(range(16, 32))


def on_each_loop(scenario: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[Any], None]:
    """Run a test on asyncio's loop and on uvloop."""

    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
    def test(run: Any) -> None:
        run(scenario())

    return test


@asynccontextmanager
async def node(name: bytes, credentials: Credentials | None, *peers: str) -> AsyncIterator[tuple[Network, str]]:
    """A node that counts for ever, and where it listens; it dials `peers`."""
    now = asyncio.get_running_loop().time()
    core = GossipCore(Member(name, 0, Stage.COUNTING), GossipConfig(job={"job": "test"}), random.Random(1), now)
    network = Network(core, Metrics(), lambda _: None, credentials)
    listener = bound(Address("127.0.0.1", 0))
    network.listen(listener)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    for peer in peers:
        core.discovered(peer, (peer,), now)
    ticking = asyncio.create_task(network.tick())
    try:
        yield network, address
    finally:
        ticking.cancel()
        await network.close()
        assert not network.tasks
        assert not network.peers


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@on_each_loop
async def test_two_with_one_secret_meet() -> None:
    async with node(ONE, issue(SECRET, ONE)) as (one, address), node(TWO, issue(SECRET, TWO), address) as (two, _):
        await until(lambda: None not in (one.core.connections.conns().get(TWO), two.core.connections.conns().get(ONE)))
        assert [peer.certified for peer in one.peers.values()] == [TWO]
        assert [peer.certified for peer in two.peers.values()] == [ONE]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("secrets", [(SECRET, OTHER), (SECRET, None), (None, SECRET)], ids=["other", "none", "only"])
def test_whom_a_stranger_answered_is_not_called_again_for_long(run: Any, secrets: tuple[bytes | None, ...]) -> None:
    here, there = (issue(secret, name) if secret else None for secret, name in zip(secrets, (ONE, TWO), strict=True))

    async def scenario() -> None:
        async with node(ONE, here) as (one, address), node(TWO, there, address) as (two, _):
            await until(lambda: sum(one.metrics.refusals().values()) and sum(two.metrics.refusals().values()))
            await until(lambda: not one.peers and not two.peers and not one._welcoming)
            (target,) = two.core.connections.targets.values()
            assert not target.dialling
            assert target.next_at > two.now() + QUARREL_PAUSE / 2
            assert not one.core.connections.by_conn
            assert one.metrics.refusals()["secret"] == 1
            assert two.metrics.refusals()["peer" if there is None else "secret"] == 1

    run(scenario())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_node_that_closes_does_not_wait_for_half_a_handshake(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HANDSHAKE_TIMEOUT", 1000)

    async def scenario() -> None:
        async with asyncio.timeout(20), node(ONE, issue(SECRET, ONE)) as (one, address):
            host, _, port = address.rpartition(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"\x16\x03\x01")
            await until(lambda: one._welcoming[host] == 1)
            await one.close()
            assert not one._welcoming
            writer.close()

    run(scenario())
