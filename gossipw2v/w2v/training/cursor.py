"""Where each training thread is in its text, such that it can be written down, gone on from, and dealt out anew.

A text of `size` ids is cut into as many parts as there are threads, and a thread goes over its part once an epoch. What
is left of an interrupted epoch stands in spans; from `Position.epoch` on everything is regular again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

LOOK = 20_000  # ids looked at at a time
FORGET = 50 * LOOK  # ids between calls of `forget`: 4 MB of text


class TokenSpan(NamedTuple):
    """Ids `start` to `stop` of the text, in pass `epoch`."""

    epoch: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Position:
    """One thread's position."""

    left: tuple[TokenSpan, ...]  # of epochs before `epoch`, in order
    epoch: int  # the first that has not begun
    bits: int  # the state of the thread's random numbers, 64 bits


@dataclass(frozen=True, slots=True)
class Schedule:
    """The way of thread `thread` of `threads` through `epochs` passes over a text of `size` ids."""

    thread: int
    threads: int
    size: int
    epochs: int

    @property
    def part(self) -> tuple[int, int]:
        """Where the thread's part of the text begins and ends."""
        return self.size * self.thread // self.threads, self.size * (self.thread + 1) // self.threads

    def next(self, position: Position) -> TokenSpan | None:
        """What is to be trained first from `position` on; None at the end."""
        if position.left:
            return position.left[0]
        start, stop = self.part
        return TokenSpan(position.epoch, start, stop) if position.epoch < self.epochs and start < stop else None

    def after(self, position: Position, at: int, bits: int) -> Position:
        """The position when the next span has been trained up to `at`."""
        span = self.next(position)
        assert span is not None
        rest = (span._replace(start=at),) if at < span.stop else ()
        if position.left:
            return Position((*rest, *position.left[1:]), position.epoch, bits)
        return Position(rest, position.epoch + 1, bits)

    def back(self, position: Position, ids: int) -> Position:
        """The position `ids` earlier, but no further than the beginning of an epoch."""
        first = position.left[0] if position.left else None
        if first is not None and first.start > (start := self.part[0] if first.start >= self.part[0] else 0):
            return replace(position, left=(first._replace(start=max(start, first.start - ids)), *position.left[1:]))
        start, stop = self.part
        epoch = (first.epoch if first is not None else position.epoch) - 1
        earlier = TokenSpan(epoch, max(start, stop - ids), stop)
        return replace(position, left=(earlier, *position.left)) if epoch >= 0 and start < stop else position

    def all_left(self, position: Position) -> Iterator[TokenSpan]:
        """Every span that is to be trained from `position` on."""
        yield from position.left
        start, stop = self.part
        yield from (TokenSpan(epoch, start, stop) for epoch in range(position.epoch, self.epochs))

    def holds(self, position: Position) -> bool:
        """Whether `position` can be on this schedule."""
        inside = all(0 <= s.epoch < self.epochs and 0 <= s.start <= s.stop <= self.size for s in position.left)
        return inside and 0 <= position.epoch <= self.epochs and 0 <= position.bits < 1 << 64


def schedules(threads: int, size: int, epochs: int) -> list[Schedule]:
    """Those of all threads."""
    return [Schedule(thread, threads, size, epochs) for thread in range(threads)]


def deal(positions: Sequence[Position], fresh: Sequence[Position], size: int, epochs: int) -> list[Position]:
    """The same work for another number of threads: as many as there are `fresh` positions, whose random numbers serve
    those threads that `positions` has none for."""
    epoch = max(position.epoch for position in positions)
    shares: list[list[TokenSpan]] = [[] for _ in fresh]
    for number in range(epoch):
        for thread, pieces in enumerate(_split(_left_of(number, positions, size, epochs), len(fresh))):
            shares[thread] += pieces
    bits = [position.bits for position in (*positions, *fresh[len(positions) :])]
    return [Position(tuple(share), epoch, n) for share, n in zip(shares, bits, strict=False)]


def _left_of(epoch: int, positions: Sequence[Position], size: int, epochs: int) -> list[TokenSpan]:
    """What is left of one epoch, ascending."""
    pairs = zip(schedules(len(positions), size, epochs), positions, strict=True)
    found = (s for schedule, position in pairs for s in _of_epoch(schedule, position, epoch))
    return sorted(found, key=lambda s: s.start)


