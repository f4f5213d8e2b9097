"""Vectors of a file in word2vec's formats, text or binary."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from gossipw2v.w2v.evaluation.embedding import Floats
from gossipw2v.w2v.evaluation.tables import LayoutError

MOST_DIMENSIONS = 1 << 16
MOST_HEADER = 64  # bytes
MOST_WORD = 1 << 12  # bytes
EXPECTED = "was expected, as in word2vec's text and binary formats"


def read_vectors(path: Path) -> tuple[list[str], Floats]:
    """Words and float32[V, D]. LayoutError names the line, or the word's number; OSError."""
    with path.open("rb") as file:
        words, dimensions = _shape(path, file)
        begin = file.tell()
        text = _is_text(file.read(MOST_WORD).partition(b" ")[2])
        file.seek(begin)
        names, vectors = (_text if text else _binary)(path, file, words, dimensions)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        at = int(finite.argmin())
        raise LayoutError(f"{path}, line {at + 2}: the vector of {names[at][:80]!r} holds a value that is not finite")
    return names, vectors


def _shape(path: Path, file: BinaryIO) -> tuple[int, int]:
    """Words and dimensions of the first line, which the size of the file must allow."""
    header = file.readline(MOST_HEADER).split()
    if len(header) != 2 or not all(part.isdigit() for part in header):
        raise LayoutError(f"{path}, line 1: the number of words and dimensions {EXPECTED}")
    words, dimensions = map(int, header)
    size = path.stat().st_size
    if not words or not 1 <= dimensions <= MOST_DIMENSIONS or words * (2 * dimensions + 2) > size:
        raise LayoutError(f"{path}, line 1: promises {words} words of {dimensions} dimensions, which it cannot hold")
    return words, dimensions


def _is_text(rest: bytes) -> bool:
    """Whether what follows the first line is text: numbers in binary are no UTF-8, or hold what no text does."""
    text = rest.decode("utf-8", "replace").rstrip(chr(0xFFFD))  # a letter may be cut off at the end
    return chr(0xFFFD) not in text and all(char.isprintable() or char.isspace() for char in text)


def _text(path: Path, file: BinaryIO, words: int, dimensions: int) -> tuple[list[str], Floats]:
    names, vectors = [], np.empty((words, dimensions), np.float32)
    for row in range(words):
        word, *values = file.readline().rstrip().rsplit(b" ", dimensions) or [b""]
        try:
            vectors[row] = np.array(values, np.float32) if len(values) == dimensions else [float("x")]
        except ValueError:
            raise LayoutError(f"{path}, line {row + 2}: a word and {dimensions} numbers {EXPECTED}") from None
        names.append(word.decode("utf-8", "replace"))
    return names, vectors


def _binary(path: Path, file: BinaryIO, words: int, dimensions: int) -> tuple[list[str], Floats]:
    names, vectors = [], np.empty((words, dimensions), np.float32)
    for row in range(words):
        word = bytearray()
        while (char := file.read(1)) not in (b" ", b"") and len(word) < MOST_WORD:
            word += char
        values = file.read(4 * dimensions)
        if char != b" " or len(values) != 4 * dimensions:
            raise LayoutError(f"{path}, word {row + 1}: a word and {dimensions} numbers {EXPECTED}")
        vectors[row] = np.frombuffer(values, "<f4")
        names.append(word.lstrip(b"\n").decode("utf-8", "replace"))
    return names, vectors
