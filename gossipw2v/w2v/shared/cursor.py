"""Where training threads are in a shared text: each has a task, which it is handed when it has done the one before.

A task is a pass over a piece, numbered pass by pass. The owner gives tasks ahead of time, takes back those that others
have, and hears which are done; unlike places in a text of one's own, they are not kept, since others know them too.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.shared.text import SharedText
from gossipw2v.w2v.training.cursor import Position, StoredText, TokenSpan

WAIT = 0.05  # s until a thread without a task looks again whether it is to end
AHEAD = 0.5  # s of work that wait for threads; the owner looks ten times a second

Ids = NDArray[np.int32]


@dataclass(slots=True)
class TaskQueue:
    """Tasks between the owner, which looks now and then, and the threads. `closed`: nothing will be added."""

    closed: bool = False
    _waiting: deque[int] = field(default_factory=deque)  # that no thread has begun
    _done: deque[int] = field(default_factory=deque)  # of which the owner has not heard
    _lost: set[int] = field(default_factory=set)  # that are not to be trained, though they wait or are in hand
    _lock: threading.Lock = field(default_factory=threading.Lock)  # for these
    _given: threading.Event = field(default_factory=threading.Event)

    def __len__(self) -> int:
        return len(self._waiting)

    # -- the owner ------------------------------------------------------------------------------------------

    def give(self, task: int) -> None:
        """A task for the next thread that has none; one that was lost and has not been given up yet just stays."""
        with self._lock:
            if task in self._lost:
                self._lost.discard(task)
                return
        self._waiting.append(task)
        self._given.set()

    def lose(self, tasks: Iterable[int]) -> None:
        """Others have these: they are given up."""
        with self._lock:
            self._lost.update(tasks)

    def done(self) -> list[int]:
        """The tasks that have been done since it was last asked."""
        return [self._done.popleft() for _ in range(len(self._done))]

    def close(self) -> None:
        """All tasks of the swarm have been done, by anybody: the threads end."""
        self.closed = True
        self._given.set()

    # -- threads --------------------------------------------------------------------------------------------

    def take(self) -> int | None:
        """The next task; None, after a moment, if there is none."""
        try:
            return self._waiting.popleft()
        except IndexError:
            self._given.clear()
            self._given.wait(0 if self._waiting or self.closed else WAIT)
            return None

    def finish(self, task: int) -> None:
        """A task has been done."""
        self._done.append(task)

    def give_up(self, task: int) -> bool:
        """Whether others have a task by now, which is then no thread's any more."""
        with self._lock:
            lost = task in self._lost
            self._lost.discard(task)
        return lost


@dataclass(slots=True)
class _Hand:
    """What one thread has in hand."""

    bits: int  # the state of its random numbers
    task: int | None = None
    blocks: Iterator[Ids] = field(default_factory=lambda: iter(()))  # of the task, those to come
    ids: Ids = field(default_factory=lambda: np.empty(0, np.int32))  # the block that is being trained
    at: int = 0  # how far it is


@dataclass(slots=True)
class SharedCursor:
    """What this node's threads train of `shared`, as a `Course`. `words`: of the whole text, about; `bits`: of each
    thread's random numbers at first. `text`: the block that was begun last.
    """

    shared: SharedText
    words: int
    bits: Sequence[int]
    queue: TaskQueue = field(default_factory=TaskQueue)
    text: StoredText = field(init=False)
    _hands: list[_Hand] = field(init=False)

    def __post_init__(self) -> None:
        self._hands = [_Hand(bits) for bits in self.bits]
        self.text = StoredText(self.shared.held_out)

    @property
    def tokens(self) -> tuple[int, ...]:
        """About how many words each piece has."""
        return self.shared.pieces.tokens(self.words)

    @property
    def closed(self) -> bool:
        """As `Course`."""
        return self.queue.closed

    @property
    def positions(self) -> Sequence[Position]:
        """None: what has been done of a shared text is in the table of tasks."""
        return ()

    @property
    def idle(self) -> bool:
        """Whether threads wait for others, who have all tasks that are left."""
        return not self.queue and all(hand.task is None for hand in self._hands)

    def wants(self, words_per_second: float) -> bool:
        """Whether the queue should be given more tasks now."""
        tasks = words_per_second * AHEAD * len(self.shared.pieces.pieces) / max(1, self.words)
        return not self.closed and len(self.queue) < len(self._hands) + tasks

    def state(self, thread: int) -> int:
        """As `Course`."""
        return self._hands[thread].bits

    def next(self, thread: int) -> TokenSpan | None:
        """What a thread trains next, in its block; nothing at times, when it has waited for a task in vain."""
        hand = self._hands[thread]
        while (task := hand.task) is not None or self._take(hand):
            if task is None:
                continue
            if self.queue.give_up(task):
                hand.task = None
            elif hand.at < len(hand.ids) or self._open(hand):
                return TokenSpan(task // len(self.shared.pieces.pieces), hand.at, len(hand.ids))
        return None if self.closed else TokenSpan(0, 0, 0)

    def ids(self, thread: int, span: TokenSpan, stop: int) -> Ids:
        """As `Course`."""
        return self._hands[thread].ids[span.start : stop]

    def count(self, thread: int, span: TokenSpan, stop: int) -> int:
        """As `Course`."""
        return int(np.count_nonzero(self.ids(thread, span, stop) >= 0))

    def advance(self, thread: int, span: TokenSpan, end: int, bits: int) -> None:
        """As `Course`."""
        hand = self._hands[thread]
        hand.at, hand.bits = end, bits
        if hand.task is not None and end == span.stop:
            self._open(hand)  # at once: the end of a task is told when it comes

    def before(self, _total: int) -> int:
        """As `Course`: what was trained in an earlier life is not told apart from what others have."""
        return 0

    def left(self) -> int:
        """As `Course`: nothing before there are tasks."""
        return 0

    def resume(self, positions: Sequence[Position]) -> None:
        """As `Course`: there are none. ValueError if there are."""
        if positions:
            raise ValueError("places in a text of its own, where the text is shared")

    def shift(self, words: int) -> None:
        """As `Course`: there is nothing to go back to."""

    def _take(self, hand: _Hand) -> bool:
        """Begin the next task."""
        if (task := self.queue.take()) is None:
            return False
        hand.task, hand.blocks = task, self.shared.piece(task % len(self.shared.pieces.pieces))
        hand.ids, hand.at = np.empty(0, np.int32), 0
        return True

    def _open(self, hand: _Hand) -> bool:
        """Go on to the next block of a task; at its end the task is done."""
        for ids in hand.blocks:
            if len(ids):
                hand.ids, hand.at = ids, 0
                self.text = StoredText(ids)
                return True
        assert hand.task is not None
        self.queue.finish(hand.task)
        hand.task = None
        return False
