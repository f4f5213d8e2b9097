"""Swarms on Dask: `gossipw2v.engines.dask.fit(bag, nodes=3, vector_size=64)`.

One actor a node, each on a worker of its own. The partitions of the bag are dealt out to the nodes; each is computed on
its node's worker and written to a file there. gossipw2v and Dask (`pip install 'gossipw2v[dask]'`) are needed on every
worker, and workers must reach each other's ports. What nodes say to each other goes under TLS, with a secret that is
made for each call.

A worker that dies takes its node with it: the others go on without, and a warning says so; if less than half of its
text was trained, and there is a worker without a node, since one has joined, a new node trains that text there. When
the driver dies, all nodes end, within five minutes. With `data_dir`, a folder that each worker has, nodes keep
checkpoints in it, and a later call with the same bag, nodes and settings goes on from there; without, nothing is left.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from gossipw2v.api.vectors import WordVectors
from gossipw2v.engines import crew
from gossipw2v.engines.plan import PATIENCE, EngineError, SwarmPlan, plan

CALL_SECONDS = 60.0  # for a short call to an actor: one that does not answer any more is taken for dead
START_SECONDS = 300.0  # for an actor to be made, and to have its node listen
LOOK_SECONDS = 0.5  # between two looks whether texts are written, and by workers that live


def fit(
    bag: Any,
    *,
    nodes: int,
    client: Any = None,
    data_dir: str | os.PathLike[str] | None = None,
    patience: float = PATIENCE,
    **job: Any,
) -> WordVectors:
    """Train word2vec on a `dask.bag.Bag` of texts or lists of words, and return the vectors.

    `client`: a `distributed.Client`, the current one if None. `job`: settings of `gossipw2v start`, with `_` for `-`;
    `threads` is how many of its worker's cores each node takes (1). `patience`: seconds to wait for workers, and of
    each node for the others.

    ValueError for settings; EngineError if there are fewer workers than nodes, or no node has come to the end.
    """
    try:
        import distributed  # noqa: PLC0415 - heavy, and only for this
    except ImportError as error:
        raise ImportError("there is no dask.distributed here: pip install 'gossipw2v[dask]'") from error
    todo = plan(nodes, data_dir, patience, job)
    pool = _DaskPool(todo, client or distributed.get_client(), bag.to_delayed())
    pool.wait_for_workers()
    return crew.run(pool, todo)


class _DaskNode:
    """The actor: a node whose text tasks write into its folder."""

    def __init__(self, todo: SwarmPlan, number: int) -> None:
        from distributed import get_worker  # noqa: PLC0415

        from gossipw2v.engines.worker import WorkerNode  # noqa: PLC0415 - the worker alone needs what it imports

        worker = get_worker()
        self.host = worker.ip
        self.node = WorkerNode.at(todo, number, worker.local_directory)

    def folder(self) -> str:
        """Where its text goes."""
        return str(self.node.folder)

    def begin(self) -> str:
        """Start the node; where it listens."""
        return f"{self.host}:{self.node.start()}"

    def call(self, method: str, *args: Any) -> Any:
        """Have the node do something."""
        return getattr(self.node, method)(*args)


class _Placed(NamedTuple):
    """A node as the driver knows it."""

    worker: str  # its address
    future: Any  # of the actor, which lives as long as this
    actor: Any


class _DaskPool:
    """Actors on workers, each alone on its own as far as this swarm goes."""

    def __init__(self, todo: SwarmPlan, client: Any, partitions: list[Any]) -> None:
        self._todo, self._client, self._partitions = todo, client, partitions
        self._taken: dict[int, str] = {}  # the workers of nodes

    def wait_for_workers(self) -> None:
        """Wait until there is a worker for each node. EngineError."""
        try:
            self._client.wait_for_workers(self._todo.nodes, self._todo.patience)
        except TimeoutError as error:
            raise EngineError(
                f"no {self._todo.nodes} workers on Dask within {self._todo.patience:g} s (patience), but "
                f"{len(self._free())}: take fewer nodes, or start more workers"
            ) from error

    def _free(self) -> list[str]:
        return [worker for worker in self._client.nthreads() if worker not in self._taken.values()]

    def room(self) -> bool:
        return bool(self._free())

    def place(self, numbers: list[int]) -> dict[int, Any]:
        nodes, texts, calls, found = dict[int, _Placed](), dict[int, list[Any]](), dict[int, Any](), dict[int, Any]()
        for number, worker in zip(numbers, self._free(), strict=False):
            with _telling(found, number):
                self._taken[number] = worker
                nodes[number] = self._hired(number, worker)
                texts[number] = self._writing(number, nodes[number])
        for number in texts:
            with _telling(found, number):
                self._written(nodes[number], texts[number])
                calls[number] = nodes[number].actor.begin()
        for number, result in _answers(calls, START_SECONDS).items():
            found[number] = result if isinstance(result, Exception) else (nodes[number], result)
        for number in numbers:
            if isinstance(found.setdefault(number, EngineError("no worker is free")), Exception):
                self.dismiss(number, nodes.get(number))
        return found

    def _hired(self, number: int, worker: str) -> _Placed:
        only = {"workers": [worker], "allow_other_workers": False, "pure": False}
        future = self._client.submit(_DaskNode, self._todo, number, actor=True, **only)
        return _Placed(worker, future, future.result(timeout=START_SECONDS))

    def _writing(self, number: int, node: _Placed) -> list[Any]:
        """Have the node's worker compute and write each of its partitions; the futures."""
        from dask import delayed  # noqa: PLC0415

        from gossipw2v.engines.worker import write_text  # noqa: PLC0415

        folder = node.actor.folder().result(timeout=CALL_SECONDS)
        mine = enumerate(self._partitions[number - 1 :: self._todo.nodes])
        tasks = [delayed(write_text, pure=False)(rows, folder, part) for part, rows in mine]
        only = {"workers": [node.worker], "allow_other_workers": False, "retries": 0}
        return list(self._client.compute(tasks, **only))

    def _written(self, node: _Placed, texts: list[Any]) -> None:
        """Wait for tasks, as long as their worker is there: without it they would wait for ever."""
        while any(text.status == "pending" for text in texts):
            if node.worker not in self._client.nthreads():
                raise EngineError(f"the worker {node.worker} is gone")
            time.sleep(LOOK_SECONDS)
        self._client.gather(texts)

    def ask(self, nodes: Mapping[int, _Placed], method: str, *args: object) -> dict[int, Any]:
        there, calls, found = self._client.nthreads(), dict[int, Any](), dict[int, Any]()
        for number, node in nodes.items():
            with _telling(found, number):
                if node.worker not in there:
                    raise EngineError(f"the worker {node.worker} is gone")
                calls[number] = node.actor.call(method, *args)
        return found | _answers(calls, CALL_SECONDS)

    def dismiss(self, number: int, node: _Placed | None) -> None:
        if node is not None:
            self.ask({number: node}, "close")
        self._taken.pop(number, None)


@contextmanager
def _telling(found: dict[int, Any], number: int) -> Iterator[None]:
    """An error is what came of it."""
    try:
        yield
    except Exception as error:  # whatever it is, the node is not there
        found[number] = error


def _answers(calls: Mapping[int, Any], seconds: float) -> dict[int, Any]:
    """What came of each call within so many seconds, or its error."""
    deadline, found = time.monotonic() + seconds, dict[int, Any]()
    for number, call in calls.items():
        with _telling(found, number):
            found[number] = call.result(timeout=max(0.1, deadline - time.monotonic()))
    return found
