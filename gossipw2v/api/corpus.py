"""What `train` takes for text: files, as a node reads them, or sentences, which become a file first."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from gossipw2v.w2v.text.blocks import MAX_WORD_BYTES

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
Sentences = Iterable[Iterable[str]]

FILE = "sentences.txt"
_APART = re.compile(r"[ \t\n\v\f\r\0]")  # what would cut a word in two, or out of the text


def as_paths(corpus: Paths | Sentences, folder: Path) -> tuple[str, ...]:
    """Where the text of `corpus` is: its own paths, or a file of its sentences in `folder`.

    Sentences are read once, and a generator will do. TypeError for what is neither; ValueError names the sentence, from
    1 on, and the word that a line of text could not hold. OSError.
    """
    if isinstance(corpus, str | os.PathLike):
        return (os.fspath(corpus),)
    items = iter(corpus)
    first = next(items, None)
    if first is None:
        raise ValueError("the corpus is empty: there is neither a path nor a sentence in it")
    if isinstance(first, str | os.PathLike):
        return tuple(os.fspath(path) for path in chain([first], items))  # type: ignore[arg-type]  # the first says what all are
    path = folder / FILE
    with path.open("wb") as file:
        file.writelines(_lines(chain([first], items)))  # type: ignore[arg-type]  # the first says what all are
    return (str(path),)


def _lines(sentences: Sentences) -> Iterator[bytes]:
    for number, sentence in enumerate(sentences, 1):
        if isinstance(sentence, str) or not isinstance(sentence, Iterable):
            raise TypeError(f"sentence {number} is {type(sentence).__name__}, not a list of words; split it first")
        yield b" ".join(_encoded(word, number) for word in sentence) + b"\n"


def _encoded(word: object, number: int) -> bytes:
    if not isinstance(word, str):
        raise TypeError(f"sentence {number}: the word {word!r:.80} is {type(word).__name__}, not a text; use str(...)")
    data = word.encode()
    if not word or _APART.search(word):
        raise ValueError(f"sentence {number}: the word {word!r:.80} is empty or holds white space; put _ in its place")
    if len(data) > MAX_WORD_BYTES:
        raise ValueError(f"sentence {number}: a word of {len(data)} bytes; {MAX_WORD_BYTES} are the most")
    return data
