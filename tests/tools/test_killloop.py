"""Fifty times kill -9 on a real node: nothing unreadable, nothing older than before, the next goes on from it."""

import re
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "killloop.py"


def test_fifty_kills_leave_no_unreadable_state() -> None:
    command = [sys.executable, str(TOOL), "--times", "50", "--lanes", "2", "--seed", "50", "--warm", "0.8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unreadable states: 0" in done.stdout
    told = {text: int(number) for number, text in re.findall(r"(\d+) (kills|times asked|before anything)", done.stdout)}
    assert told["kills"] == 50
    assert told["times asked"] >= 10  # else hardly one had anything to go on from
    assert told["before anything"] < 25
