"""A node is told to end, by whatever signal and at whatever moment: it ends in order and keeps what it trained."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.daemons import STOP_SECONDS, Daemon, Daemons, addresses, write_texts

ENDING = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path, subprocess.Popen) as daemons:
        yield daemons


def hearing(*args: Any, ignored: tuple[signal.Signals, ...] = (), **kw: Any) -> "subprocess.Popen[Any]":
    """A process that hears every signal but those `ignored`, whatever the tests themselves were started to ignore."""

    def prepare() -> None:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    return subprocess.Popen(*args, preexec_fn=prepare, **kw)  # noqa: PLW1509 (nothing here has threads)


def checkpoints(node: Daemon) -> list[str]:
    return [path.name for path in node.data.glob("checkpoint-*[0-9]")]


def training(swarm: Daemons, tmp_path: Path, popen: Any = hearing, **options: Any) -> Daemon:
    """A node that trains for as long as it is let, and has kept nothing yet."""
    text = write_texts(tmp_path, 1)[0]
    node = swarm.start(text, popen, epochs=10_000, checkpoint_interval=3600, **options)
    node.until(lambda s: s["state"] == "training" and s["progress"]["trained_tokens"] > 0)
    return node


def compilers() -> dict[int, int]:
    """The processes that compile kernels now, of other tests too, and their parents."""
    command = ["ps", "-eo", "pid,ppid,args"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    lines = [line.split() for line in found if "gossipw2v.node.compiler" in line]
    return {int(pid): int(parent) for pid, parent, *_ in lines}


@pytest.mark.parametrize("number", ENDING)
def test_while_kernels_are_compiled_probes_are_answered_and_signals_obeyed(
    swarm: Daemons, tmp_path: Path, number: signal.Signals
) -> None:
    cache = str(tmp_path / "cache")
    popen = partial(with_environ, NUMBA_CACHE_DIR=cache)
    node = swarm.start(write_texts(tmp_path, 1)[0], popen, until_complete=False)
    waited = node.until(lambda s: s["state"] == "compiling")
    assert waited["failure"] is None
    assert (probe(node, "/healthz"), probe(node, "/readyz")) == (200, 503)
    own = {pid for pid, parent in compilers().items() if parent == node.process.pid}
    assert own
    assert node.end(number, STOP_SECONDS) == 0
    assert not own & compilers().keys()
    assert "Traceback" not in node.log()
    assert not list(Path(cache).glob("compiled-*"))  # a start that was broken off is no warm one


def with_environ(*args: Any, env: dict[str, str], **kw: Any) -> "subprocess.Popen[Any]":
    own = {name: kw.pop(name) for name in list(kw) if name.isupper()}
    return hearing(*args, env={**env, **own}, **kw)


def probe(node: Daemon, path: str) -> int:
    """The status code of what an orchestrator asks, as barely as it may."""
    host, _, port = node.where["http"].rpartition(":")
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return int(sock.makefile("rb").readline().split()[1])


def test_an_interpreter_that_starts_ends_at_once_and_without_a_word(swarm: Daemons, tmp_path: Path) -> None:
    text = write_texts(tmp_path, 1)[0]
    for tenths in range(0, 24, 3):
        node = swarm.start(text, hearing, epochs=10_000)
        time.sleep(tenths / 10)
        code = node.end(ENDING[tenths % 3], STOP_SECONDS)
        assert code == 0 or (code == -ENDING[tenths % 3] and not node.log())  # before the command is there
        assert "Traceback" not in node.log()


@pytest.mark.parametrize("number", ENDING)
def test_a_node_that_gathers_or_waits_ends(swarm: Daemons, tmp_path: Path, number: signal.Signals) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], hearing, peers=addresses(1)[0], min_peers=1)
    node.until(lambda s: s["state"] == "gathering")
    assert node.end(number, STOP_SECONDS) == 0


@pytest.mark.parametrize("number", ENDING)
def test_what_was_trained_is_kept(swarm: Daemons, tmp_path: Path, number: signal.Signals) -> None:
    node = training(swarm, tmp_path)
    assert node.end(number, STOP_SECONDS) == 0
    assert checkpoints(node)
    assert node.model()[2]["complete"] is False


def test_signals_that_come_again_and_again_break_nothing(swarm: Daemons, tmp_path: Path) -> None:
    node = training(swarm, tmp_path)
    for number in [*ENDING, *ENDING, *ENDING]:
        node.process.send_signal(number)
        time.sleep(0.02)
    assert node.end(signal.SIGINT, STOP_SECONDS) == 0
    assert checkpoints(node)
    assert "Traceback" not in node.log()


def test_under_nohup_a_closing_terminal_is_not_heard(swarm: Daemons, tmp_path: Path) -> None:
    node = training(swarm, tmp_path, partial(hearing, ignored=(signal.SIGHUP,)))
    node.process.send_signal(signal.SIGHUP)
    before = node.status()["progress"]["trained_tokens"]
    node.until(lambda s: s["progress"]["trained_tokens"] > before)
    assert node.end(signal.SIGTERM, STOP_SECONDS) == 0


def test_a_terminal_that_is_gone_takes_nothing_along(swarm: Daemons, tmp_path: Path) -> None:
    """As when ssh breaks: all three streams lead nowhere, and SIGHUP comes."""
    there, here = os.openpty()

    def on_terminal(*args: Any, **kw: Any) -> "subprocess.Popen[Any]":
        return hearing(*args, **{**kw, "stdin": here, "stdout": here, "stderr": here})

    node = training(swarm, tmp_path, on_terminal)
    os.close(here)
    os.close(there)
    assert node.end(signal.SIGHUP, STOP_SECONDS) == 0
    assert checkpoints(node)


@pytest.mark.parametrize("closed", [(0, 1, 2), (0,), (1,), (2,), (0, 2)])
def test_closed_streams_harm_nobody(swarm: Daemons, tmp_path: Path, closed: tuple[int, ...]) -> None:
    def without(argv: list[str], **kw: Any) -> "subprocess.Popen[Any]":
        line = 'exec "$@" ' + " ".join(f"{number}>&-" for number in closed)
        return hearing(["sh", "-c", line, "sh", *argv], **kw)

    node = swarm.start(write_texts(tmp_path, 1)[0], without, epochs=3)
    assert node.end() == 0
    assert checkpoints(node)
