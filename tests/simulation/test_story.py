"""The story of one link in a trial: what happened to it, in order, and why."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gossipw2v.simulation.story import link_story
from gossipw2v.simulation.trial import Trial

NEMESIS = Path(__file__).parents[2] / "tools" / "nemesis.py"
SEED = 3  # two ways of a link are clogged, later its ends are cut off together


@pytest.fixture(scope="module")
def story():
    return link_story(Trial(SEED), "n1", "n0")


def test_a_link_is_told_of_from_its_cause_to_its_end(story):
    text = "\n".join(re.sub(r"^ *[0-9.]+ +", "", line) for line in story)
    for each in (
        r"n1 dials n0:1, since it is time to find strangers",
        r"n1 is connected with n0",
        r"n0 opens \w+, since n1's LinkOpen came",
        r"n1 opens \w+ with catch_up, since n0's LinkOpened came",
        r"n1 -> n0: LinkOpen \w+, insisting, since it is time to turn to the parent",
        r"n1 is to collect rows of \w+, since it is time to turn to the parent",
        r"n1 -> n0: Push 1 on \w+, \d+ rows, since rows are gathered",
        r"n0 is to merge rows of \w+, since n1's Push came",
        r"n0 -> n1: Answer 1 on \w+, \d+ rows, since rows are merged",
        r"n1 is to settle rows of \w+, since n0's Answer came",
        r"n1 is done with exchange 1 on \w+",
    ):
        assert re.search(f"^{each}$", text, re.MULTILINE), each


def test_it_is_in_order_with_the_faults_between_and_nothing_of_others(story):
    times = [float(line.split()[0]) for line in story]
    assert times == sorted(times)
    assert any(line.endswith("heal") for line in story)
    told = [line for line in story if "->" in line]
    assert told
    assert not [line for line in told if "n2" in line or "n3" in line]
    assert story[-1].endswith("all is well")


def test_a_trial_that_fails_has_its_story_told_to_the_failure(monkeypatch):
    monkeypatch.setattr(Trial, "missing", lambda _: ["what never comes"])
    assert "what never comes" in link_story(Trial(SEED), "n0", "n1")[-1]


def test_being_told_of_changes_nothing():
    told, alone = Trial(SEED), Trial(SEED)
    link_story(told, "n0", "n1")
    assert told.auditor.trace.hexdigest() == alone.run()


def test_the_tool_tells_it(story):
    line = [sys.executable, str(NEMESIS), "--seed", str(SEED), "--story", "n1", "n0"]
    assert subprocess.run(line, capture_output=True, text=True, check=True).stdout.splitlines() == story
    wrong = subprocess.run([*line[:-1], "n9"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert f"seed {SEED} has no node n9" in wrong.stdout
