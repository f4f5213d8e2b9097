"""Swarms under the nemesis: hundreds of seeds in which all must hold.

`tools/nemesis.py` tries more of them, and replays one.
"""

import os
import subprocess
import sys

import pytest
from support.trials import RESTARTED, restarted

from gossipw2v.simulation.trial import Trial, failure
from gossipw2v.w2v.training.model import Model

SEEDS, PART = 300, 20


@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_nothing_breaks_a_swarm(first):
    wrong = [text for seed in range(first, first + PART) if (text := failure(seed)) is not None]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("seed", [3, 196])
def test_a_seed_is_the_same_trial_everywhere(seed):
    program = f"from gossipw2v.simulation.trial import Trial; print(Trial({seed}).run())"
    traces = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": hashseed},  # compiled kernels, too
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashseed in ("1", "2")
    ]
    assert traces[0] == traces[1] == Trial(seed).run() + "\n"
    assert traces[0] != Trial(seed + 1).run() + "\n"


def test_swarms_whose_nodes_come_back_go_on_with_their_links(monkeypatch):
    kept, taken = set[bytes](), Model.take_up

    def noted(self, link, *more):
        kept.add(link)
        taken(self, link, *more)

    monkeypatch.setattr(Model, "take_up", noted)
    lasted = exact = 0
    for seed in RESTARTED[:30]:
        trial = restarted(seed)
        trial.run()
        lasted += any(link.name in kept for node in trial.swarm.living() for link in node.core.view.links())
        exact += bool(kept) and not trial.auditor.overlapped  # every row was found to hold just what was trained
        kept.clear()
        if lasted > 5 and exact > 2:
            return
    pytest.fail(f"{lasted} swarms went on with their links, {exact} with all that was trained and no more")


def test_what_no_tcp_would_do_is_refused_and_does_no_harm():
    strayed = (trial for seed in range(60) if (trial := Trial(seed)).line.astray)
    assert any(text.startswith("sequence") for trial in strayed for text in refused_by(trial))


def refused_by(trial: Trial) -> list[str]:
    """What nodes refused in it, run to its end."""
    trial.run()
    return [text for node in trial.swarm.nodes.values() for text in node.refused]


def test_a_failure_says_how_to_replay_it_and_what_had_happened(monkeypatch):
    monkeypatch.setattr(Trial, "missing", lambda _: ["what never comes"])
    told = failure(5)
    assert told.startswith("seed 5: 120 s after all was healed: what never comes\nreplay: tools/nemesis.py --seed 5\n")
    assert any(line.endswith("heal") for line in told.splitlines())
