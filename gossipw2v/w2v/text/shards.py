"""A node's text as word ids, encoded once and kept in the data directory, so that no later epoch reads text.

A shard file is a header of 128 bytes and little-endian int32 ids: those that are trained, then those that are held out
(`heldout`). It is written under a temporary name, synced, renamed, and never changed again, so a file with the right
name is whole or damaged by someone else; its checksums tell. It is memory-mapped; pages that training has read are
handed back (`Shard.forget`) and cost the node no memory. A mapping dies of SIGBUS if its file is cut short meanwhile;
nothing of ours does that (a new shard is a new file), and whoever can write to the data directory can do worse.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.system.durable import replacing, sweep
from gossipw2v.w2v.kernels.hashing import END
from gossipw2v.w2v.kernels.phrases.pairs import only_units
from gossipw2v.w2v.phrases.joining import join_all
from gossipw2v.w2v.text.blocks import Tally, TextReader
from gossipw2v.w2v.text.files import Source
from gossipw2v.w2v.text.heldout import Divider, Division
from gossipw2v.w2v.text.scanner import WordIndex
from gossipw2v.w2v.text.vocab import Vocab

VERSION = 2
KEEP = 3  # encodings kept: this one, and two to come back to when text or vocabulary change to and fro
HEADER_BYTES = 128  # keeps the ids aligned to cache lines

ALL_TRAINED = Division()

_MAGIC = b"GW2VSHRD"
_FIELDS = struct.Struct("<8sIIQQQ16s16s16s16s")
SUFFIX = ".shard"
_HASH_BYTES = 1 << 22
_LOOK = 1 << 20  # ids looked at once

Sizes = tuple[int, int, int]  # ids that are trained, words among them, ids that are held out


class ShardError(ValueError):
    """An encoding that cannot be read or written; the message names the file and what to do."""


@dataclass(frozen=True, eq=False)
class Shard:
    """`tokens`: read-only int32[n], word ids, and END after each sentence, never twice in a row.

    `words`: how many of them are word ids; `checksum` of all ids: texts that share it are trained alike;
    `reused`: nothing was encoded; `broken`: damaged files replaced; `held_out`: int32[m], the part of the text that is
    no part of `tokens`, in the same form.
    """

    tokens: NDArray[np.int32]
    words: int
    path: Path
    checksum: bytes = b""
    reused: bool = False
    broken: int = 0
    mapping: mmap.mmap | None = None
    held_out: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))

    def forget(self) -> None:
        """Hand back the pages that were read: they stay in the kernel's cache, and come again when they are needed."""
        if self.mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapping.madvise(mmap.MADV_DONTNEED)


class Lines(NamedTuple):
    """What the lines of a text are like; words alone count."""

    longest: int  # words
    single: int  # lines of one word, which has nobody to be near
    pairs: float  # others in its line that a word has, on average


def describe_lines(tokens: NDArray[np.int32]) -> Lines:
    """What the lines of `tokens` int32[n] are like, END after each; a part of them at a time."""
    longest = single = words = pairs = at = 0
    while at < len(tokens):
        part = tokens[at : at + _LOOK]
        ends = np.flatnonzero(part == END)
        if not ends.size:  # longer than any window
            ends = np.array([len(part) - 1])
        lengths = np.diff(ends, prepend=-1) - 1
        longest, single = max(longest, int(lengths.max())), single + int(np.count_nonzero(lengths == 1))
        words, pairs = words + int(lengths.sum()), pairs + int((lengths * (lengths - 1)).sum())
        at += int(ends[-1]) + 1
    return Lines(longest, single, pairs / max(1, words))


def encode(
    files: Sequence[Source],
    vocab: Vocab,
    folder: Path,
    corpus_digest: bytes,
    reader: TextReader | None = None,
    division: Division = ALL_TRAINED,
) -> Shard:
    """The text of `files` as ids of `vocab`, from `folder` if it was encoded before.

    Its phrases are joined, other words are left out. One process at a time may use `folder`. Raises ShardError when it
    cannot be written, CorpusError, or Stopped.
    """
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder, f"*{SUFFIX}")
        identity = (corpus_digest, vocab.digest, division.digest)
        path = folder / ("-".join(part.hex() for part in identity) + SUFFIX)
        found = path.exists()
    if found:
        try:
            return open_shard(path, corpus_digest, vocab.digest, division)
        except ShardError:
            path.unlink(missing_ok=True)
    blocks = _blocks(files, vocab, reader or TextReader())
    with naming(folder):
        _write(path, blocks, b"".join(identity), Divider(division))
        drop_old(path, KEEP)
    with naming(path), path.open("rb") as file:  # what was just written need not be checked
        shard = _map(path, file, b"".join(identity))
    return replace(shard, reused=False, broken=int(found))


def _blocks(files: Sequence[Source], vocab: Vocab, reader: TextReader) -> Iterator[NDArray[np.int32]]:
    """The words and phrases of the text, block after block, END where a line ends."""
    if not len(vocab.joins):
        yield from reader.run(files, WordIndex(vocab.words).encode, Tally())
        return
    blocks = reader.run(files, WordIndex(vocab.units).encode_all, Tally())
    for ids in join_all(blocks, vocab.joins):
        yield only_units(ids, len(vocab))


def open_shard(path: Path, corpus_digest: bytes, vocab_digest: bytes, division: Division = ALL_TRAINED) -> Shard:
    """Map a shard file after checking all of it (about 1 GB/s). Raises ShardError if it is not what was asked for."""
    with naming(path), path.open("rb") as file:
        shard = _map(path, file, corpus_digest + vocab_digest + division.digest)
        if _checksum(file, len(shard.tokens), len(shard.held_out)) != shard.checksum:
            raise ShardError(f"{path}: the ids do not match their checksum")
        os.utime(path)  # the last one used is the last one dropped
        return shard


