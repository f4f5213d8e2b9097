"""Text in: the words of files as a stream of clean blocks in bounded memory.

A block is UTF-8 without NUL, cut at ASCII whitespace, so no word, character or line end is ever split between
two blocks. A newline ends a sentence, and so does the end of a file. Words are what `bytes.split()` gives:
only ASCII whitespace separates them, so no word can hold a space and break the exported format.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Generic, NamedTuple, TypeVar

from gossipw2v.config.tokenize import WHITESPACE
from gossipw2v.system.machine import usable_cores
from gossipw2v.w2v.text.damage import Damage, Damages, Look, look
from gossipw2v.w2v.text.files import Source, open_text, total_bytes
from gossipw2v.w2v.text.sources.ahead import taken_ahead
from gossipw2v.w2v.text.sources.form import PLAIN, Form
from gossipw2v.w2v.text.sources.records import LeftOut
from gossipw2v.w2v.text.sources.tokens import Rewriter, rewriter

T = TypeVar("T")
Progress = Callable[[int, int], None]
Stop = Callable[[], bool]

BLOCK_BYTES = 2 << 20  # some 10 ms of work for a thread: large against its hand-over, small against memory
MAX_LINE_BYTES = 1 << 16  # without white space, where a pattern finds the words: Chinese has none in a whole line
MAX_WORD_BYTES = 1000  # the longest words of real text are below 200 bytes; longer is data, and fits no frame

BOM = b"\xef\xbb\xbf"
NUL = b"\0"
REPLACEMENT = "\ufffd"
SPACES = b" \t\n\r\v\f"  # exactly what bytes.split() splits at
SPACE = re.compile(rb"[ \t\n\r\v\f]")
NEAR = 1 << 10  # bytes


class Stopped(Exception):  # noqa: N818 - nothing failed: the caller asked for it
    """Work on the text ended early because `should_stop` said so."""


class Block(NamedTuple):
    """Raw bytes that end at whitespace, and how many over-long words were left out while cutting them."""

    data: bytes
    dropped: int
    position: int = 0  # bytes of the file on disk read so far
    skipped: bytes = b""  # a part of such a word: a whole file may be one, if it is no text


class Clean(NamedTuple):
    """UTF-8 without NUL, how many bytes were replaced for that, how many over-long words were left out."""

    data: bytes
    replaced: int
    dropped: int


@dataclass(slots=True)
class Tally:
    """What was done to the text: bytes replaced by U+FFFD, words dropped as longer than MAX_WORD_BYTES.

    Words of whole blocks are not looked at here: who splits a block drops its over-long words and adds them.
    """

    replaced: int = 0
    dropped: int = 0


def cut_blocks(stream: IO[bytes], size: int = BLOCK_BYTES, longest: int = MAX_WORD_BYTES) -> Iterator[Block]:
    """Cut `stream` into blocks of about `size` bytes that end at whitespace, the last with a newline.

    A word that is longer than `longest` bytes and has no end yet is dropped at once, so memory stays below three
    blocks.
    """
    carry, inside_dropped = b"", False
    for read in _chunks(stream, size):
        chunk = read
        if inside_dropped:
            end = SPACE.search(chunk)
            if end is None:
                yield Block(b"", 0, skipped=chunk)  # also a chance to stop
                continue
            chunk = chunk[end.start() :]
        cut = _last_space(chunk) + 1
        data, carry = (b"".join((carry, memoryview(chunk)[:cut])), chunk[cut:]) if cut else (b"", carry + chunk)
        inside_dropped, skipped = len(carry) > longest, b""
        if inside_dropped:
            carry, skipped = b"", carry
        yield Block(data, int(inside_dropped), skipped=skipped)
    yield Block(carry + b"\n", 0)


def _chunks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """`stream` without its mark of UTF-8, some `size` bytes at a time."""
    chunk = stream.read(len(BOM)).removeprefix(BOM) + stream.read(size)
    while chunk:
        yield chunk
        chunk = stream.read(size)


def read_blocks(
    path: Source, size: int = BLOCK_BYTES, form: Form = PLAIN, left_out: LeftOut | None = None
) -> Iterator[Block]:
    """The blocks of one file, unpacked, as plain text in UTF-8. CorpusError names it when it cannot be read to its end.

    `left_out` counts records that hold no text.
    """
    with open_text(path, form, left_out) as (stream, place):
        for block in cut_blocks(stream, size, longest_word(form)):
            yield block._replace(position=place.tell())


def longest_word(form: Form) -> int:
    """Bytes without white space that may be words, or a word."""
    return MAX_WORD_BYTES if form.tokenize == WHITESPACE else MAX_LINE_BYTES


def clean(data: bytes, longest: int = MAX_WORD_BYTES) -> Clean:
    """`data` with each invalid UTF-8 sequence and each NUL replaced by U+FFFD, the replaced bytes counted.

    Words of more than `longest` bytes are taken out of a damaged block before the repair makes them longer still.
    """
    if NUL not in data and (data.isascii() or _is_utf8(data)):
        return Clean(data, 0, 0)
    lines = [line.split() for line in data.split(b"\n")]
    kept = [[word for word in line if len(word) <= longest] for line in lines]
    dropped = sum(map(len, lines)) - sum(map(len, kept))
    text = b"\n".join(b" ".join(line) for line in kept)
    valid = text.decode("utf-8", "ignore")
    replaced = len(text) - len(valid.encode()) + valid.count("\0")
    return Clean(text.decode("utf-8", "replace").replace("\0", REPLACEMENT).encode(), replaced, dropped)


class _Task(NamedTuple, Generic[T]):
    """A block that a thread works on: the file it is of, and what comes of it."""

    file: Damage
    future: Future[tuple[T, Clean, Look]]


@dataclass(frozen=True, slots=True)
class TextReader:
    """How to go through text: threads (0: one per usable core), whom to tell, whom to ask, bytes per block.

    `progress(bytes on disk done, bytes in all)` and `should_stop()` are called in the caller's thread, a few
    times a second or more; `on_damage` when a file has ended in which bytes had to be replaced, or
    records left out.
    """

    threads: int = 0
    progress: Progress | None = None
    should_stop: Stop | None = None
    block_bytes: int = BLOCK_BYTES
    form: Form = PLAIN
    on_damage: Callable[[Damage], None] | None = None

    def run(self, files: Sequence[Source], work: Callable[[bytes], T], tally: Tally) -> Iterator[T]:
        """Yield `work(block)` for each clean block of `files`, in the order of the text, adding to `tally`.

        The blocks are read in one thread, and worked on side by side in others. Raises Stopped, or CorpusError, also
        for a file too much of which is no text.
        """
        threads = self.threads or usable_cores()
        waiting: deque[_Task[T]] = deque()
        damage, rewrite = Damages(self.on_damage), rewriter(self.form)
        pool = ThreadPoolExecutor(threads, thread_name_prefix="text")
        try:
            for file, block in self._blocks(files):
                tally.dropped += block.dropped
                waiting.append(_Task(file, pool.submit(_clean_and, work, block, rewrite, longest_word(self.form))))
                if len(waiting) > 2 * threads:  # enough to keep all busy, few enough to bound memory
                    yield self._next(waiting, tally, damage)
            while waiting:
                yield self._next(waiting, tally, damage)
            damage.end()
        finally:
            pool.shutdown(cancel_futures=True)

    def _next(self, waiting: deque[_Task[T]], tally: Tally, damage: Damages) -> T:
        if self.should_stop is not None and self.should_stop():
            raise Stopped
        task = waiting.popleft()
        result, cleaned, seen = task.future.result()
        damage.add(task.file, seen)
        tally.replaced += cleaned.replaced
        tally.dropped += cleaned.dropped
        return result

    def _blocks(self, files: Sequence[Source]) -> Iterator[tuple[Damage, Block]]:
        done, position, total = 0, 0, total_bytes(files)
        last: Damage | None = None
        for file, block in taken_ahead(self._read(files)):
            if file is not last:
                done, last = done + position, file
            position = block.position
            self._report(min(done + position, total), total)  # a file may be growing
            yield file, block

    def _read(self, files: Sequence[Source]) -> Generator[tuple[Damage, Block], None, None]:
        for path in files:
            file = Damage(path, total_bytes([path]), self.form)
            for block in read_blocks(path, self.block_bytes, self.form, file.left_out):
                yield file, block

    def _report(self, done: int, total: int) -> None:
        if self.should_stop is not None and self.should_stop():
            raise Stopped
        if self.progress is not None:
            self.progress(done, total)


def _clean_and(
    work: Callable[[bytes], T], block: Block, rewrite: Rewriter | None, longest: int
) -> tuple[T, Clean, Look]:
    cleaned = clean(block.data, longest)
    text = cleaned.data if rewrite is None else rewrite(cleaned.data)
    return work(text), cleaned._replace(data=b""), look(block.data, cleaned.replaced, block.skipped)


def _last_space(data: bytes) -> int:
    """Where the last white space is, or -1."""
    for piece in (len(data) - NEAR, 0):  # nearly always it is near the end
        if (at := max(data.rfind(space, max(0, piece)) for space in SPACES)) >= 0:
            return at
    return -1


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
