"""The files of a shared text as two nodes compare them: a line each, its name, a tab, and what tells it from others."""

from __future__ import annotations

from gossipw2v.gossip.messages import MAX_LISTING

CORPUS = "corpus"  # the part of a job that is the digest of the files
SHOWN = 200  # characters of a name


def cut(listing: bytes) -> bytes:
    """The lines that fit into a message."""
    if len(listing) <= MAX_LISTING:
        return listing
    return listing[: listing.rindex(b"\n", 0, MAX_LISTING) + 1]


def first_difference(mine: bytes, theirs: bytes) -> str:
    """What to tell people of the first file, by name, that is not the same in both listings."""
    here, there = _files(mine), _files(theirs)
    for name in sorted(here.keys() | there.keys()):
        if here.get(name) != there.get(name):
            return f"{_shown(name)} {_how(here.get(name), there.get(name))}"
    return "their files differ, beyond those that are compared one by one"


def _files(listing: bytes) -> dict[bytes, bytes]:
    lines = (line.partition(b"\t") for line in listing.split(b"\n") if line)
    return {name: rest for name, _, rest in lines}


def _how(here: bytes | None, there: bytes | None) -> str:
    if there is None:
        return "is here and not there"
    if here is None:
        return "is there and not here"
    mine, theirs = (_shown(rest.partition(b"\t")[0]) for rest in (here, there))
    return f"differs: {theirs} there, {mine} here" if mine != theirs else "differs in what it holds, not in its size"


def _shown(name: bytes) -> str:
    text = name.decode("utf-8", "backslashreplace")[:SHOWN]
    return text if text.isprintable() else ascii(text)
