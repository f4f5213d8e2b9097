"""Runs the synchronous baselines: all nodes train for a while, then all exchange, and nobody trains meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.baselines.rows import Baseline, Rows
from compare.course import CHECKPOINTS, DEATH, DETECTED, HALF, PAUSED, RESTARTED, Course, forget
from compare.network import SERVER, Phase, Transfer

STAND_STILL = 0  # the node that is paused


class Rounds:
    """A synchronous run. Rows that a node needs for a round are fetched before it: only those count that others have
    changed since the node had them last, and that this round trains."""

    def __init__(self, course: Course, baseline: Baseline) -> None:
        self.course, self.baseline, self.round = course, baseline, 0
        rows = len(course.replicas[0].model.weights)
        self.stale = np.zeros((len(course.replicas), rows), np.bool_)  # rows that others have changed since
        self.joined = {node for node in range(len(course.replicas)) if not course.is_late(node)}
        self.checkpoint = baseline.model().copy()

    def go(self) -> dict[str, Any]:
        """To the end; the result."""
        course, rounds = self.course, self.course.run.rounds
        while nodes := self._taking_part():
            self._round(nodes, ends_in_death=course.run.event == "death" and self.round == int(DEATH * rounds))
            self.round += 1
            if self.round % max(1, rounds // CHECKPOINTS) == 0:
                self.checkpoint = self.baseline.model().copy()
            course.traffic.mark(course.now)
            course.look(self.baseline.model)
        if (last := getattr(self.baseline, "last_traffic", None)) is not None:
            course.now += course.send(last())
        return course.result(self.baseline.model())

    def _taking_part(self) -> list[int]:
        """The nodes with text left; those that come late are there from half time on, or when nobody else is left."""
        here = [n for n in sorted(self.joined - self.course.dead) if self.course.replicas[n].left]
        late = set(range(len(self.course.replicas))) - self.joined
        if late and (self.round >= HALF * self.course.run.rounds or not here):
            self._let_in(late)
            return self._taking_part()
        return here

    def _let_in(self, nodes: set[int]) -> None:
        """Each gets the whole model from the server, or from the first rank."""
        model, size = self.baseline.model(), self.baseline.model().nbytes
        source = SERVER if self.baseline.weakest == "server" else 0
        self.course.now += self.course.send([Phase([Transfer("model", source, node, size) for node in sorted(nodes)])])
        for node in nodes:
            self.course.replicas[node].take(model)
            if (replicas := getattr(self.baseline, "replicas", None)) is not None:
                replicas[node] = model.copy()
        self.joined |= nodes

    def _round(self, nodes: list[int], ends_in_death: bool) -> None:
        course, before = self.course, {}
        seconds: dict[int, float] = {}
        for node in nodes:
            before[node] = course.replicas[node].base.copy() if ends_in_death else None
            seconds[node] = course.train(node)
        if course.run.event == "pause" and self.round == int(HALF * course.run.rounds) and STAND_STILL in seconds:
            seconds[STAND_STILL] += PAUSED
        order = sorted(nodes, key=lambda node: seconds[node])
        needed = getattr(self.baseline, "needed", None)
        course.now += seconds[order[(needed(len(order)) if needed else len(order)) - 1]]
        changed = {node: course.replicas[node].changed() for node in order}
        if ends_in_death:
            self._die(before)
            return
        self._exchange(changed)

    def _exchange(self, changed: dict[int, Rows]) -> None:
        pulled = {node: self._fetched(node, rows.ids) for node, rows in changed.items()}
        back = self.baseline.exchange(changed)
        phases = self.baseline.traffic({node: len(rows.ids) for node, rows in changed.items()}, pulled)
        self.course.now += self.course.send(phases)
        for node, rows in back.items():
            self.stale[node, rows.ids] |= self.course.replicas[node].apply(rows)
        self._tell_absent(back)

    def _fetched(self, node: int, ids: NDArray[np.int64]) -> int:
        count = int(self.stale[node, ids].sum())
        self.stale[node, ids] = False
        return count

    def _tell_absent(self, back: dict[int, Rows]) -> None:
        """Nodes that are done with their text keep up as well; they fetch no rows for training."""
        if hasattr(self.baseline, "replicas") or not back:
            return
        rows = next(iter(back.values()))
        for node in self.joined - self.course.dead - back.keys():
            self.course.replicas[node].apply(rows)

    def _die(self, before: dict[int, Any]) -> None:
        """Nothing of this round counts. A server comes back with its checkpoint; of other nodes one is gone."""
        course = self.course
        lost = DETECTED + (RESTARTED if self.baseline.weakest == "server" else 0.0)
        course.now += lost
        course.stall = lost
        if self.baseline.weakest == "server":
            self.baseline.weights[:] = self.checkpoint  # type: ignore[attr-defined]  # of every server
            for node in self.joined:
                course.replicas[node].take(self.checkpoint)
            return
        course.dead.add(0)
        forget(self.baseline, 0)
        for node, rows in before.items():
            course.replicas[node].take(rows)
