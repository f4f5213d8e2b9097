"""What a node's parts cost: CPU time of the threads that train and merge, and how late the event loop runs."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

PULSE = 0.05  # s between two looks
KEPT = 2400  # looks that count: two minutes


@dataclass(slots=True)
class Pulse:
    """The event loop's own: `late` s behind time at each look of late, `cpu_seconds` of its thread."""

    late: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    cpu_seconds: float = 0.0

    async def watch(self) -> None:
        """Look again and again; for as long as the node lives."""
        loop, before = asyncio.get_running_loop(), time.thread_time()  # imports are not its doing
        while True:
            due = loop.time() + PULSE
            await asyncio.sleep(PULSE)
            self.late.append(max(0.0, loop.time() - due))
            self.cpu_seconds = time.thread_time() - before

    def lag(self, share: float) -> float | None:
        """The lag in seconds that this share of looks did not exceed, 0 to 1; None before the first."""
        if not self.late:
            return None
        ordered = sorted(self.late)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
