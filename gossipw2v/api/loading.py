"""`load`: vectors from a file of any format that can be read, or from a node that is running."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from gossipw2v.api.vectors import WordVectors
from gossipw2v.status import client
from gossipw2v.status.query import ExportRequest
from gossipw2v.w2v.vectors import files
from gossipw2v.w2v.vectors.files import read_open, read_vectors
from gossipw2v.w2v.vectors.formats import choose
from gossipw2v.w2v.vectors.table import Vectors

Start = str | os.PathLike[str] | WordVectors | None

BINARY, UNWATCHED = ExportRequest(binary=True), client.Watcher()


def load(source: str | os.PathLike[str], token: bytes | None = None) -> WordVectors:
    """The vectors in a file, or those that the node at a URL, such as http://127.0.0.1:7412, has now.

    Rows are float32, mapped from the file where its format allows, and then read-only. VectorFileError (a ValueError)
    says what is wrong with a file; NoNodeError, AnswerError; OSError.
    """
    text = os.fspath(source)
    found = fetched(client.base_url(text), token) if "://" in text else read_vectors(Path(text))
    return as_word_vectors(found)


def fetched(
    url: str, token: bytes | None = None, asked: ExportRequest = BINARY, watcher: client.Watcher = UNWATCHED
) -> Vectors:
    """What a node has now, by way of a temporary file. NoNodeError, AnswerError, VectorFileError, OSError."""
    with tempfile.TemporaryFile() as sent:
        client.fetch(url, asked, sent, watcher, token)
        sent.flush()
        return read_open(sent, Path(), url)


def as_word_vectors(found: Vectors) -> WordVectors:
    """Words as texts, rows as float32, which copies those of float16 alone."""
    return WordVectors([word.decode() for word in found.words], found.rows.astype(np.float32, copy=False))


def as_file(vectors: Start, folder: Path) -> str | None:
    """Where vectors are: the path itself, or a file of them in `folder`. ExportError, OSError."""
    if not isinstance(vectors, WordVectors):
        return None if vectors is None else os.fspath(vectors)
    target = choose(folder / "start.npy")
    with files.opened(target) as opened:
        files.write(opened, target, [word.encode() for word in vectors.words], vectors.vectors)
    return str(target.path)
