"""Words by a pattern, or in lower case: blocks of text rewritten so that white space separates their words.

A pattern sees a line at a time, and of lines longer than PIECE pieces that end at white space: a match that would go
over such an end is not found. `re` holds Python's lock as long as it looks, so a pattern that takes long on so little
would stop the node; `check_speed` tries it in another process first, which can be ended.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

from gossipw2v.config.encoding import UTF_8
from gossipw2v.config.tokenize import WHITESPACE
from gossipw2v.w2v.text.sources.errors import SourceError
from gossipw2v.w2v.text.sources.form import Form

PIECE = 2000  # characters that a pattern sees at most, or one word
TRIAL_SECONDS = 10.0  # for TRIAL_PIECES pieces, which take milliseconds; that many would be 20 kB/s
TRIAL_PIECES = 100

_TRIAL = "import json, re, sys\nfind = re.compile(sys.argv[1]).findall\nfor text in json.load(sys.stdin): find(text)\n"
_SPACES = re.compile(r"[ \t\n\r\v\f]+")

Rewriter = Callable[[bytes], bytes]


def rewriter(form: Form) -> Rewriter | None:
    """What makes of a block of UTF-8 one with its words apart; None where blocks are so already. Safe in threads."""
    if form.tokenize == WHITESPACE:
        return _lower if form.lowercase else None
    find = re.compile(form.tokenize).findall

    def rewrite(data: bytes) -> bytes:
        text = data.decode(UTF_8).lower() if form.lowercase else data.decode(UTF_8)
        return "\n".join(_words(find, line) for line in text.split("\n")).encode(UTF_8)

    return rewrite


def _lower(data: bytes) -> bytes:
    return data.lower() if data.isascii() else data.decode(UTF_8).lower().encode(UTF_8)


def _words(find: Callable[[str], list[str]], line: str) -> str:
    """The words of a line; white space within one becomes `_`, as nothing that holds some is a word."""
    found = [word.strip(" \t\r\v\f") for piece in pieces(line) for word in find(piece)]
    joined = " ".join(filter(None, found))
    if len(found) == joined.count(" ") + 1 and not any(space in joined for space in "\t\r\v\f"):
        return joined
    return " ".join(_SPACES.sub("_", word) for word in found if word)


def pieces(line: str) -> Iterator[str]:
    """`line` in pieces that end at white space, of PIECE characters at most; a longer word is cut."""
    while len(line) > PIECE:
        end = max(line.rfind(space, 0, PIECE) for space in " \t\r\v\f") + 1 or PIECE
        yield line[:end]
        line = line[end:]
    yield line


def check_speed(form: Form, sample: str) -> None:
    """SourceError if the pattern is too slow on a piece of the text, or on what patterns are slow on."""
    often = (piece for line in sample.split("\n") for piece in pieces(line) if piece)
    texts = [text for text, _ in zip(often, range(TRIAL_PIECES), strict=False)] + list(_hard(form.tokenize))
    argv = [sys.executable, "-I", "-c", _TRIAL, form.tokenize]
    try:
        subprocess.run(argv, input=json.dumps(texts).encode(), timeout=TRIAL_SECONDS, check=True, capture_output=True)
    except subprocess.TimeoutExpired:
        raise SourceError(
            f"--tokenize {form.tokenize!r} takes more than {TRIAL_SECONDS:.0f} s for "
            f"{sum(map(len, texts)):,} characters: use possessive repetitions (`\\w++`), or fewer of them"
        ) from None


def _hard(pattern: str) -> Iterator[str]:
    """One character again and again, of those in the pattern and of each common class, and something else behind."""
    for character in {*re.sub(r"\\.|\W", "", pattern)[:20], *"a0.-' _\u00e9"}:
        yield character * (PIECE - 1) + "!"
