"""The formats that vectors can be written in, how each is chosen, and what it needs.

Nothing heavy is imported here: the command line asks for names. `files` writes and reads.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gossipw2v.system.output import STANDARD_OUTPUT

MATRICES = ("in", "out", "sum")  # word vectors, those of words as contexts, both added up
TYPES = ("float32", "float16")
GZIP, ZSTD = "gz", "zst"
WORD_LIST = ".words.txt"  # what stands behind the name of the file that such a list belongs to
EXTRA = "formats"  # of this package: what brings the libraries


class MissingLibraryError(Exception):
    """A format needs a library that is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Format:
    """A row of the table. The first suffix is the usual one."""

    name: str
    suffixes: tuple[str, ...]
    does: str  # for people
    library: str | None = None  # that writing needs
    half: bool = True  # whether it can hold float16
    packs: bool = False  # whether .gz or .zst may follow its suffix
    beside: Callable[[Path], Path] | None = None  # where its second file goes


def word_list(path: Path) -> Path:
    """Where the words go whose vectors are at `path`."""
    return path.with_name(path.name + WORD_LIST)


def metadata(path: Path) -> Path:
    """Where the projector's words go: vectors.tsv has metadata.tsv, wiki.tsv has wiki.metadata.tsv."""
    if "vectors" in path.name:
        return path.with_name("metadata".join(path.name.rsplit("vectors", 1)))
    return path.with_name(path.name.removesuffix(path.suffix) + ".metadata.tsv")


TEXT = Format("word2vec", (".txt", ".vec"), "word2vec text, which nearly all programs read", packs=True)
formats = {
    row.name: row
    for row in (
        TEXT,
        Format("word2vec-binary", (".bin",), "word2vec binary", half=False, packs=True),
        Format("npy", (".npy",), f"a NumPy array, and the words in PATH{WORD_LIST}", beside=word_list),
        Format("gensim", (".kv",), "what KeyedVectors.load reads", "gensim"),
        Format("safetensors", (".safetensors",), "tensors `vectors` and `words` (UTF-8, one a line)"),
        Format("parquet", (".parquet",), "a table of word and vector, a list", "pyarrow"),
        Format("projector", (".tsv",), "TensorBoard's pair vectors.tsv, metadata.tsv", beside=metadata),
        Format("usearch", (".usearch",), f"an index by cosine, words in PATH{WORD_LIST}", "usearch", beside=word_list),
    )
}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where vectors go and how: `packing` is GZIP, ZSTD or None."""

    path: Path
    format: Format = TEXT
    packing: str | None = None

    @property
    def paths(self) -> list[Path]:
        """The file, and the one beside it if the format has one."""
        return [self.path, *([self.format.beside(self.path)] if self.format.beside else [])]


def choose(path: Path, name: str | None = None, dtype: str = "float32") -> Destination:
    """The target that the suffix of `path` asks for, or the format `name`; word2vec text if neither says anything.

    ValueError for what does not go together, MissingLibraryError.
    """
    packing = path.suffix[1:] if path.suffix in (f".{GZIP}", f".{ZSTD}") else None
    suffix = (path.with_suffix("") if packing else path).suffix
    by_suffix = next((row for row in formats.values() if suffix in row.suffixes), TEXT)
    target = Destination(path, formats[name] if name else by_suffix, packing)
    _check(target, dtype)
    return target


def _check(target: Destination, dtype: str) -> None:
    row = target.format
    if target.packing and not row.packs:
        able = " and ".join(each.name for each in formats.values() if each.packs)
        raise ValueError(f"{row.name} is not packed with .{target.packing}; {able} can be")
    if dtype == "float16" and not row.half:
        able = ", ".join(each.name for each in formats.values() if each.half)
        raise ValueError(f"{row.name} holds float32 only; float16 goes with {able}")
    if row.beside and (target.path == STANDARD_OUTPUT or (target.path.exists() and not target.path.is_file())):
        raise ValueError(f"{row.name} makes two files, and {target.path} is none; name a file")
    for name in filter(None, (row.library, "zstandard" if target.packing == ZSTD else None)):
        if importlib.util.find_spec(name) is None:
            raise _missing(name)


def library(name: str) -> Any:
    """A library that is installed only where it is wanted. MissingLibraryError says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise _missing(name.partition(".")[0]) from error


def _missing(name: str) -> MissingLibraryError:
    return MissingLibraryError(f"this needs {name}, which is not installed: pip install 'gossipw2v[{EXTRA}]'")
