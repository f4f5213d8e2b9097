"""tools/demo and tools/check on machines that lack something; Pythons here are stand-ins that note what was asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = ("sh", "cat", "cksum", "basename", "dirname", "rm", "mkdir", "chmod", "cp")

# Makes an environment whose python and gossipw2v are this very script.
FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >>"$NOTES"
case "$*" in
*ensurepip*) exit "${ENSUREPIP:-0}" ;;
*version_info*) exit "${TOO_OLD:-0}" ;;
*"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/gossipw2v ;;
esac
"""


class Machine:
    """A copy of the tools in a folder of its own, and a PATH with nothing but a shell."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin, self.notes = folder / "clone", folder / "bin", folder / "notes"
        shutil.copytree(REPOSITORY / "tools", self.root / "tools")
        (self.root / "pyproject.toml").write_text("one")
        self.bin.mkdir()
        for program in PROGRAMS:
            (self.bin / program).symlink_to(shutil.which(program))

    def python(self, name: str) -> None:
        """Put a stand-in for a Python on the PATH."""
        path = self.bin / name
        path.write_text(FAKE)
        path.chmod(0o755)

    def demo(self, *args: str, **environ: str) -> tuple[int, str, list[str]]:
        """Exit code, what was printed, and what the Pythons were asked to do."""
        self.notes.write_text("")
        given = {"PATH": str(self.bin), "NOTES": str(self.notes), **environ}
        line = [self.root / "tools" / "demo", *args]
        done = subprocess.run(line, cwd="/", env=given, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr, self.notes.read_text().splitlines()


@pytest.fixture
def machine(tmp_path):
    if os.name != "posix":
        pytest.skip("there is no POSIX shell here")
    return Machine(tmp_path)


def test_without_a_python_it_says_which_are_looked_for(machine):
    code, printed, _ = machine.demo()
    assert code == 1
    assert "Python 3.11 or newer is needed" in printed


def test_an_old_python_is_not_taken(machine):
    machine.python("python3")
    code, printed, asked = machine.demo(TOO_OLD="1")
    assert code == 1
    assert "Python 3.11 or newer is needed" in printed
    assert not any("venv .venv" in line for line in asked)


def test_a_python_without_venv_is_told_apart_from_none(machine):
    machine.python("python3.12")
    code, printed, _ = machine.demo(ENSUREPIP="1")
    assert code == 1
    assert "python3-venv" in printed


def test_the_first_run_installs_and_the_second_does_not(machine):
    machine.python("python3.13")
    code, printed, asked = machine.demo("--nodes", "2")
    assert code == 0
    assert "making .venv" in printed
    assert "installing gossipw2v" in printed
    assert any(line.startswith("python -m pip install") and line.endswith("--editable .") for line in asked)
    assert asked[-1] == "gossipw2v demo --nodes 2"
    code, printed, asked = machine.demo("--nodes", "3")
    assert (code, printed) == (0, "")
    assert not any("pip" in line for line in asked)
    assert asked[-1] == "gossipw2v demo --nodes 3"


def test_a_changed_pyproject_installs_again_into_the_same_environment(machine):
    machine.python("python3")
    machine.demo()
    (machine.root / "pyproject.toml").write_text("two")
    _, printed, asked = machine.demo()
    assert "installing" in printed
    assert "making" not in printed
    assert not any("venv .venv" in line for line in asked)


def test_the_tools_of_development_are_not_taken_away(machine):
    machine.python("python3")
    machine.demo()
    recipe = machine.root / ".venv" / "recipe"
    recipe.write_text(recipe.read_text().replace("plain", "dev"))
    assert machine.demo()[1] == ""  # what is there is more than enough
    (machine.root / "pyproject.toml").write_text("two")
    assert any("--editable .[dev]" in line for line in machine.demo()[2])


def test_a_failed_installation_is_tried_again(machine):
    machine.python("python3")
    machine.demo()
    (machine.root / ".venv" / "recipe").unlink()
    assert "installing" in machine.demo()[1]
