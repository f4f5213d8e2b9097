"""Edges out of files: names become numbers, the edges go to a temporary file in pieces, whatever their number.

A line that is no edge is refused with its file and number and what to do; blank lines, comments and self loops are left
out and counted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.graphs.layout import Layout, columns_wrong, guess
from gossipw2v.w2v.kernels.graphs import parsing
from gossipw2v.w2v.kernels.graphs.parsing import Rules
from gossipw2v.w2v.kernels.hashing import Table, grown, new_seed, new_table
from gossipw2v.w2v.text.blocks import BOM, MAX_WORD_BYTES, Stopped
from gossipw2v.w2v.text.files import CorpusError, open_text, total_bytes
from gossipw2v.w2v.text.files import Source as File
from gossipw2v.w2v.text.formats import HEAD_BYTES
from gossipw2v.w2v.text.sources.form import Form
from gossipw2v.w2v.text.vocab import MAX_WORDS
from gossipw2v.w2v.text.words import Words

BLOCK_BYTES = 1 << 18
LONGEST_LINE = 1 << 16  # bytes
PIECE = 1 << 18  # edges read back at a time
NODE_ROOM = 1 << 12  # nodes that there is room for at first

EDGES = Form(as_is=True)  # a file of edges in UTF-8

Progress = Callable[[int], None]  # bytes of the files on disk that have been read
Pairs = NDArray[np.int32]
Weights = NDArray[np.float32]


@dataclass(slots=True)
class Names:
    """The names of nodes, numbered as they are met, and `sizes`, what `parsing` counts."""

    table: Table = field(default_factory=lambda: new_table(NODE_ROOM, new_seed()))
    text: NDArray[np.uint8] = field(default_factory=lambda: np.empty(1 << 16, np.uint8))
    sizes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(6, np.int64))

    def make_room(self, names: int, size: int) -> None:
        """For so many more names of `size` bytes together."""
        number, used = self.sizes[parsing.NAMES] + names, self.sizes[parsing.BYTES] + size
        if number > self.table.keys.size:
            self.table = grown(self.table, int(self.sizes[parsing.NAMES]), 2 * int(number))
        if used > self.text.size:
            longer = np.empty(2 * used, np.uint8)
            longer[: self.text.size] = self.text
            self.text = longer

    @property
    def comments(self) -> int:
        """Lines that were comments."""
        return int(self.sizes[parsing.COMMENTS])

    def words(self) -> Words:
        """All of them, in the order of their numbers."""
        number = int(self.sizes[parsing.NAMES])
        return Words.gather(self.text, self.table.starts[:number], self.table.lengths[:number])


@dataclass(slots=True)
class Spill:
    """Edges in temporary files that have no name: int32 pairs of nodes, and float32 weights."""

    pairs: IO[bytes]
    weights: IO[bytes]
    edges: int = 0

    def add(self, pairs: Pairs, weights: Weights) -> None:
        """Append edges int32[n, 2] and their weights float32[n]."""
        self.pairs.write(pairs.data)
        self.weights.write(weights.data)
        self.edges += len(pairs)

    def pieces(self) -> Iterator[tuple[Pairs, Weights]]:
        """All edges again, some at a time."""
        self.pairs.seek(0)
        self.weights.seek(0)
        for at in range(0, self.edges, PIECE):
            number = min(PIECE, self.edges - at)
            pairs = np.frombuffer(self.pairs.read(8 * number), np.int32).reshape(-1, 2)
            yield pairs, np.frombuffer(self.weights.read(4 * number), np.float32)

    def close(self) -> None:
        """Give the room back."""
        self.pairs.close()
        self.weights.close()


@dataclass(slots=True)
class EdgesReader:
    """Reads files of edges into temporary ones in `folder`."""

    folder: Path
    form: Form = EDGES
    progress: Progress = lambda _: None
    should_stop: Callable[[], bool] = lambda: False
    names: Names = field(default_factory=Names)
    layouts: dict[File, Layout] = field(default_factory=dict)  # as guessed
    weighted: bool = False  # whether any file has weights
    _before: int = 0  # bytes of the files that have been read to their end

    def read(self, files: Sequence[File]) -> Spill:
        """All edges of `files`. CorpusError with file, line and what to do; OSError of the folder; Stopped."""
        with ExitStack() as stack:
            pairs, weights = (stack.enter_context(tempfile.TemporaryFile(dir=self.folder)) for _ in range(2))
            spill = Spill(pairs, weights)
            for path in files:
                self._read(path, spill)
                self._before += total_bytes([path])
            if spill.edges:
                stack.pop_all()
                return spill
        raise CorpusError(f"{', '.join(map(str, files))}: no edge between two different nodes")

    def _read(self, path: File, spill: Spill) -> None:
        layout = self.layouts[path] = _layout(path, self.form)
        self.weighted |= layout.columns == 3
        rules = Rules(layout.code, layout.columns, MAX_WORD_BYTES)
        line = 1
        for block, position in _blocks(path, self.form, layout.header):
            if self.should_stop():
                raise Stopped
            _check_bytes(path, line, block)
            wrong, at = self._parse(block, rules, spill)
            if wrong != parsing.FINE:
                number = line + block.count(b"\n", 0, at)
                raise CorpusError(f"{path}, line {number}: {_explain(wrong, block[at:], layout)}")
            if self.names.sizes[parsing.NAMES] > MAX_WORDS:
                raise CorpusError(f"{path}: more than {MAX_WORDS:,} nodes by line {line}: give each node a part of it")
            line += block.count(b"\n")
            self.progress(self._before + position)

    def _parse(self, block: bytes, rules: Rules, spill: Spill) -> tuple[int, int]:
        """What is wrong, and where in the block."""
        lines = block.count(b"\n")
        self.names.make_room(2 * lines, len(block))
        pairs, weights = np.empty((lines + 1, 2), np.int32), np.empty(lines + 1, np.float32)
        text, fields = np.frombuffer(block, np.uint8), np.empty(6, np.int64)
        names = self.names
        edges, wrong, at = parsing.parse(text, rules, names.table, names.text, names.sizes, fields, pairs, weights)
        spill.add(pairs[:edges], weights[:edges])
        return wrong, at


def _layout(path: File, form: Form) -> Layout:
    with open_text(path, form) as (stream, _):
        head = stream.read(HEAD_BYTES)
        whole = not stream.read(1)
    try:
        return guess(head.removeprefix(BOM), whole)
    except ValueError as error:
        raise CorpusError(f"{path}: {error}") from error


def _blocks(path: File, form: Form, header: int) -> Iterator[tuple[bytes, int]]:
    """Whole lines of a file, and how much of it has been read; the header becomes a comment."""
    with open_text(path, form) as (stream, raw):
        carry, head = stream.read(len(BOM)).removeprefix(BOM), header
        while chunk := stream.read(BLOCK_BYTES):
            cut = chunk.rfind(b"\n") + 1
            block, carry = (carry + chunk[:cut], chunk[cut:]) if cut else (b"", carry + chunk)
            if len(carry) > LONGEST_LINE:
                raise CorpusError(f"{path}: a line of more than {LONGEST_LINE:,} bytes: this is no list of edges")
            if block:
                block, head = _commented(block, head)
                yield block, raw.tell()
        if carry:
            yield _commented(carry + b"\n", head)[0], raw.tell()


def _commented(block: bytes, line: int) -> tuple[bytes, int]:
    """A block whose line of that number, from 1, is a comment; and the number that remains if it comes later, or 0."""
    lines = block.count(b"\n")
    if not 0 < line <= lines:
        return block, max(0, line - lines)
    at = 0
    for _ in range(line - 1):
        at = block.index(b"\n", at) + 1
    return block[:at] + b"#" + block[at:], 0


def _check_bytes(path: File, line: int, block: bytes) -> None:
    """CorpusError if a block is no UTF-8, or holds a NUL."""
    at = block.find(b"\0")
    if at < 0 and not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError as error:
            at = error.start
    if at >= 0:
        number = line + block.count(b"\n", 0, at)
        raise CorpusError(f"{path}, line {number}: bytes that are no UTF-8: say what they are with --encoding")


def _explain(wrong: int, rest: bytes, layout: Layout) -> str:
    """What is wrong with the line that `rest` begins with."""
    line = rest.partition(b"\n")[0].decode("utf-8", "replace").strip()
    shown = repr(line if len(line) <= 80 else f"{line[:77]}...")
    columns = len(line.split(None if layout.separator == b" " else layout.separator.decode()))
    say = {
        parsing.COLUMNS: f"{columns_wrong(columns, layout.separator)} (the first line has {layout.columns})",
        parsing.SPACE: "a name with white space in it: write another character instead, such as _",
        parsing.EMPTY: "an empty column",
        parsing.LONG: f"a name of more than {MAX_WORD_BYTES} bytes",
        parsing.NUMBER: "the third column, which is the weight, is no number",
        parsing.WEIGHT: f"a weight must be between {parsing.LIGHTEST:g} and {parsing.HEAVIEST:g}; leave out what is no "
        "edge",
        parsing.COMMENT: "begins like a comment and has the columns of an edge: take the line out, or the sign off",
    }
    return f"{say[wrong]}: {shown}"
