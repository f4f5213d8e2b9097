"""All baselines by name: what they are, how each is run, and which settings are tried for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from compare.apart import run_apart
from compare.baselines import columns, owned
from compare.baselines.adasum import AdaSum
from compare.baselines.averaging import Averaging
from compare.baselines.elastic import ElasticAveraging
from compare.baselines.gossip_average import GossipAverage
from compare.baselines.prefix import PrefixAveraging
from compare.baselines.server_async import AsyncServer
from compare.baselines.server_sync import SyncServer
from compare.baselines.two_bit import TwoBit
from compare.course import Course
from compare.events import Events
from compare.network import BANDWIDTHS
from compare.pooled import run_gensim, run_one
from compare.real.hosts import FailedError, NoHostsError
from compare.real.runs import run_real
from compare.replicas import DivergedError
from compare.rounds import Rounds
from compare.runs import Run
from compare.spark import run_spark
from compare.swarm import Gossip
from compare.texts import Material

STALENESS = 3  # exchanges that a node of the asynchronous server may be ahead
PULL = 0.9  # of elastic averaging, over the number of nodes

Runner = Callable[[Run, Material], dict[str, Any]]


@dataclass(frozen=True)
class Entry:
    """`family`: ceiling, gossip, server, average, once or moved. `alphas`: multiples of the job's that are tried, the
    likeliest first. `rounds`: exchanges in a run that are tried, the middle first; one value where there are none."""

    says: str
    family: str
    runner: Runner
    alphas: tuple[float, ...] = (1.0, 2.0, 4.0)
    rounds: tuple[int, ...] = (1,)
    like: str = ""  # the one whose mathematics it shares, so that what was found best for that is best for it

    @property
    def exchanges(self) -> bool:
        """Whether nodes exchange anything while they train."""
        return len(self.rounds) > 1

    @property
    def bandwidth_matters(self) -> bool:
        """Whether it changes more than the time: in rounds, which end when all is there, it does not."""
        return not getattr(self.runner, "in_rounds", False)


def synchronous(make: Callable[[Any, Run], Any]) -> Runner:
    """Runs a baseline in rounds; `make` gets the first vectors."""

    def run(run: Run, material: Material) -> dict[str, Any]:
        course = Course(run, material)
        return Rounds(course, make(course.replicas[0].model.weights.copy(), run)).go()

    run.in_rounds = True  # type: ignore[attr-defined]
    return run


def asynchronous(make: Callable[[Any, Run], Any]) -> Runner:
    """Runs a baseline without rounds; `make` gets the first vectors."""

    def run(run: Run, material: Material) -> dict[str, Any]:
        course = Course(run, material)
        return Events(course, make(course.replicas[0].model.weights.copy(), run)).go()

    return run


def gossip(run: Run, material: Material) -> dict[str, Any]:
    """The product, by whatever rule it merges."""
    return Gossip(run, material).go()


def moved(run: Run, material: Material) -> dict[str, Any]:
    """What moves values for each pair instead of replicas: bytes and seconds by formula, quality as of one machine."""
    nodes, one = run.nodes, run_one(Run(**{**vars(run), "baseline": "one", "nodes": 1}), material)
    computing = one["seconds"] / nodes
    parts = (run.negative, nodes) if run.baseline == "columns" else (run.vector_size, nodes)
    formula = columns.by_formula if run.baseline == "columns" else owned.by_formula
    at = {each: formula(one["pairs"], *parts, computing, each) for each in (run.bandwidth, *BANDWIDTHS)}
    seconds_at = {f"{each:g}": at[each]["seconds"] for each in BANDWIDTHS}
    return {**one, "curve": [], "by_formula": True, **at[run.bandwidth], "seconds_at": seconds_at}


def backups(nodes: int) -> int:
    """Workers that a synchronous server does not wait for: one in eight, at least one."""
    return max(1, nodes // 8)


REAL = ("gossip", "server-sync", "averaging-ring", "gossip-average")  # what can be run as processes
OFTEN, SOME, RARE = (200, 100, 400), (100, 50, 200), (50, 25, 100)  # exchanges in a run
ADDED = (0.5, 0.25, 1.0)  # alphas of what adds up all nodes' steps

BASELINES: dict[str, Entry] = {
    "gensim": Entry("gensim, one worker, all text on one machine", "ceiling", run_gensim),
    "spark": Entry("MLlib's Word2Vec on Spark, local[2], all text on one machine", "ceiling", run_spark, (1.0,)),
    "one": Entry("one gossipw2v node, all text on one machine", "ceiling", run_one, rounds=(60,)),
    "gossip": Entry("gossipw2v, as it is", "gossip", gossip, (1.0, 0.5, 2.0), SOME),
    "gossip-adasum": Entry("its protocol, rows merged by AdaSum", "gossip", gossip, (1.0, 2.0, 4.0), SOME),
    "gossip-mean": Entry("its protocol, rows merged by their mean", "gossip", gossip, (2.0, 1.0, 4.0), SOME),
    "server-sync": Entry(
        "parameter server, synchronous, touched rows", "server",
        synchronous(lambda weights, _: SyncServer(weights)), (2.0, 1.0, 4.0), SOME,
    ),
    "server-backup": Entry(
        "the same with a backup worker in eight", "server",
        synchronous(lambda weights, run: SyncServer(weights, backups(run.nodes))), (2.0, 1.0, 4.0), SOME,
    ),
    "server-async": Entry(
        f"parameter server, asynchronous, changes added, at most {STALENESS} exchanges ahead", "server",
        asynchronous(lambda weights, _: AsyncServer(weights, STALENESS)), ADDED, OFTEN,
    ),
    "server-async-divided": Entry(
        "the same, each change counts an N-th", "server",
        asynchronous(lambda weights, run: AsyncServer(weights, STALENESS, run.nodes)), (2.0, 1.0, 4.0), SOME,
    ),
    "averaging-ring": Entry(
        "averaging every tau words, allreduce around a ring", "average",
        synchronous(lambda weights, _: Averaging(weights)), (2.0, 1.0, 4.0), RARE,
    ),
    "averaging-star": Entry(
        "averaging every tau words at a server", "average",
        synchronous(lambda weights, _: Averaging(weights, star=True)), (2.0, 1.0, 4.0), RARE, "averaging-ring",
    ),
    "adasum": Entry(
        "AdaSum per round, touched rows, row owners", "average",
        synchronous(lambda weights, _: AdaSum(weights)), (1.0, 2.0, 4.0), SOME,
    ),
    "prefix": Entry(
        "averaging a prefix by frequency", "average",
        synchronous(lambda weights, _: PrefixAveraging(weights)), (2.0, 1.0, 4.0), SOME,
    ),
    "gossip-average": Entry(
        "gossip by averaging whole models, random pairs", "average",
        asynchronous(lambda weights, run: GossipAverage(weights, nodes_at_start(run), Random(run.seed))),
        (2.0, 1.0, 4.0), RARE,
    ),
    "elastic": Entry(
        "elastic averaging with a centre", "average",
        asynchronous(lambda weights, run: ElasticAveraging(weights, PULL / run.nodes)), (2.0, 1.0, 4.0), RARE,
    ),
    "two-bit": Entry(
        "parameter server, synchronous, changes of 2 bits with residual", "server",
        synchronous(lambda weights, _: TwoBit(weights)), (2.0, 1.0, 4.0), SOME,
    ),
    "alone": Entry("each node alone: the mean, and the best", "once", run_apart),
    "procrustes": Entry("apart, at the end a mean after Procrustes", "once", run_apart),
    "pca": Entry("apart, at the end side by side and PCA", "once", run_apart),
    "alir": Entry("apart, at the end ALiR", "once", run_apart),
    "columns": Entry("columns on N servers, by formula", "moved", moved, (1.0,), like="one"),
    "owned": Entry("targets that own their negatives, by formula", "moved", moved, (1.0,), like="one"),
}  # fmt: skip


def nodes_at_start(run: Run) -> set[int]:
    """The nodes that are there from the beginning."""
    return set(range((run.nodes + 1) // 2 if run.event == "join" else run.nodes))


def perform(run: Run, material: Material) -> dict[str, Any]:
    """A run's result, with the `cpu_seconds` of all but scoring; one that dies has `failed` alone: why it did."""
    began = time.process_time() - material.judging.cpu_seconds
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # of what diverges, which is told once, as a result
            result = (run_real if run.real else BASELINES[run.baseline].runner)(run, material)
    except (DivergedError, NoHostsError, FailedError) as error:
        return {"failed": str(error)}
    except Exception as error:  # whatever it is: the others go on, and the page says so
        return {"failed": f"{type(error).__name__}: {error}"}
    return {**result, "cpu_seconds": time.process_time() - material.judging.cpu_seconds - began}
