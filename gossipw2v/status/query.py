"""What can be asked of /export, behind its `?`: written by the client, read by the server."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass

from gossipw2v.w2v.vectors.formats import MATRICES

FORMATS = ("text", "binary")  # of word2vec
MOST_TOP = 10**9


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """`binary`: word2vec's, instead of its text. `matrix` of MATRICES. `top`: so many of the most frequent words."""

    binary: bool = False
    matrix: str = "in"
    top: int | None = None

    def path(self) -> str:
        """What to ask a node for; without anything special it is /export, which every version knows."""
        asked = {"format": "binary"} if self.binary else {}
        asked |= {"matrix": self.matrix} if self.matrix != "in" else {}
        asked |= {} if self.top is None else {"top": str(self.top)}
        return f"/export?{urllib.parse.urlencode(asked)}" if asked else "/export"


def parse(query: Iterable[tuple[str, str]]) -> ExportRequest:
    """What names and values ask for; ValueError says what can be asked."""
    asked: dict[str, str] = {}
    for name, value in query:
        if name in asked or name not in ("format", "matrix", "top"):
            raise ValueError(f"{name[:40]!r} is unknown or there twice; there are format, matrix and top, each once")
        asked[name] = value
    _check("format", asked.get("format", "text"), FORMATS)
    _check("matrix", asked.get("matrix", "in"), MATRICES)
    top = asked.get("top")
    if top is not None and not (top.isascii() and top.isdigit() and 1 <= int(top[:10]) <= MOST_TOP):
        raise ValueError(f"top={top[:40]} is no number from 1 to {MOST_TOP}")
    return ExportRequest(asked.get("format") == "binary", asked.get("matrix", "in"), None if top is None else int(top))


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}={value[:40]} is none of {', '.join(known)}")
