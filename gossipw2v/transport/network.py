"""Sockets for the protocol core: accepts and dials, moves frames, and performs what the core asks for."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from gossipw2v.config.address import Address
from gossipw2v.gossip.codec import encode
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Close, Dial, Instruction, Refused, Send
from gossipw2v.gossip.messages import Answer, Message, ProtocolError, Push, StateNews
from gossipw2v.system.logs import get_logger
from gossipw2v.system.metrics import Metrics
from gossipw2v.transport.contacts import Contacts
from gossipw2v.transport.credentials import Credentials, holder
from gossipw2v.transport.peer import Peer, about, tune
from gossipw2v.transport.streams import BACKLOG, StrangerError, Streams, UnreachableError, accept, dial, welcome

TICK = 0.02  # s; an exchange begins at a tick, so this is part of its pace
MOST_CONNECTIONS = 256
MOST_PER_HOST = 32  # a laboratory behind one address still fits; a flood does not
MOST_HANDSHAKES = 64  # of TLS under way: each takes some 60 kB before anybody has proved anything

log = get_logger("network")


@dataclass(slots=True)
class Network:
    """Connects `core` to the world. `on_rows` takes the instructions that concern the model or the vocabulary.

    With `credentials` every connection is TLS, and only those whose other end has proved itself reach the core.
    """

    core: GossipCore
    metrics: Metrics
    on_rows: Callable[[Instruction], None]
    credentials: Credentials | None = None
    contacts: Contacts = field(default_factory=Contacts)
    peers: dict[int, Peer] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _welcoming: Counter[str] = field(default_factory=Counter)
    _accepting: asyncio.Task[None] | None = None

    def listen(self, listener: socket.socket) -> None:
        """Accept connections at a socket that is bound; OSError if another listens there by now."""
        listener.listen(BACKLOG)
        self._accepting = asyncio.create_task(self._accept(listener), name="accept")
        self._accepting.add_done_callback(self._ended)

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
        refusals = [each.text for each in instructions if isinstance(each, Refused)]
        for instruction in instructions:
            match instruction:
                case Send():
                    self._send(instruction.conn, instruction.message)
                case Close():
                    self._finish(instruction, any(text.startswith(instruction.reason) for text in refusals))
                case Dial():
                    self._spawn(self._dial(instruction), f"dial-{instruction.key[:8]}")
                case Refused():
                    self.metrics.refused(instruction.reason)
                    log.warning("refused", reason=instruction.reason, text=instruction.text)
                case _:
                    self.on_rows(instruction)

    def moved(self, gone: set[str]) -> None:
        """This machine no longer has the addresses `gone`: nothing gets through on connections that use them."""
        for peer in self.peers.values():
            if peer.local_host in gone:
                log.debug("closing", peer=peer.address, reason="its own address is gone")
                peer.writer.transport.abort()

    async def close(self) -> None:
        """Stop accepting, let what is queued leave, close; bounded by some 2 s."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])
        for peer in self.peers.values():
            peer.finish()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=1.0)
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    # -- connections ----------------------------------------------------------------------------------------

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                sock, host = await accept(listener)
                if (reason := self._unwelcome(host)) is not None:
                    self.metrics.refused(reason)  # not logged: it may come again as often as it likes
                    sock.close()
                else:
                    self._welcoming[host] += 1
                    self._spawn(self._welcome(sock, host), f"welcome-{host}")

    def _unwelcome(self, host: str) -> str | None:
        if self._barred(host):
            return "barred"
        return "busy" if self._crowded(host) else None

    def _crowded(self, host: str) -> bool:
        same = sum(peer.host == host for peer in self.peers.values()) + self._welcoming[host]
        under_way = self._welcoming.total()
        full = len(self.peers) + under_way >= MOST_CONNECTIONS
        return full or same >= MOST_PER_HOST or under_way >= MOST_HANDSHAKES

    async def _welcome(self, sock: socket.socket, host: str) -> None:
        try:
            streams = await welcome(sock, self.credentials)
        except StrangerError as error:
            self.perform([Refused(error.reason, f"{host}: {error}")])
        except OSError as error:
            log.debug("gone before it was let in", host=host, error=str(error))
        else:
            self._run(streams, None)
        finally:
            self._welcoming -= Counter([host])  # a Counter drops what has come to nothing

    async def _dial(self, order: Dial) -> None:
        parsed = {address: text for text in order.addresses if (address := _parse(text)) is not None}
        addresses = [address for address in parsed if not self._barred(address[0])]
        try:
            streams, address = await dial(addresses, self.credentials)
        except StrangerError as error:
            self.core.dial_refused(order.key, self.now())
            self.contacts.turned_away(_place(order), str(error))
            self.perform([Refused(error.reason, str(error))])
        except UnreachableError as error:
            log.debug("nobody answers", addresses=order.addresses, error=str(error))
            self.core.dial_failed(order.key, error.refused)
            self.contacts.failed(_place(order), str(error), error.nameless)
        else:
            self.contacts.met(_place(order))
            self._run(streams, order.key, parsed[address])

    def _run(self, streams: Streams, target: str | None, address: str | None = None) -> None:
        reader, writer = streams
        tune(writer)
        certified = holder(about(writer, "peercert") or {}) if self.credentials else None
        peer = Peer(next(self._numbers), reader, writer, certified, address)
        if target is not None and self._barred(peer.host):  # a name may stand for an address that is not welcome
            writer.close()
            self.core.dial_failed(target)
            return
        self.peers[peer.conn] = peer
        self.perform(self.core.opened(peer.conn, target, self.now(), peer.host, address))
        self._spawn(self._serve(peer), f"peer-{peer.conn}")

    def _barred(self, host: str) -> bool:
        return not self.core.is_welcome(host, self.now())

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
                if isinstance(message, StateNews):
                    self.contacts.joined(peer.place)
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

    def _finish(self, order: Close, refused: bool) -> None:
        peer = self.peers.get(order.conn)
        if peer is not None:
            if refused:
                self.contacts.turned_away(peer.place, order.reason)
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


def _place(order: Dial) -> str:
    """Where an order leads, for people."""
    return ", ".join(order.addresses[:2])


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
