"""tools/compare on a small generated text: every baseline under every condition, and the command from end to end."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from compare.baselines.server_async import AsyncServer
from compare.command import Plan, main
from compare.course import DETECTED, PAUSED, RESTARTED, Course
from compare.events import Events
from compare.registry import BASELINES, perform
from compare.report import Findings
from compare.runs import EVENTS, Line, Results, Run
from compare.systems import SYSTEMS
from compare.texts import Material, make_graph, make_world

from gossipw2v.cli.synthetic import TOPICS

TOOL = Path(__file__).parents[2] / "tools" / "compare"
SIZE, ROUNDS = 16, 8
EXCHANGING = [name for name, entry in BASELINES.items() if entry.exchanges]
# nodes that do not hold the model that is scored; those of servers are not told what the last one changed
STAY_APART = {"elastic", "gossip-average", "prefix", "server-async", "server-async-divided"}
WHOLE_JOB = {"server-sync", "server-backup", "two-bit", "averaging-star"}  # all wait for the server


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Material:
    return make_world(3000, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def outcome(material):
    """The result of a run, each performed once."""
    known = {}

    def of(name: str, **changes) -> dict:
        run = Run(baseline=name, nodes=4, alpha=0.05, rounds=ROUNDS, vector_size=SIZE, epochs=2, speed=2000.0)
        run = replace(run, **changes)
        if run not in known:
            known[run] = perform(run, material)
        return known[run]

    return of


@pytest.mark.parametrize("name", EXCHANGING)
def test_every_baseline_trains_all_text_and_counts_its_bytes(name, outcome):
    result, one = outcome(name), outcome("one", nodes=1)
    assert "failed" not in result, result
    assert result["trained"] == one["trained"]
    assert result["bytes"] == sum(result["messages"].values()) > 0
    assert result["busiest"] <= 2 * result["bytes"]
    assert result["seconds"] > 0.9 * one["seconds"] / 4
    assert len(result["curve"]) == 6
    assert result["apart"] < (2 if name in STAY_APART else 1e-3)


@pytest.mark.parametrize("name", EXCHANGING)
@pytest.mark.parametrize("event", EVENTS[1:])
def test_every_baseline_comes_to_an_end_whatever_happens(name, event, outcome):
    usual, result = outcome(name), outcome(name, event=event)
    assert "failed" not in result, result
    if event == "death":
        loses_text = name.startswith("gossip") or name in {"averaging-ring", "adasum", "prefix"}
        assert (result["trained"] < usual["trained"]) == loses_text
        if name in WHOLE_JOB:
            assert result["stall"] == DETECTED + RESTARTED
    else:
        assert result["trained"] == usual["trained"]
        skipped = event == "pause" and name == "server-backup"  # which does not wait for the one that is paused
        assert skipped or result["seconds"] > usual["seconds"]
    if event == "pause" and getattr(BASELINES[name].runner, "in_rounds", False):
        assert skipped or result["seconds"] - usual["seconds"] > PAUSED - 2


@pytest.mark.parametrize("name", [name for name, entry in BASELINES.items() if not entry.exchanges])
def test_what_does_not_exchange_is_scored_as_well(name, outcome):
    nodes = 1 if BASELINES[name].family == "ceiling" else 4
    result = outcome(name, nodes=nodes)
    if name in {"gensim", "spark"} and "failed" in result:
        pytest.skip(result["failed"])
    assert np.isfinite(result["points"])
    assert (result["bytes"] > 0) == (BASELINES[name].family == "moved" or name in {"procrustes", "pca", "alir"})


@pytest.mark.parametrize("name", ["averaging-ring", "server-sync", "server-async", "gossip"])
def test_slow_cables_take_time(name, outcome):
    free, slow = outcome(name), outcome(name, bandwidth=1.0)
    assert slow["seconds"] > free["seconds"]
    if getattr(BASELINES[name].runner, "in_rounds", False):
        assert slow["points"] == free["points"]
        fast = outcome(name, bandwidth=50.0)
        assert fast["seconds"] == pytest.approx(free["seconds_at"]["50"])


def test_the_same_run_gives_the_same_result(material, outcome):
    def without_times(result: dict) -> dict:
        return {key: value for key, value in result.items() if "cpu" not in key}

    for name in ("gossip", "server-async", "adasum"):
        run = Run(baseline=name, nodes=4, alpha=0.05, rounds=ROUNDS, vector_size=SIZE, epochs=2, speed=2000.0)
        assert without_times(perform(run, material)) == without_times(outcome(name))


def test_no_node_is_further_ahead_than_the_staleness_bound(material):
    run = Run(baseline="server-async", nodes=3, alpha=0.02, rounds=20, vector_size=SIZE, event="slow", epochs=2)
    for bound in (0, 2):
        course = Course(run, material)
        events = Events(course, AsyncServer(course.replicas[0].model.weights.copy(), bound))
        lead, begin = [], events._begin

        def watch(node: int, events=events, lead=lead, begin=begin) -> None:
            before = events.course.replicas[node].trainer.trained
            slowest = min((events.known[n] for n in events._busy()), default=0)
            begin(node)
            if events.course.replicas[node].trainer.trained > before:
                lead.append(events.count[node] - slowest)

        events._begin = watch
        events.go()
        assert max(lead) == bound
        assert not any(replica.left for replica in course.replicas)


def test_what_a_dead_node_had_left_is_not_waited_for(material):
    course = Course(Run(baseline="adasum", nodes=2, alpha=0.05, rounds=4, vector_size=SIZE, epochs=2), material)
    course.train(0)
    done, every = course.progress()
    assert every == sum(replica.trainer.total for replica in course.replicas) > done > 0
    course.dead.add(0)
    assert course.progress() == (done, done + course.replicas[1].trainer.total)


def test_a_row_says_what_spark_lacks_here(outcome, monkeypatch):
    monkeypatch.setattr("compare.spark.find_spec", lambda _: None)
    assert "pip install '.[spark]'" in outcome("spark", nodes=1, seed=2)["failed"]
    monkeypatch.setattr("compare.spark.find_spec", lambda _: "here")
    monkeypatch.setattr("compare.spark.shutil.which", lambda _: None)
    assert "Java" in outcome("spark", nodes=1, seed=3)["failed"]


def test_steps_that_are_too_large_are_a_row_that_says_why(outcome):
    failed = outcome("server-async", alpha=50.0)
    assert failed == {"failed": "diverged: a value is not a finite number"}


# -- texts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["equal", "skewed"])
def test_parts_hold_every_word_once(material, text):
    parts = material.parts(4, text, seed=1)
    assert len(parts) == 4
    assert sorted(np.concatenate(parts)) == sorted(material.tokens)
    sizes = [len(part) for part in parts]
    assert max(sizes) < 1.1 * min(sizes)


def test_a_skewed_part_knows_few_topics(material):
    rows = [material.words.index(word) for word in TOPICS["music"] if word in material.words]
    equal, skewed = (
        [float(np.isin(part, rows).mean()) for part in material.parts(4, text, seed=1)] for text in ("equal", "skewed")
    )
    assert max(skewed) > 2 * min(skewed)
    assert max(equal) < 1.5 * min(equal)


def test_walks_keep_to_edges_that_are_not_hidden_and_are_judged_by_all(tmp_path):
    graph = make_graph(tmp_path)
    sentences = np.split(graph.tokens, np.flatnonzero(graph.tokens < 0))[:100]
    steps = {frozenset(pair) for walk in sentences for pair in itertools.pairwise(walk[walk >= 0].tolist())}
    row = {word: number for number, word in enumerate(graph.words)}
    hidden = {frozenset((row[p.one], row[p.other])) for p in graph.sets.pairs["edges"] if p.rating}
    assert len(steps) > 1000
    assert not steps & hidden
    assert {pair.rating for pair in graph.sets.pairs["communities"]} == {0.0, 1.0, 2.0}


def test_every_system_has_a_row_or_a_reason():
    for system in SYSTEMS:
        assert system.rows or system.why, system.name
        assert set(system.rows) <= BASELINES.keys(), system.name


# -- the search ---------------------------------------------------------------------------------------------


def test_the_search_goes_on_beyond_the_end_of_the_step_sizes(tmp_path, monkeypatch):
    def plant(run: Run, _: Material) -> dict:
        if run.alpha > 1:
            return {"failed": "diverged"}
        off = abs(np.log2(run.alpha / 0.8)) + abs(np.log2(run.rounds / 25))
        return {"points": -off, "bytes": 0, "seconds": 0.0}

    monkeypatch.setattr("compare.command.perform", plant)
    base = Run(baseline="one", nodes=4, alpha=0.05, rounds=1)
    plan = Plan(None, Results(tmp_path / "out"), base, until=float("inf"))
    plan.search("averaging-ring", base)
    best = plan.best_of("averaging-ring", base)
    assert (best.alpha, best.rounds) == (0.8, 25)
    assert {run.run.alpha for run in plan.results.lines.values()} == {0.05, 0.1, 0.2, 0.4, 0.8, 1.6}
    plan.search("averaging-star", base)  # the same mathematics: nothing is tried again
    assert plan.best_of("averaging-star", base) == replace(best, baseline="averaging-star")
    assert len(plan.results.lines) == 6 + 2 + 1
    plan.search("one", replace(base, nodes=1))
    plan.search("columns", base)
    assert plan.best_of("columns", base).alpha == plan.best_of("one", replace(base, nodes=1)).alpha == 0.8
    plan.until = 0.0
    plan.search("adasum", base)
    assert plan.best_of("adasum", base) is None


def test_what_is_settled_on_another_text_is_not_searched_for(tmp_path, monkeypatch):
    monkeypatch.setattr("compare.command.perform", lambda run, _: {"points": run.alpha, "bytes": 0, "seconds": 0.0})
    base = Run(baseline="one", nodes=8, alpha=0.025, rounds=1, corpus="long")
    found = replace(base, baseline="prefix", alpha=0.8, rounds=50, corpus="short")
    settled = Findings([Line(found, {"points": 1.0}), Line(replace(found, alpha=0.4), {"points": 2.0})], base)
    plan = Plan(None, Results(tmp_path / "out"), base, until=float("inf"), settled=settled)
    plan.search("prefix", base)
    tried = {(line.run.alpha, line.run.rounds, line.run.corpus) for line in plan.results.lines.values()}
    assert tried == {(0.4, 50, "long"), (0.2, 50, "long")}
    assert plan.best_of("prefix", base).alpha == 0.4


# -- results and the command --------------------------------------------------------------------------------


def test_half_a_line_is_cut_off_and_other_files_are_refused(tmp_path):
    path, run = tmp_path / "results.jsonl", Run(baseline="one", nodes=1, alpha=0.05, rounds=1)
    Results(path).add(run, {"points": 3.0})
    with path.open("a") as file:
        file.write('{"run": {"baseli')
    again = Results(path)
    assert again[run].points == 3.0
    again.add(replace(run, seed=2), {"failed": "no reason"})
    both = Results(path)
    assert [line.failed for line in both.lines.values()] == [None, "no reason"]
    path.write_text('{"other": 1}\n')
    with pytest.raises(ValueError, match=r"results\.jsonl, line 1 is not a result"):
        Results(path)


class Page(HTMLParser):
    """Counts elements, and whether something is taken from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.outside = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.outside += [value for name, value in attrs if name in ("src", "href")]


