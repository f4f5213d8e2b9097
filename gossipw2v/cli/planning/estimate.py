"""What a training costs on a fleet: each figure with its unit, and where it comes from.

All is arithmetic on a `Task`, a `Fleet` and `Rates`; nothing is timed or read here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gossipw2v.cli.planning.rates import THREADS, Rates
from gossipw2v.cli.planning.task import Fleet, Task
from gossipw2v.cli.planning.traffic import Exchange, LinkKind, Pace, exchange, largest_families, link_kinds
from gossipw2v.config.node import Config
from gossipw2v.gossip.pacing import FEWEST, ROW_BYTES
from gossipw2v.node.memory import PROCESS_BYTES, memory_needed
from gossipw2v.node.session import PLENTY, most_rows
from gossipw2v.node.stages.progress import pause

CHILDREN = Config.children
TYPES = 53.0  # different words of a text of n words, over the root of n (Heaps' law): 219,492 of 16.9 M of Wikipedia
COUNT_BYTES = 11  # of a word and its count, as `Counts.to_bytes` says
TOKEN_BYTES = 4  # of a word in a shard; sentence ends are as long
BRAKED = 6  # rounds in which the rows of an exchange come to what the cores have time for
GENERATIONS = 3  # checkpoints for which there must be room: two, and the one that is written
UPDATE_BYTES = 8  # of a row, beside its values
MOST_TYPES = 1 << 24  # that a node counts
FOLLOWED = 0.6  # of all rows, what goes up last over a link that had time for all: the residuals of 4 bits
NARROW = 1.2  # ... over one that had not: all, and some twice
FIRST_LEVEL, LEVEL = 0.65, 1.5  # s of pauses until the last rows have gone up and down a level of the tree


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes and seconds; `memory` and `disk` of the busiest node at its most, `exchanges` of the slowest link.

    `prepared`: s from the start to the first trained word; `trained`: s of all epochs; `drained`: s until the last
    rows are everywhere. `merging`: the busiest node's share of CPU time; `levels` of the tree below its root.
    """

    memory: int
    disk: int
    prepared: float
    trained: float
    drained: float
    exchanges: float
    up: float  # bytes of a mean link, child to parent, in the whole run
    down: float  # ... parent to child
    busiest: float  # bytes that the busiest cable sends
    total: float  # bytes of all links, and of counts
    counts: float  # bytes of others' counts of words that each node gets
    merging: float
    levels: int

    @property
    def seconds(self) -> float:
        """From the start to the end."""
        return self.prepared + self.trained + self.drained

    def epoch(self, task: Task) -> float:
        """Seconds of one epoch."""
        return self.trained / task.epochs


def estimate(task: Task, fleet: Fleet, rates: Rates) -> Estimate:
    """What a task costs on a fleet of machines of these rates."""
    pace = pace_of(task, fleet, rates)
    made = {kind: exchange(task, fleet, kind, pace) for kind in link_kinds(fleet.nodes, CHILDREN)}
    merging = _merging(fleet, made, pace)
    trained = training_seconds(task, fleet, rates) * (1 + merging / (1 - merging))
    flows = {kind: _flow(task, fleet.nodes, link, trained, pace) for kind, link in made.items()}
    every = sum(kind.links for kind in made)
    up, down = (sum(flow[way] * kind.links for kind, flow in flows.items()) / max(1, every) for way in (0, 1))
    busiest = max((_sent_by_the_parent(kind, flow) for kind, flow in flows.items()), default=0.0)
    counts = counts_bytes(task, fleet)
    return Estimate(
        memory=max(memory(task, fleet), PROCESS_BYTES + int(counts)),  # counts are let go before there is a model
        disk=disk(task, fleet),
        prepared=prepared(task, fleet, rates),
        trained=trained,
        drained=_drained(task, fleet, made, pace),
        exchanges=min((trained / max(link.seconds, pace.interval) for link in made.values()), default=0.0),
        up=up, down=down, busiest=busiest,
        total=(up + down) * every + counts * fleet.nodes,
        counts=counts, merging=merging, levels=len(largest_families(fleet.nodes, CHILDREN)),
    )  # fmt: skip


# -- training -------------------------------------------------------------------------------------------------------


def training_seconds(task: Task, fleet: Fleet, rates: Rates) -> float:
    """Of all epochs, with all cores and without any network."""
    threads = fleet.cores * (THREADS if fleet.cores > 1 else 1.0)
    return task.words * task.epochs * rates.word_seconds(task) / fleet.nodes / threads


