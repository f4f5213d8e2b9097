"""Commands whose standard streams are closed, full, without a reader, or of an encoding that lacks characters."""

import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.checkpoints import keep
from support.stub_node import STATUS, stub_node

from gossipw2v.cli import streams
from gossipw2v.system.signals import ENDING

GOSSIPW2V = [sys.executable, "-m", "gossipw2v"]
VECTORS = b"2 2\nthe 0.5 -1\nof 2 3\n"
POOR = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "cp1252"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"},
]
# What a shell does with `1>&-`, `2>/dev/full` and the like, before the command begins.
STARTED = """
import os, sys
for number, path in {streams}.items():
    if path:
        os.dup2(os.open(path, os.O_WRONLY), number)
    else:
        os.close(number)
os.execv(sys.executable, [sys.executable, "-m", "gossipw2v", *sys.argv[1:]])
"""


def started(changed: dict[int, str | None], *args: object) -> "subprocess.CompletedProcess[str]":
    """Run the command with descriptors closed (None) or opened for writing on a path."""
    command = [sys.executable, "-c", STARTED.format(streams=changed), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def node():
    with stub_node(json.dumps(STATUS | {"problems": ["no 日本 here"], "state": "complete"}).encode()) as node:
        yield node


@pytest.fixture
def model(tmp_path):
    """A folder with a model that a node has left."""
    (tmp_path / "data").mkdir()
    keep(tmp_path / "data", 1)
    return tmp_path / "data"


# --- encodings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("environ", POOR, ids=lambda environ: " ".join(environ.values()))
@pytest.mark.parametrize("options", [[], ["--watch"], ["--json"]])
def test_status_is_plain_where_the_encoding_is_poor(node, environ, options):
    command = [*GOSSIPW2V, "status", "--url", node.url, *options]
    result = subprocess.run(command, env=os.environ | environ, capture_output=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    shown = result.stdout.decode(environ.get("PYTHONIOENCODING", "ascii").partition(":")[0])
    if not options:
        assert "#" * 13 + "." * 17 + " 42.0 %" in shown
        assert "no ?? here" in shown


def on_a_terminal(command: list[str], columns: int, **environ: str) -> str:
    """What the command draws on a terminal that is all three of its streams."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = os.environ | environ
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=given) as process:
        os.close(theirs)
        drawn = b""
        with suppress(OSError):  # how Linux says that the other end is closed
            while block := os.read(ours, 1 << 16):
                drawn += block
        os.close(ours)
        assert process.wait(60) == 0
    return drawn.decode(environ.get("PYTHONIOENCODING", "utf-8"))


@pytest.mark.parametrize(("encoding", "bar"), [("utf-8", "█"), ("ascii", "#"), ("latin-1", "#"), ("cp437", "█")])
def test_the_bar_of_an_export_is_drawn_as_the_terminal_can(node, tmp_path, encoding, bar):
    node.body = VECTORS
    command = [*GOSSIPW2V, "export", str(tmp_path / "v"), "--url", node.url]
    drawn = on_a_terminal(command, 80, PYTHONIOENCODING=encoding)
    assert bar * 30 in drawn
    assert "\\u" not in drawn


def test_a_bar_stays_in_its_line_on_a_narrow_terminal(node, tmp_path):
    node.body = VECTORS
    drawn = on_a_terminal([*GOSSIPW2V, "export", str(tmp_path / "v"), "--url", node.url], 20)
    bars = re.findall("[█░][^\r\n]*", drawn)
    assert bars
    assert max(map(len, bars)) < 20


def test_a_watch_on_a_terminal_fills_it_and_leaves_the_last_report(node):
    def complete():
        deadline = time.monotonic() + 60
        while len(node.asked) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        node.body = json.dumps(STATUS | {"state": "complete"}).encode()

    node.body = json.dumps(STATUS | {"state": "training"}).encode()
    meanwhile = threading.Thread(target=complete)
    meanwhile.start()
    drawn = on_a_terminal([*GOSSIPW2V, "status", "--watch", "--url", node.url], 80, TERM="xterm")
    meanwhile.join()
    _, whole, left = re.split(r"\x1b\[\?1049[hl]", drawn)  # the terminal's other screen comes and goes
    assert "training, up 2 min 5 s" in whole
    assert "complete, up 2 min 5 s" in left
    assert "members: 2" in left


def test_a_watch_on_a_terminal_that_cannot_move_its_cursor_is_lines(node):
    assert "\x1b" not in on_a_terminal([*GOSSIPW2V, "status", "--watch", "--url", node.url], 80, TERM="dumb")


def test_a_terminal_with_all_characters_gets_them_all(node):
    assert "no 日本 here" in on_a_terminal(
        [*GOSSIPW2V, "status", "--url", node.url], 80, PYTHONIOENCODING="utf-8", TERM="xterm"
    )


SAID = """
import sys
from gossipw2v.cli import streams
streams.prepare()
for stream in (sys.stdout, sys.stderr):
    print("naïve 日本 \\udce4 █░", file=stream)
"""


def test_words_that_an_encoding_lacks_do_not_end_the_demo():
    environ = os.environ | {"PYTHONIOENCODING": "ascii"}
    result = subprocess.run([sys.executable, "-c", SAID], env=environ, capture_output=True, check=True)
    assert result.stdout == b"na?ve ?? ? #.\n"
    assert result.stderr == rb"na\xefve \u65e5\u672c \udce4 #." + b"\n"


# --- closed, full and broken ----------------------------------------------------------------------------


@pytest.mark.parametrize("full", [None, "/dev/full"])
@pytest.mark.parametrize("args", [["status"], ["status", "--json"], ["status", "--watch"], ["--help"], ["--version"]])
def test_output_that_cannot_be_written_is_told_in_one_line(node, full, args):
    result = started({1: full}, *args, *(["--url", node.url] if args[0] == "status" else []))
    told = "is closed" if full is None else "No space left on device"
    assert result.stderr == f"gossipw2v: standard output: {told}\n"
    assert result.returncode == 74


@pytest.mark.parametrize("changed", [{2: None}, {2: "/dev/full"}, {0: None, 1: None, 2: None}])
def test_messages_that_cannot_be_written_change_no_exit_code(node, tmp_path, changed):
    assert started(changed, "status", "--url", "127.0.0.1:9").returncode == 69
    assert started(changed, "begin").returncode == 2
    assert started(changed, "demo", "--corpus", tmp_path / "none").returncode == 1
    node.body = VECTORS
    assert started(changed, "export", tmp_path / "v", "--url", node.url).returncode == 0
    assert (
        tmp_path / "v"
    ).read_bytes() == VECTORS  # and none of our messages, though it had a standard stream's number


def test_an_export_needs_no_standard_stream(model, tmp_path):
    result = started({0: None, 1: None}, "export", tmp_path / "v", "--data-dir", model)
    assert (result.returncode, result.stdout) == (0, "")
    assert (tmp_path / "v").read_bytes() == b"2 3\nthe 1 2 3\nof 4 5 6\n"


def test_an_export_to_standard_output_that_is_closed_says_so(model):
    result = started({1: None}, "export", "-", "--data-dir", model)
    assert (result.returncode, result.stderr) == (74, "gossipw2v: standard output: Bad file descriptor\n")


@pytest.mark.parametrize("args", [["--help"], ["start", "--help"], ["status", "--watch"], ["export", "-"]])
def test_a_reader_that_has_gone_is_no_error(node, args):
    if "export" in args:
        node.body = b"20000 2\n" + b"the 0.5 -1\n" * 20_000
    given = [*args, *(["--url", node.url] if "--help" not in args else [])]
    with subprocess.Popen([*GOSSIPW2V, *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_a_pipe_that_its_reader_made_non_blocking_gets_a_whole_status():
    large = json.dumps(STATUS | {"problems": ["x" * 1000] * 1000})
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETFL, os.O_NONBLOCK)
    with stub_node(large.encode()) as node:
        process = subprocess.Popen([*GOSSIPW2V, "status", "--json", "--url", node.url], stdout=theirs)
        os.close(theirs)
        with process, os.fdopen(ours, "rb") as file:
            assert json.load(file) == json.loads(large)
    assert process.returncode == 0


def test_what_a_stranger_answers_cannot_move_the_cursor(node):
    node.code, node.body = 500, json.dumps({"error": "\x1b[2J\rforged"}).encode()
    result = started({}, "status", "--url", node.url)
    assert result.returncode == 1
    assert r"\x1b[2J\rforged" in result.stderr


# --- export to other things than files ------------------------------------------------------------------


@pytest.fixture(params=["--data-dir", "--url"])
def source(request, node, model):
    """Where an export comes from."""
    node.body = b"2 3\nthe 1 2 3\nof 4 5 6\n"
    return [request.param, str(model) if request.param == "--data-dir" else node.url]


EXPORTED = b"2 3\nthe 1 2 3\nof 4 5 6\n"


def test_an_export_into_a_named_pipe_reaches_its_reader(source, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        assert started({}, "export", tmp_path / "pipe", *source).returncode == 0
        assert reader.communicate(timeout=20)[0] == EXPORTED
    assert (tmp_path / "pipe").is_fifo()


def test_an_export_through_a_link_keeps_the_link_and_the_mode(source, tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    assert started({}, "export", tmp_path / "link", *source).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == EXPORTED
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/proc/self/fd/1"])
def test_an_export_to_standard_output(source, name):
    result = started({}, "export", name, *source)
    assert (result.returncode, result.stdout.encode()) == (0, EXPORTED)


def test_a_file_named_as_standard_output_is_can_be_made(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    assert started({}, "export", "./-", *source).returncode == 0
    assert (tmp_path / "-").read_bytes() == EXPORTED


def test_an_export_into_a_folder_that_is_not_there_names_it(source, tmp_path):
    result = started({}, "export", tmp_path / "no" / "v.txt", *source)
    told = f"gossipw2v: {tmp_path}/no: there is no such folder; make it, or name another\n"
    assert (result.returncode, result.stderr) == (74, told)


@pytest.mark.parametrize("end", ["/new/", "/new/.", "/..", "/new//"])
def test_an_export_to_a_name_of_a_folder_is_refused(source, tmp_path, end):
    assert started({}, "export", f"{tmp_path}{end}", *source).returncode == 2
    assert not (tmp_path / "new").exists()


# --- signals --------------------------------------------------------------------------------------------


# As from a terminal: a shell has what it starts in the background ignore Ctrl-C, nohup the end of a session.
HEARING = """
import os, signal, sys
if int(sys.argv[1]) != signal.SIGKILL:
    signal.signal(int(sys.argv[1]), signal.Handlers(int(sys.argv[2])))
os.execv(sys.executable, [sys.executable, "-m", "gossipw2v", *sys.argv[3:]])
"""


@pytest.fixture
def interrupted(tmp_path):
    """Start an export over an old file, and send it a signal in the middle of the vectors; its exit code."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "v.txt").write_bytes(b"old")

    def interrupt(number, handler=signal.SIG_DFL, waits=10, times=1):
        with stub_node(VECTORS) as node:
            node.slowly.set()
            hearing = [sys.executable, "-c", HEARING, str(int(number)), str(int(handler))]
            command = [*hearing, "export", str(folder / "v.txt"), "--url", node.url]
            with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
                deadline = time.monotonic() + 60
                while not any(path.name.startswith(".") for path in folder.iterdir()) or not node.asked:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                for _ in range(times):
                    process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(waits)
                node.slowly.clear()
                code = process.wait(60)
                assert process.stderr is not None
                assert b"Traceback" not in process.stderr.read()
        return code, folder

    return interrupt


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_an_interrupted_export_leaves_the_old_file_and_nothing_else(interrupted, number):
    code, folder = interrupted(number)
    assert code == 128 + number
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("v.txt", b"old")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_more_of_the_same_signal_do_not_keep_an_export_from_cleaning_up(interrupted, number):
    code, folder = interrupted(number, times=50)
    assert code in (128 + number, -number)  # the last ones may come when all is done
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("v.txt", b"old")]


def test_what_a_killed_export_left_is_removed_by_the_next(interrupted, node):
    code, folder = interrupted(signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert len(list(folder.iterdir())) == 2
    node.body = VECTORS
    assert started({}, "export", folder / "v.txt", "--url", node.url).returncode == 0
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("v.txt", VECTORS)]


def test_an_export_under_nohup_goes_on_when_the_terminal_closes(interrupted):
    code, folder = interrupted(signal.SIGHUP, signal.SIG_IGN, waits=0.5)
    assert code == 0
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("v.txt", VECTORS)]


