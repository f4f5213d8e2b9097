"""The driver of a swarm whose workers come and go, Dask's and Ray's: it sees to nodes, and has no part in training.

A node whose worker is gone is forgotten by the swarm, which trains on. Where a worker is there that has no node, a new
node takes over the text of one that was lost early. As long as one node comes to the end, there is a model.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from gossipw2v.api.vectors import WordVectors
from gossipw2v.engines.plan import EngineError, SwarmPlan

LOOK_SECONDS = 0.5  # between two looks at all nodes
HALF = 0.5  # of its text: what a lost node trained beyond is with the others, and would be learned twice
MOST_TRIES = 3  # for one part of the text, so that a text that ends nodes does not do so for ever


class Pool(Protocol):
    """What an engine does for a crew. A `node` is what it calls a `WorkerNode` that is on one of its workers."""

    def place(self, numbers: list[int]) -> dict[int, Any]:
        """Give each of these nodes a worker and its text and start it: (node, HOST:PORT), or the error that came."""

    def ask(self, nodes: Mapping[int, Any], method: str, *args: object) -> dict[int, Any]:
        """Call a method of each node, all at once and not for long: what it returns, or the error that came."""

    def room(self) -> bool:
        """Whether there is a worker without a node."""

    def dismiss(self, number: int, node: Any) -> None:
        """End a node, wherever it is by now, and raise nothing."""


def run(pool: Pool, plan: SwarmPlan) -> WordVectors:
    """Train on all workers, to the end. EngineError if not one node comes there; a warning for each that is lost."""
    nodes, addresses, errors = dict[int, Any](), dict[int, str](), list[str]()
    try:
        _place(pool, list(range(1, plan.nodes + 1)), nodes, addresses)
        _train(pool, plan, nodes, addresses, errors)
        for result in pool.ask(nodes, "vectors").values():
            if not isinstance(result, Exception):
                return WordVectors(*result)
            errors.append(str(result))
        raise EngineError("\n".join(["no node has come to the end", *errors]))
    finally:
        for number, node in nodes.items():
            pool.dismiss(number, node)


def _place(pool: Pool, numbers: list[int], nodes: dict[int, Any], addresses: dict[int, str]) -> None:
    """Start nodes, and tell all where the others are. EngineError if one cannot be: nothing is lost yet."""
    placed = pool.place(numbers)
    for number, place in placed.items():
        if not isinstance(place, Exception):
            nodes[number], addresses[number] = place
    if errors := [str(place) for place in placed.values() if isinstance(place, Exception)]:
        raise EngineError("\n".join(errors))
    pool.ask(nodes, "meet", list(addresses.values()))


def _train(pool: Pool, plan: SwarmPlan, nodes: dict[int, Any], addresses: dict[int, str], errors: list[str]) -> None:
    """See to the nodes until all that are left have come to the end."""
    ended, trained, tries = set[int](), dict[int, float](), Counter[int]()
    while running := {number: node for number, node in nodes.items() if number not in ended}:
        for number, look in pool.ask(running, "look").items():
            if isinstance(look, Exception):
                errors.append(f"node {number} of {plan.nodes} is lost: {look}")
                warnings.warn(errors[-1], stacklevel=4)
                pool.dismiss(number, nodes.pop(number))
                del addresses[number]
                tries[number] += 1
                continue
            trained[number] = look.trained
            if look.ended:
                ended.add(number)
        early = [n for n in tries.keys() - nodes.keys() if tries[n] < MOST_TRIES and trained.get(n, 0.0) < HALF]
        if early and nodes and not ended and pool.room():
            _replace(pool, min(early), nodes, addresses, tries)
        time.sleep(LOOK_SECONDS)


def _replace(pool: Pool, number: int, nodes: dict[int, Any], addresses: dict[int, str], tries: Counter[int]) -> None:
    """Have a new node train the text of a lost one; the others go on if that cannot be."""
    try:
        _place(pool, [number], nodes, addresses)
    except EngineError as error:
        tries[number] += 1
        warnings.warn(f"no other node in the place of the lost one: {error}", stacklevel=5)
