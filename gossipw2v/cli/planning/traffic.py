"""What goes over the links of a swarm: the rows of an exchange, and what a cable makes of them.

Which rows go is what `w2v.kernels.priority` chooses: a row is the more urgent the more of its updates the other end has
not seen and the longer it has not gone. In the long run a row that is trained `r` times between two exchanges goes
every `sqrt(u / r)` exchanges, `u` being the urgency for which there is room, and no sooner than it has been trained.

What this does not see, the factors below are measured for, on swarms of 2 to 8 nodes in the simulator.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import NamedTuple

import numpy as np

from gossipw2v.cli.planning.frequencies import Numbers
from gossipw2v.cli.planning.rates import row_visits
from gossipw2v.cli.planning.task import Fleet, Task
from gossipw2v.gossip.pacing import FEWEST, PROBE, ROW_BYTES, THRIFT
from gossipw2v.w2v.kernels.quantize import width_of

BITS = 4  # of a value while training goes on
SHARED = 0.84  # of the rows that only the parent has news of, those that an answer adds: the others have just gone
SETTLED = 8  # rounds in which what is usual comes to rest
SEEN_CROWD = 0.35  # as in `Try`, of what `Costs` puts down to rows: most waiting looks like a longer round trip
PROBED = 1 - 1 / (2 * PROBE)  # of the rows that a narrow link has time for, since some exchanges hold half as many


@dataclass(frozen=True)
class LinkKind:
    """Of links in the tree: how many nodes are `below` one, the child included, how many links its parent has to other
    children, and how many links are like it."""

    below: int
    siblings: int
    links: int


class Exchange(NamedTuple):
    """Mean rows of one exchange, up and down, bytes of both, and the seconds that it takes."""

    pushed: float
    answered: float
    up: float
    down: float
    seconds: float


@dataclass(frozen=True)
class Pace:
    """`interval`: s from one exchange of a link to the next, if nothing is in the way; `rows`: that one end may put in;
    `row_seconds`: CPU s that a row takes to be merged at either end; `speed`: words that a node trains in a second."""

    interval: float
    rows: float
    row_seconds: float
    speed: float


@cache
def link_kinds(nodes: int, children: int) -> list[LinkKind]:
    """All links of a swarm, as `overlay.candidates` makes a heap of it: the root's are first."""
    below, families = np.ones(nodes, np.int64), Counter[int]()
    for node in range(nodes - 1, 0, -1):
        below[(node - 1) // children] += below[node]
        families[(node - 1) // children] += 1
    kinds = Counter((int(below[node]), families[(node - 1) // children] - 1) for node in range(1, nodes))
    return [LinkKind(*kind, links) for kind, links in sorted(kinds.items(), reverse=True)]


def largest_families(nodes: int, children: int) -> list[int]:
    """The most children that a node has on each level of the tree, from the root on; empty for one node."""
    found, parents, left = [], 1, nodes - 1
    while left > 0:
        found.append(min(children, left))
        parents, left = parents * children, left - parents * children
    return found


def row_bytes(task: Task) -> int:
    """A row as it travels while training goes on."""
    return width_of(task.vector_size, BITS) + ROW_BYTES


def rows_of_an_exchange(task: Task, below: float, beyond: float, budget: float) -> tuple[float, float]:
    """Rows that go up and come back, when so many words have been trained on both sides since the last exchange.

    `below`: by the child and all under it; `beyond`: by all others; `budget`: rows that one end may put in. The parent
    may put in at most twice what was usual (`Costs.room`), of both ends: where much more comes from beyond, some waits.
    """
    sizes, visits = row_visits(task)
    mine = _sent(sizes, visits * below, budget)
    pushed, answered = float(np.sum(sizes * mine)), inf
    room = inf
    for _ in range(SETTLED):
        before, room = room, min(budget, 2 * max(FEWEST, (pushed + answered) / THRIFT))
        if abs(room - before) < 1:
            break
        theirs = _sent(sizes, visits * beyond, room)
        both = float(np.sum(sizes * (1 - (1 - mine) * (1 - theirs))))
        answered = pushed + SHARED * (both - pushed)
    return pushed, answered


def _sent(sizes: Numbers, trained: Numbers, budget: float) -> Numbers:
    """float64[G]: the share of exchanges in which a row goes that is so often `trained` between two of them."""
    touched = -np.expm1(-np.maximum(trained, 1e-12))
    if float(np.sum(sizes * touched)) <= budget:
        return touched
    low, high = 0.0, 60.0  # of the urgency's logarithm
    for _ in range(30):
        middle = (low + high) / 2
        share = np.minimum(touched, np.sqrt(np.maximum(trained, 1e-12) / np.exp(middle)))
        low, high = (middle, high) if float(np.sum(sizes * share)) > budget else (low, middle)
    return np.asarray(np.minimum(touched, np.sqrt(np.maximum(trained, 1e-12) / np.exp(high))))


def exchange(task: Task, fleet: Fleet, kind: LinkKind, pace: Pace) -> Exchange:
    """What an exchange of a link is in the long run."""
    whole = _made(task, fleet, kind, pace, Try(pace.rows, pace.interval))
    return whole if whole.seconds <= pace.interval else _narrow(task, fleet, kind, pace)


class Try(NamedTuple):
    """An exchange of at most `rows` rows of one end, where one begins every `seconds`; `crowd`: the part of an answer's
    time on the cable that each other child's answer adds to it."""

    rows: float
    seconds: float
    crowd: float = 0.75


def _made(task: Task, fleet: Fleet, kind: LinkKind, pace: Pace, wanted: Try) -> Exchange:
    words, size = pace.speed * wanted.seconds, row_bytes(task)
    below, beyond = kind.below * words, (fleet.nodes - kind.below) * words
    pushed, answered = rows_of_an_exchange(task, below, beyond, wanted.rows)
    busy = (1 + kind.siblings) * answered * size / fleet.bandwidth / wanted.seconds  # the parent's cable, out
    waiting = wanted.crowd * kind.siblings * min(1.0, busy)
    cable = (pushed + answered * (1 + waiting)) * size / fleet.bandwidth
    merging = (pushed + 2 * answered) * pace.row_seconds
    return Exchange(pushed, answered, pushed * size, answered * size, 2 * fleet.latency + cable + merging)


def _narrow(task: Task, fleet: Fleet, kind: LinkKind, pace: Pace) -> Exchange:
    """Where a cable has no time for all rows: as many as last as long as the pause, or as two round trips."""
    trip = 2 * fleet.latency
    pause = max(pace.interval, 2 * trip)
    few, many = float(FEWEST), max(float(FEWEST), pace.rows)
    for _ in range(14):
        rows = (few + many) / 2
        made = _made(task, fleet, kind, pace, Try(rows, pause, SEEN_CROWD))
        expected = (made.seconds - trip) * THRIFT * rows / max(1.0, made.pushed + made.answered)
        few, many = (few, rows) if expected + trip > pause else (rows, many)
    seconds, rows = pause, max(FEWEST, few * PROBED)
    for _ in range(8):  # the fewest rows may last longer than the pause; meanwhile more is trained
        made = _made(task, fleet, kind, pace, Try(rows, seconds))
        seconds = max(pause, made.seconds)
    return made._replace(seconds=seconds)
