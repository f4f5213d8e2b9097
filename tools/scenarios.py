"""Swarms of virtual nodes that train real text: what `simulate.py` makes of its arguments.

Everything but the clock and the network is the daemon's own; the other ways of merging are there to be compared with.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossipw2v.config.job import Job
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.node.session import initial_weights, most_rows
from gossipw2v.simulation.network import Line
from gossipw2v.simulation.swarm import Swarm
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.kernels.merge import Curve
from gossipw2v.w2v.text.finding.digests import corpus_digest
from gossipw2v.w2v.text.finding.find import find_files
from gossipw2v.w2v.text.shards import encode
from gossipw2v.w2v.text.vocab import Vocab, count_words, freeze
from gossipw2v.w2v.training.estimates import Estimates
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Recipe, Trainer

HELD_OUT = 0.005  # share of each text that nobody trains: its loss is reported
TICKS = 12  # looks of a core at the clock between two exchanges
ROW_SECONDS = 5e-7  # measured; a merged row
MEETING = 2.0  # s in which nodes get to know each other before there is a vocabulary
FROZEN = b"the vocabulary of the simulation"

Floats = NDArray[np.float32]
Tokens = NDArray[np.int32]


@dataclass(frozen=True)
class Scenario:
    """All that a result depends on, but the text."""

    nodes: int
    exchanges: int
    rows: int
    rule: str
    seed: int
    seconds: float
    late: float
    bandwidth: float  # Mbit/s, 0: no limit
    delay: float
    jitter: float
    loss: float
    shares: tuple[float, ...]
    speeds: tuple[float, ...]
    events: tuple[str, ...]
    children: int
    epochs: int
    vector_size: int
    window: int = Job.window
    negative: int = Job.negative
    alpha: float = Job.alpha
    sg: int = Job.sg

    @property
    def period(self) -> float:
        """Seconds from one exchange of a link to the next."""
        return self.seconds / self.exchanges

    def line(self) -> Line:
        """The way between any two nodes."""
        bandwidth = self.bandwidth * 1e6 / 8 or float("inf")
        return Line(self.delay or self.late * self.period / 2, self.jitter, bandwidth, self.loss)


@dataclass(frozen=True)
class Texts:
    """The vocabulary of all texts, and each as word ids."""

    vocab: Vocab
    tokens: list[Tokens]
    held_out: Tokens


# --- merge rules to compare with -----------------------------------------------------------------------------------


class Summed(Model):
    """Changes are added: what no curvature gives."""

    def _curves(self) -> tuple[Curve, Curve]:
        one, other = super()._curves()
        return one._replace(steps=one.steps * 0), other._replace(steps=other.steps * 0)


class Averaged(Model):
    """The mean of what both sides changed: what endless curvature gives."""

    def _curves(self) -> tuple[Curve, Curve]:
        one, other = super()._curves()
        return one._replace(steps=one.steps * 0 + 1e6), other._replace(steps=other.steps * 0 + 1e6)


class AdaSummed(Model):
    """AdaSum of every row, whatever its history."""

    def _credit(self, view: Any, *rows_theirs_ours: Any) -> None:
        view.disjoint[:] = True  # all updates count as new
        super()._credit(view, *rows_theirs_ours)
        view.disjoint[:] = False

    def open_link(self, link: bytes, overlap: bool, *others: Any) -> None:  # noqa: ARG002
        super().open_link(link, True, *others)


RULES: dict[str, type[Model]] = {"sequential": Model, "sum": Summed, "mean": Averaged, "adasum": AdaSummed}


# --- nodes ---------------------------------------------------------------------------------------------------------


@dataclass
class Worker:
    """Trains real text at a virtual speed, in tokens a second."""

    model: Model
    trainer: Trainer
    speed: float
    estimates: Estimates = field(init=False)
    kernel_seconds: float = 0.0
    owed: float = 0.0

    def __post_init__(self) -> None:
        self.estimates = Estimates(self.model, self.trainer, 0.0)
        self.steps = self.trainer.steps(0, max(200, int(self.speed / 100)))

    @property
    def total(self) -> int:
        return self.trainer.total

    @property
    def trained(self) -> int:
        return self.trainer.trained

    def train(self, seconds: float, others: tuple[int, int]) -> None:
        self.trainer.others = others
        self.owed += seconds * self.speed
        began, before = time.perf_counter(), self.trained
        while self.trained - before < self.owed and next(self.steps, self) is not self:
            pass
        self.owed -= self.trained - before
        self.kernel_seconds += time.perf_counter() - began

    def before_merge(self, now: float) -> None:
        self.estimates.refresh(now)

    def restart(self) -> None:
        assert not self.trained, "there is one vocabulary"


def read_texts(paths: list[str], min_count: int, folder: Path) -> Texts:
    """Count and encode; the encodings stay in `folder`."""
    files = [find_files([path]) for path in paths]
    vocab = freeze(count_words([file for group in files for file in group]), min_count)
    tokens = [encode(group, vocab, folder, corpus_digest(group)).tokens for group in files]
    kept = [int(len(part) * (1 - HELD_OUT)) for part in tokens]
    held = np.concatenate([part[n:] for part, n in zip(tokens, kept, strict=True)])
    return Texts(vocab, [part[:n] for part, n in zip(tokens, kept, strict=True)], held)


def parts_of(texts: Texts, scenario: Scenario) -> Iterator[Tokens]:
    """A part of the text for each node: texts are dealt out in turn, then cut by the nodes' shares."""
    count = min(len(texts.tokens), scenario.nodes)
    hands = [np.concatenate(texts.tokens[hand::count]) for hand in range(count)]
    shares = itertools.cycle(scenario.shares)
    weights = [next(shares) for _ in range(scenario.nodes)]
    for node in range(scenario.nodes):
        mine = [n for n in range(scenario.nodes) if n % count == node % count]
        ends = np.cumsum([0.0] + [weights[n] for n in mine]) / sum(weights[n] for n in mine)
        text, place = hands[node % count], mine.index(node)
        yield text[int(ends[place] * len(text)) : int(ends[place + 1] * len(text))]


