"""One TCP connection: frames in and out, every wait and every buffer bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gossipw2v.gossip.codec import HEADER, decode, frame_length
from gossipw2v.gossip.messages import MAX_FRAME, MAX_HELLO, Hello, Message, ProtocolError

BODY_TIMEOUT = 30.0  # s for a frame's body once its header has come: 8 MiB at 2.2 Mbit/s
WRITE_TIMEOUT = 15.0  # s until a peer that does not read is given up
MAX_QUEUED = 16 << 20  # bytes waiting for a slow peer; an exchange has one frame under way

Place: TypeAlias = tuple[str, int]  # a host and a port; IPv6 has more behind them
NOWHERE: Place = ("?", 0)


@dataclass(slots=True, eq=False)
class Peer:
    """A connection, number `conn`, from either side. `close()` may be called any number of times.

    `certified`: the node that the certificate of the other end names; None where there is no TLS. `dialled`: what led
    there, None if the other end has dialled.
    """

    conn: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    certified: bytes | None = None
    dialled: str | None = None
    queued: int = 0
    greeted: bool = False
    _out: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    _ends: tuple[Place, Place] = field(init=False)  # this one and the other, which a connection that is gone forgets

    def __post_init__(self) -> None:
        self._ends = about(self.writer, "sockname") or NOWHERE, about(self.writer, "peername") or NOWHERE

    @property
    def address(self) -> str:
        """The other end, `host:port`."""
        return f"{self._ends[1][0]}:{self._ends[1][1]}"

    @property
    def place(self) -> str:
        """The other end for people: as it was dialled, or the host that has dialled, whose port says nothing."""
        return self.dialled or self.host

    @property
    def host(self) -> str:
        """The other end's address without the port."""
        return self._ends[1][0]

    @property
    def local_host(self) -> str:
        """This end's address without the port."""
        return self._ends[0][0]

    def send(self, frame: bytes) -> bool:
        """Queue a frame; False if the peer reads too slowly to take it."""
        if self.queued + len(frame) > MAX_QUEUED:
            return False
        self.queued += len(frame)
        self._out.put_nowait(frame)
        return True

    def finish(self) -> None:
        """Close once everything queued is out."""
        self._out.put_nowait(None)

    async def messages(self) -> AsyncIterator[tuple[Message, int]]:
        """Messages with their size in bytes, until the other end closes. ProtocolError for a bad frame."""
        while True:
            try:
                header = await self.reader.readexactly(HEADER.size)
                cap = MAX_FRAME if self.greeted else MAX_HELLO
                length = frame_length(header, cap)
                async with asyncio.timeout(BODY_TIMEOUT):
                    body = await self.reader.readexactly(length)
            except TimeoutError:
                raise ProtocolError("timeout", "a frame did not arrive in time") from None
            except (asyncio.IncompleteReadError, OSError):
                return
            message = decode(body)
            if isinstance(message, Hello) and self.certified not in (None, message.node):
                raise ProtocolError("identity", "its Hello names another node than its certificate")
            self.greeted = True
            yield message, HEADER.size + length

    async def write(self) -> None:
        """Write what is queued until `finish`; returns when the connection can be written no more."""
        while (frame := await self._out.get()) is not None:
            try:
                self.writer.write(frame)
                async with asyncio.timeout(WRITE_TIMEOUT):
                    await self.writer.drain()
            except (OSError, TimeoutError):
                return
            self.queued -= len(frame)

    async def close(self) -> None:
        """Close at once; bounded, because a peer may never acknowledge."""
        self.writer.close()
        try:
            async with asyncio.timeout(1.0):
                await self.writer.wait_closed()
        except (OSError, TimeoutError):
            self.writer.transport.abort()


def tune(writer: asyncio.StreamWriter) -> None:
    """Small frames go at once; a peer that is gone is noticed by the kernel too."""
    sock = about(writer, "socket")
    if sock is None:
        return
    with suppress(OSError):  # it is gone
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 10_000)


def about(writer: asyncio.StreamWriter, what: str) -> Any:
    """What a connection says of itself; None if it is gone already, when uvloop raises AttributeError."""
    try:
        return writer.get_extra_info(what)
    except AttributeError:
        return None
