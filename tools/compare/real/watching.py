"""What is seen of a real run from outside: who has trained how much when, and how long nobody did after a death."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

Notes = dict[int, list[tuple[float, int]]]  # of each node: at what second it had trained how many words


class Used(NamedTuple):
    """Seconds of all its threads, and bytes in memory at most."""

    cpu_seconds: float
    memory: int


def used_by(process: int) -> Used:
    """What a process that runs has used. OSError, ValueError or LookupError if it does not."""
    times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return Used((int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"), 1024 * int(peak))


@dataclass
class Sightings:
    """Seconds are of a monotonic clock. `killed`: when a process was ended, None if none was; `dead`: a node that is
    gone for good."""

    notes: Notes = field(default_factory=lambda: defaultdict(list))
    killed: float | None = None
    dead: int | None = None
    used: dict[int, Used] = field(default_factory=dict)  # by process

    def saw(self, node: int, now: float, trained: int) -> None:
        """A node had trained so much; what is no news is left out."""
        known = self.notes[node]
        if trained > (known[-1][1] if known else 0):
            known.append((now, trained))

    def look_at(self, process: int) -> None:
        """What a process has used so far; one that has ended keeps what was seen last."""
        with suppress(OSError, ValueError, LookupError):  # it ends while it is looked at
            self.used[process] = used_by(process)

    @property
    def cpu_seconds(self) -> float:
        """Of all processes."""
        return sum(each.cpu_seconds for each in self.used.values())

    @property
    def largest(self) -> int:
        """Bytes that the largest process had in memory at most."""
        return max((each.memory for each in self.used.values()), default=0)

    @property
    def trained(self) -> int:
        """Words of all nodes."""
        return sum(known[-1][1] for known in self.notes.values() if known)

    @property
    def began(self) -> float:
        """When the first node had trained something."""
        return min(known[0][0] for known in self.notes.values() if known)

    def stall(self, end: float) -> float:
        """The longest time after a death in which no survivor got on; 0 without a death."""
        if self.killed is None:
            return 0.0
        living = (known for node, known in self.notes.items() if node != self.dead)
        return longest_gap(self.killed, (time for known in living for time, _ in known), end)


def longest_gap(since: float, times: Iterable[float], end: float) -> float:
    """The longest time between two of `times` after `since`, these two included; what comes after the last is no gap
    unless nothing came at all."""
    later = [since, *sorted(time for time in times if time > since)]
    if len(later) == 1:
        return max(0.0, end - since)
    return max(after - before for before, after in itertools.pairwise(later))
