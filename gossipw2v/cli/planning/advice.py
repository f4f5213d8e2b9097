"""An estimate as people read it: a table of several numbers of nodes, and sentences that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from gossipw2v.cli.planning.estimate import Estimate, estimate
from gossipw2v.cli.planning.rates import Rates
from gossipw2v.cli.planning.task import Fleet, Task
from gossipw2v.gossip.census import MAX_HELD
from gossipw2v.node.session import ENOUGH
from gossipw2v.status.humanize import duration, percent, size

WORTH = 0.75  # of one machine's time, below which others are worth their trouble
FEW = 0.8  # of the exchanges that reach one machine's quality, below which it is told
HEAD = ("machines", "an epoch", "in all", "memory", "disk", "sent in all", "busiest cable")


class Planned(NamedTuple):
    """What was asked, and what comes of it; `alone`: of one of these machines."""

    task: Task
    fleet: Fleet
    rates: Rates
    together: Estimate
    alone: Estimate

    @property
    def one_is_better(self) -> bool:
        """Whether the task is best left to one machine."""
        return self.fleet.nodes == 1 or self.together.seconds > WORTH * self.alone.seconds


def plan(task: Task, fleet: Fleet, rates: Rates) -> Planned:
    """The estimates of a task."""
    return Planned(task, fleet, rates, estimate(task, fleet, rates), estimate(task, replace(fleet, nodes=1), rates))


def report(planned: Planned) -> str:
    """All there is to say."""
    return "\n".join([*_table(planned), "", *sentences(planned)])


# -- the table ------------------------------------------------------------------------------------------------------


def counts_of_nodes(nodes: int) -> list[int]:
    """One, what was asked, and powers of two about it."""
    return sorted({1, max(1, nodes // 2), nodes, 2 * nodes})


def _table(planned: Planned) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [HEAD]
    for nodes in counts_of_nodes(planned.fleet.nodes):
        fleet = replace(planned.fleet, nodes=nodes)
        rows.append(_row(planned.task, fleet, estimate(planned.task, fleet, planned.rates)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))


def _row(task: Task, fleet: Fleet, found: Estimate) -> tuple[str, ...]:
    cable = f"{found.busiest * 8e-6 / max(found.trained + found.drained, 1e-9):,.0f} Mbit/s" if fleet.nodes > 1 else "-"
    sent = size(found.total) if fleet.nodes > 1 else "-"
    return (
        str(fleet.nodes), lasting(found.epoch(task)), lasting(found.seconds), size(found.memory), size(found.disk),
        sent, cable,
    )  # fmt: skip


def lasting(seconds: float) -> str:
    """A time that is not known to a tenth."""
    return f"{seconds:.2g} s" if seconds < 10 else duration(seconds)


# -- sentences ------------------------------------------------------------------------------------------------------


def sentences(planned: Planned) -> list[str]:
    """What to do, then what to look out for."""
    return [_verdict(planned), *_warnings(planned), _source(planned.rates)]


def _verdict(planned: Planned) -> str:
    fleet, alone, together = planned.fleet, planned.alone, planned.together
    if fleet.nodes == 1:
        return f"One machine trains it in {lasting(alone.seconds)}, {lasting(alone.epoch(planned.task))} an epoch."
    took = f"{fleet.nodes} machines take {lasting(together.seconds)}, one takes {lasting(alone.seconds)}"
    if not planned.one_is_better:
        return f"{took}: it is worth {fleet.nodes}."
    return f"{took}: use one machine. {_why(planned)}"


def _why(planned: Planned) -> str:
    """What keeps many machines from being worth it."""
    found = planned.together
    parts = {"starting and counting": found.prepared, "handing over the last rows": found.drained}
    worst = max(parts, key=lambda name: parts[name])
    if parts[worst] > found.trained:
        return f"With {planned.fleet.nodes}, {worst} takes {lasting(parts[worst])}, training {lasting(found.trained)}."
    return "Merging and the network take what more cores would save."


def _warnings(planned: Planned) -> Iterator[str]:
    found, fleet = planned.together, planned.fleet
    if fleet.nodes > 1 and found.exchanges < FEW * ENOUGH:
        yield (
            f"Each link has some {found.exchanges:.0f} exchanges in the run, where some {ENOUGH} reach one machine's "
            "quality: the vectors will be worse."
        )
    if fleet.nodes > 1 and found.merging > 0.2:
        yield f"Merging takes {percent(found.merging)} of the busiest node's cores."
    if found.drained > 0.2 * found.trained and fleet.nodes > 1:
        yield (
            f"After the last word it takes {lasting(found.drained)} until all nodes have all rows: the cables are "
            "slow for so large a model."
        )
    if found.counts > MAX_HELD:
        yield (
            f"Before training, each node would have to hold {size(found.counts)} of others' counts, and takes "
            f"{size(MAX_HELD)} at most: raise --min-local-count, or give the text to fewer nodes."
        )


def _source(rates: Rates) -> str:
    if rates.measured:
        return "Speeds were measured on this machine just now; others may be faster or slower."
    return "Speeds are of one core of an AVX-512 server; --measure times this machine instead."
