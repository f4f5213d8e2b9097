"""Scores a model on pairs and analogies while it is trained, in a thread that makes way for those that train."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import make_way
from gossipw2v.system.wellformed import well_formed
from gossipw2v.w2v.evaluation import analogies, pairs
from gossipw2v.w2v.evaluation.embedding import Embedding, Floats
from gossipw2v.w2v.evaluation.layouts import Question, RatedPair, read_either
from gossipw2v.w2v.evaluation.report import Result
from gossipw2v.w2v.evaluation.tables import LayoutError

RESTRICT = 30_000  # most frequent words that analogies are asked of: seconds instead of minutes
POINTS = 100  # of a curve; when it is full, every other one goes
FIGURES = {pairs.KIND: "spearman", analogies.KIND: analogies.COS_ADD}

log = get_logger("probe")


@dataclass(frozen=True, slots=True)
class ProbePoint:
    """The score of a test set when this node had trained so many tokens, and the whole swarm so many; null for none."""

    trained_tokens: int
    swarm_trained_tokens: int
    score: float | None


@dataclass(slots=True)
class ProbeSet:
    """A test set of one `kind`, pairs or analogies, and what was scored on it."""

    name: str  # of its file
    kind: str  # `pairs` or `analogies`
    content: Sequence[RatedPair] | Sequence[Question]
    known: int = 0  # entries whose words the vocabulary holds, of the last score
    best: ProbePoint | None = None  # of the highest score
    history: tuple[ProbePoint, ...] = ()  # at most POINTS, evenly over the run

    def words(self) -> Iterable[str]:
        """Every word that it asks for."""
        for entry in self.content:
            yield from entry[:2] if isinstance(entry, RatedPair) else (entry.a, entry.b, entry.c, *entry.answers)

    def score(self, embedding: Embedding) -> Result:
        """What a model scores now; of analogies, among the RESTRICT most frequent words."""
        if self.kind == pairs.KIND:
            return pairs.score_pairs(embedding, self.content, self.name)[0]  # type: ignore[arg-type]  # by its kind
        few, methods = embedding.restricted(RESTRICT), (analogies.COS_ADD,)
        return analogies.score_analogies(few, self.content, self.name, methods)[0]  # type: ignore[arg-type]  # as above

    def keep(self, point: ProbePoint, known: int) -> None:
        """Add a point to the curve."""
        points = (*self.history, point)
        self.history = points if len(points) <= POINTS else points[::2]  # of an odd number: both ends stay
        self.known = known
        if point.score is not None and (self.best is None or point.score > (self.best.score or -1.0)):
            self.best = point

    def describe(self) -> dict[str, Any]:
        """For `/status`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "figure": FIGURES[self.kind],
            "known": self.known,
            "total": len(self.content),
            "last": self.history[-1].score if self.history else None,
            "best": self.best.score if self.best else None,
            "best_trained_tokens": self.best.trained_tokens if self.best else None,
            "history": [asdict(point) for point in self.history],
        }


@dataclass(slots=True)
class Probe:
    """The test sets of a node; one model is scored at a time, and none twice."""

    sets: list[ProbeSet] = field(default_factory=list)
    measurements: int = 0  # times that a model was scored on all sets
    failures: int = 0  # times that this ended in an error
    seconds: float = 0.0  # of CPU time that the last one took
    _seen: tuple[object, ...] = ()  # what told the model of the last start from others
    _thread: threading.Thread | None = None  # the last one
    _asked: tuple[Sequence[bytes], dict[str, int]] = ((), {})  # a vocabulary, and where it holds words asked for

    def read(self, paths: Sequence[str]) -> None:
        """Read the test sets, each a file of pairs or of analogies, or a folder of BATS. LayoutError, CorpusError."""
        for path in map(Path, paths):
            kind, content = read_either(path)
            name = well_formed(path.stem)
            if any(known.name == name for known in self.sets):
                raise LayoutError(f"{path}: another probe is called {name!r}: rename the file")
            self.sets.append(ProbeSet(name, kind, content))

    @property
    def busy(self) -> bool:
        """Whether a model is being scored."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, words: Sequence[bytes], vectors: Floats, seen: tuple[int, int, int]) -> bool:
        """Score float32[V, D] `vectors` in a thread, if none is at work and `seen` is new; whether it was started.

        `seen`: tokens trained here and by the swarm, and what else tells models apart. Training may go on meanwhile.
        """
        if not self.sets or self.busy or (seen, words) == self._seen:
            return False
        self._seen = (seen, words)
        self._thread = threading.Thread(target=self._run, args=(words, vectors, seen), name="probe", daemon=True)
        self._thread.start()
        return True

    def _run(self, words: Sequence[bytes], vectors: Floats, seen: tuple[int, int, int]) -> None:
        make_way()
        try:
            self.measure(words, vectors, *seen[:2])
        except Exception:
            self.failures += 1
            log.exception("a probe failed; training goes on")

    def measure(self, words: Sequence[bytes], vectors: Floats, trained: int, swarm: int) -> None:
        """Score all sets now, and log it."""
        began = time.thread_time()
        embedding = Embedding((), vectors, self._index(words))
        for each in self.sets:
            with np.errstate(over="ignore", invalid="ignore"):  # of a model that has diverged
                result = each.score(embedding)
            score = result.figures[FIGURES[each.kind]]
            each.keep(ProbePoint(trained, swarm, score if np.isfinite(score) else None), result.known)
        self.seconds, self.measurements = time.thread_time() - began, self.measurements + 1
        log.info("probe", trained=trained, scores={each.name: _shown(each.history[-1].score) for each in self.sets})

    def _index(self, words: Sequence[bytes]) -> dict[str, int]:
        """Where a vocabulary holds the words that are asked for; looked up once."""
        if self._asked[0] is not words:
            asked = {form.encode() for each in self.sets for word in each.words() for form in (word, word.lower())}
            found = ((word.decode(), row) for row, word in enumerate(words) if word in asked)
            self._asked = (words, dict(found))
        return self._asked[1]

    def describe(self) -> dict[str, Any]:
        """For `/status`."""
        numbers = {"measurements": self.measurements, "failures": self.failures, "seconds": self.seconds}
        return {**numbers, "sets": [each.describe() for each in self.sets]}


def _shown(score: float | None) -> float | None:
    return None if score is None else round(score, 4)
