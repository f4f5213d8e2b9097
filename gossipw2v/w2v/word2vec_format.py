"""Vectors in the text format of word2vec, which gensim, fastText and spaCy read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
BLOCK_ROWS = 512  # rows formatted at a time
_WHITE_SPACE = b" \t\n\v\f\r"  # what separates words in the text format


class ExportError(ValueError):
    """The model cannot be written in the format asked for; the message names the word."""


def write_word2vec(file: BinaryIO, words: Sequence[bytes], vectors: Floats) -> None:
    """Write float32[V, D] as word2vec text to an open file.

    ExportError before anything is written; later only if training, which goes on meanwhile, breaks a value.
    """
    check_exportable(words, vectors)
    file.writelines(lines(words, vectors))


def check_exportable(words: Sequence[bytes], vectors: Floats) -> None:
    """ExportError naming the first word that holds ASCII white space or whose vector is not finite."""
    if vectors.ndim != 2 or len(words) != len(vectors):
        raise ExportError(f"{len(words)} words do not go with vectors of shape {vectors.shape}")
    for word in words:
        if not word or len(word.translate(None, _WHITE_SPACE)) != len(word):
            raise ExportError(f"the word {_shown(word)} is empty or holds white space, which word2vec text cannot")
    check_finite(words, vectors)


def check_finite(words: Sequence[bytes], vectors: Floats) -> None:
    """ExportError naming the first of the words whose vector, a row of float32[V, D], is not finite."""
    for start in range(0, len(words), BLOCK_ROWS):
        finite = np.isfinite(vectors[start : start + BLOCK_ROWS]).all(axis=1)
        if not finite.all():
            word = words[start + int(finite.argmin())]
            raise ExportError(f"the vector of {_shown(word)} holds a value that is not finite")


def lines(words: Sequence[bytes], vectors: Floats, block: int = BLOCK_ROWS) -> Iterator[bytes]:
    """word2vec text in pieces of `block` rows, the header first; nine digits bring every float32 back bit for bit.

    Training may go on meanwhile: ExportError in place of a piece that is not finite any more.
    """
    size = vectors.shape[1]
    yield b"%d %d\n" % (len(words), size)
    row = b"%b" + b" %.9g" * size + b"\n"
    for start in range(0, len(words), block):
        some, held = words[start : start + block], vectors[start : start + block].copy()
        check_finite(some, held)
        rows = zip(some, held.tolist(), strict=True)
        yield b"".join([row % (word, *values) for word, values in rows])


def _shown(word: bytes) -> str:
    return repr(word[:80].decode("utf-8", "replace"))
