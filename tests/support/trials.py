"""Trials for the tests of trials: such as only stop and start nodes, and what is found in some."""

from gossipw2v.simulation.auditor import BrokenError
from gossipw2v.simulation.trial import Trial


def restarted(seed: int) -> Trial:
    """A swarm whose nodes are only stopped and started again."""
    trial = Trial(seed)
    trial.nemesis.kinds = ("restart",)
    return trial


RESTARTED = [seed for seed in range(120) if not Trial(seed).counted]  # who counts comes back with another vocabulary


def noticed(seeds=range(40), trial=Trial) -> str:
    """The first promise that is broken in some seeds; anything else that goes wrong is a mistake of the test."""
    for seed in seeds:
        try:
            trial(seed).run()
        except BrokenError as error:
            return str(error)
    return ""