def test_two_exports_to_one_name_do_not_remove_each_others_work(node, tmp_path):
    node.body = VECTORS
    node.slowly.set()
    results = []
    exports = [
        threading.Thread(target=lambda: results.append(started({}, "export", tmp_path / "v", "--url", node.url)))
        for _ in range(2)
    ]
    for export in exports:
        export.start()
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 or len(node.asked) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    node.slowly.clear()
    for export in exports:
        export.join(60)
    assert [result.returncode for result in results] == [0, 0]
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("v", VECTORS)]


# --- waiting for a node that is busy --------------------------------------------------------------------


def test_who_waits_for_a_busy_node_is_told_why(node, tmp_path):
    node.codes, node.retry_after, node.body = [429], "1", VECTORS
    result = started({}, "export", tmp_path / "v", "--url", node.url)
    first, second = result.stderr.splitlines()
    assert "429" in first
    assert "try again in 1 s; waiting" in first
    assert "2 words of 2 dimensions" in second
    assert result.returncode == 0


def test_another_programs_streams_are_left_alone(monkeypatch):
    mine = io.StringIO()
    monkeypatch.setattr(sys, "stdout", mine)
    monkeypatch.setattr(sys, "stderr", mine)
    streams.prepare()
    assert sys.stdout is sys.stderr is mine
    assert Path(os.devnull).is_char_device()
