# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, call-arg, unreachable"
# ruff: noqa: PLR0913, PLR0917
"""Chunks of text and what is trained alike in them, whatever the inputs are: true pairs, shared noise words.

A *chunk* of `POSITIONS` positions draws `SHARED` noise words once and trains a private copy of their rows, whose change
is added when the chunk ends. Its positions go through in *groups* of `GROUP`, a group's input vectors as they were when
it started:

1. the scores of all true pairs, two at a time, their gradients, their output rows;
2. for four noise rows at a time: tiles of 4 x 4 scores, their gradients, tiles of 4 x 4 updates.

A position's noise gradient is weighted by `negative / SHARED * its pairs`, which has the expectation of word2vec's
`negative` draws per pair. (word2vec.c draws again when noise hits the true word; here such a hit counts.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gossipw2v import tiles
from gossipw2v.sampling import draw, subsample
from gossipw2v.simd import LANES
from gossipw2v.tiles import TILE, aligned

POSITIONS = 128  # positions of a chunk; more reuse noise rows longer, and meet fewer different noise words
SHARED = 32  # noise words of a chunk; 16 for 32 positions is faster and costs 3 points of analogy
GROUP = 8  # positions trained as one; their rows stay in the first-level cache
MEASURED = 8  # one chunk in so many has its loss computed; logarithms are dear

inline = njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)


class Params(NamedTuple):
    """Scalars of one training call: Python's int, int, float."""

    window: int
    negative: int
    alpha: float


class Scratch(NamedTuple):
    """Working memory of one thread; made by `make_scratch`."""

    noise: NDArray[np.float32]  # [SHARED, padded]: noise rows being trained
    before: NDArray[np.float32]  # [SHARED, padded]: as they were
    draws: NDArray[np.int64]  # [SHARED]: their words
    x: NDArray[np.float32]  # [GROUP, padded]: input rows of the group
    step: NDArray[np.float32]  # [GROUP, padded]: their gradients
    words: NDArray[np.int64]  # [GROUP, 2]: their words and numbers of pairs
    couples: NDArray[np.int64]  # [n, 3]: position in the group and two words of its window
    singles: NDArray[np.int64]  # [n, 2]: position in the group and one word of its window
    windows: NDArray[np.int64]  # [GROUP, 3]: of CBOW, their places in the text and how far they reach left and right
    scores: NDArray[np.float32]  # [2, 2 * n]: of couples; of singles
    tile: NDArray[np.float32]  # [2, TILE * GROUP]: scores against four noise rows; step sizes


def make_scratch(vector_size: int, window: int, negative: int) -> Scratch:  # noqa: ARG001
    """Working memory for one thread."""
    width = tiles.padded(vector_size)
    pairs = 2 * window * GROUP
    return Scratch(
        noise=aligned(SHARED, width),
        before=aligned(SHARED, width),
        draws=np.zeros(SHARED, np.int64),
        x=aligned(GROUP, width),
        step=aligned(GROUP, width),
        words=np.zeros((GROUP, 2), np.int64),
        couples=np.zeros((pairs, 3), np.int64),
        singles=np.zeros((pairs, 2), np.int64),
        windows=np.zeros((GROUP, 3), np.int64),
        scores=aligned(2, tiles.padded(pairs)),
        tile=aligned(2, TILE * GROUP),
    )


@inline
def _take_noise(syn1neg, noise, state, scratch):
    """Draw the chunk's noise words and copy their rows."""
    draws = scratch.draws
    for k in range(SHARED):
        draws[k] = draw(noise, state)
        tiles.fetch_row(syn1neg, draws[k])
    for k in range(SHARED):
        tiles.copy_row(syn1neg, draws[k], scratch.noise, k)
        tiles.copy_row(syn1neg, draws[k], scratch.before, k)


@inline
def _give_noise(syn1neg, updates, pairs, scratch):
    """Add what the noise rows learned to the matrix, which other threads may have changed meanwhile."""
    for k in range(SHARED):
        word = scratch.draws[k]
        tiles.add_change(scratch.noise, scratch.before, k, syn1neg, word)
        updates[len(syn1neg) + word] += pairs


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
def fetch_ahead(kept, n, i, window, first, second):
    """Ask for the rows that the next group will need: of `first` at its positions, of `second` in their windows."""
    if i + GROUP + window < n and kept[i + GROUP + window] >= 0:
        tiles.fetch_row(second, np.int64(kept[i + GROUP + window]))
    if i + GROUP < n and kept[i + GROUP] >= 0:
        tiles.fetch_row(first, np.int64(kept[i + GROUP]))


