"""Real nodes on text in other forms: what they learn, what they tell, and what they refuse."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.daemons import Daemons, write_texts

LIGHT = {"vector-size": 8, "epochs": 1, "settle-seconds": 0}


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


def test_the_same_text_in_any_form_gives_the_same_vectors(swarm: Daemons, tmp_path: Path) -> None:
    (text,) = write_texts(tmp_path, 1, 500)
    lines = text.read_text("utf-8").splitlines()
    jsonl, table, parquet = (tmp_path / f"text.{name}" for name in ("jsonl", "csv", "parquet"))
    jsonl.write_text("".join(json.dumps({"doc": {"words": line.split()}}) + "\n" for line in lines))
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *enumerate(lines)])
    pq.write_table(pa.table({"text": lines}), parquet)
    first = swarm.start(text, **LIGHT)
    assert first.end() == 0
    words, weights, _ = first.model()
    for path, name, field in ((jsonl, "jsonl", "doc.words"), (table, "csv", "text"), (parquet, "parquet", "text")):
        refused = swarm.start(path, **LIGHT)
        assert refused.end() == 2
        assert f"say --{name}" in refused.log()
        node = swarm.start(path, **LIGHT, **{name: field})
        assert node.end() == 0
        others, same, _ = node.model()
        assert others == words
        assert (same == weights).all()


def test_records_without_text_are_a_problem_that_is_told(swarm: Daemons, tmp_path: Path) -> None:
    (text,) = write_texts(tmp_path, 1, 500)
    path = tmp_path / "text.jsonl"
    lines = [json.dumps({"text": line}) for line in text.read_text("utf-8").splitlines()]
    path.write_text("\n".join([*lines, "{}", "no json"]))
    node = swarm.start(path, **LIGHT, jsonl="text", until_complete=False)
    status = node.until(lambda s: s["state"] == "complete")
    (problem,) = status["problems"]
    assert "text.jsonl: 2 of 502 lines hold no text: the first is line 501, which has no 'text'" in problem
    assert status["degraded"]


def test_words_by_a_pattern_and_in_lower_case(swarm: Daemons, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("One, TWO; three. Größe!\n" * 50, "utf-8")
    node = swarm.start(path, **LIGHT, tokenize=r"\w+")
    assert node.end() == 0
    assert {word.decode() for word in node.model()[0]} == {"One", "TWO", "three", "Größe"}
    swarm.again(node, "--lowercase")
    assert node.end() == 2  # another job
    swarm.again(node, "--lowercase", "--fresh")
    assert node.end() == 0
    assert {word.decode() for word in node.model()[0]} == {"one", "two", "three", "größe"}
    refused = swarm.start(path, **LIGHT, tokenize=r"(\w+)+$")
    assert refused.end() == 2
    assert "may take for ever" in refused.log()
