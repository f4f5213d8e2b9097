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
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from gossipw2v.delta import Batch, empty
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Close, Collect, Dial, Instruction, Merge, Send, Settle
from gossipw2v.gossip.messages import Message, StateNews
from gossipw2v.gossip.records import SUSPECT_AFTER, Member, NodeId, Stage
from gossipw2v.simulation.clock import Clock
from gossipw2v.simulation.network import Line, Wires

TICK = 0.1  # s between two looks of a core at the clock; the daemon looks five times as often
BUSY_SHARE, BUSY_LATE = 0.2, 0.8  # of the ticks are late, by up to so many seconds
RESPITE = 2.0  # s from the end of a stall to the next at least: two without a beat between them would be one long one
SYN_RESEND = 1.0  # s by which a connection is late whose first packet was lost
EVENT_EVERY = 120.0  # s from one death or departure to the next
ATTENTION = 60.0  # s after a departure in which somebody may notice it
DIAL_TIMEOUT = 3.0  # s until a machine without power is given up
NOTHING = Batch(empty(1), 0, 0)
RULES = GossipConfig(job={"job": "members"}, interval=1e9)  # no exchanges: the tree's shape is all that matters


class Watched(GossipCore):
    """A core that notes who comes back from the dead: `mistaken` holds the node and when that was."""

    def __init__(self, me: Member, rng: Random, now: float) -> None:
        super().__init__(me, RULES, rng, now)
        self.mistaken: list[tuple[NodeId, float]] = []

    def received(self, conn: int, message: Message, now: float) -> list[Instruction]:
        for member in message.members if isinstance(message, StateNews) else ():
            entry = self.members.entries.get(member.node)
            late = entry is not None and now - entry.rose_at > SUSPECT_AFTER and member.beat > entry.member.beat
            if late and not self.members.is_alive(member.node, now):
                self.mistaken.append((member.node, now))
        return super().received(conn, message, now)


@dataclass(slots=True)
class Machine:
    """A core and what it lives on. While it is `stalled`, what happens to it waits in `inbox`.

    `refuses`: the machine lives on without the program, and says so.
    """

    name: str
    core: Watched
    alive: bool = True
    stalled: bool = False
    inbox: deque[Callable[[], None]] = field(default_factory=deque)
    dials: int = 0
    refuses: bool = False


@dataclass(slots=True)
class Gone:
    """Who is gone, how, since when, and who has not noticed."""

    node: NodeId
    kind: str
    at: float
    unaware: set[str]


