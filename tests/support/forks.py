"""Daemons forked from a process that has loaded everything: a start imports nothing and loads no kernel.

They are processes as any other, with sockets and files of their own. Tests of starts, of limits and of the environment
start commands instead.
"""

import atexit
import ctypes
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.02  # between two looks whether a daemon has ended
CLONE_NEWNET = 0x40000000  # of <sched.h>
COMMAND = [sys.executable, "-m", "gossipw2v"]


class Nursery:
    """The process that forks: a line of JSON asks for something, and one answers."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, "-P", __file__], stdin=pipe, stdout=pipe, text=True)
        self._lock = threading.Lock()
        atexit.register(self.close)

    def ask(self, **question: Any) -> int | None:
        """The pid of a daemon that was started, or the exit code of one, None while it lives."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            print(json.dumps(question), file=self._process.stdin, flush=True)
            answer: int | None = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it; daemons live on."""
        self._process.communicate()


nursery = functools.cache(Nursery)


class Forked:
    """As much of `subprocess.Popen` as tests of daemons use."""

    def __init__(
        self, args: list[str], *, stdout: Any, stderr: Any, env: dict[str, str], cwd: Path, namespace: str = ""
    ) -> None:
        """`namespace`: of the network that it is to be in; this process's, if none is given."""
        assert args[: len(COMMAND)] == COMMAND
        assert stdout is stderr
        self.args, self.returncode = args, None
        pid = nursery().ask(
            start=args[len(COMMAND) :],
            log=str(Path(stdout.name).absolute()),
            env=env,
            cwd=str(Path(cwd).absolute()),
            namespace=namespace,
        )
        assert pid is not None
        self.pid: int = pid

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = nursery().ask(poll=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            time.sleep(LOOK_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:  # its number belongs to it until it has been waited for
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def enter(namespace: str) -> None:
    """Move the thread that calls this, and no other, to a namespace of the network. OSError."""
    with Path("/run/netns", namespace).open("rb") as place:
        if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")


# --- the process that forks -----------------------------------------------------------------------------


def serve() -> None:
    """Answer until nobody asks any more. In a daemon it raises what ends that."""
    for line in sys.stdin:
        question = json.loads(line)
        answer = _started(**question) if "start" in question else _ended(question["poll"])
        print(json.dumps(answer), flush=True)


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _started(start: list[str], log: str, env: dict[str, str], cwd: str, namespace: str) -> int:
    if pid := os.fork():
        return pid
    if namespace:
        enter(namespace)
    file, nothing = os.open(log, os.O_WRONLY | os.O_APPEND), os.open(os.devnull, os.O_RDONLY)
    for stream, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(stream, target)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    from gossipw2v.cli.main import main

    return main(start)  # it raises what ends the daemon


def load() -> None:
    """What every daemon loads."""
    from gossipw2v.system.launch import prepare_machine, uncollected

    prepare_machine()
    with uncollected():
        from gossipw2v.node import daemon  # noqa: F401
        from gossipw2v.w2v.warmup import warm_up

        warm_up(8)


if __name__ == "__main__":
    load()
    serve()
