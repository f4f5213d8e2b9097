"""Swarms on a real Ray of one machine; actors are processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.engines import LONG, NODES, SETTINGS, agree, driver_killed, kill, learned, needs, nodes_below, rows, until

from gossipw2v.engines import ray
from gossipw2v.engines.plan import EngineError

pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}Warning") for kind in ("Future", "Deprecation", "Resource")]
BEGIN = """
import ray as module
module.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
"""
FIT = """
import ray.data
from gossipw2v.engines import ray as engine
engine.fit(ray.data.from_items([{"text": row} for row in rows()]), "text", nodes=3, data_dir=data_dir, **LONG)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    needs("ray", "ray")
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray reads it as it is
    names: dict[str, Any] = {}
    exec(BEGIN, names)
    import ray.data

    yield ray.data
    names["module"].shutdown()


def test_three_nodes_learn_one_model(cluster: Any, tmp_path: Path) -> None:
    items = cluster.from_items([{"text": row, "other": number} for number, row in enumerate(rows())])
    vectors = ray.fit(items, "text", nodes=NODES, data_dir=tmp_path, **SETTINGS)
    assert learned(vectors.words, vectors.vectors) > 0.3
    assert agree(tmp_path)


def test_an_actor_that_dies_is_told_and_the_others_go_on(cluster: Any, tmp_path: Path) -> None:
    def kill_one() -> None:
        until(lambda: len(list(tmp_path.glob("node-*/checkpoint-*[0-9]"))) >= NODES, "all nodes train")
        kill(*nodes_below(tmp_path / "node-2"))

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.warns(UserWarning, match="node 2 of 3 is lost: node 2 of 3 ended with exit code 137"):
        vectors = ray.fit(
            cluster.from_items([{"text": row} for row in rows()]), "text", nodes=NODES, data_dir=tmp_path, **LONG
        )
    killer.join()
    assert learned(vectors.words, vectors.vectors) > 0.3
    until(lambda: not nodes_below(tmp_path), "no node is left")


def test_fewer_cpus_than_nodes_are_waited_for_and_told(cluster: Any) -> None:
    with pytest.raises(EngineError, match=r"no room for 9 nodes of 1 CPUs on Ray within 1 s .* has 3 CPUs in all"):
        ray.fit(cluster.from_items([{"text": "a b"}]), "text", nodes=9, patience=1.0)


def test_a_part_without_text_is_told(cluster: Any) -> None:
    with pytest.raises(EngineError, match=r"node . of 3 has no text; take fewer nodes"):
        ray.fit(cluster.from_items([{"text": text} for text in ("a b", "c d", " ")]), "text", nodes=3)


def test_a_killed_driver_takes_its_nodes_along(cluster: Any, tmp_path: Path) -> None:
    driver_killed(BEGIN + FIT, tmp_path)
