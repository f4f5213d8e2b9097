"""Figures of a node over its whole run, in a fixed number of points: the page's charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gossipw2v.status.humanize import finite, rows, section

MOST_POINTS = 480  # as wide as a chart has dots to tell them apart; some 200 kB
FIRST_PAUSE = 1.0  # s between two points, until there are too many of them

Status = Mapping[str, Any]
Point = dict[str, float | None]


@dataclass(slots=True)
class History:
    """Points at even distances. When there are too many every other one goes, and the distance doubles."""

    points: list[Point] = field(default_factory=list)  # the oldest first
    every_seconds: float = FIRST_PAUSE  # between two points
    _began: float = 0.0  # when the first point was, in seconds of the owner's clock
    _due: float = float("-inf")  # when the next one is

    def due(self, now: float) -> bool:
        """Whether it is time for a point."""
        return now >= self._due

    def add(self, status: Status, now: float) -> None:
        """Take a point of the status at `now`, seconds of a monotonic clock."""
        if not self.points:
            self._began = now
        self.points.append(point(status))
        if len(self.points) > MOST_POINTS:
            self.points = self.points[::2]
            self.every_seconds = max(2 * self.every_seconds, (now - self._began) / (len(self.points) - 1))
        self._due = now + self.every_seconds * 0.99  # a look that comes a little early counts

    def describe(self) -> dict[str, Any]:
        """For the page and programs."""
        return {"every_seconds": self.every_seconds, "points": self.points}


def point(status: Status) -> Point:
    """The figures of a status; None for what it lacks.

    `unshared_ratio`: rows that a link's other end does not have as they are here, of the link with the most, over all
    rows of both matrices: how far this node and those around it disagree.
    """
    progress, load, traffic = (section(status, key) for key in ("progress", "load", "traffic"))
    whole = 2 * (finite(section(status, "vocabulary").get("words")) or 0)
    pending = [finite(link.get("pending_rows")) or 0.0 for link in rows(status, "links")]
    return {
        "seconds": finite(status.get("uptime_seconds")),
        "ratio": finite(progress.get("ratio")),
        "words_per_second": finite(progress.get("words_per_second")),
        "swarm_words_per_second": finite(progress.get("swarm_words_per_second")),
        "loss": finite(progress.get("loss")),
        "held_out_loss": finite(section(status, "held_out").get("loss")),
        "sent_bytes": finite(traffic.get("sent_bytes")),
        "received_bytes": finite(traffic.get("received_bytes")),
        "unshared_ratio": min(1.0, max(pending) / whole) if pending and whole else None,
        "cpu_seconds": finite(load.get("process_cpu_seconds")),
        "resident_bytes": finite(load.get("resident_bytes")),
        "loop_lag_p99_seconds": finite(load.get("loop_lag_p99_seconds")),
    }
