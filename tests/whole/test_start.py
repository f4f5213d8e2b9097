"""Starts under odd circumstances: names to listen on, users without a home, limits, peers that are not there."""

import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.daemons import Daemon, Daemons, Popen, addresses, write_texts

NOBODY = 45_678  # a user id that no system knows


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path, subprocess.Popen) as daemons:
        yield daemons


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_texts(tmp_path, 1, 400)[0]


def told(node: Daemon) -> str:
    """The last line of its log, which has no traceback."""
    log = node.log()
    assert "Traceback" not in log
    return log.splitlines()[-1]


# --- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", socket.gethostname()])
@pytest.mark.parametrize("peers", ["none", "auto"])
def test_a_node_listens_by_name(swarm: Daemons, text: Path, name: str, peers: str) -> None:
    node = swarm.start(text, listen=f"{name}:0", peers=peers, job=f"names-{os.getpid()}")
    host = node.address.rpartition(":")[0]
    assert host in {str(answer[4][0]) for answer in socket.getaddrinfo(name, None)}
    assert node.end() == 0
    assert "Traceback" not in node.log()


def test_nodes_meet_by_name(swarm: Daemons, text: Path) -> None:
    port = addresses(1)[0].rpartition(":")[2]
    one = swarm.start(text, listen=f"localhost:{port}", peers="none", until_complete=False)
    one.until(lambda s: s["state"] == "complete")
    swarm.start(text, listen="localhost:0", peers=f"localhost:{port}", min_peers=1)
    assert swarm.all[1].end() == 0
    assert len(one.until(lambda s: len(s["members"]) == 2)["members"]) == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [("listen", "no-such-host.invalid:0"), ("listen", "192.0.2.1:0"), ("listen", "[fe80::1]:0"),
     ("listen", f"{'a.' * 120}x:0"), ("listen", "..:0"), ("listen", "a..b:0")],
)  # fmt: skip
def test_where_a_node_cannot_listen_is_told_in_a_line(swarm: Daemons, text: Path, option: str, value: str) -> None:
    node = swarm.start(text, **{option: value})
    assert node.end() in (2, 74)
    assert f"--{option}" in node.log()
    told(node)


@pytest.mark.parametrize("listen", ["[::]:0", "0.0.0.0:0", "127.0.0.1:0", "[::1]:0"])
def test_looking_for_others_where_there_is_no_way_writes_no_traceback(swarm: Daemons, text: Path, listen: str) -> None:
    node = swarm.start(text, listen=listen, peers="auto", job=f"ways-{os.getpid()}", settle_seconds=2)
    assert node.end() == 0
    told(node)


# --- users and folders ----------------------------------------------------------------------------------


def as_nobody(
    *args: Any, env: dict[str, str], change: dict[str, str | None], most: int | None = None, **kw: Any
) -> "subprocess.Popen[Any]":
    """A process of a user that no system knows, as containers have; without a home, or with that of `change`.

    `most`: threads that the user may have.
    """
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("it takes root and setpriv to be another user")
    given = {name: value for name, value in env.items() if name not in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    given.pop("NUMBA_CACHE_DIR", None)
    argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *args[0]]
    argv = argv if most is None else ["prlimit", f"--nproc={most}", *argv]
    changed = {name: value for name, value in change.items() if value is not None}
    return subprocess.Popen(argv, env={**given, **changed}, **kw)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody may write to, with a text in it."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own are closed to others
        folder = Path(name)
        write_texts(folder, 1, 400)
        for number in (1, 2, 3):
            (folder / f"node{number}").mkdir()
        open_to_all(folder)
        yield folder


@pytest.fixture
def cache(shared: Path) -> Path:
    """The compiled kernels, in that folder."""
    copy = shared / "cache"
    unfinished = shutil.ignore_patterns(".*")  # which other processes of the tests write just now
    shutil.copytree(os.environ["NUMBA_CACHE_DIR"], copy, ignore=unfinished)
    open_to_all(copy)
    return copy


