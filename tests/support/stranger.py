"""A stranger for tests: a real socket to a node's port, which says whatever it is told to."""

import secrets
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import numpy as np

from gossipw2v.delta import RowDelta
from gossipw2v.gossip.census import VOCABULARY
from gossipw2v.gossip.codec import HEADER, decode, encode, frame_length
from gossipw2v.gossip.messages import (
    Hello,
    LinkOpen,
    LinkOpened,
    Message,
    Push,
    Refuse,
    StateNews,
)

SIZE = 32  # the victim's vector size
M = TypeVar("M")


class Stranger:
    """A connection to a node's port that can say anything. `hello` is the node's own first message.

    Each comes from another address of this machine, lest all of them are cut off for what one of them did.
    """

    def __init__(self, address: str, source: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        host, _, port = address.rpartition(":")
        plain = socket.create_connection((host, int(port)), 10, (source or elsewhere(), 0))
        plain.settimeout(20)
        self.socket = plain if tls is None else tls.wrap_socket(plain)
        try:
            self.hello = self.expect(Hello)
        except BaseException:
            self.socket.close()
            raise

    def raw(self, data: bytes) -> None:
        with suppress(ConnectionError):  # the node may have hung up in the middle, as it should
            self.socket.sendall(data)

    def send(self, *messages: Message) -> None:
        self.raw(b"".join(map(encode, messages)))

    def read(self) -> Message | None:
        """The next message, None when the node has closed the connection."""
        try:
            header = self._exactly(HEADER.size)
            return decode(self._exactly(frame_length(header))) if header else None
        except ConnectionError:
            return None

    def expect(self, kind: type[M]) -> M:
        """The next message of a kind; what comes before it is passed over."""
        while (message := self.read()) is not None:
            if isinstance(message, kind):
                return message
            assert not isinstance(message, Refuse), message
        raise AssertionError(f"the node closed the connection before a {kind.__name__}")

    def told(self) -> str | None:
        """Read to the end; the reason that the node gave for it."""
        reason = None
        while (message := self.read()) is not None:
            if isinstance(message, Refuse):
                reason = message.reason
        return reason

    def introduce(self, node: bytes | None = None) -> StateNews:
        """Say Hello as a node of the same job, below the victim in the tree; what the victim knows."""
        self.send(replace(self.hello, node=node or low_id(), addresses=[]))
        return self.expect(StateNews)

    def become_child(self) -> bytes:
        """Go all the way to an open link; its name."""
        news = self.introduce()
        link = secrets.token_bytes(8)
        vocabulary = next(offer.digest for offer in news.offers if offer.name == VOCABULARY)
        self.send(LinkOpen(link, True, 0, vocabulary, {}, insist=True))
        assert not self.expect(LinkOpened).resumed
        return link

    def push(self, delta: RowDelta, batch: int = 1) -> None:
        self.send(Push(self.become_child(), batch, False, 0, 0, {}, delta))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                return b""
            data += more
        return data

    def __enter__(self) -> "Stranger":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def elsewhere() -> str:
    """A loopback address that nobody else has come from."""
    return f"127.{1 + secrets.randbelow(250)}.{secrets.randbelow(250)}.{1 + secrets.randbelow(250)}"


def low_id() -> bytes:
    """A node id that has the lowest priority."""
    return bytes(4) + secrets.token_bytes(12)


def delta(rows: list[int], scale: float = 1e-3, size: int = SIZE, count: int = 1) -> RowDelta:
    n = len(rows)
    values = np.ones((n, size), np.int8)
    return RowDelta(np.array(rows, np.int32), np.full(n, count, np.uint32), np.full(n, scale, np.float32), values)
