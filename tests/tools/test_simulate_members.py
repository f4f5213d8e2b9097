"""tools/simulate_members at small scale: nobody who lives is taken for dead, deaths are noticed in time, dials few."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TOOL = Path(__file__).parents[2] / "tools" / "simulate_members.py"


def simulate(**options: float) -> tuple[int, dict[str, Any]]:
    """Exit code and result."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    done = subprocess.run([sys.executable, TOOL, "--json", *flags], capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, json.loads(done.stdout)


def test_on_bad_machines_nobody_is_taken_for_dead_and_the_dead_are_found():
    code, result = simulate(hours=4, nodes=16)
    assert code == result["false_deaths"] == result["unnoticed"] == 0
    noticed = result["noticed_seconds"]
    assert noticed.keys() == {"killed", "power lost", "left"}
    assert noticed["killed"]["p50"] <= 5
    assert noticed["power lost"]["p50"] <= 10
    assert result["dials_per_node_and_minute"] < 6


def test_on_good_machines_every_death_is_noticed_within_ten_seconds_and_a_goodbye_within_one():
    _, result = simulate(hours=5, nodes=32, stall_every=1e9, loss=0, reset_every=1e9)
    noticed = result["noticed_seconds"]
    assert noticed["power lost"]["max"] <= 10
    assert noticed["left"]["max"] <= 1


def test_who_stalls_for_longer_than_anybody_waits_is_taken_for_dead():
    """The measure measures."""
    code, result = simulate(hours=0.5, nodes=8, stall=60, stall_every=60)
    assert code == 1
    assert result["false_deaths"] > 0


def test_the_same_arguments_give_the_same_result():
    one, other = (simulate(hours=0.3, nodes=8, seed=5)[1] for _ in range(2))
    assert one | {"cpu_seconds": 0} == other | {"cpu_seconds": 0}
