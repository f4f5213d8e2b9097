"""Swarms on a real Dask cluster of three workers, processes all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.engines import LONG, NODES, SETTINGS, agree, driver_killed, kill, learned, needs, nodes_below, rows, until

from gossipw2v.engines import dask
from gossipw2v.engines.plan import EngineError

pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}Warning") for kind in ("Future", "Deprecation", "Resource")]
BEGIN = """
import distributed
from dask import bag
cluster = distributed.LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None)
client = distributed.Client(cluster)
"""
FIT = """
from gossipw2v.engines import dask
dask.fit(bag.from_sequence(rows(), npartitions=7), nodes=3, data_dir=data_dir, **LONG)
"""


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """What a driver has: `client`, `bag`."""
    needs("distributed", "dask")
    names: dict[str, Any] = {}
    exec(BEGIN, names)
    yield names
    names["client"].close()
    names["cluster"].close()


def test_three_nodes_learn_one_model(names: dict[str, Any], tmp_path: Path) -> None:
    texts = names["bag"].from_sequence(rows(), npartitions=7)
    vectors = dask.fit(texts, nodes=NODES, data_dir=tmp_path, **SETTINGS)
    assert learned(vectors.words, vectors.vectors) > 0.3
    assert agree(tmp_path)


def test_a_worker_that_dies_is_told_and_a_new_one_takes_its_place(names: dict[str, Any], tmp_path: Path) -> None:
    workers: list[int] = []

    def kill_one() -> None:
        until(lambda: len(list(tmp_path.glob("node-*/checkpoint-*[0-9]"))) >= NODES, "all nodes train")
        pids = names["client"].run(lambda: __import__("os").getpid())
        workers.append(next(iter(pids.values())))
        kill(workers[0])

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.warns(UserWarning, match=r"node . of 3 is lost: the worker .* is gone|is lost"):
        vectors = dask.fit(names["bag"].from_sequence(rows(), npartitions=7), nodes=NODES, data_dir=tmp_path, **LONG)
    killer.join()
    assert workers
    assert learned(vectors.words, vectors.vectors) > 0.3
    until(lambda: not nodes_below(tmp_path), "no node is left")


def test_fewer_workers_than_nodes_are_waited_for_and_told(names: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=r"no 9 workers on Dask within 1 s .*, but 3: take fewer nodes"):
        dask.fit(names["bag"].from_sequence(["a b"]), nodes=9, patience=1.0)


def test_a_node_without_text_is_told(names: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match="node 3 of 3 has no text; take fewer nodes"):
        dask.fit(names["bag"].from_sequence(["a b", "c d"], npartitions=2), nodes=3)


def test_rows_that_are_no_text_are_told(names: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match="a row is int, 1; give texts or lists of words"):
        dask.fit(names["bag"].from_sequence([1, 2], npartitions=2), nodes=1)


def test_a_killed_driver_takes_its_nodes_along(names: dict[str, Any], tmp_path: Path) -> None:
    driver_killed(BEGIN + FIT, tmp_path)
