"""Whose each task of a shared text is, and which have been done: a table that every node keeps.

A task is one pass over one piece of the text. Of two holdings of a task the greater is right: done before not done,
then the later term, then the higher owner. So tables that are merged in any order, however often, come to the same (a
join semilattice, Shapiro et al. 2011), and what was done is never undone. Only the owner of a task hands it on, and
only a task whose owner is gone is claimed: a term has one writer, but for claims at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gossipw2v.gossip.messages import MAX_TASKS, MAX_TERM, MAX_TOLD, Holding
from gossipw2v.gossip.records import NodeId

NOBODYS = Holding()

Told = list[tuple[int, Holding]]


@dataclass(slots=True)
class TaskTable:
    """Tasks 0 to `size`; until the text is known, whatever others tell of."""

    size: int = MAX_TASKS
    held: dict[int, Holding] = field(default_factory=dict)  # by task; one that is not there is nobody's
    done: set[int] = field(default_factory=set)  # tasks that are
    untold: dict[int, dict[int, None]] = field(default_factory=dict)  # by connection: tasks to tell of, in order

    def get(self, task: int) -> Holding:
        """Whose a task is."""
        return self.held.get(task, NOBODYS)

    def open(self) -> Iterable[int]:
        """The tasks that have not been done, in order."""
        return (task for task in range(self.size) if task not in self.done)

    def resize(self, size: int) -> None:
        """The text is known: others' tasks beyond it are none."""
        self.size = size
        for task in [task for task in self.held if task >= size]:
            del self.held[task]
            self.done.discard(task)

    def put(self, task: int, holding: Holding, source: int | None = None) -> bool:
        """Take a holding if it is greater, and tell of it on all connections but `source`; whether it was."""
        if task >= self.size or holding <= self.get(task):
            return False
        self.held[task] = holding
        if holding.done:
            self.done.add(task)
        for conn, tasks in self.untold.items():
            if conn != source:
                tasks[task] = None
        return True

    def hand(self, task: int, owner: NodeId) -> None:
        """Make a task that has not been done `owner`'s."""
        self.put(task, Holding(False, min(self.get(task).term + 1, MAX_TERM), owner))

    # -- telling --------------------------------------------------------------------------------------------

    def connected(self, conns: Iterable[int], again: bool = False) -> None:
        """These are the connections; a new one is to be told everything, and with `again` all are."""
        before = {} if again else self.untold
        self.untold = {conn: before.get(conn, dict.fromkeys(self.held)) for conn in conns}

    def news(self) -> Iterable[tuple[int, Told]]:
        """What is to be told on each connection, in parts that fit a frame; it is told then."""
        for conn, tasks in self.untold.items():
            told = [(task, self.held[task]) for task in tasks if task in self.held]
            tasks.clear()
            for at in range(0, len(told), MAX_TOLD):
                yield conn, told[at : at + MAX_TOLD]
