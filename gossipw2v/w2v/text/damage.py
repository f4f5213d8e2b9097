"""How much of a file is no text, and how much of that is too much.

A replaced byte spoils a word: where it is one in 1000, some six words in 1000 are spoiled, and the rest is worth
training. More is no accident: in every other encoding each letter beyond English is lost, which is one byte in 100 of
Italian, two of German, nearly all of Russian or Chinese, and different words become one. Control characters are bytes
that UTF-8 allows, but no text has many: a binary file of ASCII texts is told by them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gossipw2v.config.encoding import UTF_8, canonical
from gossipw2v.w2v.text.encodings import SAMPLE_BYTES, convert, likely, seven_bit
from gossipw2v.w2v.text.files import CorpusError, Source, open_text
from gossipw2v.w2v.text.sources.form import PLAIN, Form
from gossipw2v.w2v.text.sources.records import LeftOut

MOST_REPLACED = 0.001  # of a file's bytes
MOST_CONTROL = 0.01  # of the bytes looked at; binary formats of ASCII texts have more, with a length for each text
FEW = 16  # bytes that are borne in any file: a small one may well have a damaged word
LOOKED_AT = 1 << 16  # bytes of each block whose control characters are counted: all would take a fifth of the time
MOST_GROWN = 8  # times its size on disk that a text is likely to have, unpacked or as UTF-8: beyond hope before its end
MOST_CUT = 6  # bytes of the two characters that a piece may cut
CONTROL = bytes({*range(1, 7), *range(14, 27), *range(28, 32), 127})  # without white space, bell, backspace and escape


class Look(NamedTuple):
    """What one block shows: bytes, how many were replaced, how many looked at, control characters among these.

    `sample`: some of what is no UTF-8; `escapes` that an encoding which looks like ASCII has there, and its name.
    """

    size: int
    replaced: int
    looked_at: int
    control: int
    sample: bytes = b""
    escapes: int = 0
    seven_bit: str | None = None


def look(data: bytes, replaced: int, skipped: bytes = b"") -> Look:
    """Look at a block of text as it was read, in which so many bytes had to be replaced.

    `skipped`: what is too long to be a word, of which a piece is looked at as if it had been read.
    """
    piece = skipped[:LOOKED_AT]
    if piece and (lost := _lost(piece)):
        data, replaced = data + piece, replaced + lost
    head = data[:LOOKED_AT]
    control = len(head) - len(head.translate(None, CONTROL))
    return Look(len(data), replaced, len(head), control, _damaged(data) if replaced else b"", *seven_bit(head))


def _lost(piece: bytes) -> int:
    """Bytes of a piece that are no UTF-8, or NUL; a character that its end cuts is none."""
    valid = piece.decode(UTF_8, "ignore")
    return max(0, len(piece) - len(valid.encode()) - MOST_CUT) + valid.count("\0")


def _damaged(data: bytes) -> bytes:
    """Lines, or pieces, of a block with bytes that are no UTF-8; at most SAMPLE_BYTES."""
    try:
        data.decode()
        at = data.find(b"\0")
    except UnicodeDecodeError as error:
        at = error.start
    start = max(data.rfind(b"\n", 0, at) + 1, at - SAMPLE_BYTES // 2)
    start -= start % 4  # units of UTF-16 and UTF-32
    return data[start : start + SAMPLE_BYTES]


@dataclass(slots=True)
class Damage:
    """What is no text in one file of so many bytes on disk, as far as it is read."""

    path: Source
    size: int
    form: Form = PLAIN
    read: int = 0  # bytes, unpacked and as UTF-8
    replaced: int = 0  # bytes of these
    looked_at: int = 0  # bytes of these
    control: int = 0  # characters among those that were looked at
    sample: bytes = b""  # of what had to be replaced first
    escapes: int = 0  # of an encoding that looks like ASCII, where they were looked for
    seven_bit: str | None = None  # the name of that encoding
    left_out: LeftOut = field(default_factory=LeftOut)  # records of it that hold no text

    def add(self, seen: Look) -> None:
        """Add a block. CorpusError if there is too much already, whatever else the file holds."""
        self.read += seen.size
        self.looked_at += seen.looked_at
        self.control += seen.control
        self.replaced += seen.replaced
        self.sample = self.sample or seen.sample
        self.escapes, self.seven_bit = self.escapes + seen.escapes, self.seven_bit or seen.seven_bit
        self._check_replaced(max(self.read, MOST_GROWN * self.size))

    def end(self) -> None:
        """The file has ended. CorpusError if there is too much for its size."""
        self._check_replaced(self.read)
        if self.seven_bit is not None and self.escapes > max(FEW, MOST_REPLACED * self.looked_at):
            what = f"is likely {self.seven_bit}, which looks like ASCII: {_cure(self.seven_bit)}"
            raise CorpusError(f"{self.path}: {what}")
        if self.control > max(FEW, MOST_CONTROL * self.looked_at):
            share = self.control / self.looked_at
            what = f"{share:.1%} of it are control characters: is it a binary file? {_TAKE_OUT}"
            raise CorpusError(f"{self.path}: {what}")

    def _check_replaced(self, size: int) -> None:
        if self.replaced > max(FEW, MOST_REPLACED * size):
            raise CorpusError(f"{self}: {self.advice()}")

    def __str__(self) -> str:
        share = 100 * self.replaced / max(1, self.read)
        name = canonical(self.form.encoding).upper()
        return f"{self.path}: {self.replaced:,} of {self.read:,} bytes ({share:.3g} %) are no {name}, or NUL"

    def advice(self) -> str:
        """What to do with a file that is not read."""
        if (guess := self._guess()) is None:
            return f"if it is text, say --encoding NAME; if it is a binary file, {_TAKE_OUT}"
        return f"it is likely {guess}: {_cure(guess)}"

    def warning(self) -> str:
        """What to tell of a file that is read all the same."""
        guess = self._guess()
        return f"{self}; words with them are spoiled" + (f"; it may be {guess}: {_cure(guess)}" if guess else "")

    def _guess(self) -> str | None:
        """The encoding that the file may be in rather than in the one that was given."""
        given = canonical(self.form.encoding)
        try:
            guess = likely(self.sample if given == UTF_8 else _head(self.path, self.form))
        except CorpusError:
            return None
        return guess if guess != given else None


@dataclass(slots=True)
class Damages:
    """Looks after the damage of all files of a text, one after the other; `tell` hears of each that has some."""

    tell: Callable[[Damage], None] | None = None
    replaced: int = 0  # in files that have ended
    read: int = 0  # in these, too
    worst: Damage | None = None  # of these, by replaced bytes
    _file: Damage | None = None  # that is being read

    def add(self, file: Damage, seen: Look) -> None:
        """Add a block of `file`, which begins when the one before ends. CorpusError if too much of it is no text."""
        if file is not self._file:
            self._end_file()
            self._file = file
        file.add(seen)

    def end(self) -> None:
        """All files have ended. CorpusError if there is too much in all, though it is little in each."""
        self._end_file()
        if self.worst is not None and self.replaced > max(FEW, MOST_REPLACED * self.read):
            share = self.replaced / self.read
            raise CorpusError(f"{self.worst}, and so are {share:.2%} of all files: {self.worst.advice()}")

    def _end_file(self) -> None:
        if (file := self._file) is None:
            return
        file.end()
        self.replaced, self.read = self.replaced + file.replaced, self.read + file.read
        if (file.replaced or file.left_out.bad) and self.tell is not None:
            self.tell(file)
        if file.replaced > (self.worst.replaced if self.worst is not None else 0):
            self.worst = file


def _head(path: Source, form: Form) -> bytes:
    """The first bytes of a text as they are."""
    with open_text(path, replace(form, encoding=UTF_8)) as (stream, _):
        return stream.read(SAMPLE_BYTES)


_TAKE_OUT = "take it out, or write its text to a plain text file"


def _cure(encoding: str) -> str:
    return f"say --encoding {encoding} if all files are, or {convert(encoding)}"
