"""Text in other encodings than UTF-8: which one a text is in, and how it becomes UTF-8 on its way to the words.

Which one, nothing says for certain; what can be said is that a text is not in the one that was given. A guess is made
for people to look at, never to be acted upon.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import IO

from gossipw2v.config.encoding import UTF_8, canonical

SAMPLE_BYTES = 1 << 14  # that a guess is made from
CERTAIN = 8  # characters of several bytes, all right, after which a text is surely UTF-8
LEAST_SPACES = 0.02  # of the characters of any text that has words apart
UNITS = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
MARKS = {  # the longer first, since one begins as another does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: UTF_8,
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
ORDERS = {codecs.BOM_UTF32_LE: "le", codecs.BOM_UTF16_LE: "le", codecs.BOM_UTF32_BE: "be", codecs.BOM_UTF16_BE: "be"}
# What people still have text in; the first of several that fit alike is told.
MOST_WESTERN = 0.2  # of the letters are beyond English there; nearly all elsewhere
WESTERN = ("cp1252", "cp1250", "cp1254", "iso8859_2")
USUAL = (
    *(*WESTERN, "cp1251", "koi8_r", "cp866", "cp1253", "cp1255", "cp1256"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949", "iso2022_jp", "iso2022_kr", "cp437", "cp850", "cp037", "cp500"),
)
# Encodings of seven bits look like ASCII; how they change to other letters gives them away.
SEVEN_BITS = {
    re.compile(rb"\x1b(?:\$[@B]|\$\([DOPQ])"): "iso2022_jp",
    re.compile(rb"\x0e(?:[\x21-\x7e]{2})+\x0f"): "iso2022_kr",
    re.compile(rb"\+(?:A[A-P]|B[A-F])[A-Za-z0-9+/]+-"): "utf-7",
    re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e])+~\}"): "hz",
}
NEXT_LINE = "\x85"  # ends a line in EBCDIC
ASCII = bytes(range(128))
ASCII_LETTERS = "abcdefghijklmnopqrstuvwxyz"

_AS_UTF_8 = "leave out --encoding, and convert the files that are not UTF-8"
_BYTE_LOST = "\udcff"  # a byte of which nothing could be made, until it is written as 0xFF, which is no UTF-8
LOST = "gossipw2v.lost"  # a way to treat errors, for whatever reads and writes text here


def _lost(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        return _BYTE_LOST * (error.end - error.start), error.end
    assert isinstance(error, UnicodeEncodeError)
    return b"\xff" * (error.end - error.start), error.end


codecs.register_error(LOST, _lost)


@dataclass(slots=True)
class Transcoder:
    """The text in `raw`, which is in `encoding`, as UTF-8.

    A byte of which nothing can be made comes out as 0xFF, so that whoever looks for damage in UTF-8 counts it.
    """

    raw: IO[bytes]
    encoding: str
    _decoder: codecs.IncrementalDecoder = field(init=False)
    _ebcdic: bool = field(init=False)  # whether U+0085 ends its lines
    _ready: bytes = b""  # UTF-8 that nobody has asked for yet
    _ended: bool = False  # whether all of `raw` has been read

    def __post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder(self.encoding)(LOST)
        self._ebcdic = not is_ascii_like(self.encoding) and not self.encoding.startswith("utf-")

    def some(self, most: int) -> bytes:
        """The next bytes, at most so many; none at the end alone."""
        while not self._ready and not self._ended:
            data = self.raw.read(most)
            self._ended = not data
            text = self._decoder.decode(data, self._ended)
            if self._ebcdic:
                text = text.replace(NEXT_LINE, "\n")
            self._ready = text.encode(UTF_8, LOST)
        piece, self._ready = self._ready[:most], self._ready[most:]
        return piece


def is_ascii_like(encoding: str) -> bool:
    """Whether English looks in this encoding as it does in ASCII."""
    return ASCII_LETTERS.encode(encoding) == ASCII_LETTERS.encode()


def resolved(encoding: str, head: bytes) -> str:
    """The encoding to read text with that begins with `head`, given the one that people say it is in.

    That is another where UTF-16 or UTF-32 leave the order of bytes open. ValueError says why it is surely not in it.
    """
    encoding = canonical(encoding)
    if (mark := next((mark for mark in MARKS if head.startswith(mark)), None)) is not None:
        return _marked(encoding, mark)
    if encoding == UTF_8:
        return encoding
    if is_utf8(head, encoding):
        raise ValueError(f"is UTF-8, and not {encoding}: {_AS_UTF_8}")
    if encoding in ("utf-16", "utf-32"):
        return _ordered(encoding, head)
    return encoding


def _marked(encoding: str, mark: bytes) -> str:
    """UTF-16 and UTF-32 pass the mark over themselves only if the order of bytes is left to them."""
    family = MARKS[mark]
    if encoding in (family, f"{family}-{ORDERS.get(mark)}"):
        return family
    cure = _AS_UTF_8 if family == UTF_8 else f"say --encoding {family}, or {convert(family)}"
    raise ValueError(f"is {family.upper()}, as its first bytes say, and not {encoding}: {cure}")


def is_utf8(head: bytes, encoding: str) -> bool:
    """Whether text that begins with `head` is surely UTF-8 and not in `encoding`, which is another."""
    try:
        characters = codecs.getincrementaldecoder(UTF_8)().decode(head)
    except UnicodeDecodeError:
        return False
    if b"\0" in head or not characters:
        return False
    others = sum(map(len, re.findall(r"[^\x00-\x7f]+", characters)))
    return others >= CERTAIN or not is_ascii_like(encoding)


def convert(encoding: str) -> str:
    """What to do with a file in that encoding other than to say so."""
    return f"convert it (`iconv -f {encoding.upper()} -t UTF-8`)"


def _ordered(encoding: str, head: bytes) -> str:
    found = [name for name in UNITS if name.startswith(encoding) and _looks_like(name, head)]
    if len(found) != 1:
        raise ValueError(f"does not say its order of bytes: say --encoding {encoding}-le or {encoding}-be")
    return found[0]


def _looks_like(units: str, head: bytes) -> bool:
    """Whether `head` reads well in UTF-16 or UTF-32 of one order of bytes: words, and white space between them."""
    text = codecs.getincrementaldecoder(units)("replace").decode(head[: 4 * (len(head) // 4)])
    spaces = sum(map(text.count, " \n\t\r"))
    good = sum(char.isalnum() or (char.isprintable() and char != "\ufffd") for char in text) + spaces - text.count(" ")
    return spaces >= LEAST_SPACES * len(text) > 0 and good >= 0.9 * len(text)


def seven_bit(data: bytes) -> tuple[int, str | None]:
    """How often text that looks like ASCII changes to another script, and the encoding that does so."""
    if not any(start in data for start in (b"\x1b", b"~{", b"+A", b"+B")):
        return 0, None
    often, name = max((len(escape.findall(data)), name) for escape, name in SEVEN_BITS.items())
    return often, name if often else None


def likely(sample: bytes) -> str | None:
    """The encoding that a text most likely is in, going by a piece of it; None if it looks like none."""
    if b"\0" in sample:
        return next((units for units in UNITS if _looks_like(units, sample)), None)
    from charset_normalizer import from_bytes  # noqa: PLC0415 - few need it

    sample = sample[: sample.rfind(b"\n") + 1] or sample  # whole characters
    matches = from_bytes(sample, cp_isolation=list(USUAL), preemptive_behaviour=False)
    best = matches.best()
    if best is None:
        return None
    fit = {name for match in matches for name in match.could_be_from_charset}
    few = len(sample.translate(None, ASCII)) < MOST_WESTERN * len(sample)
    if WESTERN[0] in fit and (few or best.encoding in WESTERN):
        return WESTERN[0]
    return canonical(next((name for name in USUAL if name in best.could_be_from_charset), best.encoding))
