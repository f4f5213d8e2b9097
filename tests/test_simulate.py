"""tools/simulate on a small generated text: a swarm learns what one node learns, and what was run is not run again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gossipw2v.world import World

TOOL = Path(__file__).parent.parent / "tools" / "simulate.py"


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("simulate") / "text"
    with path.open("w") as file:
        file.writelines(World(seed=1).sentences(20_000, seed=1))
    return path


def simulate(text: Path, *more: str, others: tuple[Path, ...] = ()) -> subprocess.CompletedProcess:
    small = ("--vector-size", "32", "--epochs", "2", "--seconds", "6", "--exchanges", "60")
    line = [sys.executable, str(TOOL), str(text), *map(str, others), *small, "--folder", str(text.parent), *more]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
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