@inline
def _to_gains(scores, n, alpha, measure):
    """Scores of true pairs become step sizes alpha * (1 - sigmoid); returns their loss."""
    for at in range(0, n, LANES):
        tiles.sigmoids(scores, at)
    loss = 0.0
    if measure:
        for i in range(n):
            loss -= np.log(np.float64(scores[i]))
    for i in range(n):
        scores[i] = alpha - alpha * scores[i]
    return loss


@inline
def _train_true(syn1neg, updates, alpha, couples, singles, scratch, measure):
    """All true pairs of the group: output rows move, the inputs' gradients go to `step`."""
    x, step, both, one = scratch.x, scratch.step, scratch.scores[0], scratch.scores[1]
    for c in range(couples):
        p, a, b = scratch.couples[c]
        tiles.pair_dots(x, p, syn1neg, a, b, both, 2 * c)
    for c in range(singles):
        tiles.one_dot(x, scratch.singles[c, 0], syn1neg, scratch.singles[c, 1], one, c)
    loss = _to_gains(both, 2 * couples, alpha, measure) + _to_gains(one, singles, alpha, measure)
    outputs = updates[len(syn1neg) :]
    for c in range(couples):
        p, a, b = scratch.couples[c]
        tiles.pair_move(x, step, p, syn1neg, a, b, both, 2 * c)
        outputs[a] += 1
        outputs[b] += 1
    for c in range(singles):
        tiles.one_move(x, step, scratch.singles[c, 0], syn1neg, scratch.singles[c, 1], one, c)
        outputs[scratch.singles[c, 1]] += 1
    return loss


@inline
def _weigh(alpha, negative, size, scratch):
    """Step sizes of the group's noise pairs; 0 for positions that are not there."""
    for p in range(GROUP):
        pairs = scratch.words[p, 1] if p < size else 0
        for q in range(TILE):
            scratch.tile[1, TILE * p + q] = -alpha * np.float32(negative * pairs / SHARED)


@inline
def _noise_loss(probabilities, rates):
    """Loss of the tile's pairs, weighted by their step sizes; one logarithm for four factors."""
    loss = 0.0
    for p in range(GROUP):
        likelihood = 1.0
        for q in range(TILE):
            likelihood *= 1.0 - np.float64(probabilities[TILE * p + q])
        loss += np.log(max(likelihood, 1e-100)) * rates[TILE * p]
    return loss


@inline
def _train_noise(scratch, measure):
    """The group's inputs against all noise rows, four of these at a time."""
    x, step, noise, scores, rates = scratch.x, scratch.step, scratch.noise, scratch.tile[0], scratch.tile[1]
    loss = 0.0
    for k in range(0, SHARED, TILE):
        for p in range(0, GROUP, TILE):
            tiles.tile_dots(x, p, noise, k, scores, TILE * p)
        for at in range(0, TILE * GROUP, LANES):
            tiles.sigmoids(scores, at)
        if measure:
            loss += _noise_loss(scores, rates)
        for at in range(TILE * GROUP):
            scores[at] *= rates[at]
        for p in range(0, GROUP, TILE):
            tiles.tile_move(x, step, p, noise, k, scores, TILE * p)
    return loss


def make_train(gather, give):
    """The loop over a text. `gather` lists a group: (where it ends, its size, its couples, its singles), its inputs in
    `scratch.x`; `give` adds the gradients in `scratch.step` to their rows.
    """

    @inline
    def chunk(kept, n, start, syn0, syn1neg, updates, noise, params, state, scratch, result, measure):
        """Train the `POSITIONS` positions from `start` on; returns where the next chunk starts."""
        _take_noise(syn1neg, noise, state, scratch)
        i, positions, pairs, loss, alpha = start, 0, 0, 0.0, np.float32(params.alpha)
        while i < n and positions < POSITIONS:
            i, size, couples, singles = gather(kept, n, i, syn0, syn1neg, params, state, scratch)
            if size == 0:
                break
            scratch.step[:] = np.float32(0.0)
            _weigh(alpha, params.negative, size, scratch)
            loss += _train_true(syn1neg, updates, alpha, couples, singles, scratch, measure)
            loss += _train_noise(scratch, measure) / params.alpha
            give(kept, size, syn0, updates, scratch)
            positions += size
            pairs += 2 * couples + singles
        _give_noise(syn1neg, updates, (2 * pairs * params.negative + SHARED) // (2 * SHARED), scratch)
        result[0] += pairs
        if measure:
            result[1] += loss
            result[2] += pairs
        return i

    @inline
    def train(tokens, syn0, syn1neg, updates, keep, noise, params, state, scratch, result):
        kept = np.empty(len(tokens) + 1, np.int32)
        n = subsample(tokens, keep, state, kept)
        i = chunks = 0
        while i < n:
            measure = chunks % MEASURED == 0
            i = chunk(kept, n, i, syn0, syn1neg, updates, noise, params, state, scratch, result, measure)
            chunks += 1

    return train
