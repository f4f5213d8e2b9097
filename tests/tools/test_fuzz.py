"""Every input that a search has found, and good ones, through the target they belong to. `tools/fuzz.py` finds more."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import fuzz_targets
from support.fuzz_targets import TARGETS, check, seeds

FOUND = Path(__file__).parents[1] / "fuzz"
MOST_BYTES = 200_000


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_was_found_passes_now(name):
    inputs = sorted((FOUND / name).iterdir())
    assert inputs
    for path in inputs:
        try:
            TARGETS[name](path.read_bytes())
        except Exception as error:
            error.add_note(f"replay with tools/fuzz.py {name} {path}")
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_a_search_begins_with_good_inputs(name):
    for data in seeds()[name]:
        TARGETS[name](data)


def test_the_inputs_are_few_and_belong_to_a_target():
    assert {path.name for path in FOUND.iterdir()} == {*TARGETS}
    assert sum(path.stat().st_size for path in FOUND.rglob("*") if path.is_file()) < MOST_BYTES


def test_a_slow_input_is_a_defect(monkeypatch):
    monkeypatch.setattr(fuzz_targets, "SECONDS", -1.0)
    with pytest.raises(AssertionError, match="s for 3 bytes"):
        check("wire", b"\x91\x0b\x00")


def test_the_tool_runs_one_input():
    tool = FOUND.parent.parent / "tools" / "fuzz.py"
    command = [sys.executable, tool, "wire", sorted((FOUND / "wire").iterdir())[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(" ms\n")
