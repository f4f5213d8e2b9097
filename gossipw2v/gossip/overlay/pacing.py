"""How many rows an exchange should hold: fewer and often where they are dear, because what is fresh helps most.

At the same bytes, four times as many exchanges of a quarter of the rows are worth three points of word similarity; so a
link on which many rows take longer than the pause it wants sends fewer. Two things make rows dear: the link (`Pace`
learns what a row and a round trip cost from the exchanges themselves) and this node's own cores (`Brake` compares the
CPU time of merging with that of training).

Pure state: times come in, rows go out.
"""

from __future__ import annotations

from dataclasses import dataclass

FEWEST = 1024  # rows; below that an exchange costs more by itself than by what it holds
FADES = 0.93  # weight of what was learned before, at each exchange
THRIFT = 3  # rows that an exchange moves in all, for each that one end may put in: one there, and both ends' back
PROBE = 4  # of so many exchanges one holds half as many rows: else nothing tells a row's cost from a round trip's
SPREAD = 0.15  # of the mean; exchanges that differ less in their rows tell neither


@dataclass(slots=True)
class Pace:
    """What exchanges of so many rows took, in seconds; means that fade, and the moments of both about them."""

    rows: float = 0.0
    seconds: float = 0.0
    variance: float = 0.0
    covariance: float = 0.0
    weight: float = 0.0
    exchanges: int = 0

    def saw(self, rows: int, seconds: float) -> None:
        """An exchange moved `rows`, there and back, and took so long."""
        self.exchanges += 1
        self.weight = FADES * self.weight + 1.0
        share = 1.0 / self.weight
        off, late = rows - self.rows, seconds - self.seconds
        self.rows += share * off
        self.seconds += share * late
        self.variance = (1.0 - share) * (self.variance + share * off * off)
        self.covariance = (1.0 - share) * (self.covariance + share * off * late)

    def costs(self) -> tuple[float, float]:
        """Seconds of a round trip, and of each row beside; all is the trip's while nothing tells them apart."""
        known = self.variance > (SPREAD * self.rows) ** 2
        whole = self.seconds / max(self.rows, 1.0)
        row = min(max(self.covariance / self.variance, 0.0), whole) if known else 0.0
        return self.seconds - row * self.rows, row

    def room(self, pause: float) -> int:
        """Rows that one end may put into an exchange of `pause` seconds, or of twice a round trip if that is longer.

        At most double of what was usual: what was never tried is not known to work.
        """
        usual = max(self.rows / THRIFT, FEWEST)
        if self.seconds <= pause:
            return int(2 * usual)
        trip, row = self.costs()
        affordable = (max(pause, 2 * trip) - trip) / max(row * THRIFT, 1e-12)
        rows = max(FEWEST, min(affordable, 2 * usual))
        return int(max(FEWEST, rows / 2 if self.exchanges % PROBE == 0 else rows))
