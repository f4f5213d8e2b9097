"""How a field that can be set is declared: its bounds, its unit, what it does and the reason for its default."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Between:
    """Bounds of a number, both included, the higher one unless it is `below`; "not a number" is outside."""

    low: float
    high: float
    below: bool = False

    def __call__(self, value: float) -> None:
        if not self.low <= value <= self.high or (self.below and value == self.high):
            raise ValueError(f"{value} is out of bounds: {self}")

    def __str__(self) -> str:
        return f"{self.low} to {'below ' if self.below else ''}{self.high}"


@dataclass(frozen=True)
class OneOf:
    """The words a field may hold."""

    words: tuple[str, ...]

    def __call__(self, value: str) -> None:
        if value not in self.words:
            raise ValueError(f"{value[:80]!r} is none of {self}")

    def __str__(self) -> str:
        return ", ".join(self.words)


def setting(
    default: Any, check: Callable[[Any], object], unit: str, does: str, reason: str, *, called: str = ""
) -> Any:
    """A field and what `options` needs of it; `check` raises ValueError. MISSING as default makes it required.

    `called`: how people call it, where Python cannot.
    """
    told = {"check": check, "unit": unit, "does": does, "reason": reason}
    return field(default=default, metadata=told | ({"called": called} if called else {}))
