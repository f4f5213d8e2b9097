"""A process of a real baseline: `python -m compare.real FOLDER NODE LIFE`; NODE -1 is the server, in its LIFE-th life.

FOLDER has `job.json` (a `RealJob`), `vocab`, a part of the text for each node, and gets what comes of it: `course-N`,
a line whenever a node has trained its words for an exchange, and `model-N.npy`.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compare.baselines.rows import Floats, Rows
from compare.baselines.server_sync import SyncServer
from compare.network import SERVER
from compare.real.frames import Connection, Message, listen
from compare.real.gossiping import GossipNode
from compare.real.hub import Hub
from compare.real.job import FIRST, HALF, RealJob, save_model
from compare.replicas import Replica, make_replica

CHECKPOINTS = 10  # of a server, in a run
PATIENCE = 30.0  # s that a node tries to reach a server


class Course:
    """What a node tells of its training: a time and the words so far in a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def note(self, trained: int) -> None:
        """It has trained so many words by now."""
        self._file.write(f"{time.monotonic():.4f} {trained}\n")


# -- the server -----------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """The rows of a synchronous server, saved now and then so that it can be started anew."""

    job: RealJob
    server: SyncServer
    rounds: int = 0

    @classmethod
    def begin(cls, job: RealJob) -> Server:
        """From the last checkpoint, if there is one."""
        weights = np.load(job.checkpoint) if job.checkpoint.exists() else job.initial()
        return cls(job, SyncServer(weights))

    def merge(self, got: dict[int, Message]) -> Message:
        """A round: the mean of what all have changed."""
        self.server.exchange({node: Rows(message.ids, message.values) for node, message in got.items()})
        ids = np.unique(np.concatenate([message.ids for message in got.values()]))
        self.rounds += 1
        if self.rounds % max(1, self.job.run.rounds // CHECKPOINTS) == 0:
            save_model(self.job.checkpoint, self.server.weights)
        if self.rounds >= HALF * self.job.run.rounds:
            self.job.die()
        return Message(SERVER, ids, self.server.weights[ids])

    def whole(self) -> Message:
        """All rows."""
        return Message(SERVER, np.arange(len(self.server.weights)), self.server.weights)


def serve(job: RealJob, life: int) -> None:
    """The server's process, from its start to the end of all nodes."""
    server = Server.begin(job)
    listener = listen(job.addresses[SERVER])
    Hub(listener, set(range(job.run.nodes)), server.merge, server.whole, life).serve()
    save_model(job.model(SERVER), server.server.weights)


# -- nodes that train -----------------------------------------------------------------------------------------------


@dataclass
class Member:
    """A node that exchanges in rounds, with a server or with the first rank that lives."""

    job: RealJob
    node: int
    replica: Replica
    course: Course
    root: int = SERVER  # whom it exchanges with
    life: int = 0  # of the server, as far as it is known
    connection: Connection | None = None

    def go(self) -> None:
        """Train the own part to its end."""
        run, trainer = self.job.run, self.replica.trainer
        interval = max(1, -(-trainer.total // run.rounds))
        while self.replica.left:
            others = (trainer.trained * (run.nodes - 1), trainer.total * (run.nodes - 1))
            self.replica.train(interval, others)
            self.course.note(trainer.trained)
            if self.node == self.root == FIRST and trainer.trained >= HALF * trainer.total:
                self.job.die()
            self.exchange()

    def exchange(self) -> None:
        """Send what changed, or the whole model, and take what comes back."""
        rows = self.replica.changed()
        if self.root != SERVER:
            rows = Rows(np.arange(len(self.replica.base)), self.replica.base)
        answer = self._asked(Message(self.node, *rows, life=self.life, last=not self.replica.left))
        whole = len(answer.ids) == len(self.replica.base)
        if self.root != SERVER or answer.life != self.life or whole:
            self.replica.take(answer.values)
        else:
            self.replica.apply(Rows(answer.ids, answer.values))
        self.life = answer.life

    def _asked(self, message: Message) -> Message:
        """The answer, of whoever can give it. OSError if nobody can."""
        for _ in range(self.job.run.nodes + 1):
            try:
                self.connection = self.connection or Connection.dial(self.job.addresses[self.root], PATIENCE)
                self.connection.send(message)
                return self.connection.receive()
            except OSError:
                self.connection = None
                self._next_root()
        raise ConnectionError(f"node {self.node} finds nobody to exchange with")

    def _next_root(self) -> None:
        """A server comes back; of ranks the next one takes the place of a dead one."""
        if self.root == SERVER:
            return
        self.root += 1
        if self.root == self.node:
            lead(self.job, self.node)


def lead(job: RealJob, rank: int) -> None:
    """Take the mean for all ranks from this one on, beside training."""
    hub = Hub(job.listener, set(range(rank, job.run.nodes)), mean_of, lambda: mean_of({}))
    threading.Thread(target=_led, args=(hub,), name="lead").start()


def _led(hub: Hub) -> None:
    with suppress(Exception):  # its end is told by the nodes that go without an answer
        hub.serve()


def mean_of(got: dict[int, Message]) -> Message:
    """The mean of whole models."""
    values: Floats = np.mean([message.values for message in got.values()], axis=0, dtype=np.float64)
    return Message(SERVER, np.arange(len(values)), values.astype(np.float32))


def train(job: RealJob, node: int) -> None:
    """The process of a node, from its start to its end."""
    part = np.load(job.part(node))
    replica = make_replica(job.material(part), part, job.run)
    course = Course(job.course(node))
    if job.run.baseline == "gossip-average":
        GossipNode(job, node, replica, course.note).go()
        return
    ranks = job.run.baseline == "averaging-ring"
    if ranks:
        job.listener = listen(job.addresses[node])
        if node == 0:
            lead(job, node)
    Member(job, node, replica, course, 0 if ranks else SERVER).go()
    save_model(job.model(node), replica.model.weights)


def main(argv: list[str]) -> int:
    """Run one process of the job in a folder."""
    folder, node, life = Path(argv[0]), int(argv[1]), int(argv[2])
    job = RealJob.read(folder)
    if node == SERVER:
        serve(job, life)
    else:
        train(job, node)
    return 0
