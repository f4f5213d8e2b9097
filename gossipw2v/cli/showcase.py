"""What the demo shows a person: progress while the swarm trains, and afterwards what its nodes have learned."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.cli.screen import Screen
from gossipw2v.cli.synthetic import World
from gossipw2v.status.humanize import count, decimal, duration, finite, items, percent, rows, section, size
from gossipw2v.status.report import bar
from gossipw2v.w2v.evaluation.analogies import COS_ADD, score_analogies
from gossipw2v.w2v.evaluation.embedding import Embedding
from gossipw2v.w2v.evaluation.layouts import Question
from gossipw2v.w2v.evaluation.report import Result
from gossipw2v.w2v.similarity import Space, largest_difference, most_similar

AGREEMENT = 1e-3  # largest difference of any value, relative to its row, between two nodes that agree
QUIET_SECONDS = 2.0  # between lines where a screen cannot be redrawn
NEIGHBOURS = 5
ASKED_OF_THE_WORLD = ("paris", "queen", "horses", "warmer", "violin")
ASKED_RANKS = (100, 300, 1000, 3000, 10_000)  # of a text nobody knows: words from common to rare

Words = Sequence[bytes]
Floats = NDArray[np.float32]


class Score(NamedTuple):
    """Questions answered right, of those whose words are all known."""

    right: int
    asked: int


class LinkTraffic(NamedTuple):
    """What one end of a link has sent to the other."""

    node: str
    peer: str
    sent_bytes: int
    exchanges: int


@dataclass(frozen=True)
class Outcome:
    """What came out: vectors that agree or not, planted analogies by kind (None for a user's text), all as text."""

    difference: float
    scores: Mapping[str, Score] | None
    text: str

    @property
    def agrees(self) -> bool:
        """Whether all nodes hold the same vectors; false, too, where one of them holds no number."""
        return self.difference <= AGREEMENT


@dataclass
class Progress:
    """Draws the nodes' statuses, over each other on a terminal, and measures the swarm's speed meanwhile."""

    screen: Screen
    tokens: int = 0
    seconds: float = 0.0  # from the first tokens seen to the last
    _first: tuple[float, int] | None = None
    _quiet_until: float = 0.0
    _problems: set[str] = field(default_factory=set)

    @property
    def words_per_second(self) -> float | None:
        """Tokens of all nodes per second while any of them trained; None if it was over too soon to tell."""
        return (self.tokens - self._first[1]) / self.seconds if self._first and self.seconds else None

    def show(self, statuses: Mapping[str, Mapping[str, Any]], now: float) -> None:
        """Take in the statuses by node name at the time `now` (seconds), and draw them."""
        self._measure(statuses, now)
        lines = [_line(name, status) for name, status in statuses.items()]
        news = {f"{name}: {text}" for name, status in statuses.items() for text in items(status, "problems")}
        lines_above = sorted(news - self._problems)
        self._problems |= news
        if self.screen.drawn:
            self.screen.above("\n".join(lines_above))
            self.screen.show("\n".join(lines))
        elif now >= self._quiet_until or lines_above:
            self._quiet_until = now + QUIET_SECONDS
            print("\n".join((*lines_above, *lines)), file=self.screen.stream, flush=True)

    def _measure(self, statuses: Mapping[str, Mapping[str, Any]], now: float) -> None:
        done = (section(status, "progress").get("trained_tokens") for status in statuses.values())
        tokens = int(sum(finite(number) or 0 for number in done))
        if tokens > self.tokens:
            self._first = self._first or (now, tokens)
            self.tokens, self.seconds = tokens, now - self._first[0]


def _line(name: str, status: Mapping[str, Any]) -> str:
    progress = section(status, "progress")
    sent = sum(finite(link.get("sent_bytes")) or 0 for link in rows(status, "links"))
    done, total = finite(progress.get("trained_tokens")), finite(progress.get("total_tokens"))
    ratio = done / total if done is not None and total else 0.0
    return (  # fits a terminal of 80 columns
        f"{name} {status.get('state', 'starting'):9} {bar(ratio, 7)} {percent(ratio):>7}"
        f" {count(progress.get('words_per_second')):>7} words/s loss {decimal(progress.get('loss')):>5}"
        f" {size(sent):>7} ~{duration(progress.get('eta_seconds'))}"
    )


# --- afterwards -----------------------------------------------------------------------------------------


def examine(models: Sequence[tuple[Words, Floats]], world: World | None) -> Outcome:
    """Compare the nodes' words and float32[V, D] vectors, and ask the first what it knows."""
    words, vectors = models[0]
    difference = max((_apart(one, other) for one, other in itertools.combinations(models, 2)), default=0.0)
    space = Space.of([word.decode("utf-8", "replace") for word in words], vectors)
    scores = _solved(space.words, vectors, world) if world else None
    parts = [_neighbours(space, world), _analogies(scores) if scores else [], _agreement(models, difference)]
    return Outcome(difference, scores, "\n".join(itertools.chain(*parts)))


def _solved(words: Sequence[str], vectors: Floats, world: World) -> dict[str, Score]:
    """How the planted analogies come out, by kind."""
    questions = [Question(kind, a, b, c, (d,)) for kind, a, b, c, d in world.analogies()]
    results = score_analogies(Embedding.of(words, vectors), questions, "world", (COS_ADD,))
    sections = {result.section: result for result in results if result.section is not None}
    return {kind: Score(_right(each), each.known) for kind, each in sections.items()}


def _right(result: Result) -> int:
    return round(result.figures[COS_ADD] * result.known) if result.known else 0


def account(links: Sequence[LinkTraffic], progress: Progress, seconds: float) -> str:
    """What it took: time, speed, and bytes over each link."""
    speed = f"{count(progress.tokens)} words trained at {count(progress.words_per_second)} words/s together"
    moved = f"{size(sum(link.sent_bytes for link in links))} moved between the nodes"
    pairs: dict[frozenset[str], list[LinkTraffic]] = {}
    for link in filter(lambda link: link.exchanges, links):
        pairs.setdefault(frozenset((link.node, link.peer)), []).append(link)
    return "\n".join([f"\n{speed}; {duration(seconds)} in all", moved, *map(_between, pairs.values())])


def held_out(statuses: Mapping[str, Mapping[str, Any]]) -> str:
    """What the loss on held-out text was on each node when it was measured first, and last; "" where none was."""
    histories = {name: status.get("held_out", {}).get("history") for name, status in statuses.items()}
    lines = [f"  {name:12} {_course(points)}" for name, points in histories.items() if points]
    return "\n".join(["\nloss on text that is held out of training", *lines]) if lines else ""


def _course(points: Sequence[Mapping[str, Any]]) -> str:
    ends = points if len(points) == 1 else (points[0], points[-1])
    return ", ".join(f"{decimal(p['loss'])} after {count(p['swarm_trained_tokens'])} words" for p in ends)


def _between(ends: Sequence[LinkTraffic]) -> str:
    one, other = sorted((ends[0].node, ends[0].peer))
    sent = size(sum(link.sent_bytes for link in ends))
    return f"  {one[:8]} and {other[:8]}  {sent} in {count(max(link.exchanges for link in ends))} exchanges"


def _apart(one: tuple[Words, Floats], other: tuple[Words, Floats]) -> float:
    """The largest difference between two nodes; infinite if not even their words are the same."""
    return largest_difference(one[1], other[1]) if list(one[0]) == list(other[0]) else float("inf")


def _agreement(models: Sequence[tuple[Words, Floats]], difference: float) -> list[str]:
    words, dimensions = models[0][1].shape
    size_of = f"{count(words)} words of {dimensions} dimensions"
    if len(models) == 1:
        return ["", f"one node, {size_of}"]
    verdict = "hold the same vectors" if difference <= AGREEMENT else "DO NOT hold the same vectors"
    apart = f"no value is further apart than {difference:.1g} of its vector's length"
    return ["", f"all {len(models)} nodes {verdict}: {size_of}, {apart}"]


def _neighbours(space: Space, world: World | None) -> Iterator[str]:
    yield "\nnearest neighbours"
    for word in ASKED_OF_THE_WORLD if world else _of_ranks(space.words):
        if word in space.index:
            near = "  ".join(f"{name} {score:.2f}" for name, score in most_similar(space, word, NEIGHBOURS))
            yield f"  {word:12} {near}"


def _of_ranks(words: Sequence[str]) -> Iterator[str]:
    """A proper word at or below each of the ranks."""
    for start, end in itertools.pairwise((*ASKED_RANKS, len(words))):
        found = next((word for word in words[start:end] if len(word) > 3 and word.isalpha()), None)
        if found:
            yield found


def _analogies(scores: Mapping[str, Score]) -> Iterator[str]:
    right, asked = sum(score.right for score in scores.values()), sum(score.asked for score in scores.values())
    yield f"\nplanted analogies, such as paris - france + italy = rome: {right} of {asked} come out"
    for kind, score in scores.items():
        yield f"  {kind:22} {percent(score.right / max(1, score.asked)):>7}  of {score.asked}"
