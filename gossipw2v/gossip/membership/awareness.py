"""How late this node itself is, so that it does not take its own pauses for the silence of others.

A trainer's cores are always busy, laptops sleep, machines are stopped and go on. A node that was late has not heard
what came meanwhile, and may be late again soon (Lifeguard's local health).
"""

from __future__ import annotations

from dataclasses import dataclass

LATE = 1.0  # s between two looks at the clock up to which all is well
MOST_SLACK = 8.0  # s; even a node that is always late must come to know that another is dead
RECOVERY = 0.2  # s of slack that a second without a pause takes back


@dataclass(slots=True)
class LocalHealth:
    """How late this node has been of late."""

    seen_at: float  # the last look at the clock
    slack: float = 0.0  # s of patience with others that its lateness adds

    def look(self, now: float) -> float:
        """Look at the clock; returns how many seconds this node did not run, 0 if it was hardly late."""
        gap, self.seen_at = now - self.seen_at, now
        self.slack = max(0.0, self.slack - RECOVERY * min(gap, LATE))
        if gap <= LATE:
            return 0.0
        self.slack = min(MOST_SLACK, self.slack + gap)
        return gap - LATE