@dataclass(slots=True)
class Crowd:
    """The machines. `noticed`: by kind of departure, after how many seconds each of the others knew."""

    nodes: int
    stall: float
    stall_every: float
    loss: float
    reset_every: float
    rng: Random
    clock: Clock = field(default_factory=Clock)
    machines: dict[str, Machine] = field(default_factory=dict)
    gone: list[Gone] = field(default_factory=list)
    noticed: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    frames: int = 0
    dials: int = 0
    deaths: int = 0
    made: int = 0
    attentive_until: float = 0.0
    wires: Wires = field(init=False)

    def __post_init__(self) -> None:
        line = Line(delay=0.001, jitter=0.01, loss=self.loss)
        self.wires = Wires(self.clock, self.rng, lambda _one, _other: line)
        for _ in range(self.nodes):
            self.add()
        self.clock.at(60.0, self._event)
        self.clock.at(1.0, self._reset)

    # -- machines and what befalls them ---------------------------------------------------------------------

    def living(self) -> list[Machine]:
        return [machine for machine in self.machines.values() if machine.alive]

    def add(self) -> None:
        """A new node that knows one other."""
        name, now = f"m{self.made}", self.clock.now
        self.made += 1
        me = Member(self.rng.randbytes(16), 0, Stage.TRAINING, (f"{name}:1",), total=1)
        machine = Machine(name, Watched(me, Random(self.rng.random()), now))
        machine.core.own.frozen(b"words", 1)
        machine.core.own.ready()
        if self.machines:
            address = f"{self.rng.choice(self.living()).name}:1"
            machine.core.discovered(address, (address,), now)
        self.machines[name] = machine
        self.clock.at(self.rng.random() * TICK, partial(self._tick, machine))
        self.clock.at(self.rng.expovariate(1 / self.stall_every), partial(self._stall, machine))

    def _tick(self, machine: Machine) -> None:
        if not machine.alive:
            return
        if not machine.stalled:
            self._perform(machine, machine.core.tick(self.clock.now))
            if self.clock.now < self.attentive_until:
                self._notice(machine)
        late = self.rng.uniform(0, BUSY_LATE) if self.rng.random() < BUSY_SHARE else 0.0
        self.clock.at(TICK + late, partial(self._tick, machine))

    def _stall(self, machine: Machine) -> None:
        machine.stalled = True
        self.clock.at(self.rng.uniform(0, self.stall), partial(self._go_on, machine))

    def _go_on(self, machine: Machine) -> None:
        machine.stalled = False
        while machine.inbox:
            machine.inbox.popleft()()
        self.clock.at(RESPITE + self.rng.expovariate(1 / self.stall_every), partial(self._stall, machine))

    def _happen(self, machine: Machine, event: Callable[[], None]) -> None:
        """Something reaches a machine: now, or when it goes on."""
        if machine.stalled:
            machine.inbox.append(event)
        elif machine.alive:
            event()

    def _reset(self) -> None:
        """Cut one connection."""
        conns = self.wires.conns()
        if conns:
            self._cut(self.rng.choice(conns))
        self.clock.at(self.rng.expovariate(max(1, len(conns) // 2) / self.reset_every), self._reset)

    def _cut(self, conn: int) -> None:
        for name, number in self.wires.cut(conn):
            machine = self.machines[name]
            self._happen(machine, partial(machine.core.closed, number))

    def _event(self) -> None:
        """Somebody goes, one way or another, and somebody comes."""
        kind = ("killed", "power lost", "left")[self.made % 3]
        machine = self.rng.choice([each for each in self.living() if not each.stalled])
        others = {other.name for other in self.living() if other is not machine and self._knows(other, machine)}
        self.attentive_until = self.clock.now + ATTENTION
        self.gone.append(Gone(machine.core.node, kind, self.clock.now, others))
        if kind == "left":
            self._perform(machine, machine.core.own.leave())
            self.clock.at(1.0, partial(self._kill, machine))
        else:
            self._kill(machine, reset=kind == "killed")
        self.add()
        self.clock.at(EVENT_EVERY, self._event)

    def _knows(self, one: Machine, other: Machine) -> bool:
        return one.core.view.members.is_alive(other.core.node, self.clock.now)

    def _kill(self, machine: Machine, reset: bool = True) -> None:
        machine.alive, machine.refuses = False, reset
        self.dials += machine.dials
        self.deaths += sum(self._lived(*each) for each in machine.core.mistaken)
        for conn in self.wires.conns(machine.name) if reset else ():
            self._cut(conn)

    def _lived(self, node: NodeId, now: float) -> bool:
        """Whether the mistake was one: not, if the node is gone and only an old word of it arrived late."""
        return all(gone.node != node or now < gone.at for gone in self.gone)

    def _notice(self, machine: Machine) -> None:
        for gone in self.gone[-3:]:
            if machine.name in gone.unaware and not machine.core.view.members.is_alive(gone.node, self.clock.now):
                gone.unaware.discard(machine.name)
                self.noticed[gone.kind].append(self.clock.now - gone.at)

    # -- what cores ask for ---------------------------------------------------------------------------------

    def _perform(self, machine: Machine, orders: list[Instruction]) -> None:
        core, now = machine.core, self.clock.now
        for order in orders:
            match order:
                case Send():
                    self.frames += 1
                    self.wires.send(order.conn, 0, partial(self._deliver, order.message))
                case Close():
                    self.clock.at(0.01, partial(self._cut, order.conn))
                case Dial():
                    machine.dials += 1
                    late = SYN_RESEND if self.rng.random() < self.loss else 0.0
                    self.clock.at(0.002 + late, partial(self._dial, machine, order))
                case Collect():
                    self._perform(machine, core.collected(order.link, NOTHING))
                case Merge():
                    self._perform(machine, core.merged(order.link, NOTHING, now))
                case Settle():
                    core.settled(order.link, now)

    def _deliver(self, message: Any, name: str, conn: int) -> None:
        machine = self.machines[name]
        take = lambda: self._perform(machine, machine.core.received(conn, message, self.clock.now))  # noqa: E731
        self._happen(machine, take)

    def _dial(self, machine: Machine, order: Dial) -> None:
        other = self.machines[order.addresses[0].partition(":")[0]]
        if not machine.alive:
            return
        if not other.alive:
            refused = other.refuses
            failed = partial(self._happen, machine, partial(machine.core.dial_failed, order.key, refused))
            self.clock.at(0.001 if refused else DIAL_TIMEOUT, failed)
            return
        mine, theirs = self.wires.connect(machine.name, other.name)
        for end, conn, key in ((machine, mine, order.key), (other, theirs, None)):
            self._happen(end, partial(self._open, end, conn, key))

    def _open(self, machine: Machine, conn: int, key: str | None) -> None:
        if conn in self.wires:
            self._perform(machine, machine.core.opened(conn, key, self.clock.now))

    # -- looking --------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> dict[str, Any]:
        """Go on for so long; what came of it."""
        began = time.perf_counter()
        self.clock.run(seconds)
        for machine in self.living():
            self._kill(machine, reset=False)
        hours = self.nodes * seconds / 3600
        return {
            "node_hours": hours,
            "false_deaths": self.deaths,
            "unnoticed": sum(len(gone.unaware & {m.name for m in self.living()}) for gone in self.gone[:-1]),
            "noticed_seconds": {kind: quantiles(times) for kind, times in self.noticed.items()},
            "dials_per_node_and_minute": self.dials / hours / 60,
            "frames_per_node_and_second": self.frames / hours / 3600,
            "cpu_seconds": time.perf_counter() - began,
        }


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
    crowd = Crowd(args.nodes, args.stall, args.stall_every, args.loss, args.reset_every, Random(args.seed))
    result = crowd.run(args.hours * 3600 / args.nodes)
    print(json.dumps(result) if args.json else "\n".join(headline(result)))
    return int(result["false_deaths"] > 0)


if __name__ == "__main__":
    sys.exit(main())
