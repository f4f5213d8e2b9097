"""tools/simulate on a small generated text: a swarm learns what one node learns, and what was run is not run again."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from gossipw2v.cli.synthetic import World

TOOL = Path(__file__).parents[2] / "tools" / "simulate.py"


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("simulate") / "text"
    with path.open("w") as file:
        file.writelines(World(seed=1).sentences(20_000, seed=1))
    return path


def simulate(text: Path, *more: str, others: tuple[Path, ...] = (), code: int = 0) -> subprocess.CompletedProcess:
    small = ("--vector-size", "32", "--epochs", "2", "--seconds", "6", "--exchanges", "60")
    line = [sys.executable, str(TOOL), str(text), *map(str, others), *small, "--folder", str(text.parent), *more]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr
    return done


def results(path: Path) -> list[dict]:
    return [json.loads(line)["result"] for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def one_and_four(text) -> Path:
    """The results of one node, and of four."""
    out = text.with_name("one-and-four.jsonl")
    simulate(text, "--nodes", "1", "4", "--out", str(out))
    return out


def test_a_swarm_comes_to_one_nodes_loss_and_agrees(one_and_four):
    one, four = results(one_and_four)
    assert (one["exchanges"], one["most"], one["apart"]) == (0, 0, 0)
    assert four["apart"] < 1e-3
    assert 50 <= four["training_exchanges"] <= 63  # a look at the clock may come early
    assert four["depth"] == 2
    assert four["most"] > 0
    assert abs(four["held_out_loss"] - one["held_out_loss"]) < 0.05 * one["held_out_loss"]


def test_what_was_run_is_not_run_again(text, one_and_four):
    before = one_and_four.read_bytes()
    again = simulate(text, "--nodes", "1", "4", "--out", str(one_and_four))
    assert one_and_four.read_bytes() == before
    assert again.stdout.count("\n") == 2


def test_the_same_arguments_give_the_same_bits(text, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    events = ("--events", "0.3:kill:n2", "0.5:join:n3", "0.7:leave:n1", "--jitter", "0.05", "--loss", "0.05")
    for out in (first, second):
        simulate(text, "--nodes", "5", *events, "--bandwidth", "20", "--delay", "0.02", "--out", str(out))
    (one,), (other,) = results(first), results(second)
    for result in (one, other):
        del result["cpu_seconds"], result["kernel_share"]
    assert one == other
    assert one["apart"] < 1e-3
    assert one["nodes"] == 3


def test_other_rules_do_worse(text, one_and_four, tmp_path):
    out = tmp_path / "out.jsonl"
    simulate(text, "--nodes", "4", "--rules", "mean", "adasum", "--out", str(out))
    (_, ours), (mean, adasum) = results(one_and_four), results(out)
    for each in (mean, adasum):
        assert each["apart"] < 1e-3
        assert each["held_out_loss"] > ours["held_out_loss"]


def test_one_node_trains_all_texts_that_there_are(text, one_and_four, tmp_path):
    other = tmp_path / "other"
    other.write_text("".join(World(seed=2).sentences(20_000, seed=1)))
    simulate(text, "--nodes", "1", "--out", str(tmp_path / "both.jsonl"), others=(other,))
    both, one = results(tmp_path / "both.jsonl")[0], results(one_and_four)[0]
    assert both["held_out_loss"] < 1.1 * one["held_out_loss"]


def test_settings_of_the_job_make_another_scenario(text, one_and_four, tmp_path):
    out = tmp_path / "out.jsonl"
    first = one_and_four.read_text().splitlines()[0]
    out.write_text(first + "\n")
    many = ("--nodes", "1", "--window", "9", "--negative", "7", "--alpha", "0.05", "--sg", "0", "--out", str(out))
    done, again = simulate(text, *many), simulate(text, *many)
    usual, other = map(json.loads, out.read_text().splitlines())
    settings = {"window": 9, "negative": 7, "alpha": 0.05, "sg": 0}
    assert other["scenario"] == usual["scenario"] | settings
    assert usual["scenario"] | {"window": 5, "negative": 5, "alpha": 0.025, "sg": 1} == usual["scenario"]
    assert " window 9 negative 7 alpha 0.05 sg 0 seed 1: " in done.stdout
    assert again.stdout == done.stdout
    assert other["result"]["held_out_loss"] < 8 * math.log(2)  # of eight outputs of a pair; that of no training
    assert other["result"]["held_out_loss"] > usual["result"]["held_out_loss"]  # which has six


@pytest.mark.parametrize("name", ["window", "negative", "alpha", "sg"])
def test_each_setting_reaches_the_training(text, one_and_four, tmp_path, name):
    value, out = {"window": "2", "negative": "2", "alpha": "0.1", "sg": "0"}[name], tmp_path / "out.jsonl"
    done = simulate(text, "--nodes", "1", f"--{name}", value, "--out", str(out))
    assert f" {name} {value} seed 1: " in done.stdout
    assert results(out)[0]["loss"] != results(one_and_four)[0]["loss"]


def test_results_from_before_a_setting_could_be_given_are_those_of_its_default(text, one_and_four, tmp_path):
    old = json.loads(one_and_four.read_text().splitlines()[0])
    for name in ("window", "negative", "alpha", "sg"):
        del old["scenario"][name]
    out = tmp_path / "old.jsonl"
    out.write_text(json.dumps(old) + "\n")
    done = simulate(text, "--nodes", "1", "--out", str(out))
    assert len(results(out)) == 1
    assert "window" not in done.stdout


def test_a_setting_that_the_job_does_not_take_is_refused(text):
    done = simulate(text, "--window", "0", code=2)
    assert "argument --window: 0 is out of bounds: 1 to 255" in done.stderr
