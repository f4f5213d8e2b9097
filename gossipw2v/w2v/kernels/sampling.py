"""Random numbers and what is drawn with them: subsampling, noise words, initial rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.jit import exact, inline_exact

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S32, _S39 = (np.uint64(s) for s in (27, 30, 31, 32, 39))
_LOW32 = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)


def mixed(z):
    """splitmix64's finaliser (Steele et al. 2014): uint64 -> uint64, of each number of an array."""
    z = (z ^ (z >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    return z ^ (z >> _S31)


mix = inline_exact(mixed)  # of one number, in kernels alone: called from Python it would be compiled at every start


@inline_exact
def next_bits(state):
    """Next 64 random bits."""
    state[0] += GOLDEN
    return mix(state[0])


@inline_exact
def below(bits, n):
    """Map the upper 32 random bits to 0..n-1 without division (Lemire)."""
    return np.int64(((bits >> _S32) * np.uint64(n)) >> _S32)


def rng_state(seed: int, thread: int) -> NDArray[np.uint64]:
    """State for one thread's random numbers; equal (seed, thread) give equal numbers."""
    mask = (1 << 64) - 1
    state = np.array([(seed * 0x9E3779B97F4A7C15 + thread * 0xD1342543DE82EF95) & mask], np.uint64)
    return np.asarray(mixed(state + GOLDEN))


def keep_table(counts: NDArray[np.int64], sample: float) -> NDArray[np.uint32]:
    """Subsampling thresholds: a token stays if 32 random bits are <= its word's entry. `sample` 0 keeps all.

    word2vec.c's probability, (sqrt(f / sample) + 1) * sample / f for a word of relative frequency f.
    """
    if not 0 <= sample < 1:
        raise ValueError(f"sample must be in [0, 1), not {sample}: it is a relative frequency, such as 1e-4")
    if sample == 0:
        return np.full(len(counts), 0xFFFFFFFF, np.uint32)
    ratio = sample * float(counts.sum()) / np.maximum(counts, 1).astype(np.float64)
    return np.asarray(np.minimum(np.sqrt(ratio) + ratio, 1.0) * 0xFFFFFFFF).astype(np.uint32)


def noise_table(counts: NDArray[np.int64], ns_exponent: float) -> NDArray[np.uint64]:
    """Alias table (Vose 1991) of counts ** ns_exponent: a word's entry is threshold << 32 | alias."""
    if len(counts) == 0 or int(counts.min()) < 0 or int(counts.max()) == 0:
        raise ValueError("noise needs a vocabulary: at least one word, and no negative count")
    weights = counts.astype(np.float64) ** ns_exponent
    table = np.empty(len(counts), np.uint64)
    fill_alias(weights * (len(counts) / weights.sum()), np.empty(len(counts), np.int64), table)
    return table


@exact
def fill_alias(share, queue, table):
    """Pair each word of less than average share with one of more; small ones queue left, large right."""
    small, large = 0, len(share)
    for w in range(len(share)):
        if share[w] < 1.0:
            queue[small] = w
            small += 1
        else:
            large -= 1
            queue[large] = w
    top = len(share) - 1
    while small > 0 and large <= top:
        small -= 1
        low, high = queue[small], queue[large]
        table[low] = (np.uint64(share[low] * 4294967295.0) << _S32) | np.uint64(high)
        share[high] -= 1.0 - share[low]
        if share[high] < 1.0:
            large += 1
            queue[small] = high
            small += 1
    for i in range(small):
        table[queue[i]] = (_LOW32 << _S32) | np.uint64(queue[i])
    for i in range(large, top + 1):
        table[queue[i]] = (_LOW32 << _S32) | np.uint64(queue[i])


@inline_exact
def draw(noise, state):
    """One noise word."""
    bits = next_bits(state)
    word = below(bits, len(noise))
    entry = noise[word]
    return word if (bits & _LOW32) <= (entry >> _S32) else np.int64(entry & _LOW32)


@exact
def _init_rows(word_hashes, key, out):
    scale = np.float32(1.0 / (16777216.0 * out.shape[1]))
    for w in range(len(word_hashes)):
        base = mix(word_hashes[w] ^ key[0])
        for d in range(out.shape[1]):
            odd = ((mix(base + np.uint64(d + 1) * GOLDEN) >> _S39) | _ONE) - np.uint64(16777216)
            out[w, d] = np.float32(np.int64(odd)) * scale


def init_rows(word_hashes: NDArray[np.uint64], seed: int, out: NDArray[np.float32]) -> None:
    """Fill `out` [V, D] with values uniform in (-1, 1) / D, from (seed, word hash, column) alone.

    The range is gensim's since version 4; word2vec.c's is half of it, and short trainings end some points lower.

    The same bits on every machine: integers, then one multiplication.
    """
    if len(word_hashes) != len(out):
        raise ValueError(f"{len(word_hashes)} word hashes for {len(out)} rows: one each is needed")
    key = np.array([seed & ((1 << 64) - 1)], np.uint64)
    _init_rows(word_hashes, mixed(key + GOLDEN), out)


@inline_exact
def subsample(tokens, keep, state, kept):
    """Copy the tokens that stay, and every -1, to `kept` [at least n + 1]; returns how many."""
    n = 0
    for token in tokens:
        kept[n] = token
        n += token < 0 or (next_bits(state) >> _S32) <= np.uint64(keep[token])
    return n