def pace_of(task: Task, fleet: Fleet, rates: Rates) -> Pace:
    """How often nodes exchange, and how many rows: what the network or the cores have no time for comes off later.

    A node that merges for more than a tenth of its time exchanges fewer rows (`Brake`), unless the run is short.
    """
    seconds = training_seconds(task, fleet, rates)
    interval = pause(seconds, Config.exchange_interval)
    most = min(Config.exchange_rows, most_rows(task.vector_size))
    row_seconds = rates.merged(task.vector_size)
    pace = Pace(interval, most, row_seconds, task.words * task.epochs / fleet.nodes / seconds)
    least = min(most, max(FEWEST, most * PLENTY / max(1.0, seconds / interval)))
    for _ in range(BRAKED):
        made = {kind: exchange(task, fleet, kind, pace) for kind in link_kinds(fleet.nodes, CHILDREN)}
        spent = _merging(fleet, made, pace)
        rows = min(most, max(least, pace.rows * Config.merge_share / max(spent, 1e-9)))
        if abs(rows - pace.rows) < 1:
            break
        pace = replace(pace, rows=rows)
    return pace


def _merging(fleet: Fleet, made: dict[LinkKind, Exchange], pace: Pace) -> float:
    """The share of its cores' time that the busiest parent merges; at most nine tenths."""
    rows = {kind: (2 + kind.siblings) * link.answered + link.pushed for kind, link in made.items()}
    work = (rows[kind] * pace.row_seconds / max(link.seconds, pace.interval) for kind, link in made.items())
    return min(0.9, max(work, default=0.0) / fleet.cores)


# -- the network ----------------------------------------------------------------------------------------------------


def pass_bytes(task: Task) -> float:
    """Of all rows once, as the last exchanges send them: 8 bits a value."""
    return float(task.rows * (task.vector_size + ROW_BYTES))


def _behind(link: Exchange, pace: Pace) -> float:
    """The share of all rows that a link still owes when the training is over: all, where it could not follow."""
    followed = link.seconds <= pace.interval and link.pushed < pace.rows
    return FOLLOWED if followed else NARROW


def _flow(task: Task, nodes: int, link: Exchange, trained: float, pace: Pace) -> tuple[float, float]:
    """Bytes of a link in the whole run, up and down."""
    exchanges = trained / max(link.seconds, pace.interval)
    last = pass_bytes(task) * _behind(link, pace)
    return exchanges * link.up + last, exchanges * link.down + answered(nodes) * last


def _sent_by_the_parent(kind: LinkKind, flow: tuple[float, float]) -> float:
    """Bytes that the cable of a link's parent sends in the whole run: answers to its children, and its own pushes."""
    return flow[1] * (1 + kind.siblings) + (flow[0] if kind.links > 1 + kind.siblings else 0.0)


def _drained(task: Task, fleet: Fleet, made: dict[LinkKind, Exchange], pace: Pace) -> float:
    """Seconds from the last trained word until all rows are everywhere: up the tree, then down through full cables."""
    if not made:
        return 0.0
    last = max(_behind(link, pace) for link in made.values()) * pass_bytes(task)
    families = largest_families(fleet.nodes, CHILDREN)
    through_cables = (last + answered(fleet.nodes) * last * sum(families)) / fleet.bandwidth
    return through_cables + FIRST_LEVEL + LEVEL * (len(families) - 1)


def answered(nodes: int) -> float:
    """Times what goes up at the end that comes down: what all other nodes have sent last is in it."""
    return 2.3 - 1.3 / max(1, nodes - 1)


def counts_bytes(task: Task, fleet: Fleet) -> float:
    """What a node gets of all others' counts before there is a vocabulary; each holds all of them until then."""
    types = min(TYPES * math.sqrt(task.words / fleet.nodes), MOST_TYPES)
    return COUNT_BYTES * types * (fleet.nodes - 1)


# -- before, and room -----------------------------------------------------------------------------------------------


def prepared(task: Task, fleet: Fleet, rates: Rates) -> float:
    """Seconds until training begins: start, counting and encoding with all cores, waiting for others, their counts."""
    reading = task.words / fleet.nodes / fleet.cores * (rates.counted + rates.encoded)
    counts = counts_bytes(task, fleet) / fleet.bandwidth
    return rates.start + reading + (Config.settle_seconds + counts if fleet.nodes > 1 else 0.0)


def memory(task: Task, fleet: Fleet) -> int:
    """Bytes of a node with as many links as it can have, as it reckons itself before it begins."""
    links = min(fleet.nodes - 1, CHILDREN + (fleet.nodes > CHILDREN + 1))
    return memory_needed(task.vocab, task.vector_size, links)


def disk(task: Task, fleet: Fleet) -> int:
    """Bytes of a node: its text as numbers, checkpoints, and what it keeps of its links when it is stopped."""
    model = task.model_bytes + UPDATE_BYTES * task.rows
    links = min(fleet.nodes - 1, CHILDREN + 1)
    return int(
        TOKEN_BYTES * task.words / fleet.nodes + GENERATIONS * (model + COUNT_BYTES * task.vocab) + links * model
    )
