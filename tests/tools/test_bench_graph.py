"""The tool that measures graphs: that it measures, and compares with gensim."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.graphs import planted, write_edges

TOOL = Path(__file__).parents[2] / "tools" / "bench_graph.py"


def run(*arguments: object) -> str:
    command = [sys.executable, TOOL, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_says_what_reading_walking_and_training_took() -> None:
    printed = run("--random", 200, 900, "--p", 2)
    for what in ("read", "count", "walk", "walk and train 80,000 words"):
        assert re.search(rf"^{what}: \d+\.\d\d s of a core, at most [\d,]+ MiB", printed, re.MULTILINE), printed
    assert "edges=900" in printed or re.search(r"edges=8\d\d", printed)


def test_it_scores_both_on_the_same_walks(tmp_path: Path) -> None:
    pytest.importorskip("gensim")
    lines = planted(1)
    edges = write_edges(tmp_path / "edges", lines)
    nodes = sorted({name for line in lines for name in line.split()})
    labels = write_edges(tmp_path / "labels", [f"{name} {name.partition('-')[0]}" for name in nodes])
    printed = run(edges, "--labels", labels, "--window", 5, "--seeds", 1)
    found = re.search(r"window 5: gossipw2v ([\d.]+) \(.*\), gensim ([\d.]+) \(", printed)
    assert found, printed
    assert min(map(float, found.groups())) > 90
