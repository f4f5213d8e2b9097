"""Swarms on a real Spark: `local[3]`, which runs a Python process for each task, as executors do."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engines import LONG, NODES, SETTINGS, agree, driver_killed, kill, learned, needs, nodes_below, rows, until

from gossipw2v.engines import spark
from gossipw2v.engines.plan import EngineError

pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}Warning") for kind in ("Future", "Deprecation", "Resource")]
BEGIN = """
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[3]").config("spark.ui.enabled", "false")
session = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate()
session.sparkContext.setLogLevel("OFF")
"""
FIT = """
from gossipw2v.engines import spark
spark.fit(session.createDataFrame([(row,) for row in rows()], ["text"]), "text", nodes=3, data_dir=data_dir, **LONG)
"""


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    needs("pyspark", "spark")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    names: dict[str, Any] = {}
    exec(BEGIN, names)
    yield names["session"]
    names["session"].stop()


def frame(session: Any, texts: list[object]) -> Any:
    return session.createDataFrame([(number, text) for number, text in enumerate(texts)], ["number", "text"])


def test_three_nodes_learn_one_model_from_words_or_texts(session: Any, tmp_path: Path) -> None:
    half = len(rows()) // 2
    texts = frame(session, [*rows()])
    words = texts.selectExpr("number", "split(text, ' ') as text")
    for name, table in (("texts", texts), ("words", words.where(f"number < {2 * half}"))):
        found = spark.fit(table, "text", nodes=NODES, data_dir=tmp_path / name, **SETTINGS).collect()
        vectors = np.array([row.vector for row in found], np.float32)
        assert vectors.shape[1] == SETTINGS["vector_size"]
        assert learned([row.word for row in found], vectors) > 0.3
        assert agree(tmp_path / name)


def test_a_lost_task_ends_the_call_and_a_later_one_goes_on(session: Any, tmp_path: Path) -> None:
    def kill_one() -> None:
        until(lambda: len(list(tmp_path.glob("node-*/checkpoint-*[0-9]"))) >= NODES, "all nodes train")
        kill(*nodes_below(tmp_path / "node-2"))

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(Exception, match="node 2 of 3 ended with exit code 137"):
        spark.fit(frame(session, [*rows()]), "text", nodes=NODES, data_dir=tmp_path, **LONG)
    killer.join()
    until(lambda: not nodes_below(tmp_path), "the other nodes have ended")
    found = spark.fit(frame(session, [*rows()]), "text", nodes=NODES, data_dir=tmp_path, **LONG).collect()
    assert learned([row.word for row in found], np.array([row.vector for row in found], np.float32)) > 0.3
    assert agree(tmp_path)


def test_fewer_slots_than_nodes_are_waited_for_and_told(session: Any) -> None:
    with pytest.raises(EngineError, match="5 nodes want as many slots, and Spark has 3 after 1 s"):
        spark.fit(frame(session, ["a b"]), "text", nodes=5, patience=1.0)


def test_a_partition_without_text_is_told(session: Any) -> None:
    with pytest.raises(Exception, match=r"partition . of 3 has no text; take fewer nodes, or more rows"):
        spark.fit(frame(session, ["a b", "c d"]), "text", nodes=3)


def test_a_killed_driver_takes_its_nodes_along(session: Any, tmp_path: Path) -> None:
    driver_killed(BEGIN + FIT, tmp_path)
