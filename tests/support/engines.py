"""What tests of engines share: rows of the generated world, the settings that learn it, and what has to come out."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gossipw2v.api import process
from gossipw2v.cli.showcase import examine
from gossipw2v.cli.synthetic import World
from gossipw2v.engines.worker import LEASE_SECONDS
from gossipw2v.node.storage.export import load_model
from support.daemons import AGREEMENT, PATIENCE, compile_once

NODES = 3
SENTENCES = 60_000
SETTINGS = {"vector_size": 32, "sample": 1e-3, "epochs": 8, "settle_seconds": 1.0, "checkpoint_interval": 1.0}
LONG = {**SETTINGS, "epochs": 60}  # so that there is time to kill something


def needs(module: str, extra: str) -> None:
    """Skip the tests of a file where a heavy library is not installed, or they are not asked for."""
    pytest.importorskip(module, reason=f"no {module} here (pip install 'gossipw2v[{extra}]')")
    asked_for()


def asked_for() -> None:
    """Skip tests that take minutes, unless a maintainer wants them."""
    if not os.environ.get("ENGINES"):
        pytest.skip("whole clusters take minutes; tools/engines runs them")
    compile_once()


@functools.cache
def rows(count: int = SENTENCES) -> list[str]:
    """Sentences of the world."""
    return list(World().sentences(count, seed=1))


def learned(words: Iterable[str], vectors: NDArray[np.float32]) -> float:
    """The share of planted analogies that come out."""
    scores = examine([([word.encode() for word in words], vectors)], World()).scores
    assert scores is not None
    return sum(score.right for score in scores.values()) / max(1, sum(score.asked for score in scores.values()))


def agree(data_dir: Path, numbers: Iterable[int] = range(1, NODES + 1), name: str = "node-{}") -> bool:
    """Whether nodes have left the same vectors in the folder of a plan."""
    models = [load_model(data_dir / name.format(number))[:2] for number in numbers]
    return examine([(words, weights[: len(words)]) for words, weights in models], None).difference <= AGREEMENT


def nodes_below(folder: Path) -> list[int]:
    """The processes of nodes that run, and keep their state in `folder` or below."""
    notes = [process.where(path.parent) for path in folder.rglob(process.NODE_FILE)]
    return [note["pid"] for note in notes if note is not None and _is_node(note["pid"])]


def _is_node(pid: int) -> bool:
    try:
        return b"gossipw2v" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for a condition. AssertionError."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{seconds:.0f} s have passed before {what}"
        time.sleep(0.05)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def driver_killed(script: str, folder: Path) -> None:
    """Run a driver, which knows `rows`, `LONG` and `data_dir`, and kill it half-way: no node may be left."""
    data = folder / "data"
    known = f"from support.engines import LONG, rows\nfrom pathlib import Path\ndata_dir = Path({str(data)!r})\n"
    path = folder / "driver.py"  # engines start processes that run it again
    path.write_text(known + "if __name__ == '__main__':\n" + textwrap.indent(script, "    "), "utf-8")
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with (folder / "log").open("wb") as log:
        driver = subprocess.Popen([sys.executable, str(path)], stdout=log, stderr=log, env=environ)
    try:
        until(
            lambda: len(list(data.glob("node-*/checkpoint-*[0-9]"))) >= NODES,
            f"all nodes train ({folder}/log)",
            3 * PATIENCE,
        )
    finally:
        driver.kill()
        driver.wait()
    until(lambda: not nodes_below(data), "the nodes have ended", LEASE_SECONDS + PATIENCE)
