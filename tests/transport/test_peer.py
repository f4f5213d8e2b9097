"""A connection whose other end does not read: what waits for it is bounded, and whoever writes can be stopped."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
import uvloop

from gossipw2v.transport.peer import MAX_QUEUED, Peer, tune

MEGABYTE = 1 << 20


@asynccontextmanager
async def deaf():
    """A peer over a real connection of which nobody reads the other end."""
    over = asyncio.Event()

    async def hold(_reader, writer):
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    peer = Peer(1, *await asyncio.open_connection(*server.sockets[0].getsockname()))
    try:
        yield peer
    finally:
        over.set()
        await peer.close()
        server.close()


async def gone(before):
    """A connection that is gone; `before` is called while it is there. What that returned, and the writer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        streams = await asyncio.open_connection(*server.getsockname())
    found = before(*streams)
    streams[1].transport.abort()
    assert await streams[0].read() == b""
    for _ in range(5):  # turns of the loop in which it lets its socket go
        await asyncio.sleep(0)
    return found, streams


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_where_a_connection_led_is_known_when_it_is_gone(run):
    peer, _ = run(gone(lambda *streams: Peer(1, *streams)))
    assert (peer.host, peer.local_host) == ("127.0.0.1", "127.0.0.1")
    assert peer.address.startswith("127.0.0.1:")


class Forgetful:
    """A writer over a connection that uvloop has closed within its own turn; when that happens cannot be chosen."""

    def get_extra_info(self, _name: str) -> None:
        raise AttributeError("'NoneType' object has no attribute 'getpeername'")


async def test_a_connection_that_is_gone_before_it_is_looked_at_leads_nowhere():
    writer = Forgetful()
    tune(writer)
    peer = Peer(1, asyncio.StreamReader(), writer)
    assert (peer.host, peer.local_host, peer.address) == ("?", "?", "?:0")


async def test_what_waits_for_a_peer_that_does_not_read_is_bounded():
    async with deaf() as peer:
        taken = [peer.send(bytes(MEGABYTE)) for _ in range(2 * MAX_QUEUED // MEGABYTE)]
        assert sum(taken) * MEGABYTE == peer.queued == MAX_QUEUED
        assert not any(taken[MAX_QUEUED // MEGABYTE :])
        assert not peer.send(b"!")


async def test_cancelling_who_writes_is_no_broken_connection():
    async with deaf() as peer:
        peer.send(bytes(MAX_QUEUED))  # more than the kernel's buffers take
        task = asyncio.create_task(peer.write())
        await asyncio.sleep(0)  # it has begun, and waits for the other end to read
        assert peer.writer.transport.get_write_buffer_size()
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()


async def test_what_is_queued_leaves_before_the_end():
    got = asyncio.get_running_loop().create_future()

    async def take(reader, writer):
        got.set_result(await reader.read(-1))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    peer = Peer(1, *await asyncio.open_connection(*server.sockets[0].getsockname()))
    peer.send(b"one")
    peer.send(b"two")
    peer.finish()
    await peer.write()
    await peer.close()
    assert await got == b"onetwo"
    assert peer.queued == 0
    server.close()
