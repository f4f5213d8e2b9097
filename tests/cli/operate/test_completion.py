"""Completion, asked of the shells themselves."""

import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path
from select import select

import pytest

from gossipw2v.cli.operate.completion import SHELLS, commands
from gossipw2v.cli.parser import make_parser

PATIENCE = 30.0  # s: only a test that fails waits as long


@pytest.fixture
def script(tmp_path):
    def make(shell):
        if shutil.which(shell) is None:
            pytest.skip(f"there is no {shell} here")
        command = [sys.executable, "-m", "gossipw2v", "completion", shell]
        path = tmp_path / f"gossipw2v.{shell}"
        path.write_bytes(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)
        return path

    return make


def ask_bash(script, *words):
    ask = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _gossipw2v; printf "%s\\n" "${COMPREPLY[@]}"'
    command = ["bash", "-c", ask, script, "gossipw2v", *words]
    return set(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split("\n")) - {
        ""
    }


def ask_fish(script, *words):
    command = [
        "fish",
        "--no-config",
        "-c",
        'source $argv[1]; complete -C "$argv[2]"',
        script,
        " ".join(["gossipw2v", *words]),
    ]
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    return {line.split("\t")[0] for line in output.splitlines()}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_it(script, shell):
    subprocess.run([shell, "-n", script(shell)], check=True, timeout=60)


@pytest.mark.parametrize(("shell", "ask"), [("bash", ask_bash), ("fish", ask_fish)])
def test_commands_flags_and_choices_are_offered(script, shell, ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = script(shell)
    assert ask(made, "st") == {"start", "status"}
    assert ask(made, "") >= commands(make_parser()).keys()
    assert ask(made, "start", "--vector-s") == {"--vector-size"}
    assert ask(made, "completion", "f") == {"fish"}
    assert ask(made, "start", "--log-level", "") == {"debug", "info", "warning", "error"}
    assert ask(made, "export", "--vector-s") == set()


@pytest.mark.parametrize(("shell", "ask"), [("bash", ask_bash), ("fish", ask_fish)])
def test_a_path_is_offered_where_one_is_due(script, shell, ask, tmp_path, monkeypatch):
    made = script(shell)
    monkeypatch.chdir(tmp_path)
    Path("my secret").touch()
    found = ask(made, "start", "--secret-file", "my")
    assert {each.replace("\\", "") for each in found} == {"my secret"}


def test_zsh_completes_at_its_prompt(script, tmp_path):
    """By a terminal: zsh completes nowhere else."""
    made = script("zsh")
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "HOME": str(tmp_path), "TERM": "dumb"})
    try:
        type_in(terminal, f"autoload -U compinit; compinit -D -u; source {made}; echo re''ady\n", "ready")
        type_in(terminal, "gossipw2v start --vector-s\t", "--vector-size")
        type_in(terminal, "\x15gossipw2v completion fi\t", "completion fish")
        type_in(terminal, "\x15gossipw2v start --log-level deb\t", "debug")
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(terminal)


def type_in(terminal, text, awaited):
    """Type, and wait until what is awaited is shown."""
    os.write(terminal, text.encode())
    shown, deadline = "", time.monotonic() + PATIENCE
    while awaited not in shown:
        ready, _, _ = select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{awaited!r} was not shown: {shown!r}"
        shown += os.read(terminal, 10_000).decode(errors="replace")
