"""Looks now and then whether a node gets on: what it waits for, whose name nobody knows, whether it is stuck."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gossipw2v.gossip.doors.view import View
from gossipw2v.gossip.records import Stage, stem
from gossipw2v.node.node import Node
from gossipw2v.node.waiting import names, sentence
from gossipw2v.system.logs import get_logger
from gossipw2v.system.notify import notify

PERIOD = 1.0  # s between two looks
FIRST_LINE, LONGEST_PAUSE = 5.0, 600.0  # s of waiting until the log says so, and at most between two such lines
LONG = 30.0  # s of waiting that make a problem
STUCK = 300.0  # s without a step forward: a kernel call takes 10 ms, a block of text less than a second
PEER = "peer "  # the part that a problem with a configured peer belongs to

log = get_logger("watch")


async def watch(node: Node) -> None:
    """Look again and again; for as long as the node lives."""
    patience, progress = Patience(), StepWatch()
    while True:
        await asyncio.sleep(PERIOD)
        tell_waiting(node, patience)
        tell_nameless(node)
        node.condition.problem("text twice", twice(node.core.view, node.network.now(), bool(node.config.graph)))
        node.condition.stuck = progress.look(step_of(node), PERIOD)
        node.condition.problem("stuck", node.condition.stuck)
        if (
            node.condition.stuck is None
        ):  # the event loop runs, and work goes on: systemd may wait for more (WatchdogSec)
            notify("WATCHDOG=1")


@dataclass(slots=True)
class Patience:
    """`next_line`: after how many seconds of waiting the log has the next line."""

    next_line: float = FIRST_LINE

    def line_due(self, seconds: float) -> bool:
        """Whether to write a line after so many seconds of waiting: at growing intervals, anew with each wait."""
        if seconds < FIRST_LINE:
            self.next_line = FIRST_LINE
        if seconds < self.next_line:
            return False
        self.next_line = seconds + min(seconds, LONGEST_PAUSE)
        return True


@dataclass(slots=True)
class StepWatch:
    """`step`: what had been done when it last changed; `idle`: seconds that were looked at since then."""

    step: tuple[str, int] | None = None
    idle: float = field(default=0.0)

    def look(self, step: tuple[str, int] | None, seconds: float) -> str | None:
        """Why the node seems stuck, after so many more seconds in which it ran; None for a `step` nobody waits for.

        Seconds are counted by looks and not by a clock: a machine that slept has not been stuck.
        """
        self.idle = 0.0 if step is None or step != self.step else self.idle + seconds
        self.step = step
        if step is None or self.idle < STUCK:
            return None
        return f"stuck: no step forward in {step[0]} for {STUCK:.0f} s; is the text on a disk that does not answer?"


def twice(view: View, now: float, graph: bool) -> str | None:
    """What to do about others that train what this node trains; None if there are none. Earlier lives are no others."""
    me = view.me
    others = [
        other
        for other in view.members.alive(now)
        if me.portion and other.portion and me.portion.overlaps(other.portion) and stem(other.node) != stem(me.node)
    ]
    if not others:
        return None
    if not graph:
        return f"{names(others)}: the same text as here, so it counts twice; give each node a text of its own"
    told = "the same graph as here, walked from the same nodes; give each of the N nodes that have it a share"
    return f"{names(others)}: {told}: --graph-share 1/N to N/N"


def step_of(node: Node) -> tuple[str, int] | None:
    """What the node is at and how far; None where it waits for others or does what cannot be measured."""
    name, trainer = node.state.name.lower(), node.session.trainer if node.session else None
    if node.state is Stage.TRAINING and trainer is not None and not trainer.done and not trainer.cursor.idle:
        return name, trainer.trained
    if node.state in (Stage.COUNTING, Stage.ENCODING) and node.corpus.done_bytes < node.corpus.bytes:
        return name, node.corpus.done_bytes
    return None


def tell_waiting(node: Node, patience: Patience) -> None:
    """Say in the log, at growing intervals, what the node waits for; a long wait is a problem."""
    waiting = node.waiting()
    if waiting is None or waiting["seconds"] < LONG:
        node.condition.problems.pop("waiting", None)
    if waiting is None:
        return
    text = sentence(waiting)
    if waiting["seconds"] >= LONG:
        node.condition.problems["waiting"] = text  # not by `problem`, which would log each of its forms
    if patience.line_due(waiting["seconds"]):
        log.info("waiting", text=text, seconds=round(waiting["seconds"]), found=len(waiting["found"]))


def tell_nameless(node: Node) -> None:
    """A peer whose name nobody knows is most likely mistyped, and a problem from the first moment."""
    contacts = node.network.contacts
    for peer in node.config.peers:
        if peer in contacts.nameless:
            node.condition.problem(
                PEER + peer, f"--peers {peer}: {contacts.unanswered[peer]}; looked for again and again"
            )
        else:
            node.condition.problem(PEER + peer, None)
