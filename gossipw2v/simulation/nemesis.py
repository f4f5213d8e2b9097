"""What can befall a swarm: a seeded schedule of the faults that machines and networks have.

Connections are reset, or closed at one end with what was sent still on its way; ways stand still, in one direction or
both, for some nodes or between two halves, and come back one after another; a machine sleeps, or its clock leaps; a
node is killed, loses its power without a word, comes back with an empty disk or what it had saved, leaves in order, is
stopped in order and started again; others join. Walls between pairs of nodes stand from the beginning to the end, as
long as the living are one network all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from itertools import combinations, permutations
from random import Random

from gossipw2v.simulation.swarm import Swarm

PAUSES = (0.3, 3.0, 15.0)  # s; shorter than any patience, than a death, and longer than both
STEPS = (0.5, 5.0, 60.0, 4000.0)  # s; the last one is longer than anything is kept
OUTAGES = (0.5, 4.0, 12.0, 30.0)  # s; a resumption, a lost link, a lost member, long apart

Fault = Callable[[], str]


@dataclass(slots=True)
class Nemesis:
    """Disturbs `swarm` for `seconds`, on average every `pause` s. `enter(name, kept)` starts a node, as a new one or
    from what it had saved, or returns False if there is no room for more; `stop(name)` tells one to stop, and returns
    after how many seconds it is gone. `story`: what was done, when.
    """

    swarm: Swarm
    rng: Random
    seconds: float
    pause: float
    enter: Callable[[str, bool], bool]
    stop: Callable[[str], float]
    most: int = 8
    story: list[str] = field(default_factory=list)
    kinds: tuple[str, ...] = ()

    def unleash(self) -> None:
        """Set the whole schedule."""
        faults = {
            "reset": self.reset,
            "hang up": self.hang_up,
            "clog": self.clog,
            "one way": self.one_way,
            "partition": self.partition,
            "swizzle": self.swizzle,
            "pause": self.stand_still,
            "clock": self.step,
            "crash": self.crash,
            "leave": self.leave,
            "restart": self.restart,
            "join": self.join,
        }
        chosen = self.kinds or tuple(faults)
        at = 0.0
        while (at := at + self.rng.expovariate(1 / self.pause)) < self.seconds:
            fault = faults[self.rng.choice(chosen)]
            self.swarm.clock.at(at, lambda fault=fault: self._note(fault()))  # type: ignore[misc]  # bound early
        self.swarm.clock.at(self.seconds, self.heal)

    def heal(self) -> None:
        """All ways are free again."""
        self.swarm.wires.free(*list(self.swarm.wires.blocked))
        self._note("heal")

    # -- walls ----------------------------------------------------------------------------------------------

    def build_walls(self, needed: set[frozenset[str]]) -> None:
        """Let pairs of nodes never reach each other, none of those `needed`."""
        pairs = [pair for each in combinations(self.swarm.nodes, 2) if (pair := frozenset(each)) not in needed]
        walls = self.rng.sample(pairs, self.rng.randrange(len(pairs) + 1))
        self.swarm.wires.walls.update(walls)
        self._note(f"walls {sorted(sorted(pair) for pair in walls)}")

    def tear_walls_down(self) -> None:
        """Once those who lasted are no one network any more, there are no walls."""
        names = {node.name for node in self.swarm.living() if not node.core.own.leaving}
        if self.swarm.wires.walls and names and not is_one_network(names, self.swarm.wires.walls):
            self.swarm.wires.walls.clear()
            self._note("no walls any more")

    def _note(self, text: str) -> None:
        if text:
            self.story.append(f"{self.swarm.now:7.2f} {text}")

    def _outage(self) -> float:
        return self._within(self.rng.choice(OUTAGES) * self.rng.uniform(0.5, 1.5))

    def _within(self, seconds: float) -> float:
        """Nothing lasts beyond the end of all trouble."""
        return min(seconds, max(0.0, self.seconds - self.swarm.now))

    # -- connections ----------------------------------------------------------------------------------------

    def reset(self) -> str:
        """Both ends notice, and what was under way is lost: the sender does not know what has arrived."""
        conns = self.swarm.wires.conns()
        if not conns:
            return ""
        conn = self.rng.choice(conns)
        ends = self.swarm.wires.ends(conn)
        self.swarm.cut(conn)
        return f"reset {ends}"

    def hang_up(self) -> str:
        """One end notices; the other gets what was sent, and then learns of it or, with the way blocked, does not."""
        conns = self.swarm.wires.conns()
        if not conns:
            return ""
        conn = self.rng.choice(conns)
        way = self.swarm.wires.ends(conn)
        if self.rng.random() < 0.5:
            self._block(self._outage(), way)
        self.swarm.close(conn)
        return f"hang up {way}"

    # -- ways -----------------------------------------------------------------------------------------------

    def _block(self, seconds: float, *ways: tuple[str, str]) -> None:
        seconds = self._within(seconds)
        self.swarm.wires.block(*ways)
        self.swarm.clock.at(seconds, lambda: self.swarm.wires.free(*ways))

    def clog(self) -> str:
        """Nothing passes between a node and one other, or all."""
        name = _one(self)
        if name is None:
            return ""
        ways = _around(self, name)
        if self.rng.random() < 0.6:
            other = self.rng.choice(ways)
            ways = [other, other[::-1]]
        seconds = self._outage()
        self._block(seconds, *ways)
        return f"clog {ways[0]} and {len(ways) - 1} more ways for {seconds:.1f} s"

    def one_way(self) -> str:
        """A node is heard and does not hear, or the other way round."""
        name = _one(self)
        if name is None:
            return ""
        here = self.rng.randrange(2)
        ways = [way for way in _around(self, name) if way[here] == name]
        ways = ways if self.rng.random() < 0.5 else [self.rng.choice(ways)]
        seconds = self._outage()
        self._block(seconds, *ways)
        return f"one way {ways} for {seconds:.1f} s"

    def partition(self) -> str:
        """Two parts do not reach each other."""
        names = list(self.swarm.nodes)
        part = set(self.rng.sample(names, self.rng.randrange(1, len(names)))) if len(names) > 1 else set()
        ways = [(one, other) for one, other in permutations(names, 2) if (one in part) != (other in part)]
        seconds = self._outage()
        self._block(seconds, *ways)
        return f"partition {sorted(part)} for {seconds:.1f} s"

    def swizzle(self) -> str:
        """Some nodes fall silent one after another, and come back in another order."""
        names = self.rng.sample(list(self.swarm.nodes), self.rng.randrange(1, len(self.swarm.nodes) + 1))
        began, ended = self.rng.sample(names, len(names)), self.rng.sample(names, len(names))
        step = self.rng.choice((0.2, 1.0, 3.0))
        for n, name in enumerate(began):
            ways = _around(self, name)
            seconds = (len(names) - n + ended.index(name)) * step
            self.swarm.clock.at(n * step, lambda ways=ways, seconds=seconds: self._block(seconds, *ways))  # type: ignore[misc]  # early
        return f"swizzle {began} in steps of {step} s, back as {ended}"

    # -- machines -------------------------------------------------------------------------------------------

    def stand_still(self) -> str:
        """A machine sleeps."""
        name = _one(self)
        if name is None or self.swarm.nodes[name].machine.still:
            return ""
        seconds = self._within(self.rng.choice(PAUSES) * self.rng.uniform(0.5, 1.5))
        self.swarm.pause(name, seconds)
        return f"pause {name} for {seconds:.1f} s"

    def step(self) -> str:
        """A machine's clock leaps ahead, though nothing stood still."""
        name = _one(self)
        if name is None:
            return ""
        seconds = self.rng.choice(STEPS)
        self.swarm.nodes[name].machine.offset += seconds
        return f"clock of {name} steps {seconds:g} s"

    def crash(self) -> str:
        """A node is killed or loses its power; it comes back at once, later, or never, with or without its disk."""
        name = _one(self)
        if name is None:
            return ""
        silent, back, kept = self.rng.random() < 0.5, self.rng.choice((0.1, 3.0, 12.0, None)), self.rng.random() < 0.5
        self.swarm.kill(name, silent)
        if back is not None:
            self.swarm.clock.at(back, lambda: self._note(f"start {name}" * self.enter(name, kept)))
        return f"{'power off' if silent else 'kill'} {name}, back after {back} s, {'kept' if kept else 'lost'} disk"

    def leave(self) -> str:
        """A node says goodbye and is gone."""
        name = _one(self)
        if name is None or self.swarm.nodes[name].machine.still:
            return ""
        self.swarm.leave(name)
        return f"leave {name}"

    def restart(self) -> str:
        """A node is stopped in order, and started again later."""
        name = _one(self)
        if name is None or self.swarm.nodes[name].machine.still:
            return ""
        back = self.stop(name) + self.rng.choice((0.1, 3.0, 12.0))
        self.swarm.clock.at(back, lambda: self._note(f"start {name}" * self.enter(name, True)))
        return f"restart {name}, back after {back:.1f} s"

    def join(self) -> str:
        """One more node."""
        name = f"n{len(self.swarm.nodes)}"
        if len(self.swarm.living()) >= self.most or not self.enter(name, False):
            return ""
        return f"join {name}"


def is_one_network(names: set[str], walls: Set[frozenset[str]]) -> bool:
    """Whether a way leads from each to each, by whatever others, past pairs that never reach each other."""
    found, look = set[str](), [min(names)]
    while look:
        one = look.pop()
        found.add(one)
        look += [n for n in names - found if frozenset((one, n)) not in walls]
    return found == names


def _around(nemesis: Nemesis, name: str) -> list[tuple[str, str]]:
    others = [other for other in nemesis.swarm.nodes if other != name]
    return [(name, other) for other in others] + [(other, name) for other in others]


def _one(nemesis: Nemesis) -> str | None:
    names = [node.name for node in nemesis.swarm.living() if not node.core.own.leaving]
    return nemesis.rng.choice(names) if len(names) > 1 else None
