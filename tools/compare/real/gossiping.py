"""A node of gossip by averaging as a process: it trains, sends its model to a random peer, and merges what comes.

The arithmetic is that of `baselines.gossip_average`; sending and receiving have threads of their own.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import numpy as np

from compare.baselines.rows import Floats
from compare.real.frames import Connection, Message, listen
from compare.real.job import FIRST, HALF, RealJob, save_model
from compare.replicas import Replica

PATIENCE = 20.0  # s until a peer that cannot be reached is not tried again; all start at about the same time
LINGER = 60.0  # s that a node that is done goes on merging what others still send, at most


@dataclass
class GossipNode:
    """`share`: the weight of the own model, which halves when it is sent and grows by what comes."""

    job: RealJob
    node: int
    replica: Replica
    note: Callable[[int], None]
    share: float = 1.0
    peers: set[int] = field(init=False)
    came: queue.SimpleQueue[Message] = field(default_factory=queue.SimpleQueue)
    returned: queue.SimpleQueue[float] = field(default_factory=queue.SimpleQueue)  # shares that could not be sent
    sending: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.peers = set(range(self.job.run.nodes)) - {self.node}
        self.rng = Random(self.job.run.seed * 1000 + self.node)

    def go(self) -> None:
        """Train the own part to its end, then go on merging until all others that live are done."""
        run, trainer = self.job.run, self.replica.trainer
        threading.Thread(target=self._accept, args=(listen(self.job.addresses[self.node]),), daemon=True).start()
        interval = max(1, -(-trainer.total // run.rounds))
        while self.replica.left:
            self.replica.train(interval, (trainer.trained * (run.nodes - 1), trainer.total * (run.nodes - 1)))
            self.note(trainer.trained)
            if self.node == FIRST and trainer.trained >= HALF * trainer.total:
                self.job.die()
            self._merge()
            self._send()
        if self.sending is not None:
            self.sending.join(LINGER)
        (self.job.folder / f"done{self.node}").touch()
        self._linger()
        save_model(self.job.model(self.node), self.replica.model.weights)
        (self.job.folder / f"share{self.node}").write_text(repr(self.share))

    # -- merging --------------------------------------------------------------------------------------------

    def _merge(self) -> None:
        while not self.came.empty():
            message = self.came.get()
            part = np.float32(message.share / (self.share + message.share))
            weights: Floats = self.replica.model.weights
            weights += part * (message.values - weights)
            self.share += message.share
        while not self.returned.empty():
            self.share += self.returned.get()

    def _linger(self) -> None:
        until = time.monotonic() + LINGER
        while any(not (self.job.folder / f"done{peer}").exists() for peer in self.peers) and time.monotonic() < until:
            self._merge()
            time.sleep(0.05)
        self._merge()

    # -- sockets --------------------------------------------------------------------------------------------

    def _send(self) -> None:
        """To a random peer, unless the last model is still on its way."""
        if not self.peers or (self.sending is not None and self.sending.is_alive()):
            return
        self.share /= 2
        weights = self.replica.model.weights.copy()
        message = Message(self.node, np.arange(len(weights)), weights, share=self.share)
        peer = self.rng.choice(sorted(self.peers))
        self.sending = threading.Thread(target=self._sent, args=(peer, message), name="send")
        self.sending.start()

    def _sent(self, peer: int, message: Message) -> None:
        try:
            connection = Connection.dial(self.job.addresses[peer], PATIENCE if peer in self._unmet() else 0.0)
            connection.send(message)
            connection.close()
        except OSError:  # it is dead: what was to be its share stays here
            self.returned.put(message.share)
            self.peers.discard(peer)

    def _unmet(self) -> set[int]:
        """Peers that have trained nothing yet: they may still be starting."""
        return {peer for peer in self.peers if not self.job.course(peer).exists()}

    def _accept(self, listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=self._receive, args=(Connection(sock),), daemon=True).start()

    def _receive(self, connection: Connection) -> None:
        with suppress(OSError):  # its sender has died over it
            self.came.put(connection.receive())
        connection.close()
