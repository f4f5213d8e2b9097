"""Training: one thread a core, each over its own part of the shard, calling compiled kernels that release the GIL.

Threads share the matrices without locks (Hogwild, Niu et al. 2011). `alpha` falls with the progress of the whole
swarm, so that N nodes decay like one machine; alone, and with one thread, it depends on nothing but the seed, whether
training went through or was interrupted and resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.training import guard
from gossipw2v.w2v.training.cursor import Course, Cursor, Position, StoredText, Text
from gossipw2v.w2v.training.guard import Guard
from gossipw2v.w2v.training.losses import Losses
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.threads import Threads

AGAIN = 0.2  # of alpha, at least: where a model that was done goes on with more epochs
FRESH = 0.5  # the same where it goes on with new text, which may have words that are new
SLICE = 20_000  # tokens a kernel call: some 10 ms, so that a stop or a new alpha is not kept waiting

Tokens = NDArray[np.int32]
Slice = Callable[[Tokens], tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; gensim's names and meanings."""

    window: int
    negative: int
    sample: float
    alpha: float
    min_alpha: float
    epochs: int
    ns_exponent: float
    seed: int
    threads: int
    sg: int = 1
    least: int = 1  # words that a window reaches to each side at least
    usual: int = 0  # the window that has as many pairs for a word as this text, see `sgns.Params`
    lift: float = 1.0  # of alpha while it falls, see `go_further`


def first_course(tokens: Tokens | Text, recipe: Recipe) -> Cursor:
    """Through all of a text, or of `tokens` that are one, from its beginning."""
    text = StoredText(tokens) if isinstance(tokens, np.ndarray) else tokens
    return Cursor(text, recipe.epochs, [Position((), 0, bits) for bits in first_bits(recipe)])


def first_bits(recipe: Recipe) -> list[int]:
    """The state of each thread's random numbers at the beginning, 64 bits."""
    return [int(sgns.rng_state(recipe.seed, n)[0]) for n in range(recipe.threads)]