def open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)


def test_a_user_without_a_home_needs_a_data_folder_and_a_cache_alone(shared: Path, cache: Path) -> None:
    with Daemons(shared) as daemons:
        change: dict[str, str | None] = {"NUMBA_CACHE_DIR": str(cache)}
        node = daemons.start(shared / "text1", partial(as_nobody, change=change))
        assert node.end() == 0
        told(node)


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({}, 2, "--data-dir"),
        ({"HOME": "/"}, 74, "--data-dir /.local"),
        ({"HOME": "/nonexistent"}, 74, "--data-dir /non"),
    ],
)
def test_a_user_without_a_data_folder_is_told_what_to_set(
    shared: Path, change: dict[str, str | None], code: int, named: str
) -> None:
    text = shared / "text1"
    argv = [sys.executable, "-m", "gossipw2v", "start", "--corpus", str(text), "--peers", "none"]
    done = as_nobody(argv, env=dict(os.environ), change=change, stderr=subprocess.PIPE, cwd="/")
    error = done.communicate(timeout=60)[1].decode()
    assert done.returncode == code
    assert named in error
    assert "Traceback" not in error


@pytest.mark.parametrize("what", ["a file", "below a file", "of another"])
def test_a_data_folder_that_cannot_be_written_is_told_in_a_line(shared: Path, what: str) -> None:
    text = shared / "text1"
    (shared / "other").mkdir(mode=0o755)
    folder = {"a file": text, "below a file": text / "data", "of another": shared / "other"}[what]
    argv = [sys.executable, "-m", "gossipw2v", "start", "--corpus", str(text), "--data-dir", str(folder)]
    done = as_nobody(argv, env=dict(os.environ), change={"HOME": "/"}, stderr=subprocess.PIPE, cwd="/")
    error = done.communicate(timeout=60)[1].decode()
    assert (done.returncode, len(error.splitlines())) == (74, 1)
    assert f"--data-dir {folder}: cannot be written" in error


# --- limits ---------------------------------------------------------------------------------------------


def limited(kind: int, amount: int) -> Popen:
    def start(*args: Any, **kw: Any) -> "subprocess.Popen[Any]":
        def limit() -> None:
            resource.setrlimit(kind, (amount, amount))

        return subprocess.Popen(*args, preexec_fn=limit, **kw)  # noqa: PLW1509 (nothing here has threads)

    return start


