"""What a machine takes for what a node does: measured constants, and the arithmetic that they are fitted to.

Where they are from: one core of an AVX-512 server that others used too, `measuring` at 21 settings of 5,000 to 250,000
words, 32 to 300 dimensions, windows of 2 to 20 and 1 to 15 noise words; the fit is within 20 % of each, and of most
within 10 %. Another machine may be twice as fast or slow: `gossipw2v plan --measure` times the one that it runs on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from gossipw2v.cli.planning.frequencies import Numbers, zipf
from gossipw2v.cli.planning.task import Task
from gossipw2v.w2v.kernels.noise import Params, Plan, make_plan
from gossipw2v.w2v.kernels.tiles import TILE

CACHE = 32e6  # bytes of rows that are found in the caches of one core
THREADS = 0.93  # of a thread's speed alone, where all cores train: the manual's tables have .87 to .99
_SKIPGRAM = 76.3e-9, 7.0e-9, 2.76e-11, 1.46e-10, 3.7e-10  # s: word, pair, and by dimension: output, its move, miss
_CBOW = 26.4e-9, 1.44e-9, 1.01e-10, 0.0, 4.9e-10  # the same, where a pair is a word of a window


@dataclass(frozen=True, kw_only=True)
class Rates:
    """CPU seconds of one thread. `word`: to train a word of the text, None as the fit has it; `merged_row`: to bring a
    row of an exchange into a model, at either end, and `merged_value` each of its values; `counted`, `encoded`: of a
    word, before training; `start`: s until a node whose kernels are compiled counts. `measured`: whether this machine
    was timed."""

    word: float | None = None
    merged_row: float = 3.3e-7
    merged_value: float = 1.2e-9
    counted: float = 3.6e-8
    encoded: float = 4.0e-8
    start: float = 2.5
    measured: bool = False

    def word_seconds(self, task: Task) -> float:
        """Of one thread that trains alone, for a word of the text."""
        return fitted_word_seconds(task) if self.word is None else self.word

    def merged(self, vector_size: int) -> float:
        """Of a row of so many values."""
        return self.merged_row + self.merged_value * vector_size


def plan_of(task: Task) -> Plan:
    """How the kernels cut up the task."""
    return make_plan(Params(task.window, task.negative, task.alpha, task.alpha), task.sg)


def fitted_word_seconds(task: Task) -> float:
    """By the fit: what a word costs by itself, each pair of a window, and each dimension of the rows that they meet."""
    word, pair, output, moved, missed = _SKIPGRAM if task.sg else _CBOW
    plan, kept = plan_of(task), zipf(task.vocab).kept_share
    pairs, outputs = kept * (task.window + 1), plan.noise + (1 if task.sg else TILE)
    met = (pairs if task.sg else kept) * outputs  # output rows of an input, by how many are met at once
    dimensions = met * output + met / plan.block * moved + _visits_beyond_the_cache(task) * missed
    return kept * word + pairs * pair + dimensions * task.vector_size


def _visits_beyond_the_cache(task: Task) -> float:
    """Rows, for each word of the text, that are so rare that no cache holds them."""
    sizes, visits = row_visits(task)
    order = np.argsort(-visits)
    room = CACHE / (4 * task.vector_size)
    outside = np.clip((np.cumsum(sizes[order]) - room) / sizes[order], 0, 1)
    return float(np.sum((sizes * visits)[order] * outside))


@cache
def row_visits(task: Task) -> tuple[Numbers, Numbers]:
    """Groups of rows of both matrices, float64[2G]: how many, and how often each is trained for a word of the text.

    An input row wherever its word is left; an output row there too, and when it is drawn as noise, which serves a
    block of pairs.
    """
    words, plan = zipf(task.vocab), plan_of(task)
    pairs = task.window + 1 if task.sg else 1
    served = max(plan.serves, min(plan.block, pairs)) if task.sg else plan.serves
    own = words.shares * words.kept
    drawn = words.kept_share * pairs / served * plan.noise * words.noise_shares
    return np.concatenate([words.sizes, words.sizes]), np.concatenate([own, own + drawn])
