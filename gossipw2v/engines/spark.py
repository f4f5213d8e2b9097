"""Swarms on Spark: `gossipw2v.engines.spark.fit(df, "text", nodes=3, vector_size=64)`.

One barrier stage with a task for each node. The rows are divided anew into as many partitions as there are nodes; each
streams into a file on its executor. Tasks tell each other where their nodes listen by the barrier's `allGather`.
gossipw2v and pyarrow (`pip install 'gossipw2v[spark]'`) are needed on all machines, and these must reach each other's
ports. What nodes say to each other goes under TLS, with a secret that is made for each call.

All tasks of a barrier stage run at once, or none does. When one is lost, Spark ends the others, and `fit` raises what
it says of that; when the driver dies, all nodes end. With `data_dir`, a folder that each machine has, nodes keep
checkpoints in it, and a later call with the same rows, nodes and settings goes on from there; without, nothing is left.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from gossipw2v.engines.plan import PATIENCE, EngineError, SwarmPlan, plan

SLOT_SECONDS = 1.0  # between two looks whether executors have come
BATCH_ROWS = 4096  # words in one batch of the result


def fit(
    df: Any,
    column: str,
    *,
    nodes: int,
    data_dir: str | os.PathLike[str] | None = None,
    patience: float = PATIENCE,
    **job: Any,
) -> Any:
    """Train word2vec on `column` of a DataFrame, texts or arrays of words: a DataFrame of `word` and `vector`.

    Its rows are there when this returns, most frequent words first, kept by Spark's executors (`localCheckpoint`);
    vectors are arrays of floats. `job`: settings of `gossipw2v start`, with `_` for `-`; `threads` is one for each of
    `spark.task.cpus` unless it is given. `patience`: seconds to wait for executors, and of each node for the others.

    ValueError for settings; EngineError if there are fewer slots than nodes; what a task raises, as Spark tells it.
    """
    try:
        import pyspark  # noqa: F401, PLC0415 - heavy, and only for this
    except ImportError as error:
        raise ImportError("there is no pyspark here: pip install 'gossipw2v[spark]'") from error
    session = df.sparkSession
    job.setdefault("threads", int(session.conf.get("spark.task.cpus", "1")))
    todo = plan(nodes, data_dir, patience, job)
    _wait_for_slots(session, todo)
    rows = df.select(column).repartition(nodes)
    return rows.mapInArrow(_task(todo), "word string, vector array<float>", barrier=True).localCheckpoint(eager=True)


def _wait_for_slots(session: Any, todo: SwarmPlan) -> None:
    """Wait for executors; Spark itself would do so for ten minutes, and say less. EngineError."""
    if not hasattr(session, "_jsc"):
        return  # a client of Spark Connect, which cannot ask
    scheduler = session._jsc.sc()
    profile = scheduler.resourceProfileManager().defaultResourceProfile()
    deadline = time.monotonic() + todo.patience
    while (slots := scheduler.maxNumConcurrentTasks(profile)) < todo.nodes:
        if time.monotonic() > deadline:
            raise EngineError(
                f"{todo.nodes} nodes want as many slots, and Spark has {slots} after {todo.patience:g} s (patience): "
                "take fewer nodes, or more executors or cores"
            )
        time.sleep(SLOT_SECONDS)


def _task(todo: SwarmPlan) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """What each task does with its partition, batches of one column; the first gives the vectors."""

    def run(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import BarrierTaskContext  # noqa: PLC0415

        from gossipw2v.engines.worker import WorkerNode  # noqa: PLC0415 - the workers alone need what it imports

        context = BarrierTaskContext.get()
        number = context.partitionId() + 1
        node = WorkerNode.at(todo, number)
        try:
            node.write(row for batch in batches for row in batch.column(0).to_pylist())
            _all_have_text(context, node.has_text)
            host = context.getTaskInfos()[number - 1].address.rpartition(":")[0]
            node.meet(context.allGather(f"{host}:{node.start()}"))
            node.wait()
            if number == 1:
                yield from _batches(*node.vectors())
        finally:
            node.close()

    return run


def _all_have_text(context: Any, has_text: bool) -> None:
    """EngineError in all tasks alike, before a node is started, if one has nothing to train."""
    said = context.allGather(str(int(has_text)))
    if "0" in said:
        raise EngineError(f"partition {said.index('0') + 1} of {len(said)} has no text; take fewer nodes, or more rows")


def _batches(words: list[str], rows: Any) -> Iterator[Any]:
    """Record batches of words and their vectors."""
    import pyarrow as pa  # noqa: PLC0415

    for start in range(0, len(words), BATCH_ROWS):
        some = rows[start : start + BATCH_ROWS]
        offsets = pa.array(range(0, some.size + 1, some.shape[1]), pa.int32())
        vectors = pa.ListArray.from_arrays(offsets, pa.array(some.ravel(), pa.float32()))
        yield pa.RecordBatch.from_arrays([pa.array(words[start : start + BATCH_ROWS]), vectors], ["word", "vector"])
