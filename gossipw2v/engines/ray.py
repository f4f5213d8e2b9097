"""Swarms on Ray: `gossipw2v.engines.ray.fit(dataset, "text", nodes=3, vector_size=64)`.

One actor a node, spread over machines (a placement group, SPREAD), with `threads` CPUs each. The dataset is split into
as many parts as there are nodes; the rows of a part stream into a file on its actor's machine. gossipw2v and Ray (`pip
install 'gossipw2v[ray]'`) are needed on every machine, and machines must reach each other's ports. What nodes say to
each other goes under TLS, with a secret that is made for each call.

An actor that dies takes its node with it: the others go on without, and a warning says so; if less than half of its
text was trained, and the cluster has room, a new one trains that text. When the driver dies, all nodes end. With
`data_dir`, a folder that each machine has, nodes keep checkpoints in it, and a later call with the same rows, nodes and
settings goes on from there; without, nothing is left.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from gossipw2v.api.vectors import WordVectors
from gossipw2v.engines import crew
from gossipw2v.engines.plan import PATIENCE, EngineError, SwarmPlan, plan

CALL_SECONDS = 60.0  # for a short call to an actor: one that does not answer any more is taken for dead
START_SECONDS = 3600.0  # for an actor to write its text and start its node
BATCH_ROWS = 4096


def fit(
    dataset: Any,
    column: str,
    *,
    nodes: int,
    data_dir: str | os.PathLike[str] | None = None,
    patience: float = PATIENCE,
    **job: Any,
) -> WordVectors:
    """Train word2vec on `column` of a `ray.data.Dataset`, texts or lists of words, and return the vectors.

    `job`: settings of `gossipw2v start`, with `_` for `-`; `threads` is how many CPUs each node takes (1). `patience`:
    seconds to wait for room in the cluster, and of each node for the others.

    ValueError for settings; EngineError if the cluster has no room for all nodes, or no node has come to the end.
    """
    try:
        import ray  # noqa: PLC0415 - heavy, and only for this
        from ray.util import remove_placement_group  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("there is no ray here: pip install 'gossipw2v[ray]'") from error
    todo = plan(nodes, data_dir, patience, job)
    if not ray.is_initialized():
        ray.init()
    parts = _parts(dataset.select_columns([column]), nodes)
    group = _room_for(todo)
    try:
        return crew.run(_RayPool(todo, group, parts), todo)
    finally:
        remove_placement_group(group)


def _parts(rows: Any, nodes: int) -> list[Any]:
    """The rows in as many parts, computed now: nodes may take all CPUs that there are later, and reading takes none."""
    made = rows.materialize()
    if made.num_blocks() < nodes:
        made = made.repartition(nodes).materialize()
    return list(made.split(nodes))


def _room_for(todo: SwarmPlan) -> Any:
    """A place for each node. EngineError if the cluster has none within the plan's patience."""
    import ray  # noqa: PLC0415
    from ray.util import placement_group, remove_placement_group  # noqa: PLC0415

    group = placement_group([{"CPU": todo.threads}] * todo.nodes, strategy="SPREAD")
    if group.wait(todo.patience):
        return group
    remove_placement_group(group)
    there = ray.cluster_resources().get("CPU", 0)
    raise EngineError(
        f"no room for {todo.nodes} nodes of {todo.threads} CPUs on Ray within {todo.patience:g} s (patience), "
        f"which has {there:g} CPUs in all: take fewer nodes or threads"
    )


class _RayNode:
    """The actor: a node and its text."""

    def __init__(self, todo: SwarmPlan, number: int) -> None:
        from gossipw2v.engines.worker import WorkerNode  # noqa: PLC0415 - the worker alone needs what it imports

        self.node = WorkerNode.at(todo, number)

    def begin(self, rows: Any) -> str:
        """Write the rows and start the node; where it listens."""
        import ray  # noqa: PLC0415

        batches = rows.iter_batches(batch_size=BATCH_ROWS, batch_format="pyarrow")
        self.node.write(row for batch in batches for row in batch.column(0).to_pylist())
        return f"{ray.util.get_node_ip_address()}:{self.node.start()}"

    def call(self, method: str, *args: Any) -> Any:
        """Have the node do something."""
        return getattr(self.node, method)(*args)


class _RayPool:
    """Actors in the places of a group, the first node in the first."""

    def __init__(self, todo: SwarmPlan, group: Any, parts: list[Any]) -> None:
        self._todo, self._group, self._parts = todo, group, parts

    def place(self, numbers: list[int]) -> dict[int, Any]:
        actors = {number: self._actor(number) for number in numbers}
        calls = {number: actor.begin.remote(self._parts[number - 1]) for number, actor in actors.items()}
        placed = dict[int, Any]()
        for number, result in _answers(calls, START_SECONDS).items():
            placed[number] = result if isinstance(result, Exception) else (actors[number], result)
            if isinstance(result, Exception):
                self.dismiss(number, actors[number])
        return placed

    def _actor(self, number: int) -> Any:
        import ray  # noqa: PLC0415
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy  # noqa: PLC0415

        place = PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=number - 1)
        kind = ray.remote(_RayNode).options(num_cpus=self._todo.threads, scheduling_strategy=place)
        return kind.remote(self._todo, number)

    def ask(self, nodes: Mapping[int, Any], method: str, *args: object) -> dict[int, Any]:
        return _answers({n: node.call.remote(method, *args) for n, node in nodes.items()}, CALL_SECONDS)

    def room(self) -> bool:
        """A place whose machine is gone is looked for anew; where an actor alone has died, its place is there."""
        from ray.util import placement_group_table  # noqa: PLC0415

        return bool(placement_group_table(self._group)["state"] == "CREATED")

    def dismiss(self, number: int, node: Any) -> None:
        import ray  # noqa: PLC0415

        _answers({number: node.call.remote("close")}, CALL_SECONDS)
        ray.kill(node)


def _answers(calls: Mapping[int, Any], seconds: float) -> dict[int, Any]:
    """What came of each call within so many seconds, or its error."""
    import ray  # noqa: PLC0415

    deadline, found = time.monotonic() + seconds, dict[int, Any]()
    for number, call in calls.items():
        try:
            found[number] = ray.get(call, timeout=max(0.0, deadline - time.monotonic()))
        except Exception as error:  # whatever it is, there is no answer
            found[number] = getattr(error, "cause", None) or error
    return found
