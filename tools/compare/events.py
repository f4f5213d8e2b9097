"""Runs the asynchronous baselines: a node trains on while an exchange is under way, and begins no other meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from compare.baselines.rows import Phase, Rows
from compare.course import CHECKPOINTS, DEATH, DETECTED, HALF, PAUSED, RESTARTED, Course, forget
from compare.network import LATENCY, SERVER, Cables, Transfer
from gossipw2v.simulation.clock import Clock

STAND_STILL = 0  # the node that is paused


class Events:
    """An asynchronous run. A node's `count` is of its exchanges, `known` of those that were answered."""

    def __init__(self, course: Course, baseline: Any) -> None:
        self.course, self.baseline, self.clock = course, baseline, Clock()
        self.cables = Cables(course.bandwidth)
        nodes = range(len(course.replicas))
        self.count, self.known, self.under_way = (dict.fromkeys(nodes, 0) for _ in range(3))
        self.waiting: set[int] = set()  # for slower nodes
        self.idle: set[int] = set(nodes)  # those that train nothing
        self.stale = np.zeros((len(nodes), len(course.replicas[0].model.weights)), np.bool_)
        self.down_until = 0.0  # when the server is there again
        self.checkpoint = baseline.model().copy()
        self.last_end = 0.0  # when a node ended an interval last
        self.paused = False

    def go(self) -> dict[str, Any]:
        """To the end; the result."""
        self._plan()
        self.clock.run(1e9, lambda: not len(self.clock))
        return self.course.result(self.baseline.model())

    def _plan(self) -> None:
        course = self.course
        for node in range(len(course.replicas)):
            at = HALF * course.seconds if course.is_late(node) else 0.0
            self.clock.at(at, lambda node=node: self._join(node))  # type: ignore[misc]
        if course.run.event == "death":
            for number in range(int(DEATH * CHECKPOINTS) + 1):
                self.clock.at(number * course.seconds / CHECKPOINTS, self._save)
            self.clock.at(DEATH * course.seconds, self._die)

    def _join(self, node: int) -> None:
        if self.course.is_late(node):
            model = self.baseline.model().copy()
            source = SERVER if self.baseline.weakest == "server" else 0
            transfer = Transfer("model", source, node, model.nbytes)
            self.course.replicas[node].take(model)
            if (replicas := getattr(self.baseline, "replicas", None)) is not None:
                replicas[node] = model
            self._carry([Phase([transfer])], lambda: self._enter(node))
        else:
            self._enter(node)

    def _enter(self, node: int) -> None:
        if hasattr(self.baseline, "nodes"):
            self.baseline.nodes.add(node)
        self._begin(node)

    # -- training -------------------------------------------------------------------------------------------

    def _begin(self, node: int) -> None:
        """Train the next words, unless the node is too far ahead. The rows are computed now, the time passes later."""
        if node in self.course.dead or not self.course.replicas[node].left:
            return
        slowest = min((self.known[n] for n in self._busy()), default=0)
        if self.count[node] - slowest > self.baseline.bound:
            self.waiting.add(node)
            return
        self.idle.discard(node)
        seconds = self.course.train(node)
        if self._pauses(node):
            self.paused, seconds = True, seconds + PAUSED
        self.clock.at(seconds, lambda: self._end(node))

    def _pauses(self, node: int) -> bool:
        is_time = not self.paused and self.clock.now >= HALF * self.course.seconds
        return self.course.run.event == "pause" and node == STAND_STILL and is_time

    def _busy(self) -> list[int]:
        """Nodes that are there and have text left."""
        course = self.course
        there = [n for n in range(len(course.replicas)) if n not in course.dead and course.replicas[n].left]
        return [n for n in there if not (course.is_late(n) and not self.count[n])]

    def _end(self, node: int) -> None:
        course = self.course
        if node in course.dead:
            return
        self._measure()
        self.idle.add(node)
        self.count[node] += 1
        if not self.under_way[node]:
            self._exchange(node)
        course.look(self.baseline.model)
        self._begin(node)

    def _measure(self) -> None:
        now = self.course.now = self.clock.now
        self.course.traffic.mark(now)
        if self.course.run.event == "death":
            self.course.stall = max(self.course.stall, now - self.last_end)
        self.last_end = now

    # -- exchanges ------------------------------------------------------------------------------------------

    def _exchange(self, node: int) -> None:
        if self.clock.now < self.down_until:
            self.clock.when(self.down_until, lambda: self._exchange(node) if not self.under_way[node] else None)
            return
        rows, count = self.course.replicas[node].changed(), self.count[node]
        pulled = int(self.stale[node, rows.ids].sum())
        self.stale[node, rows.ids] = False
        self.under_way[node] = 1
        partners = self.baseline.partners(node)
        phases = self.baseline.traffic({n: len(rows.ids) if n == node else 0 for n in partners}, {node: pulled})
        if len(partners) == 1 and len(phases) == 2:
            self._carry(phases[:1], lambda: self._arrive(node, count, rows, phases[1:]))
            return
        self.baseline.exchange({node: rows})  # what is sent is what the node has now
        self._carry(phases, lambda: self._merge(node, count, partners[1:]))

    def _arrive(self, node: int, count: int, rows: Rows, answer: list[Phase]) -> None:
        if node in self.course.dead:
            return
        if self.clock.now < self.down_until:  # it is sent again
            self.clock.when(self.down_until, lambda: self._arrive(node, count, rows, answer))
            return
        back = self.baseline.exchange({node: rows})[node]
        self._carry(answer, lambda: self._answered(node, count, back))

    def _answered(self, node: int, count: int, rows: Rows) -> None:
        if node in self.course.dead:
            return
        self.stale[node, rows.ids] |= self.course.replicas[node].apply(rows)
        self._done(node, count)

    def _merge(self, node: int, count: int, receivers: tuple[int, ...]) -> None:
        """Another node has got a model, unless the sender has died over it."""
        if node in self.course.dead:
            return
        for receiver in set(receivers) - self.course.dead:
            replica = self.course.replicas[receiver]
            nothing = Rows(np.empty(0, np.int64), np.empty((0, self.course.run.vector_size), np.float32))
            back = self.baseline.exchange({node: nothing, receiver: replica.changed()})
            replica.apply(back[receiver])
        self._done(node, count)

    def _done(self, node: int, count: int) -> None:
        """An exchange is over; what has waited for it goes on."""
        self.course.now = self.clock.now
        self.under_way[node], self.known[node] = 0, count
        if node in self.course.dead:
            return
        if self.count[node] > count and node in self.idle:  # it has no more text, or waits for slower nodes
            self._exchange(node)
        waiting, self.waiting = self.waiting, set()
        for each in sorted(waiting):
            self._begin(each)

    def _carry(self, phases: list[Phase], then: Callable[[], None]) -> None:
        """Send messages over the cables; `then` when the last is there."""
        arrival = self.clock.now
        for transfer in (transfer for phase in phases for transfer in phase.transfers):
            self.course.traffic.note([transfer])
            arrival = max(arrival, self.cables.carry(self.clock.now, *transfer[1:]))
        self.clock.when(arrival + LATENCY, then)

    # -- death ----------------------------------------------------------------------------------------------

    def _save(self) -> None:
        self.checkpoint = self.baseline.model().copy()

    def _die(self) -> None:
        """A server comes back with its checkpoint, and tells all nodes all rows; of other nodes one is gone."""
        if self.baseline.weakest != "server":
            self.course.dead.add(0)
            forget(self.baseline, 0)
            return
        self.down_until = self.clock.now + DETECTED + RESTARTED
        self.baseline.weights[:] = self.checkpoint
        if hasattr(self.baseline, "changed_at"):
            self.baseline.version += 1
            self.baseline.changed_at[:] = self.baseline.version
