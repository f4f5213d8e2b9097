"""What a test set gives: figures with what they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of a test set, of one of its sections or of a band of frequency; nan where there is none.

    `known` of `total` questions had words that are all known, and these alone count; `zeroed` is what the figures are
    if the others count as 0, a cosine or a wrong answer. `unknown`: the words, of the whole set alone.
    """

    kind: str
    name: str
    figures: Mapping[str, float]
    known: int
    total: int
    section: str | None = None
    band: str | None = None
    zeroed: Mapping[str, float] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def coverage(self) -> float:
        """The share of the questions whose words are all known."""
        return self.known / self.total if self.total else 0.0
