"""Scores of a model in the course of its training: when, in which thread, and what stays of them."""

import os
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from gossipw2v.system import machine
from gossipw2v.w2v.evaluation import probe as module
from gossipw2v.w2v.evaluation.probe import POINTS, Probe, ProbeSet
from gossipw2v.w2v.evaluation.tables import LayoutError

WORDS = [f"w{n}".encode() for n in range(40)]


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    (tmp_path / "pairs.txt").write_text("".join(f"W{n} w{n + 7} {n % 5}\n" for n in range(30)) + "w1 nowhere 3\n")
    (tmp_path / "asked.txt").write_text(": s\nw1 w2 w3 w4\nw5 w6 w7 w8\n")
    made = Probe()
    made.read([str(tmp_path / "pairs.txt"), str(tmp_path / "asked.txt")])
    return made


def finish(probe: Probe) -> None:
    assert probe._thread is not None
    probe._thread.join(30)
    assert not probe.busy


def test_a_model_is_scored_once_and_another_again(probe: Probe, vectors: np.ndarray) -> None:
    assert probe.start(WORDS, vectors, (10, 20, 0))
    finish(probe)
    assert not probe.start(WORDS, vectors, (10, 20, 0))
    assert probe.start(WORDS, vectors, (10, 20, 1))
    finish(probe)
    told = probe.describe()
    assert (told["measurements"], told["failures"]) == (2, 0)
    pairs, asked = told["sets"]
    assert (pairs["name"], pairs["kind"], pairs["figure"], pairs["known"], pairs["total"]) == (
        "pairs", "pairs", "spearman", 30, 31
    )  # fmt: skip
    assert (asked["figure"], asked["known"]) == ("3cosadd", 2)
    assert pairs["history"][0] == {"trained_tokens": 10, "swarm_trained_tokens": 20, "score": pairs["last"]}


def test_it_makes_way_and_holds_nobody_up(probe: Probe, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    go, seen = threading.Event(), []

    def score(self: ProbeSet, embedding: object) -> None:
        seen.append((threading.current_thread(), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
        go.wait(30)
        raise MemoryError

    monkeypatch.setattr(ProbeSet, "score", score)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert probe.start(WORDS, vectors, (1, 1, 0))
    assert probe.busy
    assert not probe.start(WORDS, vectors, (2, 2, 0))
    go.set()
    finish(probe)
    ((thread, nice),) = seen
    assert thread is not threading.current_thread()
    if sys.platform == "linux":
        assert nice == min(19, own + machine.NICE)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own
    assert (probe.failures, probe.measurements) == (1, 0)
    assert probe.start(WORDS, vectors, (2, 2, 0))
    finish(probe)


def test_a_model_that_has_diverged_has_no_score_and_the_best_stays(probe: Probe, vectors: np.ndarray) -> None:
    probe.measure(WORDS, vectors, 5, 5)
    best = probe.sets[0].best
    broken = vectors.copy()
    broken[:] = np.nan
    probe.measure(WORDS, broken, 6, 6)
    told = probe.sets[0].describe()
    assert told["last"] is None
    assert (told["best"], told["best_trained_tokens"]) == (best.score, 5)


def test_another_vocabulary_is_looked_up_anew(probe: Probe, vectors: np.ndarray) -> None:
    probe.measure(WORDS, vectors, 1, 1)
    probe.measure(WORDS[:10], vectors[:10], 2, 2)
    assert probe.sets[0].known == 3
    probe.measure([word.upper() for word in WORDS], vectors, 3, 3)
    assert probe.sets[0].known == 0


def test_analogies_are_asked_of_frequent_words(
    probe: Probe, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESTRICT", 6)
    probe.measure(WORDS, vectors, 1, 1)
    assert [each.known for each in probe.sets] == [30, 1]


def test_the_curve_is_bounded_and_goes_from_the_first_to_the_last(probe: Probe, vectors: np.ndarray) -> None:
    for n in range(3 * POINTS):
        probe.measure(WORDS, vectors, n, 2 * n)
    history = probe.sets[1].describe()["history"]
    assert POINTS // 2 < len(history) <= POINTS
    assert (history[0]["trained_tokens"], history[-1]["swarm_trained_tokens"]) == (0, 2 * (3 * POINTS - 1))
    assert all(one["trained_tokens"] < other["trained_tokens"] for one, other in pairwise(history))


def test_without_test_sets_nothing_is_scored(vectors: np.ndarray) -> None:
    probe = Probe()
    assert not probe.start(WORDS, vectors, (1, 1, 0))
    assert probe.describe() == {"measurements": 0, "failures": 0, "seconds": 0, "sets": []}


def test_two_probes_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.txt", "a.tsv"):
        (tmp_path / name).write_text("x y 1\n")
    with pytest.raises(LayoutError, match="another probe is called 'a'"):
        Probe().read([str(tmp_path / "a.txt"), str(tmp_path / "a.tsv")])
