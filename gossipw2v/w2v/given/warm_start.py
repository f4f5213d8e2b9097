"""First vectors that come from a file: the same on all nodes, or a link's two ends would not measure from one point.

What a node exchanges are differences from the vectors that all began with, which nobody sends. So these vectors are
part of the job, by a digest of all that the file holds, whatever its format; and what is taken from it is copied, since
a link that is opened later begins from them too.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gossipw2v.w2v.text.shards import naming
from gossipw2v.w2v.text.vocab import Ints, places
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.training.guard import LONGEST
from gossipw2v.w2v.vectors.table import Floats, Vectors, blocks, mapped, shown

FLAG = "--from"
_BLOCK = 4096  # rows looked at at a time


class WarmStartError(ValueError):
    """Vectors that a training cannot start from; the message names the file and says what to do."""


@dataclass(frozen=True, eq=False)
class FirstRows:
    """The rows of a vocabulary, at `at` int64[n], that do not start from (seed, word); `kept` [n, D] of each matrix."""

    at: Ints
    kept: tuple[Vectors, ...] = ()

    @property
    def both(self) -> bool:
        """Whether context vectors are among them."""
        return len(self.kept) > 1

    def put(self, weights: Floats) -> None:
        """Put them into float32[2V, D], context vectors below word vectors."""
        for half, matrix in enumerate(self.kept):
            weights[self.at + half * (len(weights) // 2)] = matrix.rows
            matrix.release()


NO_ROWS = FirstRows(np.empty(0, np.int64))


@dataclass(frozen=True, eq=False)
class WarmStart:
    """Vectors to start from: word vectors, then context vectors where they are known, which a file does not say."""

    name: str
    matrices: tuple[Vectors, ...]
    digest: bytes  # 16 bytes of words and numbers

    @property
    def words(self) -> Words:
        """The words that have a row."""
        return self.matrices[0].words

    def rows_of(self, words: Words, folder: Path) -> FirstRows:
        """Those of `words` that are known, copied to a file without a name in `folder`. WarmStartError, ShardError."""
        found = places(self.words, words)
        at = np.flatnonzero(found >= 0)
        if not len(at):
            return NO_ROWS
        copies = tuple(_copied(matrix, found[at], folder) for matrix in self.matrices)
        if digest_of(self.matrices) != self.digest:
            raise WarmStartError(f"{self.name}: has changed since it was read; start again once nobody writes to it")
        return FirstRows(at, copies)


def warm_start(matrices: tuple[Vectors, ...], name: str, vector_size: int) -> WarmStart:
    """What a training of `vector_size` dimensions starts from. WarmStartError if it cannot."""
    if matrices[0].dimensions != vector_size:
        raise WarmStartError(
            f"{name}: its vectors have {matrices[0].dimensions} dimensions, and vector_size is {vector_size}; "
            f"give --vector-size {matrices[0].dimensions}, or leave {FLAG} out"
        )
    for matrix in matrices:
        _check_lengths(matrix, name)
    return WarmStart(name, matrices, digest_of(matrices))


def digest_of(matrices: tuple[Vectors, ...]) -> bytes:
    """16 bytes that change with any word, any number, and the order of words; not with the format."""
    digest = hashlib.blake2b(digest_size=16, person=b"gossipw2v.start")
    digest.update(matrices[0].words.joined)
    digest.update(b"\n\n")
    for matrix in matrices:
        _each_block(matrix, lambda rows, _: digest.update(rows.tobytes()))
    return digest.digest()


def _check_lengths(matrix: Vectors, name: str) -> None:
    """WarmStartError for a row that a training would take for one of a model that has diverged."""

    def check(rows: Floats, start: int) -> None:
        lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
        if not (lengths <= LONGEST).all():  # nor what is not finite
            row = int((~(lengths <= LONGEST)).argmax())
            raise WarmStartError(
                f"{name}: the vector of {shown(matrix.words[start + row])} has length {lengths[row]:.3g}; {LONGEST:g} "
                "is the most of a model that learns. Scale them down: `gossipw2v merge` with --normalize gives all "
                "length 1"
            )

    _each_block(matrix, check)


def _each_block(matrix: Vectors, look: Callable[[Floats, int], object]) -> None:
    """Show `look` float32 rows and where they start, a block at a time."""
    for block in blocks(matrix.rows, _BLOCK):
        look(np.ascontiguousarray(matrix.rows[block], "<f4"), block.start)
        matrix.release()


def _copied(matrix: Vectors, numbers: Ints, folder: Path) -> Vectors:
    """The rows of these numbers, in a file without a name in `folder`. ShardError."""
    with naming(folder), tempfile.TemporaryFile(dir=folder) as file:
        for start in range(0, len(numbers), _BLOCK):
            file.write(matrix.rows[numbers[start : start + _BLOCK]].astype("<f4").tobytes())
            matrix.release()
        file.flush()
        return mapped(matrix.name, matrix.words.take(numbers), file, matrix.dimensions, "<f4")
