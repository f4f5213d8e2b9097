"""What arrives at a stream, a terminal, the journal and a closed pipe."""

import io
import json
import logging
import os
import pty
import subprocess
import sys
import warnings

import pytest

from gossipw2v.system import logs


@pytest.fixture(autouse=True)
def restored():
    """Logging is one for the whole process."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in logs.CHATTY}
    yield
    logging.captureWarnings(False)
    root.handlers[:], level, chatty = before
    root.setLevel(level)
    for name, own in chatty.items():
        logging.getLogger(name).setLevel(own)


@pytest.fixture
def stream():
    return io.StringIO()


def entries(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_json_has_time_level_logger_and_event_first(stream):
    logs.configure("info", "auto", stream)
    logs.get_logger("gossip").info("link up", peer="ab", rows=3, path=b"\xff")
    (entry,) = entries(stream)
    assert list(entry)[:4] == ["timestamp", "level", "logger", "event"]
    assert entry["timestamp"].endswith("Z")
    wanted = {"level": "info", "logger": "gossip", "event": "link up", "peer": "ab", "rows": 3, "path": r"b'\xff'"}
    assert entry | wanted == entry


def test_text_is_asked_for_by_name(stream):
    logs.configure("info", "text", stream)
    logs.get_logger("gossip").warning("link down", rows=3)
    assert stream.getvalue().split()[1:] == ["[warning", "]", "link", "down", "[gossip]", "rows=3"]
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_name_that_is_no_utf8_is_shown_with_a_replacement(stream, style):
    name = os.fsdecode(b"latin-\xe4")
    logs.configure("info", style, stream)
    logs.get_logger("seeds").warning(name, path=name, paths=[name])
    logging.getLogger("aiohttp.web").warning(name)
    shown = stream.getvalue().encode().decode()
    shown = shown if style == "text" else "".join(f"{json.loads(line)}" for line in shown.splitlines())
    assert shown.count("latin-\ufffd") == 4
    assert "udce4" not in shown


def test_below_the_level_nothing_is_logged(stream):
    logs.configure("warning", "json", stream)
    logs.get_logger("gossip").info("no")
    logging.getLogger("aiohttp.web").info("no")
    logs.get_logger("gossip").error("yes")
    assert [entry["event"] for entry in entries(stream)] == ["yes"]


def test_other_libraries_and_warnings_come_the_same_way(stream):
    logs.configure("info", "json", stream)
    logging.getLogger("aiohttp.web").warning("slow %s", "client")
    logging.getLogger("zeroconf").info("chatter")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # pytest replaced it
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    first, second = entries(stream)
    assert (first["logger"], first["level"], first["event"]) == ("aiohttp.web", "warning", "slow client")
    assert second["logger"] == "py.warnings"


@pytest.mark.parametrize("style", ["json", "text"])
def test_an_exception_comes_with_its_traceback(style, stream):
    logs.configure("info", style, stream)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logs.get_logger("gossip").exception("oops")
    assert "ZeroDivisionError: division by zero" in stream.getvalue()
    assert (len(stream.getvalue().splitlines()) == 1) == (style == "json")


def test_what_strangers_send_cannot_move_the_cursor_or_forge_a_line(stream):
    logs.configure("info", "text", stream)
    logs.get_logger("wire").info("refused", job="a\x1b[2J\nb", peer="plain")
    logging.getLogger("aiohttp").warning("bad request \r\n%s", "\x1b[31m")
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_configuring_again_replaces_the_first_time(stream):
    logs.configure("info", "json", io.StringIO())
    logs.configure("info", "json", stream)
    logs.get_logger("gossip").info("once")
    assert len(entries(stream)) == 1


def test_a_value_that_cannot_be_shown_does_not_raise(stream):
    class Broken:
        def __repr__(self):
            raise RuntimeError

    logs.configure("info", "json", stream)
    logs.get_logger("gossip").info("one", value=Broken())
    logs.get_logger("gossip").info("two")
    assert entries(stream)[-1]["event"] == "two"


def run(code, **options):
    code = f"from gossipw2v.system import logs; log = logs.get_logger('gossip'); {code}"
    return subprocess.run([sys.executable, "-c", code], check=False, timeout=60, **options)


CLOSED = {
    "closed": "import sys; logs.configure(); sys.stderr.close(); log.info('x'); print('alive')",
    "no descriptor": "import os; logs.configure(); os.close(2); log.info('x'); print('alive')",
    "none": "import sys; sys.stderr = None; logs.configure(); log.info('x'); print('alive')",
}


@pytest.mark.parametrize("code", CLOSED.values(), ids=list(CLOSED))
def test_logging_without_a_stderr_goes_on(code):
    assert run(code, stdout=subprocess.PIPE).stdout == b"alive\n"


def test_logging_into_a_pipe_nobody_reads_goes_on():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as stderr:
        done = run("logs.configure(); log.info('x'); print('alive')", stdout=subprocess.PIPE, stderr=stderr)
    assert done.stdout == b"alive\n"


def test_before_it_is_configured_nothing_goes_to_stdout():
    done = run("log.info('x'); log.error('y')", capture_output=True)
    assert (done.stdout, done.returncode) == (b"", 0)


def logged_to(descriptor, environ):
    """The bytes of one line, logged by another process whose stderr is `descriptor`."""
    run("logs.configure(); log.warning('hello', rows=3)", stderr=descriptor, env=os.environ | environ)


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_text_and_colours_unless_it_refuses_them(environ, coloured):
    ours, theirs = pty.openpty()
    unset = {"NO_COLOR": "", "TERM": "xterm", "JOURNAL_STREAM": ""}
    logged_to(theirs, unset | environ)
    os.close(theirs)
    shown = os.read(ours, 10_000)
    os.close(ours)
    assert b"hello" in shown
    assert not shown.startswith(b"{")
    assert (b"\x1b[" in shown) == coloured


@pytest.mark.parametrize("style", ["auto", "text"])
def test_the_journal_gets_priorities_on_every_line_and_no_time(style, tmp_path):
    path = tmp_path / "journal"
    with path.open("wb") as file:
        status = os.fstat(file.fileno())
        environ = os.environ | {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        code = f"logs.configure('info', '{style}')\ntry: 1/0\nexcept Exception: log.exception('oops')\nlog.info('fine')"
        run(f"pass\n{code}", stderr=file, env=environ)
    lines = path.read_text().splitlines()
    assert [line[:3] for line in lines] == ["<3>"] * (len(lines) - 1) + ["<6>"]
    assert "timestamp" not in path.read_text()
    assert (len(lines) == 2) == (style == "auto")  # text has the traceback on lines of its own
    assert style == "text" or json.loads(lines[-1][3:])["event"] == "fine"


def test_a_child_of_a_service_that_writes_elsewhere_writes_no_priorities(tmp_path):
    path = tmp_path / "log"
    with path.open("wb") as file:
        logged_to(file, {"JOURNAL_STREAM": "1:2"})
    assert "timestamp" in json.loads(path.read_text())