@dataclass(slots=True)
class Trainer:
    """Trains `model` on a text, or on `tokens` that are one: int32 word ids, -1 between sentences."""

    model: Model
    tokens: InitVar[Tokens | Text | Course]
    counts: NDArray[np.int64]  # [V], of the vocabulary
    recipe: Recipe
    others: tuple[int, int] = (0, 0)  # trained and total tokens of the rest of the swarm; the owner keeps it up to date
    breach: str | None = None  # why the model has diverged, which ends all threads within a slice; None: it has not
    guarded: bool = True  # whether anybody looks; else training goes on whatever comes of it
    scale: float = 1.0  # of all step sizes, see `go_on`
    keep: NDArray[np.uint32] = field(init=False)  # of `keep_table`
    noise: NDArray[np.uint64] = field(init=False)  # of `noise_table`
    cursor: Course = field(init=False)  # where the threads are in the text
    total: int = field(init=False)  # words left to train when this trainer began, every epoch's
    losses: Losses = field(init=False)
    threads: Threads = field(init=False)
    _trained: list[int] = field(init=False)  # words, by each thread
    _others_before: int = 0  # what the rest of the swarm had trained at the start

    def __post_init__(self, tokens: Tokens | Text | Course) -> None:
        recipe = self.recipe
        self.keep = sgns.keep_table(self.counts, recipe.sample)
        self.noise = sgns.noise_table(self.counts, recipe.ns_exponent)
        self.cursor = tokens if isinstance(tokens, Course) else first_course(tokens, recipe)
        self.total = self.cursor.before(0)  # all
        self.losses = Losses(recipe.threads, recipe.epochs)
        self.threads = Threads(recipe.threads)
        self._trained = [0] * recipe.threads

    @property
    def trained(self) -> int:
        """In-vocabulary tokens that this trainer has trained so far, every epoch's."""
        return sum(self._trained)

    @property
    def before(self) -> int:
        """In-vocabulary tokens that had been trained when this trainer began."""
        return self.cursor.before(self.total)

    @property
    def swarm_trained(self) -> int:
        """Tokens that the whole swarm has trained since this trainer was started."""
        return self.trained + max(0, self.others[0] - self._others_before)

    @property
    def done(self) -> bool:
        """Whether the text has had its epochs."""
        return self.cursor.closed and self.trained >= self.total

    @property
    def alpha(self) -> float:
        """The step size that the swarm's progress asks for, and what has come of larger ones."""
        share = min(self.recipe.lift * self._left, max(FRESH, self._left))
        return self.scale * max(self.recipe.min_alpha, self.recipe.alpha * share)

    @property
    def _left(self) -> float:
        """The share of the swarm's training that is still to be done."""
        trained, total = self.others
        return 1 - (self.trained + trained) / max(1, self.total + total)

    @property
    def words_per_second(self) -> float:
        """Tokens a second since the start, until the end."""
        seconds = self.threads.seconds
        return self.trained / seconds if seconds else 0.0

    # -- going on from where another trainer was ------------------------------------------------------------

    def resume(self, positions: Sequence[Position], losses: Sequence[tuple[float, float]]) -> None:
        """Take over what another trainer of the same text had reached, whatever its threads; before the start.

        `losses`: its `Losses.by_epoch`. ValueError if these cannot be of this text; nothing has changed then.
        """
        if len(losses) > self.recipe.epochs:
            raise ValueError(f"losses of {len(losses)} epochs, where there are {self.recipe.epochs}")
        self.cursor.resume(positions)
        self.losses.resume(losses)
        self.total = self.cursor.left()

    def shift(self, words: int) -> None:
        """Leave out `words` of what comes next, or with a negative number train as many again; before the start."""
        self.cursor.shift(words)
        self.total = self.cursor.left()

    def go_further(self, least: float = AGAIN) -> None:
        """Go on with a model that was done: from `least` of alpha, or from where a longer run would have it by now."""
        self.recipe = replace(self.recipe, lift=max(1.0, least / max(self._left, 1e-9)))

    # -- the threads ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads."""
        self._others_before = self.others[0]
        self._start()

    def go_on(self, scale: float) -> None:
        """Go on where the threads ended at a breach, with step sizes of `scale` of those that were asked for.

        The positions stay: the text up to them has been told to others as trained. Nothing is started after a `stop`.
        """
        self.breach, self.losses.recent, self.scale = None, None, scale
        self._start()

    def grow(self, counts: NDArray[np.int64]) -> None:
        """The vocabulary has grown, and the model with it: int64[V] counts. Threads that were halted go on."""
        self.counts = counts
        self.keep = sgns.keep_table(counts, self.recipe.sample)
        self.noise = sgns.noise_table(counts, self.recipe.ns_exponent)
        if self.threads.began_at is not None and not self.done:
            self._start()

    def _start(self) -> None:
        self.threads.start(lambda n: self.steps(n, SLICE))

    def stop(self, timeout: float = 5.0) -> bool:
        """Ask the threads to end, and wait; returns whether all did."""
        return self.threads.stop(timeout)

    def wait(self, timeout: float = 5.0) -> bool:
        """Wait for the threads to end, which they do at a breach; returns whether all did."""
        return self.threads.wait(timeout)

    def look_over(self) -> None:
        """Look at all rows and the loss when training is over: there may have been too little text to judge by."""
        row, negative = guard.first_unsound(self.model.weights), self.recipe.negative
        judged = self.losses.recent if self.losses.recent and self.losses.pairs >= guard.ENOUGH else 0.0
        if row is not None:
            self.breach = guard.describe(self.model.weights, row)
        elif guard.is_worse_than_nothing(judged, negative):
            self.breach = guard.too_high(judged, negative)

    def steps(self, n: int, size: int) -> Iterator[None]:
        """Train thread `n`'s share of the text, `size` tokens at each step; for one thread at a time."""
        state = np.array([self.cursor.state(n)], np.uint64)
        train, watch = self._slices(state), Guard(self.model.weights, self.recipe.negative)
        while (span := self.cursor.next(n)) is not None and not self.threads.stopping and self.breach is None:
            if span.start == span.stop:
                yield
                continue
            end = min(span.start + size, span.stop)
            tokens = self.cursor.ids(n, span, end)
            pairs, loss = train(tokens)
            self._trained[n] += self.cursor.count(n, span, end)
            if self.guarded and (why := watch.look(tokens, pairs, loss)) is not None:
                self.breach = self.breach or why  # the first of all threads
            elif loss:  # a slice too short to be measured says nothing
                self.losses.note(n, span.epoch, pairs, loss)
            self.cursor.advance(n, span, end, int(state[0]))  # at once: a checkpoint may look now
            yield

    def _slices(self, state: NDArray[np.uint64]) -> Slice:
        """What trains a slice in one thread, whose random numbers are `state` uint64[1], with the alpha of then."""
        recipe, model = self.recipe, self.model
        scratch = sgns.make_scratch(model.vector_size, recipe.window, recipe.negative)
        matrices = model.syn0, model.syn1neg, model.updates
        kernel = sgns.sgns_train if recipe.sg else sgns.cbow_train

        def train(tokens: Tokens) -> tuple[int, float]:
            reach = recipe.least, recipe.usual
            params = sgns.Params(recipe.window, recipe.negative, self.alpha, recipe.alpha, *reach)
            return kernel(tokens, *matrices, self.keep, self.noise, params, state, scratch)

        return train
