"""Hosts of a real run: network namespaces with a cable each. Root makes them; where it cannot, a row says why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

LAST_WORDS = 300  # characters of a log
REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.append(str(REPOSITORY / "tests"))  # whose helper makes namespaces

from support.netns import Netns, netns_available  # noqa: E402


class NoHostsError(RuntimeError):
    """There can be no real runs here; the text says why."""


class FailedError(RuntimeError):
    """A real run has come to nothing; the text says why."""


def told(who: str, code: int, log: Path) -> str:
    """How a process has ended that should not have, with its last words."""
    words = log.read_text("utf-8", "replace")[-LAST_WORDS:].split()
    return f"{who} ended with {code}: {' '.join(words)}"


@cache
def why_not() -> str | None:
    """Why there can be no hosts here; None if there can."""
    return netns_available()


@contextmanager
def hosts(number: int, megabits: float) -> Iterator[Netns]:
    """So many hosts, each with a cable of so many Mbit/s each way (0: as fast as it goes). NoHostsError."""
    if (why := why_not()) is not None:
        raise NoHostsError(why)
    with Netns(number) as net:
        try:
            for host in range(number) if megabits else ():
                net.cable(host, megabits)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NoHostsError(f"cables cannot be made narrow here: {getattr(error, 'stderr', error)}") from error
        yield net


def start(net: Netns, host: int, argv: list[str], log: Path) -> subprocess.Popen[Any]:
    """Start a Python program on a host, with the tools and the package importable; it ends with the hosts."""
    paths = [str(REPOSITORY / "tools"), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with log.open("ab") as file:
        return net.popen(host, [sys.executable, *argv], stdout=file, stderr=file, env=environ, cwd=log.parent)
