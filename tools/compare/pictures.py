"""Pictures as inline SVG without any library: dots or lines over one axis, in colours that the page's style gives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 52, 180, 14, 44
LINE = 13  # px that a label needs
BAR, NAMES = 18, 150  # px of a bar, and to the left of all for their names


class Series(NamedTuple):
    """Points (x, y) of one name; `family` gives the colour. One point is a dot, more are a line."""

    name: str
    family: str
    points: Sequence[tuple[float, float]]


class Axis(NamedTuple):
    """What an axis shows, from where to where, and whether by powers."""

    title: str
    low: float
    high: float
    is_log: bool = False
    marks: tuple[float, ...] = ()  # where it has lines, if not at round numbers

    def at(self, value: float) -> float:
        """Its place, 0 to 1."""
        if self.is_log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Where it has lines: at the marks, or at round numbers."""
        if self.marks:
            return list(self.marks)
        if self.is_log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [one * 10.0**power for power in powers for one in (1, 2, 5)]
        else:
            step = 10 ** math.floor(math.log10((self.high - self.low) / 2))
            step *= next(times for times in (1, 2, 5, 10) if (self.high - self.low) / (step * times) <= 7)
            found = [step * n for n in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return [value for value in found if self.low <= value <= self.high]


def axis(title: str, values: Iterable[float], is_log: bool = False) -> Axis:
    """An axis with some room beside all values."""
    found = [value for value in values if math.isfinite(value) and (value > 0 or not is_log)] or [1.0]
    low, high = min(found), max(found)
    if is_log:
        return Axis(title, low / 1.3, high * 1.3, is_log)
    room = 0.06 * (high - low) or 1.0
    return Axis(title, low - room, high + room)


def draw(series: Sequence[Series], x: Axis, y: Axis) -> str:
    """The picture; points that a logarithmic axis cannot show are left out."""
    shown = [each._replace(points=[p for p in each.points if p[0] > 0 or not x.is_log]) for each in series]
    shown = [each for each in shown if each.points]
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y.title)} over {escape(x.title)}">']
    parts += _grid(x, y)
    for each in shown:
        parts += _series(each, x, y)
    parts += _labels(shown, x, y)
    return "\n".join([*parts, "</svg>"])


def bars(values: Sequence[tuple[str, str, float]], title: str) -> str:
    """A bar for each (name, family, value), the shortest first; `title` says what they are."""
    ordered = sorted(values, key=lambda each: each[2])
    longest = max((value for *_, value in ordered), default=0.0) or 1.0
    high, right = BAR * len(ordered) + 30, WIDTH - 90
    parts = [f'<svg viewBox="0 0 {WIDTH} {high}" role="img" aria-label="{escape(title)}">']
    for row, (name, family, value) in enumerate(ordered):
        y, wide = row * BAR + 2, (right - NAMES) * value / longest
        parts.append(f'<text x="{NAMES - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect class="{family}" x="{NAMES}" y="{y}" width="{wide:.1f}" height="{BAR - 4}"/>')
        parts.append(f'<text x="{NAMES + wide + 6:.1f}" y="{y + 12}">{value:,.3g}</text>')
    parts.append(f'<text x="{NAMES}" y="{high - 8}">{escape(title)}</text>')
    return "\n".join([*parts, "</svg>"])


def _place(point: tuple[float, float], x: Axis, y: Axis) -> tuple[float, float]:
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    return LEFT + wide * x.at(point[0]), TOP + high * (1 - y.at(point[1]))


def _grid(x: Axis, y: Axis) -> list[str]:
    bottom, right, parts = HEIGHT - BOTTOM, WIDTH - RIGHT, []
    for value in x.ticks():
        at, _ = _place((value, y.low), x, y)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>')
    for value in y.ticks():
        _, at = _place((x.low, value), x, y)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>')
    middle = (LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.title)}</text>')
    parts.append(
        f'<text transform="translate(12 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y.title)}</text>'
    )
    return parts


def _series(series: Series, x: Axis, y: Axis) -> list[str]:
    places = [_place(point, x, y) for point in series.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    line = [f'<polyline class="{series.family}" points="{path}"/>'] if len(places) > 1 else []
    title = f"<title>{escape(series.name)}</title>"
    dots = [f'<circle class="{series.family}" cx="{a:.1f}" cy="{b:.1f}" r="3.5">{title}</circle>' for a, b in places]
    return line + dots


def _labels(series: Sequence[Series], x: Axis, y: Axis) -> list[str]:
    """The names at the right, in the order of the heights of their last points, none over another."""
    ends = sorted((*_place(each.points[-1], x, y)[::-1], each.name, each.family) for each in series)
    tops, last = [], TOP - LINE + 6.0
    for height, *_ in ends:
        last = max(last + LINE, height)
        tops.append(last)
    excess = max(0.0, last - (HEIGHT - BOTTOM))
    room = max(LINE - 1.0, (tops[-1] - tops[0] - excess) / max(1, len(tops) - 1)) if tops else 0.0
    if excess:
        tops = [max(TOP + 6 + n * room, top - excess) for n, top in enumerate(tops)]
    parts, right = [], WIDTH - RIGHT
    for (height, at, name, family), top in zip(ends, tops, strict=True):
        path = f"M{at + 4:.1f} {height:.1f} L{right + 4} {top:.1f} L{right + 12} {top:.1f}"
        parts.append(f'<path class="lead {family}" d="{path}"/>')
        parts.append(f'<text class="name {family}" x="{right + 16}" y="{top + 4:.1f}">{escape(name)}</text>')
    return parts
