"""A node as a process of its own, `gossipw2v start`, which another program starts, looks at and ends.

All of it is in a folder of that program: `node.toml` has the settings, `log` what the node says, `data` what it keeps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gossipw2v.config.options import PREFIX

SETTINGS, LOG, DATA, NODE_FILE = "node.toml", "log", "data", "node.json"
LOG_LINES = 15  # of its end, that are told
MOST_LOG_BYTES = 64 << 10  # of its end, that are looked at
STOP_SECONDS = 10.0  # within which a node that is told to stop does


def start(folder: Path, settings: Mapping[str, object], before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start a node in `folder`; `settings` are those of `gossipw2v start` with `_` for `-`, and hold alone.

    `before` is a command that runs the node's own, if any; its standard input is a pipe then. Signals of a terminal do
    not reach the node, so that it can be ended in order.
    """
    given = {"data_dir": str(folder / DATA), "log_format": "text", **settings}
    (folder / SETTINGS).write_text("".join(f"{name} = {_toml(value)}\n" for name, value in given.items()), "utf-8")
    command = [*before, sys.executable, "-m", "gossipw2v", "start", "--config", str(folder / SETTINGS)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    stdin = subprocess.PIPE if before else subprocess.DEVNULL
    with (folder / LOG).open("wb") as log:
        return subprocess.Popen(command, stdin=stdin, stdout=log, stderr=log, env=environ, start_new_session=True)


def _toml(value: object) -> str:
    """A value as TOML has it: JSON's numbers, texts and lists are the same there."""
    plain = value if isinstance(value, bool | int | float | list | tuple) else str(value)
    return json.dumps(plain, ensure_ascii=False)


def where(data: Path) -> dict[str, Any] | None:
    """What a node has written of itself: `pid`, `node` (its id), `listen` and `http` (HOST:PORT); None before that."""
    try:
        found = json.loads((data / NODE_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def last_words(name: str, folder: Path, code: int) -> str:
    """What to tell people of a node that has ended so, with the end of its log."""
    with (folder / LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - MOST_LOG_BYTES))
        lines = log.read().decode("utf-8", "replace").splitlines()
    return "\n".join([f"{name} ended with exit code {code}; its last words:", *lines[-LOG_LINES:]])


def stop(processes: Iterable[subprocess.Popen[bytes]], seconds: float = STOP_SECONDS) -> None:
    """End what still runs: first asked, then, after so many seconds for all, made to."""
    running = list(processes)
    for process in running:
        process.terminate()
    deadline = time.monotonic() + seconds
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
