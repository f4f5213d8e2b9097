"""What a status holds, as people read it, whatever it holds. What is no finite number is shown as a dash."""

import math
from collections.abc import Mapping
from typing import Any

UNKNOWN = "–"  # noqa: RUF001 (a dash is meant)


def finite(value: object) -> float | None:
    """`value` as a float, or None for what is not a finite number."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def section(status: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping at `key`; an empty one where there is none."""
    value = status.get(key)
    return value if isinstance(value, Mapping) else {}


def rows(status: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The mappings in the list at `key`; what else it holds is left out, and where there is no list there are none."""
    return [row for row in items(status, key) if isinstance(row, Mapping)]


def items(status: Mapping[str, Any], key: str) -> list[Any]:
    """The list at `key`; an empty one where there is none."""
    value = status.get(key)
    return value if isinstance(value, list) else []


def condition(member: Mapping[str, Any]) -> str:
    """How a member is, in one word: its state while it is heard of, `suspect`, `dead`, or `left`."""
    if member.get("state") == "left":
        return "left"
    if not member.get("alive"):
        return "dead"
    return "suspect" if member.get("suspect") else str(member.get("state"))


def count(value: object) -> str:
    """950, 67,867, 16.7 M, 2.1 G."""
    number = finite(value)
    if number is None:
        return UNKNOWN
    for unit, name in ((1e9, " G"), (1e6, " M")):
        if abs(number) >= unit:
            return f"{number / unit:.3g}{name}" if abs(number) < 1000 * unit else f"{number / unit:,.0f}{name}"
    return f"{number:,.0f}"


def size(value: object) -> str:
    """Bytes with a decimal unit: 512 B, 3.1 MB."""
    number = finite(value)
    if number is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def percent(value: object) -> str:
    """A share of 1 with one digit: 42.0 %."""
    number = finite(value)
    return UNKNOWN if number is None else f"{100 * number:.1f} %"


def decimal(value: object) -> str:
    """Three digits that count: 2.31, 0.0241."""
    number = finite(value)
    return UNKNOWN if number is None else f"{number:.3g}"


def duration(value: object) -> str:
    """Seconds as the two units that count: 12 s, 3 min 20 s, 5 h 2 min, 3 d 4 h."""
    number = finite(value)
    if number is None:
        return UNKNOWN
    seconds = round(max(0.0, number))
    for unit, name, part, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit:
            return f"{seconds // unit} {name} {seconds % unit // part} {below}"
    return f"{seconds} s"
