"""A text cut into pieces, alike on all nodes that have the same files, whatever folder these lie in.

A piece is some 256 KiB or more, in one file or several: a few thousand tasks (a pass over a piece each) make a run, so
that nodes of unequal speed end together, and what is known of tasks stays small. Plain text and JSON lines are cut
behind a line, or at white space where lines have no end, Parquet between row groups; what cannot be cut (packed, CSV,
other encodings) is a whole file. Some stretches are kept out of all pieces, to measure the loss on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import IO, NamedTuple

from gossipw2v.w2v.text.blocks import SPACE
from gossipw2v.w2v.text.files import Source, is_divisible, open_bytes, total_bytes
from gossipw2v.w2v.text.finding.digests import content_digest
from gossipw2v.w2v.text.sources.form import JSONL, PARQUET, Form
from gossipw2v.w2v.text.sources.parquet import ParquetText
from gossipw2v.w2v.text.sources.records import LeftOut

LEAST_BYTES = 1 << 18  # of a piece: 40 ms of training on a core
TASKS = 4096  # of a run, and one more in each epoch
LOOK = 1 << 16  # bytes in which a line should end
HELD_OUT_BYTES, STRETCH_BYTES = 1_200_000, 1 << 14  # in all, as much as `heldout.MOST_WORDS`; and at least in one place


class Stretch(NamedTuple):
    """Bytes `start` to `stop` of a file; all of it where it cannot be cut (`whole`).

    Of Parquet, row groups from `groups[0]` to `groups[1]`, with bytes in proportion.
    """

    file: Source
    start: int
    stop: int
    whole: bool
    groups: tuple[int, int] | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stop - self.start


Piece = tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class TextPieces:
    """All `pieces` of a text and what is `held_out`; `listing`: a line for each file, as nodes compare them."""

    pieces: tuple[Piece, ...]
    held_out: Piece
    listing: bytes

    @property
    def digest(self) -> bytes:
        """16 bytes that two nodes share only if they have the same files, cut alike."""
        bounds = [[(stretch.start, stretch.stop) for stretch in piece] for piece in self.pieces]
        return hashlib.blake2b(self.listing + repr(bounds).encode(), digest_size=16).digest()

    def tokens(self, all_tokens: int) -> tuple[int, ...]:
        """About how many of a text's tokens each piece has, going by bytes; one at least."""
        sizes = [sum(stretch.size for stretch in piece) for piece in self.pieces]
        return tuple(max(1, all_tokens * size // max(1, sum(sizes))) for size in sizes)


def cut_text(
    files: Sequence[Source], form: Form, epochs: int, share_held_out: float, folder: Path | None = None
) -> TextPieces:
    """Cut the text that `files` are, all in `folder` if that is given. CorpusError for one that cannot be read."""
    names = _names(files, folder)
    size = max(LEAST_BYTES, total_bytes(files) * epochs // TASKS)
    cutter = _Cutter(form, size)
    for source in sorted(files, key=names.__getitem__):
        cutter.add(source)
    pieces, held_out = _hold_out(cutter.end(), form, share_held_out * total_bytes(files))
    settings = f"{form.identity.hex()} {share_held_out:g}"
    lines = [b"(settings)\tencoding, form or --held-out\t" + settings.encode()]
    lines += [_line(names[source], source) for source in sorted(files, key=names.__getitem__)]
    return TextPieces(pieces, held_out, b"\n".join(lines) + b"\n")


def _names(files: Sequence[Source], folder: Path | None) -> dict[Source, bytes]:
    """The files below the folder that holds them all, so that machines may have it in different places; else URLs."""
    folders = [str(file.absolute().parent) for file in files if isinstance(file, Path)]
    root = str(folder.absolute()) if folder else os.path.commonpath(folders) if folders else ""
    return {file: _name(file, root) for file in files}


def _name(file: Source, root: str) -> bytes:
    name = os.fsencode(file.absolute().relative_to(root)) if isinstance(file, Path) else str(file).encode()
    return name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\t", b"\\t")


def _line(name: bytes, source: Source) -> bytes:
    return b"\t".join((name, f"{total_bytes([source]):,} bytes".encode(), content_digest(source).hex().encode()))


@dataclass(slots=True)
class _Cutter:
    """Cuts file after file into pieces of `size` bytes or a little more."""

    form: Form
    size: int
    _pieces: list[Piece] = field(default_factory=list)
    _piece: list[Stretch] = field(default_factory=list)  # that is not large enough yet

    def add(self, source: Source) -> None:
        """The next file."""
        size, whole = total_bytes([source]), not is_divisible(source, self.form)
        if self.form.kind == PARQUET:
            self._add_groups(source, size)
            return
        cuts = [] if whole else [*self._cut(source, size)]
        for start, stop in pairwise([0, *cuts, size]):
            self._put(Stretch(source, start, stop, whole))

    def _add_groups(self, source: Source, size: int) -> None:
        with open_bytes(source) as raw:
            groups = ParquetText(raw, self.form.field, LeftOut()).groups
        ends = [size * part // max(1, sum(groups)) for part in accumulate(groups, initial=0)]
        for n, (start, stop) in enumerate(pairwise(ends)):
            self._put(Stretch(source, start, stop, True, (n, n + 1)))

    def end(self) -> list[Piece]:
        """All pieces."""
        if self._piece:
            self._pieces.append(tuple(self._piece))
        return self._pieces

    def _cut(self, source: Source, size: int) -> Iterator[int]:
        room = self.size - sum(stretch.size for stretch in self._piece)
        with open_bytes(source) as raw:
            at = 0
            while size - at > room and (at := end_of_line(raw, at + room, self.form)) < size:
                yield at
                room = self.size

    def _put(self, stretch: Stretch) -> None:
        last = self._piece[-1] if self._piece else None
        if last is not None and last.groups and stretch.groups and last.file == stretch.file:
            groups = last.groups[0], stretch.groups[1]
            self._piece[-1] = last._replace(stop=stretch.stop, groups=groups)
        else:
            self._piece.append(stretch)
        if sum(each.size for each in self._piece) >= self.size:
            self._pieces.append(tuple(self._piece))
            self._piece = []


def end_of_line(raw: IO[bytes], at: int, form: Form) -> int:
    """The place behind the line that the byte before `at` is in, or behind its word where no line ends near."""
    raw.seek(at - 1)
    here = at - 1
    while data := raw.read(LOOK):
        end = data.find(b"\n")
        if end >= 0:
            return here + end + 1
        if form.kind != JSONL and (space := SPACE.search(data)) is not None:
            return here + space.end()
        here += len(data)
    return here


def _hold_out(pieces: list[Piece], form: Form, wanted: float) -> tuple[tuple[Piece, ...], Piece]:
    """Take the beginning of some pieces, evenly over the text, out of them."""
    wanted = min(wanted, HELD_OUT_BYTES)
    fit = [n for n, piece in enumerate(pieces) if not piece[0].whole and piece[0].size >= LEAST_BYTES // 2]
    number = min(len(fit), max(1, int(wanted // STRETCH_BYTES))) if wanted else 0
    held_out = []
    for n in (fit[len(fit) * k // number] for k in range(number)):
        first, *rest = pieces[n]
        with open_bytes(first.file) as raw:
            end = end_of_line(raw, first.start + min(int(wanted / number) + 1, first.size // 2), form)
        if end < first.stop:
            held_out.append(first._replace(stop=end))
            pieces[n] = (first._replace(start=end), *rest)
    return tuple(pieces), tuple(held_out)
