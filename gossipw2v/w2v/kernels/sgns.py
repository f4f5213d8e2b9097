"""word2vec with negative sampling, as fast as the arithmetic allows, on any number of threads.

The scheme is pWord2Vec's (Ji et al. 2016): inputs share noise words, so that vector work becomes matrix work. `noise`
says how many are shared by how many pairs, so that nothing is lost by it at any setting; `skipgram` and `cbow` say what
the inputs are; `tiles` and `simd` are the arithmetic. This module compiles them and is what others call.

Threads share the matrices without locks (Hogwild): a race may lose an update, nothing else. One thread with one
seed gives the same bits on every run of the same machine.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from gossipw2v.w2v.kernels import cbow, skipgram
from gossipw2v.w2v.kernels.jit import is_kept, kernel
from gossipw2v.w2v.kernels.noise import Params, Plan, Scratch, is_bounded, make_plan, make_scratch
from gossipw2v.w2v.kernels.sampling import init_rows, keep_table, noise_table, rng_state
from gossipw2v.w2v.kernels.tiles import aligned

__all__ = [
    "Params",
    "Plan",
    "Scratch",
    "aligned",
    "cbow_train",
    "compiled",
    "init_rows",
    "is_bounded",
    "keep_table",
    "make_plan",
    "make_scratch",
    "noise_table",
    "rng_state",
    "sgns_train",
    "warm_up",
]


@kernel
def _cbow(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, places, result):
    cbow.train(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, places, result)


@kernel
def _skipgram(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, places, result):
    skipgram.train(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, places, result)


_KERNELS = (_cbow, _skipgram)  # by `sg`
PLACES = (4, 1)  # numbers that they keep of each token: which it is, of CBOW also its sentence and where it was last


@functools.cache
def _signature() -> tuple[Any, ...]:
    """One form for all layouts of matrices and for read-only tokens."""
    matrix = types.Array(types.float32, 2, "A")
    return (
        types.Array(types.int32, 1, "C", readonly=True),
        matrix,
        matrix,
        types.int64[::1],
        types.Array(types.uint32, 1, "C", readonly=True),
        types.Array(types.uint64, 1, "C", readonly=True),
        numba.typeof(Params(1, 1, 1.0)),
        numba.typeof(Plan(1, 1, 1, 1)),
        types.uint64[::1],
        numba.typeof(make_scratch(1, 1, 1)),
        types.int32[:, ::1],
        types.float64[::1],
    )


@functools.cache
def _kernel(sg: int) -> Any:
    """A compiled kernel."""
    dispatcher = _KERNELS[sg]
    dispatcher.compile(_signature())
    dispatcher.disable_compile()
    return dispatcher


def sgns_train(
    tokens: NDArray[np.int32],
    syn0: NDArray[np.float32],
    syn1neg: NDArray[np.float32],
    updates: NDArray[np.int64],
    keep: NDArray[np.uint32],
    noise: NDArray[np.uint64],
    params: Params,
    state: NDArray[np.uint64],
    scratch: Scratch,
) -> tuple[int, float]:
    """Train every position of `tokens` once; returns (pairs trained, their summed SGNS loss).

    `tokens` [n] are word ids below V, -1 ends a sentence; the slice's ends are sentence ends too. `syn0`, `syn1neg`
    [V, D] and `updates` [2V] change in place: an input row counts its pairs, an output row its true pairs and the
    pairs that its noise draws stood for. Rows of `aligned` are fastest. `keep`, `noise`, `state`, `scratch` come
    from `keep_table`, `noise_table`, `rng_state`, `make_scratch`; the last two belong to one thread. The loss is an
    estimate from one position in eight. Releases the GIL.
    """
    return _train(1, tokens, syn0, syn1neg, updates, keep, noise, params, state, scratch)


def cbow_train(
    tokens: NDArray[np.int32],
    syn0: NDArray[np.float32],
    syn1neg: NDArray[np.float32],
    updates: NDArray[np.int64],
    keep: NDArray[np.uint32],
    noise: NDArray[np.uint64],
    params: Params,
    state: NDArray[np.uint64],
    scratch: Scratch,
) -> tuple[int, float]:
    """`sgns_train` for CBOW: the mean of a window's rows predicts the word between, one pair for each position.

    An input row counts the positions whose windows it was in; each gave it the whole gradient of their mean.
    """
    return _train(0, tokens, syn0, syn1neg, updates, keep, noise, params, state, scratch)


def _train(sg, tokens, syn0, syn1neg, updates, keep, noise, params, state, scratch) -> tuple[int, float]:
    result, places = np.zeros(3), np.empty((PLACES[sg], len(tokens) + 1), np.int32)
    arguments = (syn0, syn1neg, updates, keep, noise, params, make_plan(params, sg), state, scratch, places, result)
    _kernel(sg)(np.asarray(tokens), *arguments)
    pairs, loss, measured = result
    return int(pairs), float(loss * pairs / measured) if measured else 0.0


def compiled(sg: int = 1) -> bool:
    """Whether the kernel of skip-gram or CBOW is on disk, whole and of these sources: then warming up is quick."""
    return is_kept(_KERNELS[sg], _signature())


def warm_up(vector_size: int, sg: int = 1) -> None:
    """Compile the kernel of skip-gram or CBOW, or load it from the disk cache, by training a few words."""
    counts = np.array([3, 2, 1], np.int64)
    weights = aligned(6, vector_size)
    init_rows(np.arange(3, dtype=np.uint64), 1, weights[:3])
    (cbow_train, sgns_train)[sg](
        np.array([0, 1, 2, -1, 0, 1], np.int32),
        weights[:3],
        weights[3:],
        np.zeros(6, np.int64),
        keep_table(counts, 0.0),
        noise_table(counts, 0.75),
        Params(2, 2, 0.025),
        rng_state(1, 0),
        make_scratch(vector_size, 2, 2),
    )
