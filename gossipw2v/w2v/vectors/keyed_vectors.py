"""gensim's own file, which `KeyedVectors.load` reads.

It is a Python pickle, which runs what it says when it is read: so it is written here, by gensim, and never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from gossipw2v.w2v.vectors.formats import library
from gossipw2v.w2v.vectors.table import Progress, Rows, blocks


def write(files: Sequence[BinaryIO], words: Sequence[bytes], rows: Rows, progress: Progress) -> None:
    """Write a KeyedVectors with all in one file, as `formats.write` says. It is built in memory first, and pickled."""
    keyed_vectors = library("gensim.models").KeyedVectors
    keyed = keyed_vectors(rows.shape[1], count=0, dtype=rows.dtype.type)
    vectors = np.empty(rows.shape, rows.dtype)
    for block in blocks(rows):
        vectors[block] = rows[block]
        progress(block.stop, len(words))
    keyed.add_vectors([word.decode("utf-8", "replace") for word in words], vectors)
    keyed.save(files[0])
