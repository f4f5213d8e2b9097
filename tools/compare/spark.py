"""MLlib's Word2Vec on Spark, which many have at hand: all text, two threads and two partitions of one machine.

It trains skip-gram by hierarchical softmax, without subsampling, each partition apart, and merges the partitions after
each pass. Needs pyspark (`pip install '.[spark]'`) and Java; it runs in a process of its own, for a bounded time.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from compare.course import bytes_of
from compare.network import Traffic
from compare.pooled import write_lines
from compare.real.hosts import FailedError
from compare.runs import Run
from compare.texts import Material

PARTITIONS = 2
LONGEST = 300.0  # s
LAST_WORDS = 300  # characters of what Spark has said
JOB = Path(__file__).with_name("spark_job.py")


def run_spark(run: Run, material: Material) -> dict[str, Any]:
    """Its result; what this machine took is in `words_per_second` and `words_per_cpu_second` alone. FailedError says
    why there is none."""
    if find_spec("pyspark") is None:
        raise FailedError("pyspark is not installed here: pip install '.[spark]'")
    if shutil.which("java") is None:
        raise FailedError("Spark needs Java, which is not installed here")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_lines(material, folder / "text")
        settings = {name: getattr(run, name) for name in ("vector_size", "window", "alpha", "epochs", "seed")}
        (folder / "settings.json").write_text(json.dumps({**settings, "partitions": PARTITIONS}), encoding="utf-8")
        _perform(folder)
        return _result(run, material, folder)


def _perform(folder: Path) -> None:
    try:
        done = subprocess.run(
            [sys.executable, str(JOB), str(folder)], capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"Spark was not done after {LONGEST:.0f} s") from error
    if done.returncode:
        raise FailedError(f"Spark ended with {done.returncode}: {' '.join(done.stderr[-LAST_WORDS:].split())}")


def _result(run: Run, material: Material, folder: Path) -> dict[str, Any]:
    took = json.loads((folder / "took.json").read_text())
    place = {word: row for row, word in enumerate(json.loads((folder / "words.json").read_text("utf-8")))}
    vectors = np.load(folder / "vectors.npy")[[place[word] for word in material.words]]
    trained = int(material.vocab.counts.sum()) * run.epochs
    return {
        **material.scores(vectors), "apart": 0.0, "seconds": trained / run.speed, "stall": 0.0, "trained": trained,
        "pairs": 0.0, "words_per_cpu_second": trained / max(took["cpu"], 1e-9), "curve": [],
        "words_per_second": trained / max(took["seconds"], 1e-9), **bytes_of(Traffic()),
    }  # fmt: skip
