"""Where each training thread is in its text, such that it can be written down, gone on from, and dealt out anew.

A text of `size` ids is cut into as many parts as there are threads, and a thread goes over its part once an epoch. What
is left of an interrupted epoch stands in stretches; from `Place.epoch` on everything is regular again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


class Stretch(NamedTuple):
    """Ids `start` to `stop` of the text, in pass `epoch`."""

    epoch: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Place:
    """One thread's place: what is `left` of epochs before `epoch`, and the state of its random numbers."""

    left: tuple[Stretch, ...]
    epoch: int
    bits: int


@dataclass(frozen=True, slots=True)
class Course:
    """The way of thread `thread` of `threads` through `epochs` passes over a text of `size` ids."""

    thread: int
    threads: int
    size: int
    epochs: int

    @property
    def part(self) -> tuple[int, int]:
        """Where the thread's part of the text begins and ends."""
        return self.size * self.thread // self.threads, self.size * (self.thread + 1) // self.threads

    def next(self, place: Place) -> Stretch | None:
        """What is to be trained first from `place` on; None at the end."""
        if place.left:
            return place.left[0]
        start, stop = self.part
        return Stretch(place.epoch, start, stop) if place.epoch < self.epochs and start < stop else None

    def after(self, place: Place, at: int, bits: int) -> Place:
        """The place when the next stretch has been trained up to `at`."""
        stretch = self.next(place)
        assert stretch is not None
        rest = (stretch._replace(start=at),) if at < stretch.stop else ()
        if place.left:
            return Place((*rest, *place.left[1:]), place.epoch, bits)
        return Place(rest, place.epoch + 1, bits)

    def back(self, place: Place, ids: int) -> Place:
        """The place `ids` earlier, but no further than the beginning of an epoch."""
        first = place.left[0] if place.left else None
        if first is not None and first.start > (start := self.part[0] if first.start >= self.part[0] else 0):
            return replace(place, left=(first._replace(start=max(start, first.start - ids)), *place.left[1:]))
        start, stop = self.part
        epoch = (first.epoch if first is not None else place.epoch) - 1
        earlier = Stretch(epoch, max(start, stop - ids), stop)
        return replace(place, left=(earlier, *place.left)) if epoch >= 0 and start < stop else place

    def all_left(self, place: Place) -> Iterator[Stretch]:
        """Every stretch that is to be trained from `place` on."""
        yield from place.left
        start, stop = self.part
        yield from (Stretch(epoch, start, stop) for epoch in range(place.epoch, self.epochs))

    def holds(self, place: Place) -> bool:
        """Whether `place` can be on this way."""
        inside = all(0 <= s.epoch < self.epochs and 0 <= s.start <= s.stop <= self.size for s in place.left)
        return inside and 0 <= place.epoch <= self.epochs and 0 <= place.bits < 1 << 64


def courses(threads: int, size: int, epochs: int) -> list[Course]:
    """The ways of all threads."""
    return [Course(thread, threads, size, epochs) for thread in range(threads)]


def deal(places: Sequence[Place], fresh: Sequence[Place], size: int, epochs: int) -> list[Place]:
    """The same work for another number of threads: as many as there are `fresh` places, whose random numbers serve
    those threads that `places` has none for."""
    epoch = max(place.epoch for place in places)
    shares: list[list[Stretch]] = [[] for _ in fresh]
    for number in range(epoch):
        for thread, pieces in enumerate(_split(_left_of(number, places, size, epochs), len(fresh))):
            shares[thread] += pieces
    bits = [place.bits for place in (*places, *fresh[len(places) :])]
    return [Place(tuple(share), epoch, n) for share, n in zip(shares, bits, strict=False)]


def _left_of(epoch: int, places: Sequence[Place], size: int, epochs: int) -> list[Stretch]:
    """What is left of one epoch, ascending."""
    ways = zip(courses(len(places), size, epochs), places, strict=True)
    found = (s for way, place in ways for s in _of_epoch(way, place, epoch))
    return sorted(found, key=lambda s: s.start)


def _of_epoch(way: Course, place: Place, epoch: int) -> Iterator[Stretch]:
    yield from (s for s in place.left if s.epoch == epoch)
    if place.epoch <= epoch:
        yield Stretch(epoch, *way.part)


def _split(stretches: Sequence[Stretch], shares: int) -> Iterator[list[Stretch]]:
    """Cut stretches into shares of equally many ids, in order."""
    total = sum(s.stop - s.start for s in stretches)
    for n in range(shares):
        low, high = total * n // shares, total * (n + 1) // shares
        yield list(_between(stretches, low, high))


def _between(stretches: Sequence[Stretch], low: int, high: int) -> Iterator[Stretch]:
    """The ids that are `low` to `high` when all stretches stand in a row."""
    at = 0
    for s in stretches:
        start, stop = max(s.start, s.start + low - at), min(s.stop, s.start + high - at)
        if start < stop:
            yield s._replace(start=start, stop=stop)
        at += s.stop - s.start
