"""A connection whose other end does not read: what waits for it is bounded, and whoever writes can be stopped."""

import asyncio
from contextlib import asynccontextmanager

from gossipw2v.transport.peer import MAX_QUEUED, Peer

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
