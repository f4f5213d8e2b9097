"""When the next exchange of a link begins, and how many rows it should hold.

Fewer and often where rows are dear, because what is fresh helps most: at the same bytes, four times as many exchanges
of a quarter of the rows are worth three points of word similarity. What makes rows dear is the link (`Costs` learns
what a row and a round trip take from the exchanges themselves) and each node's own cores, which the nodes tell each
other (`Push.room`, `Answer.room`).

Pure state: times come in, rows go out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gossipw2v.gossip.messages import MAX_ROWS, Answer, Push

FLUSH_PAUSE = 0.02  # s between exchanges when the child has trained its share and hands over what is left
END_PAUSE = 0.1  # s between a child's questions whether all have trained
IDLE_PAUSE = 0.5  # s between exchanges that had nothing to say
UNANSWERED = 30.0  # s from the beginning of an exchange until the child asks whether there is a link, doubling;
LONGER = 3.0  # or so many times what the last one took: a slow link must not carry everything twice
ROW_BYTES = 12  # of a row's id, count and scale, beside its values
FEWEST = 1024  # rows; below that an exchange costs more by itself than by what it holds
FADES = 0.93  # weight of what was learned before, at each exchange
THRIFT = 3  # rows that an exchange moves in all, for each that one end may put in: one there, and both ends' back
PROBE = 4  # of so many exchanges one holds half as many rows: else nothing tells a row's cost from a round trip's
SPREAD = 0.15  # of the mean; exchanges that differ less in their rows tell neither


@dataclass(slots=True)
class Costs:
    """What exchanges of so many rows took: means that fade, and the moments of both about them."""

    rows: float = 0.0  # mean rows of an exchange, there and back
    seconds: float = 0.0  # mean seconds of one
    variance: float = 0.0  # of the rows
    covariance: float = 0.0  # of rows and seconds
    weight: float = 0.0  # of all that was seen
    exchanges: int = 0  # seen

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


@dataclass(slots=True)
class Pacing:
    """A child's times for the exchanges of its link."""

    next_at: float  # when the next exchange may begin
    max_bandwidth: float = 0.0  # Mbit/s of the link's rows, each way; 0 is no limit
    began_at: float = 0.0  # when the exchange under way, or the last one, began
    patience: float = UNANSWERED  # s that an exchange may last
    room: int = MAX_ROWS  # rows that the link has time for
    costs: Costs = field(default_factory=Costs)  # what exchanges have taken

    def begin(self, now: float) -> bool:
        """Whether it is time for an exchange; it begins now."""
        if now < self.next_at:
            return False
        self.began_at = now
        return True

    def overdue(self, now: float) -> bool:
        """Whether the answer should have come by now; from then on, in as long a time again."""
        late = now - self.began_at > self.patience
        self.patience *= 1 + late
        return late

    def ended(self, sent: Push, answer: Answer, flush: bool, now: float, interval: float) -> None:
        """An exchange is over; `flush`: residuals went with it, since the child has trained its share."""
        busy, least = now - self.began_at, self._least(sent, answer)
        self.patience = max(UNANSWERED, LONGER * busy)
        pause = _pause(sent, answer, flush, max(0.0, interval - busy))
        self.next_at = max(now + pause, self.began_at + least)
        self.costs.saw(len(sent.delta) + len(answer.delta), max(busy, least))
        self.room = self.costs.room(interval)

    def _least(self, sent: Push, answer: Answer) -> float:
        """Seconds that the larger of both deltas takes of what the link may carry, however much there is to say."""
        size = max(each.delta.values.nbytes + ROW_BYTES * len(each.delta) for each in (sent, answer))
        return size * 8 / (self.max_bandwidth * 1e6) if self.max_bandwidth else 0.0


def _pause(sent: Push, answer: Answer, flush: bool, rest: float) -> float:
    if answer.unsent or sent.unsent:
        return 0.0  # somebody is catching up
    if not len(answer.delta):
        return END_PAUSE if sent.clean and not answer.final else max(rest, IDLE_PAUSE)
    return FLUSH_PAUSE if flush and sent.pending else rest