def compare(folder: Path, *more: str) -> subprocess.CompletedProcess:
    files = ("--out", str(folder / "out.jsonl"), "--page", str(folder / "page.html"))
    line = [sys.executable, str(TOOL), *files, *more]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_makes_a_page_and_runs_nothing_twice(tmp_path):
    small = ("--quick", "--sentences", "1500", "--epochs", "1", "--vector-size", "16", "--nodes", "2", "3")
    runs = ("--runs", "one", "averaging-ring", "averaging-star", "server-async", "alone")
    done = compare(tmp_path, *small, *runs)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    tried = [json.loads(line)["run"] for line in lines]
    ring = [run for run in tried if run["baseline"] == "averaging-ring" and run["nodes"] == 2]
    usual = [run for run in ring if run["event"] == "none" and run["text"] == "equal"]
    assert len({run["rounds"] for run in usual}) == 3
    assert 3 <= len({run["alpha"] for run in usual}) <= 6
    assert {run["event"] for run in ring} == set(EVENTS)
    page = Page((tmp_path / "page.html").read_text())
    assert page.tags.count("svg") == 6
    assert page.outside == []
    again = compare(tmp_path, *small, *runs)
    assert again.stdout.splitlines() == [str(tmp_path / "page.html")]
    assert (tmp_path / "out.jsonl").read_text().splitlines() == lines


def test_what_makes_no_sense_is_refused(tmp_path, capsys):
    for line, why in (
        ((), "give --quick for a generated text, --graph for a generated graph, or --corpus FILE"),
        (("--quick", "--settings", "5"), "is no setting; NEGATIVE/WINDOW"),
        (("--quick", "--nodes", "0"), "--nodes are 1 to 64"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main([*line, "--out", str(tmp_path / "out")])
        assert why in capsys.readouterr().err
    assert main(["--corpus", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert "needs something to judge by" in capsys.readouterr().err
