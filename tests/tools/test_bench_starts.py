"""The tool that measures starts and new text: that it measures, and that the figures go the way they are told to."""

import re
import subprocess
import sys
from pathlib import Path

from support.daemons import write_texts

TOOL = Path(__file__).parents[2] / "tools" / "bench_starts.py"


def run(*arguments: object) -> str:
    command = [sys.executable, TOOL, *map(str, arguments), "--vector-size", "16"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_given_start_is_better_after_the_same_words(tmp_path: Path) -> None:
    printed = run(*write_texts(tmp_path, 2))
    rows = dict(re.findall(r"^(from nothing|word vectors|both) +([\d. ]+)$", printed, re.MULTILINE))
    nothing, word, both = (list(map(float, rows[name].split())) for name in ("from nothing", "word vectors", "both"))
    assert nothing[0] == word[0] > both[0]
    assert both[1] < word[1] < nothing[1]


def test_old_text_among_new_keeps_the_old(tmp_path: Path) -> None:
    printed = run(*write_texts(tmp_path, 2), "--further")
    lines = re.findall(r"^alpha from (0\.\d{4}), replay (0\.\d): old (\d\.\d{3}), new \d\.\d{3}$", printed, re.M)
    assert len(lines) == 9
    without, *some = [float(old) for alpha, _, old in lines if alpha == "0.0250"]
    assert max(some) < without
