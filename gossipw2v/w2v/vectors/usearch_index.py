"""An index of usearch (HNSW, by cosine), whose keys are the numbers of the words in a file beside it, from 0.

It is for searching, in this program's hands it is written only: the library reads it without checking it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gossipw2v.w2v.vectors.formats import library
from gossipw2v.w2v.vectors.npy import write_words
from gossipw2v.w2v.vectors.table import Progress, Rows, blocks

_KINDS = {"float32": "f32", "float16": "f16"}


def write(files: Sequence[BinaryIO], words: Sequence[bytes], rows: Rows, progress: Progress) -> None:
    """Write the index to the first file and the words to the second, as `formats.write` says.

    It is built in memory, in one thread: the same words and rows give the same bytes.
    """
    index = library("usearch.index").Index(ndim=rows.shape[1], metric="cos", dtype=_KINDS[rows.dtype.name])
    for block in blocks(rows):
        keys = np.arange(block.start, block.stop, dtype=np.uint64)
        index.add(keys, np.ascontiguousarray(rows[block]), threads=1)
        progress(block.stop, len(words))
    with tempfile.TemporaryDirectory() as folder:  # the library writes to a name, or a copy in memory
        index.save(str(Path(folder) / "index"))
        with (Path(folder) / "index").open("rb") as made:
            shutil.copyfileobj(made, files[0], 1 << 20)
    write_words(files[1], words)
