"""The command as a person or a script meets it: real processes, their exit codes, what they print and import."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkpoints import keep
from support.stub_node import STATUS, stub_node

from gossipw2v import __version__
from gossipw2v.config.options import OPTIONS
from gossipw2v.system.lock import holding

HEAVY = {
    "numpy", "numba", "aiohttp", "zeroconf", "uvloop", "msgpack", "structlog", "prometheus_client", "cryptography",
    "rich",
}  # fmt: skip
VECTORS = b"2 2\nthe 0.5 -1\nof 2 3\n"


@pytest.fixture
def run(tmp_path):
    """Run the command in an empty folder as a user with an empty home; text of both streams is kept."""
    kept = {"PATH", "LANG", "LC_ALL", "TMPDIR", "NUMBA_CACHE_DIR", "PYTHONPATH"}
    environ = {name: value for name, value in os.environ.items() if name in kept}
    home, place = tmp_path / "home", tmp_path / "place"
    home.mkdir()
    place.mkdir()

    def command(*args, python=(), **more):
        line = [sys.executable, *python, "-m", "gossipw2v", *map(str, args)]
        given = environ | {"HOME": str(home), "PYTHONIOENCODING": "utf-8", **more}
        return subprocess.run(line, cwd=place, env=given, capture_output=True, text=True, timeout=60, check=False)

    command.place, command.home = place, home
    return command


def imported(result):
    """Top-level modules that a run with -X importtime has imported."""
    return set(re.findall(r"^import time:.*\| +([a-z_0-9]+)", result.stderr, re.MULTILINE))


# --- help and mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", ["", "start", "train", "export", "merge", "what-leaves", "status", "neighbors", "evaluate", "demo"]
)
def test_help_is_printed_without_importing_anything_heavy(run, command):
    result = run(*command.split(), "--help", python=["-X", "importtime"])
    assert result.returncode == 0
    assert result.stdout.startswith("usage: gossipw2v")
    assert "argparse" in imported(result)
    assert not imported(result) & HEAVY


def test_the_help_of_start_shows_every_setting_with_its_default(run):
    shown = re.sub(r"\s+", " ", run("start", "--help").stdout)
    for option in OPTIONS.values():
        assert f" {option.flag} " in shown or f" {option.flag}, " in shown, option.name
        assert option.does in shown, option.name
        if option.kind in (int, float):
            assert re.search(rf"{re.escape(option.does)} \([^)]*; default {re.escape(str(option.default))}\)", shown)


def test_version(run):
    result = run("--version")
    assert (result.returncode, result.stdout) == (0, f"gossipw2v {__version__}\n")


def test_wrong_settings_end_with_2_and_are_all_told_and_nothing_is_made(run):
    (run.place / "x.toml").write_text("windw = 3\nalpha = 'fast'\n")
    flags = ["--config", "x.toml", "--epochs", "0", "--peers", "nowhere"]
    result = run("start", *flags, python=["-X", "importtime"], GOSSIPW2V_THREADS="many")
    told = "".join(line for line in result.stderr.splitlines(keepends=True) if not line.startswith("import time:"))
    assert result.returncode == 2
    assert told.startswith("gossipw2v: 6 problems in the configuration:\n")
    for origin in (
        "GOSSIPW2V_THREADS",
        "x.toml, line 1, windw",
        "x.toml, line 2, alpha",
        "--epochs",
        "--peers",
        "corpus",
    ):
        assert f"  - {origin}: " in told
    assert "Traceback" not in told
    assert not imported(result) & HEAVY
    assert [path.name for path in run.place.iterdir()] == ["x.toml"]
    assert not list(run.home.iterdir())


def test_the_file_may_be_named_by_a_variable(run):
    result = run("start", GOSSIPW2V_CONFIG="none.toml")
    assert result.returncode == 2
    assert "none.toml: No such file" in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["begin"],
        ["start", "--windo", "3"],
        ["export"],
        ["export", "v", "--url", "file:///etc/passwd"],
        ["export", "v", "--url", "h:1", "--data-dir", "d"],
        ["export", "."],
        ["status", "--url", "ftp://h"],
        ["demo", "--nodes", "0"],
        ["demo", "--nodes", "two"],
        ["demo", "--nodes", "17"],
    ],
)
def test_wrong_usage_ends_with_2(run, args):
    result = run(*args)
    assert (result.returncode, result.stdout) == (2, "")
    assert "gossipw2v" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("content", ["", "\n \n", "word word word"])
def test_a_corpus_nothing_can_be_learned_from_ends_with_2(run, content):
    (run.place / "text.txt").write_text(content)
    ports = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    result = run("start", "--corpus", "text.txt", "--peers", "none", "--data-dir", "d", *ports)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_ends_with_74(run):
    (run.place / "text.txt").write_text("a few words to learn from\n" * 100)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ports = ["--listen", "127.0.0.1:0", "--http", address]
        result = run("start", "--corpus", "text.txt", "--peers", "none", "--data-dir", "d", *ports)
    assert result.returncode == 74
    assert address.split(":")[1] in result.stderr
    assert "Traceback" not in result.stderr


# --- the machine -----------------------------------------------------------------------------------------

PREPARED = """
import os, sys
from gossipw2v.cli import commands, main
commands.prepare_machine()
assert "numpy" not in sys.modules
print(os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"])
print(os.environ["NUMBA_CACHE_DIR"])
"""


def prepared(**environ):
    given = {"PATH": os.environ["PATH"], "HOME": "/nowhere", **environ}
    result = subprocess.run([sys.executable, "-c", PREPARED], env=given, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


def test_the_cores_are_left_to_the_training_threads():
    assert prepared()[0] == "1 1 1"
    assert prepared(OMP_NUM_THREADS="3")[0] == "1 3 1"


def test_compiled_kernels_are_kept_in_a_private_folder_of_this_version(tmp_path):
    for name, parts in (("CACHE_DIRECTORY", []), ("XDG_CACHE_HOME", ["gossipw2v"])):
        base = tmp_path / name
        base.mkdir()
        folder = base.joinpath(*parts, f"numba-{__version__}")
        assert prepared(**{name: str(base)})[1] == str(folder)
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_the_user_has_set_is_left_alone(tmp_path):
    folder = tmp_path / "own"
    assert prepared(NUMBA_CACHE_DIR=str(folder))[1] == str(folder)
    assert not folder.exists()


def test_without_a_writable_folder_a_temporary_one_is_taken_and_removed(tmp_path):
    (tmp_path / "file").touch()
    folder = Path(prepared(CACHE_DIRECTORY=str(tmp_path / "file"), TMPDIR=str(tmp_path))[1])
    assert folder.parent == tmp_path
    assert not folder.exists()


# --- status ----------------------------------------------------------------------------------------------


def test_no_node_there_ends_with_69_and_says_what_to_do(run):
    result = run("status", "--url", "127.0.0.1:9")
    assert (result.returncode, result.stdout) == (69, "")
    assert "no node answers at http://127.0.0.1:9" in result.stderr
    assert run("export", "v", "--url", "127.0.0.1:9").returncode == 69


def test_something_else_there_ends_with_1(run):
    with stub_node(b"<html>") as node:
        result = run("status", "--url", node.url)
    assert result.returncode == 1
    assert "not like gossipw2v" in result.stderr


def test_status_for_people_and_for_programs(run):
    with stub_node(json.dumps(STATUS).encode()) as node:
        people, programs = run("status", "--url", node.url), run("status", "--url", node.url, "--json")
    assert people.returncode == programs.returncode == 0
    assert "42.0 %, 9 s left" in people.stdout
    assert json.loads(programs.stdout) == STATUS
    assert "\x1b" not in people.stdout


@pytest.mark.parametrize("state", ["complete", "failed"])
def test_watching_ends_when_the_swarm_is_done_or_the_node_has_failed(run, state):
    with stub_node(json.dumps(STATUS | {"state": state}).encode()) as node:
        result = run("status", "--url", node.url, "--watch")
    assert result.returncode == 0
    assert result.stdout == f"{state} 42.0 %, 3.4 M words/s, 9 s left, 2 members\n"


def test_a_reader_that_has_seen_enough_is_no_error():
    with stub_node(json.dumps(STATUS).encode()) as node:
        line = f"{sys.executable} -m gossipw2v status --json --watch --url {node.url} | head -n 1"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


TOKEN = "dG9rZW4tb2YtdGhpcy10ZXN0LW9ubHktMTIz"


def keep_token(run, mode=0o600):
    path = run.place / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(mode)
    (run.place / "node.toml").write_text('http_token_file = "token"\nwindow = "not for us to judge"\n')


@pytest.mark.parametrize(
    ("args", "environ"),
    [
        (["--http-token-file", "token"], {}),
        (["--config", "node.toml"], {}),
        ([], {"GOSSIPW2V_HTTP_TOKEN_FILE": "token"}),
        ([], {"GOSSIPW2V_CONFIG": "node.toml"}),
    ],
)
def test_a_token_comes_from_wherever_the_node_has_it(run, args, environ):
    keep_token(run)
    with stub_node(json.dumps(STATUS).encode()) as node:
        assert run("status", "--url", node.url, *args, **environ).returncode == 0
        node.body = VECTORS
        assert run("export", "v.txt", "--url", node.url, *args, **environ).returncode == 0
        assert node.tokens == [f"Bearer {TOKEN}"] * 2
        assert run("status", "--url", node.url).returncode == 1  # no status, and no token for it
        assert node.tokens[2:] == [None]


def test_a_token_that_others_can_read_is_not_used(run):
    keep_token(run, 0o644)
    with stub_node(json.dumps(STATUS).encode()) as node:
        result = run("status", "--url", node.url, "--http-token-file", "token")
        assert (result.returncode, node.asked) == (2, [])
    assert "chmod 600" in result.stderr
    assert TOKEN not in result.stderr


# --- export ----------------------------------------------------------------------------------------------


def keep_model(folder):
    folder.mkdir(parents=True)
    keep(folder, 1)


def test_export_from_a_running_node(run):
    with stub_node(VECTORS) as node:
        result = run("export", "v.txt", "--url", node.url)
    assert (result.returncode, result.stdout) == (0, "")
    assert (run.place / "v.txt").read_bytes() == VECTORS
    assert result.stderr == f"v.txt: 2 words of 2 dimensions, from {node.url}\n"


def test_export_from_the_folder_of_a_stopped_node(run):
    keep_model(run.place / "d")
    result = run("export", "v.txt", "--data-dir", "d")
    assert result.returncode == 0
    assert (run.place / "v.txt").read_text() == "2 3\nthe 1 2 3\nof 4 5 6\n"


def test_export_without_an_option_finds_the_default_folder_and_says_so(run):
    folder = run.home / ".local/share/gossipw2v/default"
    keep_model(folder)
    result = run("export", "v.txt")
    assert result.returncode == 0
    assert str(folder) in result.stderr
    assert run("export", "v.txt", STATE_DIRECTORY=str(run.place)).returncode == 69  # no model there: ask the node
    with holding(folder):  # as the node does while it runs, which knows more than its folder
        assert run("export", "v.txt").returncode == 69


def test_start_in_a_folder_that_is_in_use_ends_with_2_at_once_and_says_who_has_it(run):
    (run.place / "text").write_text("some words\n")
    with holding(run.place / "d"):
        result = run("start", "--corpus", "text", "--data-dir", "d", python=["-X", "importtime"])
    assert result.returncode == 2
    assert f"d: in use by the node with pid {os.getpid()}" in result.stderr
    assert not imported(result) & HEAVY


def test_export_from_a_folder_without_a_model_says_so(run):
    result = run("export", "v.txt", "--data-dir", ".")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert not (run.place / "v.txt").exists()


def test_export_to_where_nothing_can_be_written_ends_with_74(run):
    keep_model(run.place / "d")
    with stub_node(VECTORS) as node:
        for source in (["--url", node.url], ["--data-dir", "d"]):
            result = run("export", "none/v.txt", *source)
            assert result.returncode == 74
            assert "none" in result.stderr
            assert "Traceback" not in result.stderr