@pytest.mark.parametrize("kind", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
@pytest.mark.parametrize("mebibytes", [200, 400, 600])
def test_limits_that_leave_no_room_for_the_program_are_told_at_once(
    swarm: Daemons, text: Path, kind: int, mebibytes: int
) -> None:
    node = swarm.start(text, limited(kind, mebibytes << 20))
    assert node.end() == 74
    assert len(node.log().splitlines()) == 1
    assert "not enough memory: ulimit -" in told(node)


@pytest.mark.parametrize("kind", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_a_model_that_does_not_fit_into_a_limit_is_refused_with_the_arithmetic(
    swarm: Daemons, tmp_path: Path, kind: int
) -> None:
    text = tmp_path / "many"
    text.write_text("".join(f"{n} {n + 1} {n + 2}\n" for n in range(0, 60_000, 3)))
    node = swarm.start(text, limited(kind, 1200 << 20), vector_size=4096, min_count=1)
    assert node.end() == 2
    assert "rows x (4096 floats of 4 bytes + 8)" in told(node)


def test_a_small_model_trains_within_a_limit(swarm: Daemons, text: Path) -> None:
    node = swarm.start(text, limited(resource.RLIMIT_AS, 1000 << 20), threads=4)
    assert node.end() == 0
    told(node)


def test_threads_that_cannot_be_started_are_told_in_a_line(shared: Path, cache: Path) -> None:
    with Daemons(shared) as daemons:
        change: dict[str, str | None] = {"NUMBA_CACHE_DIR": str(cache)}
        for number in (1, 4, 8):
            node = daemons.start(shared / "text1", partial(as_nobody, change=change, most=number))
            assert node.end() == 74
            assert "threads can be started" in told(node)


# --- peers that are not there ---------------------------------------------------------------------------


def test_a_node_that_waits_says_at_once_for_what_and_for_whom(swarm: Daemons, text: Path) -> None:
    silent = addresses(1)[0]
    peers = f"no-such-host.invalid:7411,{silent}"
    node = swarm.start(text, peers=peers, min_peers=2)
    status = node.until(lambda s: s["waiting"] and len(s["waiting"]["unanswered"]) == 2)
    waiting = status["waiting"]
    assert waiting["for"] == "2 other nodes to count with (min_peers), of which 0 are there"
    assert waiting["unanswered"][silent] == "Connection refused"
    assert waiting["found"] == []
    problem = node.until(lambda s: s["problems"])["problems"][0]
    assert "--peers no-such-host.invalid:7411: " in problem
    node.says("waiting for 2 other nodes.*no-such-host.*waiting for 2 other nodes")
    shown = subprocess.run(
        [sys.executable, "-m", "gossipw2v", "status", "--url", node.url], capture_output=True, text=True, check=True
    )
    assert "waiting for 2 other nodes to count with (min_peers)" in shown.stdout
    assert f"no answer from {silent}: Connection refused" in shown.stdout


def test_who_is_refused_and_who_is_there_is_told(swarm: Daemons, text: Path) -> None:
    """The one dials the third: whoever dials in is told apart by its host alone, and a welcome there ends a refusal."""
    meeting, welcome, silent = addresses(3)
    third = swarm.start(text, listen=welcome, peers=silent, min_peers=2)
    one = swarm.start(text, listen=meeting, peers=welcome, min_peers=2)
    other = swarm.start(text, peers=meeting, min_peers=2, window=3)
    refused = other.until(lambda s: s["waiting"] and s["waiting"]["refused"])["waiting"]["refused"]
    assert "window is" in refused[meeting]
    waiting = one.until(lambda s: s["waiting"]["refused"] and s["waiting"]["found"])["waiting"]
    assert "window is" in waiting["refused"]["127.0.0.1"]
    assert [each["node"] for each in waiting["found"]] == [third.where["node"]]
    assert "of which 1 are there" in waiting["for"]


def test_a_node_that_waits_is_alive_and_not_ready(swarm: Daemons, text: Path) -> None:
    node = swarm.start(text, peers=addresses(1)[0], min_peers=1)
    node.until(lambda s: s["state"] == "gathering")
    assert [probe(node, path) for path in ("/healthz", "/readyz")] == [200, 503]


@pytest.mark.parametrize("kind", [{"peers": "none", "epochs": 300}, {"peers": "auto", "epochs": 50}])
def test_no_probe_finds_a_node_dead_from_its_first_answer_to_its_last(
    swarm: Daemons, tmp_path: Path, kind: dict[str, Any]
) -> None:
    place = addresses(1)[0]
    node = swarm.start(write_texts(tmp_path, 1)[0], http=place, job=f"probe-{os.getpid()}", **kind)
    answers = list(asked(node, place, "/healthz", lambda: node.process.poll() is not None))
    assert node.end() == 0
    assert set(answers) == {200}


def asked(node: Daemon, place: str, path: str, over: Callable[[], bool]) -> Iterator[int]:
    """Every status code until it is `over`; nothing where nobody listens yet, or any more."""
    while not over():
        try:
            yield ask(place, path)
        except (OSError, IndexError):
            continue


def probe(node: Daemon, path: str) -> int:
    return ask(node.where["http"], path)


def ask(place: str, path: str) -> int:
    """The status code for what an orchestrator asks, as barely as it may."""
    host, _, port = place.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return int(sock.makefile("rb").readline().split()[1])
