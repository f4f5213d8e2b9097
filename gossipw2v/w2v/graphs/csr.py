"""A graph on disk: sorted rows of targets one behind the other (compressed sparse rows), mapped into memory.

    header   HEADER_BYTES: what the file is, its sizes, its checksum
    targets  int32[entries], the rows one behind the other; room for more is left where edges were there twice
    cells    uint64[entries] alias tables of the rows, if the graph is weighted
    offsets  int64[nodes + 1], where the rows begin
    starts   int64[nodes + 1], where the names begin
    names    bytes, a newline behind each

All numbers are little-endian, each part begins at a multiple of 8 bytes. The rows are made some millions of entries at
a time, each time from all edges: so memory does not grow with them. A file is written beside, synced and renamed; one
that is damaged is told by its checksum and made anew.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.system.durable import replacing, sweep
from gossipw2v.w2v.graphs.edges import EdgesReader, Spill
from gossipw2v.w2v.kernels.graphs import parsing, rows
from gossipw2v.w2v.text.blocks import Stopped
from gossipw2v.w2v.text.files import Source as File
from gossipw2v.w2v.text.finding.digests import corpus_digest
from gossipw2v.w2v.text.shards import ShardError, drop_old, naming
from gossipw2v.w2v.text.sources.form import Form
from gossipw2v.w2v.text.words import Words

VERSION = 1
KEEP = 2  # graphs kept: this one, and one to come back to
HEADER_BYTES = 192
SUFFIX = ".graph"
ENTRIES_AT_A_TIME = 1 << 24  # some 400 MB while they are sorted

_MAGIC = b"GW2VGRPH"
_FIELDS = struct.Struct("<8sII8Q16s16s")
_HASH_BYTES = 1 << 22


class Sizes(NamedTuple):
    """What is in a graph's file. `room`: entries there is room for; `loops`, `repeats`: edges that were left out."""

    nodes: int
    entries: int
    room: int
    name_bytes: int
    edges: int  # lines with an edge
    loops: int
    repeats: int
    weighted: int  # 1 or 0

    def layout(self) -> list[tuple[int, str, int]]:
        """Where each part begins, its type, and how many numbers it has."""
        parts, at = [], HEADER_BYTES
        cells = (self.room, self.entries) if self.weighted else (0, 0)
        numbers = [("<i4", self.room, self.entries), ("<u8", *cells), ("<i8", *(self.nodes + 1,) * 2)]
        for kind, room, number in [*numbers, numbers[-1], ("u1", self.name_bytes, self.name_bytes)]:
            parts.append((at, kind, number))
            at += -(-room * np.dtype(kind).itemsize // 8) * 8
        return parts


@dataclass(frozen=True, eq=False)
class Graph:
    """Row n is `targets[offsets[n] : offsets[n + 1]]`, ascending, each target once; read-only.

    `offsets` int64[N + 1], `targets` int32[E], `cells` uint64[E], or [0] where all edges weigh the same; `names` of the
    N nodes. `checksum` of all of it; `reused`: nothing was read.
    """

    offsets: NDArray[np.int64]
    targets: NDArray[np.int32]
    cells: NDArray[np.uint64]
    names: Words
    directed: bool
    sizes: Sizes
    checksum: bytes
    reused: bool = False


@dataclass(frozen=True, slots=True)
class GraphFiles:
    """Files of edges, and the folder where the graph of them is kept."""

    files: Sequence[File]
    folder: Path
    form: Form
    directed: bool

    def graph(self, reader: EdgesReader) -> Graph:
        """The graph, from `folder` if it was read before. CorpusError, Stopped; ShardError if it cannot be kept."""
        with naming(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep(self.folder, f"*{SUFFIX}")
        identity = self._identity()
        path = self.folder / (identity.hex() + SUFFIX)
        if path.exists():
            try:
                return self._open(path, identity)
            except ShardError:
                path.unlink(missing_ok=True)
        with naming(self.folder):
            with closing(reader.read(self.files)) as spill:
                _write(path, reader, spill, self.directed, identity)
            drop_old(path, KEEP)
        with naming(path), path.open("rb") as file:
            return _map(path, file, identity, self.directed)

    def _identity(self) -> bytes:
        digest = corpus_digest(self.files, self.form)
        return hashlib.blake2b(digest + bytes([self.directed]), digest_size=16, person=b"gossipw2v.graph").digest()

    def _open(self, path: Path, identity: bytes) -> Graph:
        with naming(path), path.open("rb") as file:
            graph = _map(path, file, identity, self.directed)
            if _checksum(file, graph.sizes) != graph.checksum:
                raise ShardError(f"{path}: the graph does not match its checksum")
            os.utime(path)  # the last one used is the last one dropped
            return replace(graph, reused=True)


# --- writing ------------------------------------------------------------------------------------------------


def _write(path: Path, reader: EdgesReader, spill: Spill, directed: bool, identity: bytes) -> None:
    degrees = np.zeros(int(reader.names.sizes[parsing.NAMES]), np.int64)
    for pairs, _ in spill.pieces():
        rows.count_entries(pairs, directed, degrees)
    room, names = int(degrees.sum()), reader.names.words()
    loops = int(reader.names.sizes[parsing.LOOPS])
    sizes = Sizes(len(degrees), 0, room, len(names.text), spill.edges, loops, 0, int(reader.weighted))
    with replacing(path) as file:
        writer = _RowWriter(file, sizes, degrees)
        for first, last in _ranges(degrees):
            if reader.should_stop():
                raise Stopped
            writer.add(first, *_made(spill, directed, degrees[first:last], first, bool(sizes.weighted)))
        sizes = writer.finish(names, 1 if directed else 2)
        file.flush()
        with Path(file.name).open("rb") as written:
            checksum = _checksum(written, sizes)
        file.seek(0)
        file.write(_header(sizes, identity, checksum))


@dataclass(slots=True)
class _RowWriter:
    """Writes the parts of a graph; rows come in order. `lengths` int64[N] become those of the rows as written."""

    file: Any
    sizes: Sizes
    lengths: NDArray[np.int64]
    entries: int = 0

    def add(self, first: int, targets: NDArray[np.int32], cells: NDArray[np.uint64], ends: NDArray[np.int64]) -> None:
        """Rows from number `first` on, which end at `ends` of these."""
        (targets_at, *_), (cells_at, *_), *_ = self.sizes.layout()
        self._put(targets_at + 4 * self.entries, targets)
        if self.sizes.weighted:
            self._put(cells_at + 8 * self.entries, cells)
        self.lengths[first : first + len(ends)] = np.diff(ends, prepend=0)
        self.entries += len(targets)

    def finish(self, names: Words, sides: int) -> Sizes:
        """Write what there is once; the sizes of the whole, an edge being in the rows of so many sides."""
        *_, (offsets_at, *_), (starts_at, *_), (names_at, *_) = self.sizes.layout()
        self._put(offsets_at, np.concatenate(([0], np.cumsum(self.lengths))))
        self._put(starts_at, names.starts)
        self._put(names_at, names.array)
        repeats = (self.sizes.room - self.entries) // sides
        return self.sizes._replace(entries=self.entries, repeats=repeats)

    def _put(self, at: int, numbers: NDArray[Any]) -> None:
        self.file.seek(at)
        self.file.write(np.ascontiguousarray(numbers).data)


def _ranges(degrees: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Nodes whose rows are made at a time: as many as there is memory for, at least one."""
    ends, first = np.cumsum(degrees), 0
    while first < len(degrees):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + ENTRIES_AT_A_TIME, "right")))
        yield first, last
        first = last


def _made(
    spill: Spill, directed: bool, degrees: NDArray[np.int64], first: int, weighted: bool
) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.int64]]:
    """The rows from number `first` on: their targets, alias tables if they are weighted, and ends."""
    ends = np.cumsum(degrees)
    entries, fill = np.empty(int(ends[-1]), np.uint64), ends - degrees
    for pairs, weights in spill.pieces():
        rows.scatter(pairs, weights.view(np.uint32), directed, first, fill, entries)
    rows.sort_rows(entries, ends)
    weights = entries.astype(np.uint32).view(np.float32)  # the lower half
    targets, sums = np.empty(len(entries), np.int32), np.empty(len(entries))
    used = rows.merge_repeats(entries, weights, ends, weighted, targets, sums)
    cells = entries[:used]  # whose room is free
    if weighted:
        rows.fill_aliases(sums[:used], ends, np.empty(used, np.int64), cells)
    return targets[:used], cells, ends


# --- reading ------------------------------------------------------------------------------------------------


def _map(path: Path, file: IO[bytes], identity: bytes, directed: bool) -> Graph:
    sizes, checksum = _read_header(path, file.read(HEADER_BYTES), identity)
    *parts, (names_at, _, _) = sizes.layout()
    if os.fstat(file.fileno()).st_size != names_at + sizes.name_bytes:
        raise ShardError(f"{path}: is cut short or too long")
    mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    targets, cells, offsets, starts = (np.frombuffer(mapping, kind, number, at) for at, kind, number in parts)
    names = Words(mapping[names_at:], starts.copy())
    return Graph(offsets, targets, cells, names, directed, sizes, checksum)


def _header(sizes: Sizes, identity: bytes, checksum: bytes) -> bytes:
    fields = _FIELDS.pack(_MAGIC, VERSION, HEADER_BYTES, *sizes, identity, checksum)
    return (fields + hashlib.blake2b(fields, digest_size=16).digest()).ljust(HEADER_BYTES, b"\0")


def _read_header(path: Path, header: bytes, identity: bytes) -> tuple[Sizes, bytes]:
    if len(header) != HEADER_BYTES or not header.startswith(_MAGIC):
        raise ShardError(f"{path}: is not a graph, or cut short")
    _, version, _, *numbers, found, checksum = _FIELDS.unpack_from(header)
    sizes = Sizes(*numbers)
    if version != VERSION or header != _header(sizes, found, checksum) or found != identity:
        raise ShardError(f"{path}: the header is damaged, or of another graph or version")
    return sizes, checksum


def _checksum(file: IO[bytes], sizes: Sizes) -> bytes:
    """Of all numbers and names; not of the room between them."""
    digest = hashlib.blake2b(repr(sizes).encode(), digest_size=16)
    for at, kind, number in sizes.layout():
        file.seek(at)
        left = number * np.dtype(kind).itemsize
        while left and (data := file.read(min(left, _HASH_BYTES))):
            digest.update(data)
            left -= len(data)
    return digest.digest()
