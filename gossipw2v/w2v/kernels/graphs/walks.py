"""Random walks, compiled: of first order (DeepWalk, Perozzi et al. 2014) and of second (node2vec, Grover et al. 2016).

A walk depends on (seed, epoch, number of the walk) and on nothing else. Many walks go side by side, a step of each in
turn: their accesses to memory overlap, which is most of what a step in a large graph costs.

The second order is drawn by rejection (Zhou et al. 2018; Yang et al. 2019): a target is drawn as for the first order,
and stays with the chance that p and q leave to it. Nothing is kept for pairs of edges, and most draws are judged
without a look at the other row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gossipw2v.w2v.kernels.jit import exact, inline_exact
from gossipw2v.w2v.kernels.sampling import GOLDEN, below, mix

_LOW32 = np.uint64(0xFFFFFFFF)
_S32 = np.uint64(32)


class Bias(NamedTuple):
    """Chances, in 2**32-ths, that a drawn target stays: the node before, its neighbours, all others.

    `second`: whether they differ; `directed`: whether an edge from the node before has to lead to its neighbours.
    """

    back: np.uint64
    near: np.uint64
    far: np.uint64
    second: bool
    directed: bool


@inline_exact
def _next(states, i):
    """The next 64 random bits of walk `i`."""
    states[i] += GOLDEN
    return mix(states[i])


@inline_exact
def _key(seed, epoch, number):
    return mix(mix(mix(seed + GOLDEN) + np.uint64(epoch) * GOLDEN) + np.uint64(number) * GOLDEN)


@exact
def _divisor(a, b):
    while b:
        a, b = b, a % b
    return a


@exact
def _shuffle(seed, epoch, turn, size):
    """Numbers (a, b), such that k -> (a k + b) mod size is one to one: the order of the start nodes in a turn."""
    bits = _key(~seed, epoch, turn)
    factor = 1 + np.int64((bits & _LOW32) % np.uint64(size))
    while _divisor(factor, size) != 1:
        factor += 1
    return factor, np.int64((bits >> _S32) % np.uint64(size))


@inline_exact
def _has(targets, start, stop, target):
    """Whether a sorted row holds a target."""
    end = stop
    while start < end:
        middle = (start + end) >> 1
        if targets[middle] < target:
            start = middle + 1
        else:
            end = middle
    return end < stop and targets[end] == target


@inline_exact
def _is_near(offsets, targets, before, target, directed):
    """Whether there is an edge from `before` to `target`; looked for in the shorter row if it goes both ways."""
    start, stop = offsets[before], offsets[before + 1]
    other, last = offsets[target], offsets[target + 1]
    if not directed and last - other < stop - start:
        start, stop, target = other, last, before
    return _has(targets, start, stop, target)


@inline_exact
def _draw(targets, cells, start, size, states, i):
    """A target of a row by its weight, and 32 bits that have not been used."""
    bits = _next(states, i)
    place = below(bits, size)
    if cells.size:
        cell = cells[start + place]
        if (bits & _LOW32) > (cell >> _S32):
            place = np.int64(cell & _LOW32)
        bits = _next(states, i)
    return targets[start + place], bits & _LOW32


@inline_exact
def _stays(offsets, targets, bias, before, target, bits):
    """Whether a drawn target stays, by its distance from the node before."""
    if target == before:
        return bits < bias.back
    low, high = min(bias.near, bias.far), max(bias.near, bias.far)
    if not low <= bits < high:  # judged alike, near or far
        return bits < low
    return _is_near(offsets, targets, before, target, bias.directed) == (bias.near == high)


@inline_exact
def _step(offsets, targets, cells, bias, node, before, states, i):
    """The node after `node`, to which the walk came from `before` (-1: it began here); -1 where no edge leads on."""
    start, size = offsets[node], offsets[node + 1] - offsets[node]
    if size == 0:
        return np.int32(-1)
    while True:
        target, bits = _draw(targets, cells, start, size, states, i)
        if before < 0 or not bias.second or _stays(offsets, targets, bias, before, target, bits):
            return target


@exact
def _begin(starts, seed, epoch, numbers, nodes, states):
    """The start nodes and random states of walks."""
    size = len(starts)
    turn, factor, shift = -1, 1, 0
    for i in range(len(nodes)):
        number = numbers[i]
        if number // size != turn:
            turn = number // size
            factor, shift = _shuffle(seed, epoch, turn, size)
        nodes[i] = starts[(factor * (number % size) + shift) % size]
        states[i] = _key(seed, epoch, number)


@exact
def walk(offsets, targets, cells, starts, rows, bias, seed, epoch, numbers, out):
    """Fill int32[n, length + 1] `out` with the walks of `numbers` int64[n] in an epoch, as `rows` int32[N] of nodes.

    What has no row (-1) is left out, and what comes behind it moves up; -1 stands behind each walk, up to the end of
    its line. `starts` int32[m] are begun from in turns, each turn in an order of its own.
    """
    walks, length = out.shape[0], out.shape[1] - 1
    nodes, before = np.empty(walks, np.int32), np.full(walks, -1, np.int32)
    states, filled = np.empty(walks, np.uint64), np.zeros(walks, np.int32)
    out[:] = -1
    _begin(starts, seed, epoch, numbers, nodes, states)
    for step in range(length):
        for i in range(walks):
            node = nodes[i]
            if node < 0:
                continue
            row = rows[node]
            if row >= 0:
                out[i, filled[i]] = row
                filled[i] += 1
            if step + 1 < length:
                nodes[i] = _step(offsets, targets, cells, bias, node, before[i], states, i)
                before[i] = node
