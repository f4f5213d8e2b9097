"""How a node's text is written down, and how it becomes words: what has to be known to read it."""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.config.encoding import UTF_8, canonical
from gossipw2v.config.node import Config
from gossipw2v.config.tokenize import WHITESPACE

TEXT, JSONL, CSV, PARQUET = "text", "jsonl", "csv", "parquet"


@dataclass(frozen=True, slots=True)
class Form:
    """`kind`: TEXT, JSONL, CSV or PARQUET, and `field` the part of each record that is text.

    `encoding` of everything but Parquet. `as_is`: plain text is taken as such, whatever it looks like. `tokenize`:
    WHITESPACE, or a regular expression whose matches are the words; `lowercase`: whether words become lower case.
    """

    encoding: str = UTF_8
    kind: str = TEXT
    field: str = ""
    as_is: bool = False
    tokenize: str = WHITESPACE
    lowercase: bool = False

    @classmethod
    def of(cls, config: Config) -> Form:
        """The form of a node's text as its settings say it."""
        given = {JSONL: config.jsonl, CSV: config.csv, PARQUET: config.parquet}
        kind, field = next(((kind, field) for kind, field in given.items() if field), (TEXT, ""))
        return cls(config.encoding, kind, field, config.plain, config.job.tokenize, config.job.lowercase)

    @property
    def identity(self) -> bytes:
        """Bytes that two forms share only if they make the same words of the same files; none for plain UTF-8."""
        name = canonical(self.encoding)
        parts = [] if name == UTF_8 else [name]
        if self.kind != TEXT:
            parts.append(f"{self.kind} {self.field!r}")
        if self.tokenize != WHITESPACE or self.lowercase:
            parts.append(f"words {self.tokenize!r} {self.lowercase}")
        return "".join(f"{part}\n" for part in parts).encode()


PLAIN = Form()