def recipe_of(scenario: Scenario) -> Recipe:
    """How each node trains: what a scenario does not say is the job's default."""
    return Recipe(
        window=scenario.window,
        negative=scenario.negative,
        sample=Job.sample,
        alpha=scenario.alpha,
        min_alpha=min(Job.min_alpha, scenario.alpha),
        epochs=scenario.epochs,
        ns_exponent=Job.ns_exponent,
        seed=scenario.seed,
        threads=1,
        sg=scenario.sg,
    )


def make_worker(texts: Texts, part: Tokens, initial: Floats, scenario: Scenario, speed: float) -> Worker:
    """A replica and its part of the text. `speed`: 1 trains in the scenario's seconds a share as large as the mean."""

    def fresh() -> Floats:
        weights = sgns.aligned(*initial.shape)
        weights[:] = initial
        return weights

    model = RULES[scenario.rule](fresh, scenario.rows, most_rows(scenario.vector_size), scenario.alpha)
    trainer = Trainer(model, part, texts.vocab.counts, recipe_of(scenario), guarded=False)  # some rules diverge
    mean = sum(map(len, texts.tokens)) * scenario.epochs / scenario.nodes
    return Worker(model, trainer, speed * mean / scenario.seconds)


def make_swarm(texts: Texts, scenario: Scenario) -> tuple[Swarm, dict[str, Callable[[], None]]]:
    """All nodes but those that join later, and what happens later, by event."""
    initial = initial_weights(texts.vocab, scenario.seed, scenario.vector_size)
    line = scenario.line()
    rules = GossipConfig(
        job={"job": "simulation"}, interval=scenario.period * (1 - 0.5 / TICKS), seats=scenario.children, quiet=0.0
    )
    swarm = Swarm(
        scenario.seed, rules, lambda _one, _other: line, scenario.period / TICKS, ROW_SECONDS, piece_seconds=0.0
    )
    speeds = itertools.cycle(scenario.speeds)
    late = {event.split(":")[2] for event in scenario.events if ":join:" in event}
    later: dict[str, Callable[[], None]] = {}
    for n, part in enumerate(parts_of(texts, scenario)):
        worker = make_worker(texts, part, initial, scenario, next(speeds))

        def enter(name: str = f"n{n}", worker: Worker = worker) -> None:
            node = swarm.add(name, worker)
            swarm.introduce(name, *[other for other in swarm.nodes if other != name])
            if name not in late:  # a latecomer takes the vocabulary of the others
                swarm.clock.at(MEETING, lambda: swarm.perform(node, node.core.own.frozen(FROZEN, 1)))

        later[f"join:n{n}"] = enter
        later[f"kill:n{n}"] = lambda name=f"n{n}": swarm.kill(name)
        later[f"leave:n{n}"] = lambda name=f"n{n}": swarm.leave(name)
        if f"n{n}" not in late:
            enter()
    return swarm, later