def _of_epoch(schedule: Schedule, position: Position, epoch: int) -> Iterator[TokenSpan]:
    yield from (s for s in position.left if s.epoch == epoch)
    if position.epoch <= epoch:
        yield TokenSpan(epoch, *schedule.part)


def _split(spans: Sequence[TokenSpan], shares: int) -> Iterator[list[TokenSpan]]:
    """Cut spans into shares of equally many ids, in order."""
    total = sum(s.stop - s.start for s in spans)
    for n in range(shares):
        low, high = total * n // shares, total * (n + 1) // shares
        yield list(_between(spans, low, high))


def _between(spans: Sequence[TokenSpan], low: int, high: int) -> Iterator[TokenSpan]:
    """The ids that are `low` to `high` when all spans stand in a row."""
    at = 0
    for s in spans:
        start, stop = max(s.start, s.start + low - at), min(s.stop, s.start + high - at)
        if start < stop:
            yield s._replace(start=start, stop=stop)
        at += s.stop - s.start


# --- in a text -----------------------------------------------------------------------------------------------------


class Text(Protocol):
    """What is trained: places that hold a word's id or -1, which ends a sentence; as many in every epoch."""

    def __len__(self) -> int:
        """Places."""

    def ids(self, epoch: int, start: int, stop: int) -> NDArray[np.int32]:
        """The ids at places `start` to `stop` in an epoch."""

    def at(self, places: NDArray[np.int64]) -> NDArray[np.int32]:
        """The ids at any places, in the shape of `places`, in some epoch."""

    def words(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Which places from `start` to `stop` are counted as words; the same in every epoch."""

    def count(self, start: int, stop: int) -> int:
        """How many these are."""

    def forget(self) -> None:
        """Called now and then, to hand back what a mapped text takes of memory."""


@runtime_checkable
class Course(Protocol):
    """Where all threads of a trainer are in what they train."""

    @property
    def closed(self) -> bool:
        """Whether nothing will be added to what is to be trained."""

    @property
    def text(self) -> Text:
        """A text that pairs can be sampled from."""

    @property
    def words(self) -> int:
        """In-vocabulary tokens of the text."""

    @property
    def positions(self) -> Sequence[Position]:
        """The places that another course of the same text can go on from."""

    @property
    def idle(self) -> bool:
        """Whether all threads wait."""

    def state(self, thread: int) -> int:
        """The state of a thread's random numbers, 64 bits."""

    def next(self, thread: int) -> TokenSpan | None:
        """What a thread trains next, which may be nothing for now; None at the end."""

    def ids(self, thread: int, span: TokenSpan, stop: int) -> NDArray[np.int32]:
        """The ids of a thread's next span up to `stop`."""

    def count(self, thread: int, span: TokenSpan, stop: int) -> int:
        """How many of these are counted as words."""

    def advance(self, thread: int, span: TokenSpan, end: int, bits: int) -> None:
        """A thread has trained its next span up to `end`; `bits` is the state of its random numbers now."""

    def before(self, total: int) -> int:
        """Words that others had trained of it when `total` were left."""

    def left(self) -> int:
        """Words to train."""

    def resume(self, positions: Sequence[Position]) -> None:
        """Take over the positions of another course. ValueError if they cannot be of this text."""

    def shift(self, words: int) -> None:
        """Leave out `words` of what comes next, or with a negative number train as many again; of each thread alike."""


def _nothing() -> None:
    pass


@dataclass(slots=True)
class StoredText:
    """A text whose ids are there, int32[n], the same in every epoch; `let_go` hands back what it takes of memory."""

    tokens: NDArray[np.int32]
    let_go: Callable[[], None] = _nothing

    def __len__(self) -> int:
        return len(self.tokens)

    def ids(self, _epoch: int, start: int, stop: int) -> NDArray[np.int32]:
        """As `Text`; not copied."""
        return self.tokens[start:stop]

    def at(self, places: NDArray[np.int64]) -> NDArray[np.int32]:
        """As `Text`."""
        return self.tokens[places]

    def words(self, start: int, stop: int) -> NDArray[np.bool_]:
        """As `Text`."""
        return np.asarray(self.tokens[start:stop] >= 0)

    def count(self, start: int, stop: int) -> int:
        """As `Text`."""
        if stop - start <= LOOK:
            return int(np.count_nonzero(self.words(start, stop)))
        number = 0
        for at in range(start, stop, FORGET):
            number += int(np.count_nonzero(self.words(at, min(at + FORGET, stop))))
            self.forget()
        return number

    def forget(self) -> None:
        """As `Text`."""
        self.let_go()


@dataclass(slots=True)
class Cursor:
    """Where all threads of a trainer are in its text."""

    text: Text
    epochs: int
    positions: list[Position]  # of each thread; at first the beginnings
    schedules: list[Schedule] = field(init=False)  # of each thread
    words: int = field(init=False)  # in-vocabulary tokens of the text
    closed: bool = True
    idle: bool = False

    def __post_init__(self) -> None:
        self.schedules = schedules(len(self.positions), len(self.text), self.epochs)
        self.words = self.text.count(0, len(self.text))

    def state(self, thread: int) -> int:
        """As `Course`."""
        return self.positions[thread].bits

    def ids(self, _thread: int, span: TokenSpan, stop: int) -> NDArray[np.int32]:
        """As `Course`."""
        return self.text.ids(span.epoch, span.start, stop)

    def count(self, _thread: int, span: TokenSpan, stop: int) -> int:
        """As `Course`."""
        return self.text.count(span.start, stop)

    def before(self, total: int) -> int:
        """Words of all epochs but `total`."""
        return self.words * self.epochs - total

    def next(self, thread: int) -> TokenSpan | None:
        """What a thread trains next; None at the end."""
        return self.schedules[thread].next(self.positions[thread])

    def advance(self, thread: int, span: TokenSpan, end: int, bits: int) -> None:
        """A thread has trained its next span up to `end`; `bits` is the state of its random numbers now."""
        schedule = self.schedules[thread]
        if (span.start - schedule.part[0]) % FORGET == 0:
            self.text.forget()
        self.positions[thread] = schedule.after(self.positions[thread], end, bits)

    def resume(self, positions: Sequence[Position]) -> None:
        """Take over the positions of another cursor in the same text, whatever its threads. ValueError if it is not."""
        size = len(self.text)
        theirs = zip(schedules(len(positions), size, self.epochs), positions, strict=True)
        if not positions or not all(schedule.holds(position) for schedule, position in theirs):
            raise ValueError(f"positions outside {self.epochs} epochs of {size:,} ids")
        same = len(positions) == len(self.positions)
        self.positions = list(positions) if same else deal(positions, self.positions, size, self.epochs)

    def shift(self, words: int) -> None:
        """Leave out `words` of what comes next, or with a negative number train as many again; of each thread alike."""
        threads, move = len(self.positions), self._ahead if words > 0 else self._back
        for n, (schedule, position) in enumerate(zip(self.schedules, self.positions, strict=True)):
            share = abs(words) * (n + 1) // threads - abs(words) * n // threads
            self.positions[n] = move(schedule, position, share)

    def left(self) -> int:
        """Words to train from the positions on; a whole part is counted once for all epochs."""
        counted: dict[tuple[int, int], int] = {}
        left = 0
        for schedule, position in zip(self.schedules, self.positions, strict=True):
            for _, *bounds in schedule.all_left(position):
                start, stop = bounds
                if (start, stop) not in counted:
                    counted[start, stop] = self.text.count(start, stop)
                left += counted[start, stop]
        return left

    def _ahead(self, schedule: Schedule, position: Position, words: int) -> Position:
        while words and (span := schedule.next(position)) is not None:
            stop = min(span.start + LOOK, span.stop)
            found = np.flatnonzero(self.text.words(span.start, stop))[:words]
            end = span.start + int(found[-1]) + 1 if len(found) == words else stop
            position, words = schedule.after(position, end, position.bits), words - len(found)
        return position

    def _back(self, schedule: Schedule, position: Position, words: int) -> Position:
        while words:
            earlier = schedule.back(position, words)
            if earlier == position:
                return position
            more = len(earlier.left) > len(position.left)
            end = earlier.left[0].stop if more else position.left[0].start
            words -= self.text.count(earlier.left[0].start, end)
            position = earlier
        return position
