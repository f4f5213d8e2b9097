"""Nodes that train apart, each with its own text, and are made one at the end or never."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from compare.baselines.apart import merge
from compare.baselines.rows import Floats
from compare.course import bytes_of
from compare.network import BANDWIDTHS, SERVER, Phase, Traffic, Transfer, bytes_per_second
from compare.replicas import make_replica
from compare.runs import Run
from compare.texts import Material


class Apart:
    """The models of all nodes, trained once for whatever is made of them."""

    def __init__(self, run: Run, material: Material) -> None:
        self.material = material
        self.models: list[Floats] = []
        self.known: list[Any] = []  # of each model bool[V], the words of its text
        self.cpu_seconds, self.trained, self.seconds, self.pairs = 0.0, 0, 0.0, 0.0
        for part in material.parts(run.nodes, run.text, run.seed):
            self._train(part, run)

    def _train(self, part: Any, run: Run) -> None:
        replica = make_replica(self.material, part, replace(run, rounds=1))
        words = replica.train(replica.left, (0, 0))
        replica.check()
        self.models.append(replica.model.syn0)
        self.known.append(np.bincount(part[part >= 0], minlength=len(self.material.words)) > 0)
        self.cpu_seconds += replica.cpu_seconds
        self.trained += words
        self.seconds = max(self.seconds, words / run.speed)
        self.pairs += replica.trainer.losses.pairs

    def alone(self) -> dict[str, Any]:
        """The mean of the nodes' scores, and the best."""
        each = [self.material.scores(model) for model in self.models]
        scores = {name: float(np.mean([score[name] for score in each])) for name in each[0]}
        return {**scores, "best_points": max(score["points"] for score in each)}

    def merged(self, how: str, bandwidth: float) -> dict[str, Any]:
        """The scores of one model made of all; each node sends its own, `syn0` alone, once."""
        weights = merge(how, self.models, self.known)
        phase = Phase([Transfer("model", node, SERVER, model.nbytes) for node, model in enumerate(self.models)])
        traffic = Traffic()
        traffic.note(phase.transfers)
        at = {each: self.seconds + phase.seconds(bytes_per_second(each)) for each in (bandwidth, *BANDWIDTHS)}
        seconds_at = {f"{each:g}": at[each] for each in BANDWIDTHS}
        return {
            **self.material.scores(weights), "seconds": at[bandwidth], "seconds_at": seconds_at, **bytes_of(traffic)
        }  # fmt: skip


@cache
def train_apart(run: Run, material: Material) -> Apart:
    """The nodes of a run whose baseline, bandwidth and event do not matter to them."""
    return Apart(run, material)


def run_apart(run: Run, material: Material) -> dict[str, Any]:
    """The result of `alone`, or of a way of merging."""
    apart = train_apart(replace(run, baseline="", bandwidth=0.0, event="none", rounds=1), material)
    common = {
        "apart": 0.0, "seconds": apart.seconds, "stall": 0.0, "trained": apart.trained,
        "pairs": apart.pairs, "words_per_cpu_second": apart.trained / max(apart.cpu_seconds, 1e-9), "curve": [],
        **bytes_of(Traffic()),
    }  # fmt: skip
    return {**common, **(apart.alone() if run.baseline == "alone" else apart.merged(run.baseline, run.bandwidth))}
