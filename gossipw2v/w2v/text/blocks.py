"""Text in: the words of files as a stream of clean blocks in bounded memory.

A block is UTF-8 without NUL, cut at ASCII whitespace, so no word, character or line end is ever split between
two blocks. A newline ends a sentence, and so does the end of a file. Words are what `bytes.split()` gives:
only ASCII whitespace separates them, so no word can hold a space and break the exported format.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Generic, NamedTuple, TypeVar

from gossipw2v.config.tokenize import WHITESPACE
from gossipw2v.system.machine import usable_cores
from gossipw2v.w2v.text.damage import Damage, Damages, Look, look
from gossipw2v.w2v.text.files import Source, open_text, total_bytes
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
SPACE = re.compile(rb"[ \t\n\r\v\f]")  # exactly what bytes.split() splits at


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
    head = stream.read(len(BOM))
    carry, inside_dropped = (b"" if head == BOM else head), False
    while chunk := stream.read(size):
        if inside_dropped:
            end = SPACE.search(chunk)
            if end is None:
                yield Block(b"", 0, skipped=chunk)  # also a chance to stop
                continue
            chunk = chunk[end.start() :]
        data, carry = _cut(carry + chunk)
        inside_dropped, skipped = len(carry) > longest, b""
        if inside_dropped:
            carry, skipped = b"", carry
        yield Block(data, int(inside_dropped), skipped=skipped)
    yield Block(carry + b"\n", 0)


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

        The blocks are worked on side by side in threads. Raises Stopped, or CorpusError, also for a file too much of
        which is no text.
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
        done, total = 0, total_bytes(files)
        for path in files:
            position, file = 0, Damage(path, total_bytes([path]), self.form)
            for block in read_blocks(path, self.block_bytes, self.form, file.left_out):
                position = block.position
                self._report(min(done + position, total), total)  # a file may be growing
                yield file, block
            done += position

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


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """Split after the last whitespace."""
    if SPACE.match(data, len(data) - 1):
        return data, b""
    words = data.rsplit(None, 1)
    tail = len(words[-1]) if words else 0
    return data[: len(data) - tail], data[len(data) - tail :]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
