"""A server, or the first rank: waits for what every node has, merges it, and answers all."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from compare.real.frames import SILENCE, Connection, Message

Merge = Callable[[dict[int, Message]], Message]
Welcome = Callable[[], Message]
Heard = tuple[Connection, Message | None]  # None: it has ended


@dataclass
class Hub:
    """`nodes`: those that are waited for. `merge`: what all get for what they sent. `whole`: the model, for a node that
    knew the server before it was started anew; `life`: how often it was."""

    listener: socket.socket
    nodes: set[int]
    merge: Merge
    whole: Welcome
    life: int = 0
    _heard: queue.SimpleQueue[Heard] = field(default_factory=queue.SimpleQueue)
    _who: dict[int, Connection] = field(default_factory=dict)  # the connection of each node
    _connections: list[Connection] = field(default_factory=list)
    _got: dict[int, Message] = field(default_factory=dict)  # what has come in this round

    def serve(self) -> None:
        """Until every node has sent its last rows. queue.Empty if all are silent for too long."""
        accepts = threading.Thread(target=self._accept, daemon=True, name="accept")
        accepts.start()
        try:
            with ThreadPoolExecutor(max(1, len(self.nodes))) as senders:
                while self.nodes:
                    self._hear(*self._heard.get(timeout=SILENCE))
                    if self.nodes and self._got.keys() >= self.nodes:
                        self._answer(senders)
        finally:
            self._end()
            accepts.join(SILENCE)

    def _hear(self, connection: Connection, message: Message | None) -> None:
        if message is None:  # of whichever node
            self.nodes -= {node for node, known in self._who.items() if known is connection}
        elif message.life != self.life:
            self._who[message.node] = connection
            connection.send(self.whole()._replace(life=self.life))
        else:
            self._who[message.node] = connection
            self._got[message.node] = message

    def _answer(self, senders: ThreadPoolExecutor) -> None:
        got, self._got = self._got, {}
        answer = self.merge(got)._replace(life=self.life)
        for done in [senders.submit(self._send, node, answer) for node in got]:
            done.result()
        self.nodes -= {node for node, message in got.items() if message.last}

    def _send(self, node: int, answer: Message) -> None:
        try:
            self._who[node].send(answer)
        except OSError:  # its end is heard of by the way of all ends
            return

    # -- connections ----------------------------------------------------------------------------------------

    def _accept(self) -> None:
        readers = []
        with suppress(OSError):  # it has been shut down
            while True:
                sock, _ = self.listener.accept()
                self._connections.append(Connection(sock))
                readers.append(threading.Thread(target=self._read, args=(self._connections[-1],), daemon=True))
                readers[-1].start()
        for each in self._connections:
            each.close()
        for reader in readers:
            reader.join(SILENCE)

    def _read(self, connection: Connection) -> None:
        try:
            while True:
                self._heard.put((connection, connection.receive()))
        except OSError:
            self._heard.put((connection, None))

    def _end(self) -> None:
        """Have all threads end: what the listener waits for does not come any more."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
