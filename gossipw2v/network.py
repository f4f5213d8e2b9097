"""Sockets for the protocol core: accepts and dials, moves frames, and performs what the core asks for."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from gossipw2v.address import Address
from gossipw2v.gossip import Gossip
from gossipw2v.instructions import Close, Dial, Instruction, Refused, Send
from gossipw2v.logs import get_logger
from gossipw2v.messages import Answer, Message, ProtocolError, Push
from gossipw2v.metrics import Metrics
from gossipw2v.peer import READ_BUFFER, Peer, dial, tune
from gossipw2v.wire import encode

TICK = 0.02  # s; an exchange begins at a tick, so this is part of its pace
MOST_CONNECTIONS = 256
MOST_PER_HOST = 32  # a laboratory behind one address still fits; a flood does not

log = get_logger("network")


@dataclass(slots=True)
class Network:
    """Connects `core` to the world. `on_rows` takes the instructions that concern the model or the vocabulary."""

    core: Gossip
    metrics: Metrics
    on_rows: Callable[[Instruction], None]
    peers: dict[int, Peer] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _server: asyncio.Server | None = None

    async def listen(self, address: Address) -> int:
        """Accept connections at `address`; returns the port that was taken. OSError if that cannot be."""
        self._server = await asyncio.start_server(self._accept, address.host, address.port, limit=READ_BUFFER)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def tick(self) -> None:
        """Drive the core's clock until cancelled."""
        while True:
            self.perform(self.core.tick(self.now()))
            await asyncio.sleep(TICK)

    def now(self) -> float:
        """The core's clock: the loop's, which is monotonic."""
        return asyncio.get_running_loop().time()

    def perform(self, instructions: list[Instruction]) -> None:
        """Do what the core asks, in order."""
        for instruction in instructions:
            match instruction:
                case Send():
                    self._send(instruction.conn, instruction.message)
                case Close():
                    self._finish(instruction)
                case Dial():
                    self._spawn(self._dial(instruction), f"dial-{instruction.key[:8]}")
                case Refused():
                    self.metrics.refused(instruction.reason)
                    log.warning("refused", reason=instruction.reason, text=instruction.text)
                case _:
                    self.on_rows(instruction)

    async def close(self) -> None:
        """Stop accepting, let what is queued leave, close; bounded by some 2 s."""
        if self._server is not None:
            self._server.close()
        for peer in self.peers.values():
            peer.finish()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=1.0)
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    # -- connections ----------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = (writer.get_extra_info("peername") or ("?",))[0]
        same = sum(peer.address.rpartition(":")[0] == host for peer in self.peers.values())
        if len(self.peers) >= MOST_CONNECTIONS or same >= MOST_PER_HOST:
            self.metrics.refused("busy")
            writer.close()
            return
        self._run(reader, writer, None)

    async def _dial(self, order: Dial) -> None:
        addresses = [address for text in order.addresses if (address := _parse(text)) is not None]
        streams = await dial(addresses)
        if streams is None:
            log.debug("nobody answers", addresses=order.addresses)
            self.core.dial_failed(order.key)
        else:
            self._run(*streams, order.key)

    def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str | None) -> None:
        tune(writer)
        peer = Peer(next(self._numbers), reader, writer)
        self.peers[peer.conn] = peer
        self.perform(self.core.opened(peer.conn, target, self.now()))
        self._spawn(self._serve(peer), f"peer-{peer.conn}")

    async def _serve(self, peer: Peer) -> None:
        """Read and write until either ends, then tell the core."""
        reading = asyncio.create_task(self._read(peer), name=f"read-{peer.conn}")
        writing = asyncio.create_task(peer.write(), name=f"write-{peer.conn}")
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self.peers[peer.conn]
            self.core.closed(peer.conn)
            reading.cancel()
            writing.cancel()
            await asyncio.gather(reading, writing, peer.close(), return_exceptions=True)

    async def _read(self, peer: Peer) -> None:
        try:
            async for message, size in peer.messages():
                if isinstance(message, Push | Answer):
                    self.core.flow(peer.conn, received=size)
                    self.metrics.received(size, len(message.delta))
                self.perform(self.core.received(peer.conn, message, self.now()))
        except ProtocolError as error:
            self.perform(self.core.violated(peer.conn, error, self.now()))
            await asyncio.sleep(0.1)  # the refusal leaves before the connection does

    def _send(self, conn: int, message: Message) -> None:
        peer = self.peers.get(conn)
        if peer is None:
            return
        frame = encode(message)
        if isinstance(message, Push | Answer):
            self.core.flow(conn, sent=len(frame))
            self.metrics.sent(len(frame), len(message.delta))
        if not peer.send(frame):
            self.perform([Refused("timeout", f"{peer.address} does not read what it is sent"), Close(conn, "too slow")])

    def _finish(self, order: Close) -> None:
        peer = self.peers.get(order.conn)
        if peer is not None:
            log.debug("closing", peer=peer.address, reason=order.reason)
            peer.finish()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a connection's task failed", task=task.get_name(), exc_info=task.exception())


def _parse(text: str) -> tuple[str, int] | None:
    """An address that a stranger gave: none that is meant for many, or for nobody."""
    try:
        address = Address.parse(text)
    except ValueError:
        return None
    try:
        ip = ipaddress.ip_address(address.host)
    except ValueError:
        usable = True  # a name
    else:
        usable = not (ip.is_multicast or ip.is_unspecified)
    return (address.host, address.port) if usable and address.port else None
