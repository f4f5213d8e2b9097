"""What systemd is told of a daemon that runs, that stands still, and whose training is stuck; by a real socket."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.daemons import Daemons, write_texts

FED = b"WATCHDOG=1"
STUCK_DAEMON = """
import sys, threading
from gossipw2v.node import watch
from gossipw2v.w2v.kernels import sgns
from gossipw2v.cli.main import main

train, calls = sgns.sgns_train, []

def stuck(*given):
    calls.append(None)
    if len(calls) > 20:
        threading.Event().wait()
    return train(*given)

sgns.sgns_train = stuck
watch.STUCK = 3.0
main(sys.argv[1:])
"""


class Manager:
    """Listens to what a service says to systemd."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))

    def hears(self, line: bytes, seconds: float) -> bool:
        """Whether a line comes within so many seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if line in self.socket.recv(10_000).split(b"\n"):
                    return True
            except TimeoutError:
                return False
        return False

    def forget(self) -> None:
        """Pass over what has been said so far."""
        while self.hears(FED, 0.01):
            pass


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.socket.close()


def service(manager: Manager, program: tuple[str, ...], argv: list[str], env: dict[str, str], **kw: Any) -> Any:
    """Start a daemon as systemd does, by another `program` than `python -m gossipw2v`."""
    environ = {**env, "NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "2000000"}
    return subprocess.Popen([sys.executable, *program, *argv[3:]], env=environ, **kw)


def test_a_daemon_feeds_the_watchdog_for_as_long_as_it_runs(manager: Manager, tmp_path: Path) -> None:
    (text,) = write_texts(tmp_path, 1)
    with Daemons(tmp_path) as swarm:
        popen = partial(service, manager, ("-m", "gossipw2v"))
        node = swarm.start(text, popen=popen, until_complete=False)
        assert manager.hears(b"READY=1", 60)
        assert all(manager.hears(FED, 30) for _ in range(3))
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        manager.forget()
        assert not manager.hears(FED, 3)
        node.process.send_signal(signal.SIGCONT)
        assert manager.hears(FED, 30)
        assert node.end(signal.SIGTERM) == 0


def test_a_daemon_whose_training_is_stuck_does_not(manager: Manager, tmp_path: Path) -> None:
    (text,) = write_texts(tmp_path, 1)
    with Daemons(tmp_path) as swarm:
        popen = partial(service, manager, ("-c", STUCK_DAEMON))
        node = swarm.start(text, popen=popen, epochs=1000)
        assert manager.hears(FED, 60)
        status = node.until(lambda s: s["stuck"])
        assert re.search("no step forward in training", status["stuck"])
        manager.forget()
        assert not manager.hears(FED, 4)
        assert node.status()["state"] == "training"  # the event loop is well, and that is not enough
        assert node.end(signal.SIGABRT) == -signal.SIGABRT  # by which systemd ends it
        assert re.search(r"Fatal Python error: Aborted.*in stuck\b", node.log(), re.DOTALL)
