# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, call-arg, unreachable"
# ruff: noqa: PLR0913, PLR0917
"""What skip-gram makes of a position: the word is the input, each word of its window an output of its own."""

from __future__ import annotations

from gossipw2v import tiles
from gossipw2v.chunks import GROUP, fetch_ahead, inline, make_train, reach
from gossipw2v.sampling import below, next_bits


@inline
def _add_single(scratch, singles, p, word):
    scratch.singles[singles, 0], scratch.singles[singles, 1] = p, word
    return singles + 1


@inline
def _pair_up(kept, i, left, right, p, couples, singles, scratch):
    """List the window of position `i` as couples (one word from either side) and what is left over."""
    both = min(left, right)
    for t in range(1, both + 1):
        a, b = kept[i - t], kept[i + t]
        if a == b:  # one row: not two at a time
            singles = _add_single(scratch, _add_single(scratch, singles, p, a), p, a)
        else:
            row = scratch.couples[couples]
            row[0], row[1], row[2] = p, a, b
            couples += 1
    for t in range(both + 1, left + 1):
        singles = _add_single(scratch, singles, p, kept[i - t])
    for t in range(both + 1, right + 1):
        singles = _add_single(scratch, singles, p, kept[i + t])
    return couples, singles


@inline
def _gather(kept, n, i, syn0, syn1neg, params, state, scratch):
    """List the next group from position `i` on: (where it ends, its size, its couples, its singles)."""
    size = couples = singles = 0
    while i < n and size < GROUP:
        if kept[i] >= 0:
            most = 1 + below(next_bits(state), params.window)
            fetch_ahead(kept, n, i, params.window, syn0, syn1neg)
            left, right = reach(kept, n, i, most)
            if left + right > 0:
                couples, singles = _pair_up(kept, i, left, right, size, couples, singles, scratch)
                scratch.words[size, 0], scratch.words[size, 1] = kept[i], left + right
                tiles.copy_row(syn0, scratch.words[size, 0], scratch.x, size)
                size += 1
        i += 1
    return i, size, couples, singles


@inline
def _give(_kept, size, syn0, updates, scratch):
    """Add the group's gradients to its words' rows."""
    for p in range(size):
        word = scratch.words[p, 0]
        tiles.add_row(scratch.step, p, syn0, word)
        updates[word] += scratch.words[p, 1]


train = make_train(_gather, _give)
