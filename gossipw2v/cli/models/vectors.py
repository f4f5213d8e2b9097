"""What `export` and `merge` have in common: options that say what is written and how, and lines that show progress."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gossipw2v.cli import streams
from gossipw2v.status import client, report
from gossipw2v.status.query import ExportRequest
from gossipw2v.system.launch import prepare_machine
from gossipw2v.w2v.vectors.formats import (
    EXTRA,
    MATRICES,
    TEXT,
    TYPES,
    Destination,
    MissingLibraryError,
    choose,
    formats,
)

if TYPE_CHECKING:
    from gossipw2v.w2v.vectors.selection import Selection

FORMATS_TOLD = "; ".join(
    f"{row.name} ({', '.join(row.suffixes)}): {row.does}" + (f", needs {row.library}" if row.library else "")
    for row in formats.values()
)
EPILOG = (
    f"Formats: {FORMATS_TOLD}. The first two may be packed: .txt.gz, or .bin.zst, "
    f"which needs zstandard. pip install 'gossipw2v[{EXTRA}]' brings all of these."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which of a model's vectors are written, and in what format."""
    parser.epilog = EPILOG
    parser.add_argument("--format", choices=formats, metavar="NAME", help="one of those below; else the suffix says it")
    parser.add_argument("--top", type=_positive, metavar="N", help="the N most frequent words only")
    parser.add_argument("--words", type=Path, metavar="FILE", help="only the words in this file, one a line")
    parser.add_argument("--normalize", action="store_true", help="scale every vector to length 1")
    parser.add_argument("--dtype", choices=TYPES, default=TYPES[0], help="type of the numbers (default %(default)s)")
    parser.set_defaults(matrix="in", refuse=parser.error)


def add_matrix(parser: argparse.ArgumentParser) -> None:
    """The option that says which of a node's matrices."""
    parser.add_argument(
        "--matrix",
        choices=MATRICES,
        default="in",
        help="word vectors, those of words as contexts, or both added up (default %(default)s)",
    )


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {10**9}")
    return int(text)


def chosen(args: argparse.Namespace) -> tuple[Destination, Selection]:
    """What the options ask for. Leaves with wrong usage for what does not go together; AnswerError, OSError."""
    prepare_machine()
    from gossipw2v.w2v.vectors.selection import Selection  # noqa: PLC0415
    from gossipw2v.w2v.vectors.table import read_words  # noqa: PLC0415

    with telling():
        try:
            target = choose(args.path, args.format, args.dtype)
        except ValueError as error:
            args.refuse(str(error))
        words = read_words(args.words) if args.words else None
    return target, Selection(args.matrix, args.top, words, args.normalize, args.dtype)


@contextmanager
def telling() -> Iterator[None]:
    """AnswerError, which the command line tells, for whatever can be wrong with vectors or their files."""
    from gossipw2v.node.storage.checkpoint import CheckpointError  # noqa: PLC0415
    from gossipw2v.w2v.alignment.union import AlignmentError  # noqa: PLC0415
    from gossipw2v.w2v.vectors.table import ExportError, VectorFileError  # noqa: PLC0415

    try:
        yield
    except (AlignmentError, CheckpointError, ExportError, MissingLibraryError, VectorFileError) as error:
        raise client.AnswerError(str(error)) from error


class WordLine(streams.ProgressLine):
    """A progress line that shows how many words of how many are done."""

    def draw(self, done: int, words: int) -> None:
        """Draw it again."""
        self.show(f"{report.bar(done / max(1, words))} {done:,} of {words:,} words")


@contextmanager
def word_line() -> Iterator[WordLine]:
    """A line that ends with the block."""
    line = WordLine()
    try:
        yield line
    finally:
        line.end()


# -- export ------------------------------------------------------------------------------------------------------


def export_folder(folder: Path, target: Destination, selection: Selection) -> tuple[int, int]:
    """Write what is selected of the model that a node left; words and dimensions. AnswerError, OSError."""
    from gossipw2v.node.storage.export import export_model  # noqa: PLC0415

    with telling(), word_line() as line:
        return export_model(folder, target, selection, line.draw)


def export_node(url: str, target: Destination, selection: Selection, token: bytes | None) -> tuple[int, int]:
    """Write what is selected of a running node's model; words and dimensions. As `client.export`.

    Its text goes through as it comes. Else binary comes first, is looked at, and becomes what is wanted.
    """
    with telling(), word_line() as line:
        watcher = client.Watcher(line.draw, lambda why, _: line.note(f"{why}; waiting"))
        if target.format is TEXT and target.packing is None and selection == type(selection)():
            return client.export(url, target.path, watcher, token)
        return _convert(url, target, selection, watcher, token)


def _convert(
    url: str, target: Destination, selection: Selection, watcher: client.Watcher, token: bytes | None
) -> tuple[int, int]:
    from gossipw2v.api.loading import fetched  # noqa: PLC0415
    from gossipw2v.w2v.vectors import files  # noqa: PLC0415
    from gossipw2v.w2v.vectors.selection import selected  # noqa: PLC0415

    asked = ExportRequest(True, selection.matrix, None if selection.words is not None else selection.top)
    with files.opened(target) as opened:
        words, rows = selected(fetched(url, token, asked, watcher), selection)
        files.write(opened, target, words, rows)
    return len(words), rows.shape[1]
