"""Questions to real daemons: before there is a model, while it is trained, and that answers are the model's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.daemons import Daemon, Daemons, write_texts

from gossipw2v.status import client
from gossipw2v.w2v.similarity import Space, most_similar

pytestmark = pytest.mark.slow


def asked(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "gossipw2v", "neighbors", *words, "--json", "--topn=5", f"--url={daemon.url}"]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_a_node_answers_with_what_it_exports(tmp_path: Path) -> None:
    (text,) = write_texts(tmp_path, 1)
    with Daemons(tmp_path) as swarm:
        daemon = swarm.start(text, until_complete=False, epochs=3)
        daemon.until(lambda status: status["state"] == "complete")
        words, vectors = daemon.serving()
        names = [word.decode() for word in words]
        result = asked(daemon, names[0], names[40], "nosuchword")
        answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 1
    assert "'nosuchword' is not in the vocabulary" in result.stderr
    space = Space.of(names, vectors)
    for name, answer in zip((names[0], names[40]), answers, strict=True):
        expected = most_similar(space, name, 5)
        assert [each["word"] for each in answer["neighbors"]] == [word for word, _ in expected]
        scores = [each["similarity"] for each in answer["neighbors"]]
        assert np.allclose(scores, [score for _, score in expected], atol=1e-5)


def test_a_node_without_a_model_says_so_and_one_that_trains_answers(tmp_path: Path) -> None:
    (text,) = write_texts(tmp_path, 1)
    with Daemons(tmp_path) as swarm:
        waits = swarm.start(text, until_complete=False, peers="127.0.0.1:9", min_peers=1)
        waits.until(lambda status: status["state"] == "gathering")
        with pytest.raises(client.AnswerError, match="no model yet"):
            client.query(waits.url, "neighbors", {"word": "the"})
        trains = swarm.start(text, until_complete=False, epochs=10_000)
        trains.until(lambda status: status["progress"]["trained_tokens"] > 0)
        (word,) = client.query(trains.url, "words", {"limit": 1})["words"]
        before = client.query(trains.url, "neighbors", {"word": word, "topn": 3})
        trains.progress(0.005)
        after = client.query(trains.url, "neighbors", {"word": word, "topn": 3})
        assert trains.status()["state"] == "training"
    assert len(before["neighbors"]) == len(after["neighbors"]) == 3
    assert before != after
