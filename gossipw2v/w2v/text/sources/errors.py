"""What is wrong with a source of text, and libraries that only some sources need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

INSTALL = "pip install 'gossipw2v[data]'"


class SourceError(ValueError):
    """Text cannot be read from where it is; the message says why and what to do, and the caller adds where that is."""


@contextmanager
def needed(what: str) -> Iterator[None]:
    """Around the import of a library that reading `what` needs. SourceError if it is not installed."""
    try:
        yield
    except ImportError as error:
        raise SourceError(f"{what} needs the Python library {error.name or error}: {INSTALL}") from error
