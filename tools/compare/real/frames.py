"""What real baselines say to each other: rows in the product's own frames, msgpack behind a magic and a length."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import NamedTuple

import msgpack
import numpy as np

from compare.baselines.rows import Floats, Ids
from gossipw2v.gossip.codec import HEADER, MAGIC, frame_length

LONGEST_FRAME = 1 << 30  # bytes; a whole model is one frame
RETRY = 0.1  # s between two tries to connect
SILENCE = 60.0  # s after which a peer that says nothing is given up

Address = tuple[str, int]


class Message(NamedTuple):
    """`ids` int64[n] and `values` float32[n, D]: rows of `node`. `life`: how often the server has been started before,
    as the sender knows it; `last`: the node has no text left; `share`: weight of the model, where models have one."""

    node: int
    ids: Ids
    values: Floats
    life: int = 0
    last: bool = False
    share: float = 1.0


class Connection:
    """A TCP connection that carries messages. OSError when it ends."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(SILENCE)
        self._socket = sock

    @classmethod
    def dial(cls, address: Address, patience: float) -> Connection:
        """Connect, again and again for `patience` seconds."""
        until = time.monotonic() + patience
        while True:
            try:
                return cls(socket.create_connection(address, timeout=SILENCE))
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(RETRY)

    def send(self, message: Message) -> None:
        """Send all of it."""
        node, ids, values, *rest = message
        body = msgpack.packb(
            [node, ids.astype("<i4").tobytes(), values.shape[1], values.astype("<f4").tobytes(), *rest]
        )
        self._socket.sendall(HEADER.pack(MAGIC, len(body)) + body)

    def receive(self) -> Message:
        """The next message; ConnectionError if the other end is gone."""
        body = self._exactly(frame_length(self._exactly(HEADER.size), LONGEST_FRAME))
        node, ids, size, values, life, last, share = msgpack.unpackb(body)
        rows = np.frombuffer(values, "<f4").reshape(-1, size)
        return Message(node, np.frombuffer(ids, "<i4").astype(np.int64), rows, life, last, share)

    def close(self) -> None:
        """End it; a thread that waits for a message here gets an OSError."""
        with suppress(OSError):  # the other end was first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            some = self._socket.recv(min(1 << 20, size - len(data)))
            if not some:
                raise ConnectionError("the other end is gone")
            data += some
        return bytes(data)


def listen(address: Address) -> socket.socket:
    """A socket that takes connections."""
    return socket.create_server(address, backlog=64)
