#!/usr/bin/env python3
"""Watch a swarm of protocol cores keep track of each other on bad machines: who is taken for dead, and how soon.

    tools/simulate_members.py --hours 1000 [--nodes 64] [--seed 1] [--json]

Cores, tree and member tables are the daemon's own; clock, network and machines are virtual, so that a run depends on
nothing but its arguments. Every node stalls every --stall-every seconds on average, for up to --stall seconds, in which
it neither runs nor hears; one tick in five is late, as on busy cores; packets are lost (--loss) and sent again;
connections are reset every --reset-every seconds. Now and then a node is killed (its connections are reset), loses its
power (nothing is heard of it any more), or leaves; another takes its place. --hours counts node-hours.

A false death: a node took another, which lived, for dead. Exit code 1 if there was one.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.instructions import Instruction, Send
from gossipw2v.gossip.messages import Message, StateNews
from gossipw2v.gossip.records import SUSPECT_AFTER, NodeId
from gossipw2v.simulation.network import Line
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Swarm, Watch
from gossipw2v.w2v.training.model import Model

BUSY_SHARE, BUSY_LATE = 0.2, 0.8  # of the ticks are late, by up to so many seconds
RESPITE = 2.0  # s from the end of a stall to the next at least: two without a beat between them would be one long one
SYN_RESEND = 1.0  # s by which a connection is late whose first packet was lost
EVENT_EVERY = 120.0  # s from one death or departure to the next
ATTENTION = 60.0  # s after a departure in which somebody may notice it
DIAL_TIMEOUT = 3.0  # s until a machine without power is given up
RULES = GossipConfig(job={"job": "members"}, interval=1e9)  # no exchanges: the tree's shape is all that matters


def _smallest() -> Model:
    return Model(lambda: np.zeros((2, 1), np.float32), budget=1)


@dataclass(slots=True)
class Idle:
    """A worker that has something to train, and never does."""

    model: Model = field(default_factory=_smallest)
    total: int = 1
    trained: int = 0

    def train(self, seconds: float, others: tuple[int, int]) -> None:
        """Do nothing."""

    def before_merge(self, now: float) -> None:
        """Do nothing."""

    def restart(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Gone:
    """Who is gone, how, since when, and who has not noticed."""

    node: NodeId
    kind: str
    at: float
    unaware: set[str]


@dataclass(slots=True)
class Observer(Watch):
    """Notes who is taken for dead: rightly, and how soon, or not."""

    gone: list[Gone] = field(default_factory=list)
    noticed: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # by kind: s it took
    mistaken: list[tuple[NodeId, float]] = field(default_factory=list)  # who came back from the dead, and when
    frames: int = 0

    def ordered(self, _node: SimulatedNode, order: Instruction) -> None:
        """A core asks for something."""
        self.frames += isinstance(order, Send)

    def arrived(self, node: SimulatedNode, message: Message) -> None:
        """News of somebody whom the node takes for dead."""
        members, now = node.core.members, node.machine.now
        for member in message.members if isinstance(message, StateNews) else ():
            entry = members.entries.get(member.node)
            late = entry is not None and now - entry.rose_at > SUSPECT_AFTER and member.beat > entry.member.beat
            if late and not members.is_alive(member.node, now):
                self.mistaken.append((member.node, now))

    def ticked(self, node: SimulatedNode) -> None:
        """Whether the node has noticed one of the latest departures by now."""
        now = node.machine.now
        for gone in self.gone[-3:]:
            recent = now < gone.at + ATTENTION and node.name in gone.unaware
            if recent and not node.core.view.members.is_alive(gone.node, now):
                gone.unaware.discard(node.name)
                self.noticed[gone.kind].append(now - gone.at)

    def false_deaths(self) -> int:
        """How often one who lived was taken for dead; late news of one who is gone do not count."""
        return sum(all(gone.node != node or now < gone.at for gone in self.gone) for node, now in self.mistaken)


@dataclass(slots=True)
class Crowd:
    """A swarm in which nobody trains, and the trouble that its machines have. Times are in seconds."""

    nodes: int  # that live at any time
    stall: float  # the longest
    stall_every: float  # from the end of one to the next, on average
    reset_every: float  # mean life of a connection
    swarm: Swarm
    seen: Observer
    made: int = 0  # nodes so far

    def __post_init__(self) -> None:
        for _ in range(self.nodes):
            self.add()
        self.swarm.clock.at(60.0, self._event)
        self.swarm.clock.at(1.0, self._reset)

    def add(self) -> None:
        """A new node that knows one other."""
        name, others = f"m{self.made}", self.swarm.living()
        self.made += 1
        node = self.swarm.add(name, Idle())
        if others:
            self.swarm.introduce(name, self.swarm.rng.choice(others).name)
        self.swarm.perform(node, node.core.own.frozen(b"words", 1))
        node.machine.at(self._until_stall(), partial(self._stall, node))

    # -- what befalls them ----------------------------------------------------------------------------------

    def _until_stall(self) -> float:
        return self.swarm.rng.expovariate(1 / self.stall_every)

    def _stall(self, node: SimulatedNode) -> None:
        seconds = self.swarm.rng.uniform(0, self.stall)
        self.swarm.pause(node.name, seconds)
        self.swarm.clock.at(
            seconds + RESPITE + self._until_stall(), partial(node.machine.do, partial(self._stall, node))
        )

    def _reset(self) -> None:
        """Cut one connection."""
        rng, conns = self.swarm.rng, self.swarm.wires.conns()
        if conns:
            self.swarm.cut(rng.choice(conns))
        self.swarm.clock.at(rng.expovariate(max(1, len(conns) // 2) / self.reset_every), self._reset)

    def _event(self) -> None:
        """Somebody goes, one way or another, and somebody comes."""
        kind = ("killed", "power lost", "left")[self.made % 3]
        node = self.swarm.rng.choice([each for each in self.swarm.living() if not each.machine.still])
        others = {other.name for other in self.swarm.living() if other is not node and self._knows(other, node)}
        self.seen.gone.append(Gone(node.core.node, kind, self.swarm.now, others))
        if kind == "left":
            self.swarm.leave(node.name)
        else:
            self.swarm.kill(node.name, silent=kind == "power lost")
        self.add()
        self.swarm.clock.at(EVENT_EVERY, self._event)

    def _knows(self, one: SimulatedNode, other: SimulatedNode) -> bool:
        return one.core.view.members.is_alive(other.core.node, self.swarm.now)

    # -- looking --------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> dict[str, Any]:
        """Go on for so long; what came of it."""
        began = time.perf_counter()
        self.swarm.run(seconds)
        hours, living = self.nodes * seconds / 3600, {node.name for node in self.swarm.living()}
        return {
            "node_hours": hours,
            "false_deaths": self.seen.false_deaths(),
            "unnoticed": sum(len(gone.unaware & living) for gone in self.seen.gone[:-1]),
            "noticed_seconds": {kind: quantiles(times) for kind, times in self.seen.noticed.items()},
            "dials_per_node_and_minute": sum(node.dials for node in self.swarm.nodes.values()) / hours / 60,
            "frames_per_node_and_second": self.seen.frames / hours / 3600,
            "cpu_seconds": time.perf_counter() - began,
        }


def make_crowd(args: argparse.Namespace) -> Crowd:
    """The crowd of a command line."""
    line, seen = Line(delay=0.001, jitter=0.01, loss=args.loss), Observer()
    swarm = Swarm(args.seed, RULES, lambda _one, _other: line, watch=seen, dial_timeout=DIAL_TIMEOUT)
    rng = swarm.rng
    swarm.late = lambda: rng.uniform(0, BUSY_LATE) if rng.random() < BUSY_SHARE else 0.0
    swarm.dial = lambda: 0.002 + (SYN_RESEND if rng.random() < args.loss else 0.0)
    return Crowd(args.nodes, args.stall, args.stall_every, args.reset_every, swarm, seen)


def quantiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    at = {name: min(len(ordered) - 1, int(share * len(ordered))) for name, share in (("p50", 0.5), ("p99", 0.99))}
    return {"n": len(ordered), **{name: ordered[n] for name, n in at.items()}, "max": ordered[-1]}


def headline(result: dict[str, Any]) -> Iterator[str]:
    hours, seconds, deaths = (result[name] for name in ("node_hours", "cpu_seconds", "false_deaths"))
    yield f"{hours:.0f} node-hours in {seconds:.0f} s: {deaths} false deaths"
    for kind, seconds in sorted(result["noticed_seconds"].items()):
        numbers = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items() if name != "n")
        yield f"{kind}: noticed after {numbers} ({seconds['n']} cases)"
    yield f"{result['dials_per_node_and_minute']:.2f} dials a minute and node"
    yield f"{result['frames_per_node_and_second']:.1f} frames a second and node"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=10, metavar="H", help="node-hours")
    parser.add_argument("--nodes", type=int, default=64, metavar="N")
    parser.add_argument("--stall", type=float, default=5.0, metavar="S", help="longest stall")
    parser.add_argument("--stall-every", type=float, default=120.0, metavar="S", help="mean time from one to the next")
    parser.add_argument("--loss", type=float, default=0.05, metavar="P", help="probability that a packet is lost")
    parser.add_argument("--reset-every", type=float, default=600.0, metavar="S", help="mean life of a connection")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    result = make_crowd(args).run(args.hours * 3600 / args.nodes)
    print(json.dumps(result) if args.json else "\n".join(headline(result)))
    return int(result["false_deaths"] > 0)


if __name__ == "__main__":
    sys.exit(main())
