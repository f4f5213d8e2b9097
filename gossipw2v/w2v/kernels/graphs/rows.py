"""Sorted rows out of edges, compiled, and how often walks over them come to each node.

A row is a node's targets, ascending, each once. In a weighted graph each entry has a cell of the row's alias table
(Vose 1991) beside it, threshold << 32 | place in the row, so that a target is drawn by two looks at memory.
"""

from __future__ import annotations

import numpy as np

from gossipw2v.w2v.kernels.jit import exact
from gossipw2v.w2v.kernels.sampling import fill_alias

_LOW32 = np.uint64(0xFFFFFFFF)
_S32 = np.uint64(32)


@exact
def count_entries(pairs, directed, degrees):
    """Add the row entries that edges int32[n, 2] make to int64 `degrees`."""
    for n in range(len(pairs)):
        degrees[pairs[n, 0]] += 1
        if not directed:
            degrees[pairs[n, 1]] += 1


@exact
def scatter(pairs, bits, directed, first, fill, entries):
    """Put the entries of the rows from `first` on, as many as `fill` int64 has, where these say, which moves them on.

    `bits` uint32[n] are the weights'. An entry is target << 32 | bits: sorted by target, whatever the order of lines.
    """
    for n in range(len(pairs)):
        for side in range(1 if directed else 2):
            row = pairs[n, side] - first
            if 0 <= row < fill.size:
                entries[fill[row]] = (np.uint64(pairs[n, 1 - side]) << _S32) | np.uint64(bits[n])
                fill[row] += 1


@exact
def sort_rows(entries, ends):
    """Sort each row of uint64 `entries`; int64 `ends` are those of the rows, the first of which begins at 0."""
    start = 0
    for end in ends:
        entries[start:end].sort()
        start = end


@exact
def merge_repeats(entries, weights, ends, weighted, targets, sums):
    """Copy sorted rows to int32 `targets` and float64 `sums`, each target once; `ends` become those of the result.

    The weights of a target's entries are added up where the graph is `weighted`. Returns the number of entries left.
    """
    used = start = 0
    for row in range(ends.size):
        begin = used
        for n in range(start, ends[row]):
            target = np.int32(entries[n] >> _S32)
            if used > begin and targets[used - 1] == target:
                sums[used - 1] += weights[n] if weighted else 0.0
            else:
                targets[used], sums[used] = target, weights[n]
                used += 1
        start, ends[row] = ends[row], used
    return used


@exact
def fill_aliases(sums, ends, queue, cells):
    """Alias tables uint64 `cells` of rows of weights float64 `sums`, which are used up; int64 `queue` is as long."""
    start = 0
    for end in ends:
        share = sums[start:end]
        share *= len(share) / share.sum()
        fill_alias(share, queue[start:end], cells[start:end])
        start = end


@exact
def propagate(offsets, targets, cells, here, there):
    """Where float64[N] `here` is after one step, added to `there`: from each node to its row, by weight."""
    for node in range(here.size):
        start, end = offsets[node], offsets[node + 1]
        if here[node] == 0.0 or start == end:
            continue
        share = here[node] / (end - start)
        for n in range(start, end):
            if cells.size == 0:
                there[targets[n]] += share
            else:
                chance = np.float64(cells[n] >> _S32) / 4294967295.0
                there[targets[n]] += share * chance
                there[targets[start + np.int64(cells[n] & _LOW32)]] += share * (1.0 - chance)
