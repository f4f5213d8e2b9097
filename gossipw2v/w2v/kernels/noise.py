"""Noise words: how many are drawn, how long they serve, and how large their steps are.

Input rows meet output rows in *blocks* of up to `BLOCK` inputs and `TILE` outputs (`tiles.block4`, `tiles.block8`). The
outputs are the true words, with a step of `alpha`, and a *set* of noise words, drawn once for some pairs. A row of the
set stands for `negative / rows` draws of each pair, which has the expectation of word2vec's `negative` draws per pair.
As in word2vec.c, noise that hits the true word of a pair is left out, and a word drawn twice counts twice.

Two sets are held: the one in use, and the next, whose rows are on their way to the cache meanwhile.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels import tiles
from gossipw2v.w2v.kernels.jit import inline
from gossipw2v.w2v.kernels.sampling import draw
from gossipw2v.w2v.kernels.tiles import TILE, aligned
from gossipw2v.w2v.kernels.windows.spans import STRETCH

BLOCK = 2 * TILE  # most inputs that are trained as one; a group of CBOW has `TILE` positions at most
MOST = 64  # rows of a set, true words included
LARGEST_STEP = 0.053  # of a noise row and one pair; with 0.1, analogies at negative 10 and window 10 lose half a point
SERVES = 4  # pairs after which a block gets another set; with 8, analogies on 17 M words lose a point
LARGEST_SWEEP = 2.0  # of a mean's steps from one value: beyond about 3 the steepest direction overshoots
STALE = 10.0  # alpha * window * negative * inputs of a block: with twice that, SimLex loses two points at window 50
ENOUGH = 5  # noise words from which on more of them do not change that
MANY = 10  # noise words from which on blocks may be of one input; with two, SimLex loses 2 to 3 points at window 50
LONG = 10  # window of skip-gram from which on sets are at least as large; labels of walks gain half a point by it
NEAR = 15  # longest window of CBOW whose rows are read for each group; at 20 and `negative` 1 both ways are as fast
TWINS = 64  # pairs of places with the same word up to which groups of CBOW share a stretch
SLOTS = 4096  # places by the last bits of their words; a power of 2
MEASURED = 8  # one position in so many has its loss computed; logarithms are dear


class Params(NamedTuple):
    """Scalars of one training call: Python's int, int, float, float, int, int.

    A window reaches `least` to `window` words to each side, drawn anew for each position: from 1 on, as in word2vec, it
    shrinks at random. `usual`: the window whose pairs are as many as there really are for a position, 0 if that follows
    from these two; short sentences have fewer than any long window promises.
    """

    window: int
    negative: int
    alpha: float
    first_alpha: float = 0.0  # the largest of the whole training, which sets of noise are large enough for
    least: int = 1
    usual: int = 0


class Plan(NamedTuple):
    """How training is cut up: noise rows of a set, pairs that it serves, inputs of a block, positions of a group."""

    noise: int
    serves: int
    block: int
    group: int


class Scratch(NamedTuple):
    """Working memory of one thread; made by `make_scratch`. Slots are places of a set, true words first."""

    x: NDArray[np.float32]  # [STRETCH + TILE, padded]: CBOW's inputs, means of windows, then what has changed in them
    before: NDArray[np.float32]  # [TILE, padded]: those of a group as they were
    sums: NDArray[np.float32]  # [2 * (STRETCH + window), padded]: running sums of the rows of a stretch
    blank: NDArray[np.float32]  # [2, padded]: rows that fill up a block: an input, an output
    draws: NDArray[np.int64]  # [2, MOST]: the noise words of both sets, each once
    times: NDArray[np.int64]  # [2, MOST]: how often each was drawn
    fresh: NDArray[np.int64]  # [MOST]: words just drawn
    missed: NDArray[np.int64]  # [2, MOST]: pairs that it was left out of
    rows: NDArray[np.int64]  # [2, MOST]: addresses of output rows
    inputs: NDArray[np.int64]  # [BLOCK]: words of a block
    xs: NDArray[np.int64]  # [BLOCK]: addresses of input rows
    centers: NDArray[np.int64]  # [STRETCH + TILE]: words of CBOW's positions
    lows: NDArray[np.int32]  # [STRETCH + TILE]: where their windows begin, in places of the stretch
    ends: NDArray[np.int32]  # [STRETCH + TILE]: the places behind them
    shares: NDArray[np.float32]  # [STRETCH + TILE]: 1 / words of a window
    groups: NDArray[np.int64]  # [STRETCH + 1]: the first position of each group, then how many positions there are
    common: NDArray[np.float32]  # [STRETCH * STRETCH + TILE]: how often windows p and q have a word in common
    newest: NDArray[np.int32]  # [SLOTS]: the last place of a slot
    twins: NDArray[np.int32]  # [2, TWINS]: pairs of places with the same word
    found: NDArray[np.int64]  # [2]: how many pairs, and the place up to which they were looked for
    holds: NDArray[np.uint64]  # [2, STRETCH]: the pairs that have a place in a window, a bit each
    heads: NDArray[np.int32]  # [as sums]: of a list of the windows that begin and end at a place, -1 if there are none
    following: NDArray[np.int32]  # [2 * STRETCH]: the next of the list; STRETCH + p is the end of window p
    held: NDArray[np.int32]  # [as sums]: how many windows a place is in
    near: NDArray[np.int64]  # [TILE + 2 * NEAR]: addresses of the rows of a group's windows
    held_by: NDArray[np.float32]  # [(TILE + 2 * NEAR + 1) * TILE]: 1.0 at TILE * k + p where row k is in window p
    pull: NDArray[np.float32]  # [TILE * MOST]: a step is pull - push * sigmoid; TILE inputs' for every TILE slots
    push: NDArray[np.float32]  # [TILE * MOST]
    odd: NDArray[np.bool_]  # [1]: whether steps and rows are other than usual
    out: NDArray[np.float32]  # [2 * TILE * BLOCK]: probabilities of a block, then steps


def make_plan(params: Params, sg: int) -> Plan:
    """How to train with these settings.

    A set has as many rows as keep the step of each within `LARGEST_STEP`, which is the step of a few of word2vec's
    draws at the usual alpha: a row that goes further at once has left its place before others can pull it back.
    They stay as many when alpha falls: the last small steps settle where rows end up, and fewer noise words would make
    these steps noisier.
    CBOW's neighbouring means share most rows, and each moves them by its whole gradient: as many of them are trained
    from the same old rows as keep their steps together within `LARGEST_SWEEP`.
    Inputs of a block do not see how the others pull at the true word's row. The more such pulls there are and the
    larger they are, the more is lost by it of what the words of one window have in common: hence smaller blocks in
    long windows, down to two inputs, or to one where there is much noise.
    """
    push = params.alpha * params.negative
    unseen = params.alpha * _usual(params) * min(params.negative, ENOUGH)
    fewest = 1 if params.negative >= MANY else 2
    block = int(min(BLOCK, max(fewest, STALE / max(unseen, 1e-9))))
    group = int(min(TILE, max(1, LARGEST_SWEEP / max(push, 1e-9))))
    return Plan(noise=_noise_rows(params, sg), serves=SERVES, block=block, group=group)


def _usual(params: Params) -> int:
    """The window, shrunk at random, that has as many pairs for a position."""
    return params.usual or params.window + params.least - 1


def _noise_rows(params: Params, sg: int) -> int:
    """The noise rows of a set: as many as its pairs need, and then up to whole tiles with the true words."""
    first = 1 if sg else TILE
    needed = math.ceil(max(params.alpha, params.first_alpha) / LARGEST_STEP * params.negative)
    if sg and _usual(params) >= LONG and params.negative >= ENOUGH:
        needed = max(needed, ENOUGH)
    return min(MOST, -(-(first + max(1, needed)) // TILE) * TILE) - first


def is_bounded(alpha: float, negative: int) -> bool:
    """Whether a set can have enough rows to keep their steps within `LARGEST_STEP`."""
    return alpha * negative <= LARGEST_STEP * (MOST - 1)


def make_scratch(vector_size: int, window: int, negative: int) -> Scratch:  # noqa: ARG001 - public
    """Working memory for one thread."""
    width, places = tiles.padded(vector_size), 2 * (STRETCH + window)
    return Scratch(
        x=aligned(STRETCH + TILE, width),
        before=aligned(TILE, width),
        sums=aligned(places, width),
        blank=aligned(2, width),
        draws=np.zeros((2, MOST), np.int64),
        times=np.zeros((2, MOST), np.int64),
        fresh=np.zeros(MOST, np.int64),
        missed=np.zeros((2, MOST), np.int64),
        rows=np.zeros((2, MOST), np.int64),
        inputs=np.zeros(BLOCK, np.int64),
        xs=np.zeros(BLOCK, np.int64),
        centers=np.zeros(STRETCH + TILE, np.int64),
        lows=np.zeros(STRETCH + TILE, np.int32),
        ends=np.zeros(STRETCH + TILE, np.int32),
        shares=aligned(1, STRETCH + TILE)[0],
        groups=np.zeros(STRETCH + 1, np.int64),
        common=aligned(1, STRETCH * STRETCH + TILE)[0],
        newest=np.zeros(SLOTS, np.int32),
        twins=np.zeros((2, TWINS), np.int32),
        found=np.zeros(2, np.int64),
        holds=np.zeros((2, STRETCH), np.uint64),
        heads=np.zeros(places, np.int32),
        following=np.zeros(2 * STRETCH, np.int32),
        held=np.zeros(places, np.int32),
        near=np.zeros(TILE + 2 * NEAR, np.int64),
        held_by=aligned(1, (TILE + 2 * NEAR + 1) * TILE)[0],
        pull=aligned(1, TILE * MOST)[0],
        push=aligned(1, TILE * MOST)[0],
        odd=np.zeros(1, np.bool_),
        out=aligned(1, 2 * TILE * BLOCK)[0],
    )


@inline
def set_step(array, p, slot, step):
    """The step of input `p` of every `TILE` and a slot."""
    array[(slot // TILE * TILE + p) * TILE + slot % TILE] = step


@inline
def draw_set(syn1neg, outputs, noise, first, n, state, scratch, b):
    """Draw `n` words for the slots from `first` on of set `b`, and ask for their rows and counts.

    Returns where they end. All are drawn before any is looked at, so that the waits for the table overlap.
    """
    for k in range(n):
        scratch.fresh[k] = draw(noise, state)
    draws, times = scratch.draws[b], scratch.times[b]
    end = first
    for k in range(n):
        word = scratch.fresh[k]
        same = -1
        for slot in range(first, end):
            if draws[slot] == word:
                same = slot
        if same >= 0:
            times[same] += 1
        else:
            draws[end], times[end] = word, 1
            scratch.missed[b, end] = 0
            scratch.rows[b, end] = tiles.address(syn1neg, word)
            tiles.fetch_row(syn1neg, word)
            tiles.fetch_item(outputs, word)
            end += 1
    return end


@inline
def first_steps(alpha, rate, first, last, scratch):
    """The usual steps of a block: noise is in the slots from `first` on, and input p's true word in slot p before them,
    or in slot 0 if that is the only one.
    """
    for slot in range(last):
        for p in range(TILE):
            true = alpha if slot == min(p, first - 1) else np.float32(0.0)
            set_step(scratch.pull, p, slot, true)
            set_step(scratch.push, p, slot, rate if slot >= first else true)
    scratch.odd[0] = False


@inline
def usual_steps(syn1neg, first, end, last, rate, scratch, b):
    """The rows of set `b`, and for each draw a step of `rate`; slots from `end` to `last` are blank."""
    for slot in range(first, last):
        step = np.float32(0.0)
        scratch.rows[b, slot] = tiles.address(scratch.blank, 1)
        if slot < end:
            step = rate * np.float32(scratch.times[b, slot])
            scratch.rows[b, slot] = tiles.address(syn1neg, scratch.draws[b, slot])
        for p in range(TILE):
            set_step(scratch.push, p, slot, step)


@inline
def drawn(word, first, end, scratch, b):
    """Whether a word is in set `b`."""
    found = False
    for slot in range(first, end):
        found |= scratch.draws[b, slot] == word
    return found


@inline
def count_set(outputs, first, end, pairs, negative, n, scratch, b):
    """Add to the counts of the noise rows what they stood for, rounded, in `pairs` pairs less those they missed."""
    for slot in range(first, end):
        seen = 2 * (pairs - scratch.missed[b, slot]) * negative * scratch.times[b, slot] + n
        outputs[scratch.draws[b, slot]] += seen // (2 * n)


@inline
def add_loss(result, size, k, draws_per_step, scratch):
    """Add the loss of `size` inputs with the slots from `k` on, as it was before the step."""
    for p in range(size):
        for q in range(TILE):
            at = (p % TILE) * TILE + q
            pull, push = scratch.pull[TILE * k + at], scratch.push[TILE * k + at]
            probability = np.float64(scratch.out[TILE * p + q])
            if pull > 0:
                result[1] -= np.log(max(probability, 1e-30))
            elif push > 0:
                result[1] -= np.log(max(1.0 - probability, 1e-30)) * push * draws_per_step


@inline
def train_block(like, size, last, scratch, b, result, draws_per_step, measure):
    """One step of `size` inputs, at addresses `xs`, against the `last` rows of set `b`, `TILE` at a time."""
    full = TILE if size <= TILE else BLOCK
    for p in range(size, full):
        scratch.xs[p] = tiles.address(scratch.blank, 0)
    for k in range(0, last, TILE):
        if size < full:
            scratch.blank[0] = np.float32(0.0)  # it has moved
        if full == TILE:
            tiles.block4(scratch.xs, scratch.rows[b], k, like, scratch.pull, scratch.push, scratch.out)
        else:
            tiles.block8(scratch.xs, scratch.rows[b], k, like, scratch.pull, scratch.push, scratch.out)
        if measure:
            add_loss(result, size, k, draws_per_step, scratch)


@inline
def reach(kept, n, i, most):
    """How many words of the sentence lie left and right of position `i`, at most `most` each."""
    left = right = 0
    while left < most and i - left > 0 and kept[i - left - 1] >= 0:
        left += 1
    while right < most and i + right + 1 < n and kept[i + right + 1] >= 0:
        right += 1
    return left, right


@inline
def fetch_ahead(kept, n, i, window, outputs, inputs, updates):
    """Ask for rows and counts that will be needed: of `outputs` at place `i`, of `inputs` in its window."""
    if i < n and kept[i] >= 0:
        word = np.int64(kept[i])
        tiles.fetch_row(outputs, word)
        tiles.fetch_item(updates, len(outputs) + word)
    if i + window < n and kept[i + window] >= 0:
        word = np.int64(kept[i + window])
        tiles.fetch_row(inputs, word)
        tiles.fetch_item(updates, word)
