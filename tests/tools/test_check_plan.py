"""What the plan says of traffic, against a small simulated swarm; and the picture of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from check_plan import Wanted, compared, main

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.mark.parametrize(
    "wanted", [Wanted(2, 3000, 16, 60_000, 0.0), Wanted(5, 4000, 16, 100_000, 0.0), Wanted(3, 4000, 24, 100_000, 6.0)]
)
def test_bytes_and_virtual_seconds_are_as_simulated(wanted):
    """The clock is virtual, so both follow from the seed and nothing else."""
    _, said, was = compared(wanted, seconds=11.0, text=None)
    assert 0.75 < said.sent / was.sent < 1.25
    assert 0.75 < said.seconds / was.seconds < 1.25


def test_a_line_says_how_far_off_the_plan_is(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check_plan", "--runs", "2,500,8,20000,0", "--seconds", "5"])
    assert main() == 0
    assert "N  2, 500 words of 8" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["check_plan", "--runs", "2,500"])
    with pytest.raises(SystemExit, match="2"):
        main()


def test_the_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    line = [
        sys.executable,
        str(TOOLS / "plot_plan.py"),
        "--words",
        "1e9",
        "--bandwidth",
        "100",
        "--save",
        str(tmp_path / "p.svg"),
    ]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "<svg" in (tmp_path / "p.svg").read_text()
