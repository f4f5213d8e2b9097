# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, call-arg, unreachable"
# ruff: noqa: PLR0913, PLR0917
"""word2vec with negative sampling, as fast as the arithmetic allows, on any number of threads.

The scheme is pWord2Vec's (Ji et al. 2016): inputs share noise words, so that vector work becomes matrix work. `noise`
says how many are shared by how many pairs, so that nothing is lost by it at any setting; `skipgram` and `cbow` say what
the inputs are; `tiles` and `simd` are the arithmetic. This module compiles them and is what others call.

Threads share the matrices without locks (Hogwild): a race may lose an update, nothing else. One thread with one
seed gives the same bits on every run of the same machine.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from gossipw2v.w2v.kernels import cbow, sampling, simd, skipgram, tiles
from gossipw2v.w2v.kernels import noise as noise_sets
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

_PARTS = tuple(Path(str(module.__file__)) for module in (cbow, noise_sets, sampling, simd, skipgram, tiles))


def _cbow(source: bytes) -> Callable[..., None]:
    """The function that gets compiled. `source` makes it another one, to the disk cache, when its parts change."""

    def cbow_kernel(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, kept, result):
        if len(source):
            cbow.train(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, kept, result)

    return cbow_kernel


def _skipgram(source: bytes) -> Callable[..., None]:
    """The same for skip-gram."""

    def skipgram_kernel(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, kept, result):
        if len(source):
            skipgram.train(tokens, syn0, syn1neg, updates, keep, noise, params, plan, state, scratch, kept, result)

    return skipgram_kernel


@functools.cache
def _dispatcher(sg: int) -> Any:
    """A kernel, not compiled yet. The disk cache looks at this file only; the digest covers what it inlines."""
    parts = b"".join(path.read_bytes() for path in _PARTS)
    train = (_cbow, _skipgram)[sg](hashlib.blake2b(parts, digest_size=8).digest())
    return njit(nogil=True, fastmath=True, error_model="numpy", cache=True, **sampling.NO_COUNTING)(train)


@functools.cache
def _kernel(sg: int) -> Any:
    """A compiled kernel: one form for all layouts of matrices and for read-only tokens."""
    matrix, scratch = types.Array(types.float32, 2, "A"), make_scratch(1, 1, 1)
    dispatcher = _dispatcher(sg)
    dispatcher.compile(
        (
            types.Array(types.int32, 1, "C", readonly=True),
            matrix,
            matrix,
            types.int64[::1],
            types.Array(types.uint32, 1, "C", readonly=True),
            types.Array(types.uint64, 1, "C", readonly=True),
            numba.typeof(Params(1, 1, 1.0)),
            numba.typeof(Plan(1, 1, 1, 1)),
            types.uint64[::1],
            numba.typeof(scratch),
            types.int32[::1],
            types.float64[::1],
        )
    )
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
    result, kept = np.zeros(3), np.empty(len(tokens) + 1, np.int32)
    arguments = (syn0, syn1neg, updates, keep, noise, params, make_plan(params, sg), state, scratch, kept, result)
    _kernel(sg)(np.asarray(tokens), *arguments)
    pairs, loss, measured = result
    return int(pairs), float(loss * pairs / measured) if measured else 0.0


def compiled(sg: int = 1) -> bool:
    """Whether `warm_up` will be quick: the disk cache is up to date."""
    made = [index.stat().st_mtime for index in _indexes(sg)]
    return bool(made) and max(made) >= max(path.stat().st_mtime for path in (*_PARTS, Path(__file__)))


def _indexes(sg: int) -> list[Path]:
    """What the disk cache has of the kernel."""
    folder = Path(str(_dispatcher(sg).stats.cache_path))
    return list(folder.glob(f"sgns.*{('cbow', 'skipgram')[sg]}*.nbi"))


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
    for index in _indexes(sg):  # what came from the cache fits files that look newer: the same ones, checked out again
        with suppress(OSError):
            index.touch()
