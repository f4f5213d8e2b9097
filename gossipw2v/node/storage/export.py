"""Models of nodes as files of vectors: of a running node, or of one that has been.

A reader of a file finds the old one or the new one and never a part; `system/output.py` says what else can be written.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from gossipw2v.node.storage.checkpoint import Checkpoint, CheckpointError
from gossipw2v.node.storage.generations import newest
from gossipw2v.w2v.text.vocab import Vocab, VocabError
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors import files
from gossipw2v.w2v.vectors.formats import Destination, choose
from gossipw2v.w2v.vectors.selection import Selection, matrix_of, select
from gossipw2v.w2v.vectors.table import Floats, Progress, Vectors, check_finite, mapped
from gossipw2v.w2v.vectors.word2vec import binary, lines

_LENGTH_BYTES = 8  # of a section, which stand before its numbers
EVERYTHING = Selection()


def export_model(
    data_dir: Path,
    path: Path | Destination,
    selection: Selection = EVERYTHING,
    progress: Progress | None = None,
) -> tuple[int, int]:
    """Write what is selected of the model that a node left in `data_dir`; words and vector size. CheckpointError.

    Other errors are those of `files.write`. The file is opened first: the reader of a pipe is told of the end, whatever
    comes.
    """
    target = path if isinstance(path, Destination) else choose(path)
    with files.opened(target) as opened:
        model = map_model(data_dir)
        parts = matrix_of([matrix.rows for matrix in model], selection.matrix)
        counts = _vocabulary(newest(data_dir)).counts if selection.top is not None else None
        words, rows = select(model[0].words, parts, selection, partial(_release, model), counts)
        files.write(opened, target, words, rows, progress)
    return len(words), rows.shape[1]


def _release(model: Iterable[Vectors]) -> None:
    for matrix in model:
        matrix.release()


def stream(
    vocab: Vocab, matrices: tuple[Floats, Floats], selection: Selection, as_binary: bool
) -> tuple[int, Iterator[bytes]]:
    """How many words are selected of a model that may be training, and their word2vec text or binary in pieces.

    ExportError if a value is not finite, at once or in place of a piece.
    """
    kept, rows = select(vocab.words, matrix_of(matrices, selection.matrix), selection, counts=vocab.counts)
    check_finite(kept, rows)
    return len(kept), (binary if as_binary else lines)(kept, rows)


def map_model(data_dir: Path) -> tuple[Vectors, Vectors]:
    """Word vectors and context vectors of the newest checkpoint in `data_dir`, mapped from it. CheckpointError."""
    found = newest(data_dir)
    words, (size, dimensions) = _words(found), (found.about.words, found.about.vector_size)
    if len(words) != size:
        raise CheckpointError(f"{found.path}: {len(words):,} words for {size:,} rows")
    with found.path.open("rb") as file:
        start = found.rows_at + _LENGTH_BYTES
        places = (start, start + 4 * size * dimensions)
        one, other = (mapped(str(data_dir), words, file, dimensions, "<f4", place) for place in places)
    return one, other


def load_model(data_dir: Path) -> tuple[Words, Floats, dict[str, Any]]:
    """Words, float32[2V, D] weights and description of the newest checkpoint in `data_dir`. CheckpointError."""
    found = newest(data_dir)
    state = found.state
    described = {**found.about.job, "node": state.node.hex(), "complete": state.complete, "origins": state.origins}
    return _words(found), found.weights(), described


def _words(found: Checkpoint) -> Words:
    return _vocabulary(found).words


def _vocabulary(found: Checkpoint) -> Vocab:
    try:
        return Vocab.from_bytes(found.vocabulary)
    except VocabError as error:
        raise CheckpointError(f"{found.path}: {error}") from error
