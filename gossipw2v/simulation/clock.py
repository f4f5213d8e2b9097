"""A virtual clock: events in the order of their times, as fast as they can be run."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

Event = Callable[[], None]


@dataclass(slots=True)
class Clock:
    """Virtual time in seconds; events of the same moment run in the order in which they were set."""

    now: float = 0.0
    _queue: list[tuple[float, int, Event]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def at(self, delay: float, event: Event) -> None:
        """Do something `delay` seconds from now."""
        self.when(self.now + delay, event)

    def when(self, moment: float, event: Event) -> None:
        """Do something at a moment; what was set for the same one before comes before."""
        heapq.heappush(self._queue, (moment, next(self._numbers), event))

    def __len__(self) -> int:
        return len(self._queue)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Go on for so long; returns whether `until`, checked after each event, came true and ended it."""
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, event = heapq.heappop(self._queue)
            event()
            if until is not None and until():
                return True
        self.now = end
        return False