def reopened(path: Path, vocab_digests: Collection[bytes]) -> Shard:
    """The shard file that is called so, after checking all of it, if it is of one of these vocabularies; ShardError."""
    try:
        corpus_digest, vocab, divided = (bytes.fromhex(part) for part in path.name.removesuffix(SUFFIX).split("-"))
    except ValueError:
        raise ShardError(f"{path}: is not called as a shard is") from None
    if vocab not in vocab_digests:
        raise ShardError(f"{path}: is of another vocabulary")
    with naming(path), path.open("rb") as file:
        shard = _map(path, file, corpus_digest + vocab + divided)
        if _checksum(file, len(shard.tokens), len(shard.held_out)) != shard.checksum:
            raise ShardError(f"{path}: the ids do not match their checksum")
    return shard


def rewritten(folder: Path, shard: Shard, digests: tuple[bytes, bytes], blocks: Iterator[NDArray[np.int32]]) -> Shard:
    """A shard in `folder` of other `blocks`, with the held-out part of one that there is. ShardError.

    `digests`: of what the blocks are made of, and of the vocabulary.
    """
    identity = (*digests, ALL_TRAINED.digest)
    path = folder / ("-".join(part.hex() for part in identity) + SUFFIX)
    with naming(folder):
        _write(path, blocks, b"".join(identity), Divider(ALL_TRAINED, _parts=[shard.held_out]))
    return reopened(path, digests[1:])


def _map(path: Path, file: IO[bytes], identity: bytes) -> Shard:
    """The shard in `file`, with the checksum that its ids, which follow, should have."""
    number, words, held_out, checksum = _read_header(path, file.read(HEADER_BYTES), identity)
    if os.fstat(file.fileno()).st_size != HEADER_BYTES + 4 * (number + held_out):
        raise ShardError(f"{path}: is cut short or too long for {number + held_out:,} ids")
    if not number + held_out:  # no ids are no buffer
        return Shard(np.empty(0, np.int32), 0, path, checksum, reused=True)
    mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    ids = np.frombuffer(mapping, "<i4", offset=HEADER_BYTES)
    return Shard(ids[:number], words, path, checksum, reused=True, mapping=mapping, held_out=ids[number:].copy())


def _write(path: Path, blocks: Iterator[NDArray[np.int32]], identity: bytes, divider: Divider) -> None:
    """Write the ids of `blocks` to `path`, which then has them all, or does not exist."""
    with replacing(path) as file:
        file.write(bytes(HEADER_BYTES))
        sizes, checksum = _write_ids(file, blocks, divider)
        file.seek(0)
        file.write(_header(sizes, identity, checksum))


def _write_ids(file: IO[bytes], blocks: Iterator[NDArray[np.int32]], divider: Divider) -> tuple[Sizes, bytes]:
    digest = hashlib.blake2b(digest_size=16)
    number = words = 0
    for ids in map(divider.trained, blocks):
        number += ids.size
        words += int(np.count_nonzero(ids >= 0))
        _write_some(file, digest, ids)
    held_out = divider.held_out
    _write_some(file, digest, held_out)
    digest.update(_divided(number, held_out.size))
    return (number, words, held_out.size), digest.digest()


def _write_some(file: IO[bytes], digest: hashlib.blake2b, ids: NDArray[np.int32]) -> None:
    data = np.ascontiguousarray(ids, "<i4").data
    digest.update(data)
    file.write(data)


def _divided(number: int, held_out: int) -> bytes:
    """What the checksum covers besides the ids: where the held-out ones begin, or all may be trained and look alike."""
    return struct.pack("<Q", number) if held_out else b""


def _header(sizes: Sizes, identity: bytes, checksum: bytes) -> bytes:
    parts = (identity[:16], identity[16:32], identity[32:])
    fields = _FIELDS.pack(_MAGIC, VERSION, HEADER_BYTES, *sizes, *parts, checksum)
    return (fields + _hash(fields)).ljust(HEADER_BYTES, b"\0")


def _read_header(path: Path, header: bytes, identity: bytes) -> tuple[int, int, int, bytes]:
    if len(header) != HEADER_BYTES or not header.startswith(_MAGIC):
        raise ShardError(f"{path}: is not a shard, or cut short")
    _, version, _, number, words, held_out, *parts, checksum = _FIELDS.unpack_from(header)
    if version != VERSION:
        raise ShardError(f"{path}: is of version {version}, this program reads {VERSION}")
    if header != _header((number, words, held_out), b"".join(parts), checksum):
        raise ShardError(f"{path}: the header is damaged")
    if b"".join(parts) != identity:
        raise ShardError(f"{path}: belongs to another text or vocabulary, or is divided in another way")
    return number, words, held_out, checksum


def _checksum(file: IO[bytes], number: int, held_out: int) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    while data := file.read(_HASH_BYTES):
        digest.update(data)
    digest.update(_divided(number, held_out))
    return digest.digest()


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def drop_old(current: Path, keep: int) -> None:
    """Of the files of this kind beside `current` keep the `keep` used last; a clock that jumped costs one made anew."""
    others = [path for path in current.parent.glob(f"*{current.suffix}") if path != current]
    others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in others[keep - 1 :]:
        path.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """ShardError, with what to do, for an OSError at `path` in the data directory."""
    try:
        yield
    except OSError as error:
        raise ShardError(f"{path}: {error.strerror or error}: check the data directory's space and owner") from error
