"""The standard streams as a process may find them: closed, full, without a reader, of an encoding that lacks much.

`prepare` replaces them once, so that whoever prints need not think of any of it.
"""

import codecs
import errno
import io
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from gossipw2v.system.output import SteadyFile

OUTPUT, MESSAGES = 1, 2  # descriptors
PLAIN = {"█": "#", "░": ".", "–": "-", "·": "-", "“": '"', "”": '"', "’": "'", "…": "..."}  # noqa: RUF001 (as they are)
_SHOWN, _ESCAPED = "gossipw2v.shown", "gossipw2v.escaped"  # names of codecs' error handlers


def prepare() -> None:
    """Make standard output and standard error of the process fit to print any text to.

    What the encoding lacks becomes plain characters. The first failure of standard output is an OSError that names it
    (BrokenPipeError if its reader has gone), afterwards nothing is written; standard error never fails.
    """
    _reserve()
    codecs.register_error(_SHOWN, _replacement(lambda _: "?"))
    codecs.register_error(_ESCAPED, _replacement(_escaped))
    if sys.stdout is sys.__stdout__:  # not what a test or another program has put there
        sys.stdout = _text(_Output(OUTPUT, "wb", closefd=False), sys.stdout, _SHOWN)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Messages(MESSAGES, "wb", closefd=False), sys.stderr, _ESCAPED)


def tell(text: str) -> None:
    """Print `text` to standard error, as `printable` has it."""
    print(printable(text), file=sys.stderr)


def redraws(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that can move its cursor up."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class ProgressLine:
    """One line on standard error that is drawn over itself; nothing where that is no terminal."""

    def __init__(self) -> None:
        self._drawn = sys.stderr.isatty()
        self._open = False  # whether the cursor is in the line

    def show(self, text: str) -> None:
        """Draw `text`, cut to the terminal's width."""
        if self._drawn:
            width = _columns() - 1
            line = printable(text)[:width].ljust(width)  # over what a longer text has left there
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
            self._open = True

    def note(self, text: str) -> None:
        """Draw `text`, or print it where nothing is drawn: it says why nothing goes on."""
        if self._drawn:
            self.show(text)
        else:
            tell(text)

    def end(self) -> None:
        """Leave the line as it is; what is printed next stands below it."""
        if self._open:
            print(file=sys.stderr)
            self._open = False


class _Output(SteadyFile):
    """Standard output, which tells once that it does not work."""

    _failed = False

    def write(self, data: Any) -> int:
        if self._failed:  # the rest of a buffer, at exit: it has been told
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self._failed = True
            told = "is closed" if error.errno == errno.EBADF else error.strerror
            raise OSError(error.errno, told, "standard output") from error


class _Messages(io.FileIO):
    """Standard error, which never fails and is not waited for: nowhere is left to say it."""

    def write(self, data: Any) -> int:
        try:
            super().write(data)
        except OSError:
            pass
        return memoryview(data).nbytes


def _reserve() -> None:
    """Open what is closed of the first three descriptors: the next file to be opened would be a standard stream."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # for reading alone, so that what is written is not taken for read by somebody
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)


def _text(raw: io.FileIO, before: TextIO | None, errors: str) -> TextIO:
    encoding = before.encoding if before is not None else "utf-8"
    lines = raw.isatty() or raw.fileno() == MESSAGES
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=lines)


def _replacement(otherwise: Callable[[str], str]) -> Callable[[UnicodeError], tuple[str, int]]:
    def replaced(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        lacking = error.object[error.start : error.end]
        return "".join(PLAIN.get(char) or otherwise(char) for char in lacking), error.end

    return replaced


def printable(text: str) -> str:
    """`text` without anything that moves a terminal's cursor, but for line ends: strangers wrote some of it."""
    return "".join(char if char.isprintable() or char == "\n" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _columns() -> int:
    try:
        return os.get_terminal_size(MESSAGES).columns or 80
    except OSError:
        return 80
