"""Vectors for tests, and files of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors.files import opened, write
from gossipw2v.w2v.vectors.formats import choose
from gossipw2v.w2v.vectors.selection import Selection, select
from gossipw2v.w2v.vectors.table import Rows, Vectors

ODD_WORDS = ["the", "naïve", "日本", "no\u00a0break", "word\u2028line", "a%sb", "-1.5", '"', "{", "PAR1"]


def some_words(count: int = 700) -> Words:
    """Different words, some of them odd."""
    return Words.of([word.encode() for word in [*ODD_WORDS, *(f"w{number}" for number in range(count))][:count]])


def some_rows(count: int = 700, size: int = 12, dtype: str = "float32", seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.3, (count, size)).astype(dtype)


def in_memory(words: Words, rows: np.ndarray, name: str = "model") -> Vectors:
    return Vectors(name, words, rows)


def save(path: Path, words: Words, rows: Rows, name: str | None = None) -> Path:
    """Write vectors in the format that the suffix says, or that has the name; `path`."""
    target = choose(path, name, rows.dtype.name)
    with opened(target) as files:
        write(files, target, words, rows)
    return path


def chosen(words: Words, rows: np.ndarray, selection: Selection) -> tuple[list[bytes], np.ndarray]:
    kept, some = select(words, (rows,), selection)
    return list(kept), some[: len(kept)]
