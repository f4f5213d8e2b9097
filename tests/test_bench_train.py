"""tools/bench_train.py as it is called, without the long text that would make its figures mean something."""

import re
import subprocess
import sys
from pathlib import Path

from gossipw2v.world import World

TOOL = Path(__file__).parent.parent / "tools" / "bench_train.py"


def test_it_trains_measures_and_scores(tmp_path):
    text, pairs = tmp_path / "text", tmp_path / "pairs"
    text.write_text("\n".join(World(seed=1).sentences(3_000, seed=1)))
    first, second, third = text.read_text().split()[:3]
    pairs.write_text(f"{first}\t{second}\t1.0\n{second}\t{third}\t2.0\n{first}\t{third}\t3.0\n")
    small = (
        "--sizes",
        "16",
        "--threads",
        "1",
        "--rounds",
        "1",
        "--wordsim",
        str(pairs),
        "--save",
        str(tmp_path / "out"),
    )
    files = ("--wordsim", str(pairs), "--save", str(tmp_path / "out"))
    line = [sys.executable, str(TOOL), str(text), *small, *files]
    done = subprocess.run(line, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    row = done.stdout.splitlines()[-1].split("|")
    speed, theirs, ratio = (re.search(r"[\d.]+", row[n]).group() for n in (3, 4, 5))
    assert float(ratio) > 0
    assert float(ratio) == round(float(ratio), 1)
    assert int(speed) > 0 < int(theirs)
    assert re.findall(r"^(\w+), 16 dimensions: wordsim -?[\d.]+$", done.stderr, re.M) == ["gossipw2v", "gensim"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"gossipw2v-16-1-1.txt", "gensim-16-1-1.txt"}
