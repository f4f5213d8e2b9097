"""Nodes as processes of another program: their settings, what they say of themselves, their end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.daemons import compile_once

from gossipw2v.api import process


@pytest.mark.slow
def test_settings_come_to_a_node_as_they_are(tmp_path: Path) -> None:
    compile_once()
    odd = tmp_path / 'a "folder" \\ ü'
    odd.mkdir()
    (odd / "text").write_text("one two three\n" * 50)
    given = {"corpus": [str(odd / "text")], "peers": "none", "listen": "127.0.0.1:0", "http": "127.0.0.1:0"}
    started = process.start(odd, {**given, "min_alpha": 1e-4, "until_complete": True, "min_count": 1})
    assert started.wait(90) == 0, (odd / "log").read_text()
    assert process.where(odd / "data")
    assert process.where(tmp_path) is None


def test_the_last_words_of_a_node_are_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / process.LOG).write_text("".join(f"line {number}\n" for number in range(100_000)))
    told = process.last_words("node 1", tmp_path, 3).splitlines()
    assert told[0] == "node 1 ended with exit code 3; its last words:"
    assert told[1:] == [f"line {number}" for number in range(100_000 - process.LOG_LINES, 100_000)]


def test_what_does_not_end_when_it_is_asked_is_made_to() -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        process.stop([started], 0.1)
        assert started.returncode == -signal.SIGKILL
