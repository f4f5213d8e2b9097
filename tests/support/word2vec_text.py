"""Small files of vectors for tests, written as `export` writes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.vectors import files
from gossipw2v.w2v.vectors.formats import choose


def write_word2vec(path: Path, words: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
    """Write float32[V, D] as word2vec text to a file, which then has it all, or is as it was."""
    target = choose(path, "word2vec")
    with files.opened(target) as opened:
        files.write(opened, target, words, vectors)
