"""Training: one thread a core, each over its own part of the shard, calling compiled kernels that release the GIL.

Threads share the matrices without locks (Hogwild, Niu et al. 2011). `alpha` falls with the progress of the whole
swarm, so that N nodes decay like one machine; alone, and with one thread, it depends on nothing but the seed, whether
training went through or was interrupted and resumed.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.training import guard
from gossipw2v.w2v.training.cursor import Course, Place, courses, deal
from gossipw2v.w2v.training.curvature import Pairs
from gossipw2v.w2v.training.guard import Guard
from gossipw2v.w2v.training.model import Model

SLICE = 20_000  # tokens a kernel call: some 10 ms, so that a stop or a new alpha is not kept waiting
FORGET = 50 * SLICE  # tokens between calls of `forget`: 4 MB of text
NICE = 5  # steps of priority below the rest of the process
RECENT = 0.9  # weight of the past in the loss that is shown

Tokens = NDArray[np.int32]


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


@dataclass(slots=True)
class Trainer:
    """Trains `model` on `tokens` (int32 word ids, -1 between sentences); `counts` int64[V] of the vocabulary.

    `others` is (trained, total) tokens of the rest of the swarm; the owner keeps it up to date. `forget` is called now
    and then, to hand back what a mapped text takes of memory. `words`: in-vocabulary tokens of the text; `total`: those
    left to train when this trainer began, every epoch's; `places`: where its threads are.

    `breach`: why the model has diverged, which ends all threads within a slice; None as long as it has not. `guarded`:
    whether anybody looks; else training goes on whatever comes of it. `scale` of all step sizes, see `go_on`.
    """

    model: Model
    tokens: Tokens
    counts: NDArray[np.int64]
    recipe: Recipe
    others: tuple[int, int] = (0, 0)
    forget: Callable[[], None] | None = None
    failure: BaseException | None = None
    breach: str | None = None
    guarded: bool = True
    scale: float = 1.0
    keep: NDArray[np.uint32] = field(init=False)
    noise: NDArray[np.uint64] = field(init=False)
    words: int = field(init=False)
    total: int = field(init=False)
    places: list[Place] = field(init=False)
    loss: float | None = None
    _courses: list[Course] = field(init=False)
    _trained: list[int] = field(init=False)
    _cpu: list[float] = field(init=False)
    _sums: NDArray[np.float64] = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _clock: list[float] = field(default_factory=list)
    _others_before: int = 0

    def __post_init__(self) -> None:
        self.keep = sgns.keep_table(self.counts, self.recipe.sample)
        self.noise = sgns.noise_table(self.counts, self.recipe.ns_exponent)
        self._courses = courses(self.recipe.threads, len(self.tokens), self.recipe.epochs)
        self.places = [self._begin(n) for n in range(self.recipe.threads)]
        self.words = self._count(0, len(self.tokens))
        self.total = self.words * self.recipe.epochs
        self._trained = [0] * self.recipe.threads
        self._cpu = [0.0] * self.recipe.threads
        self._sums = np.zeros((self.recipe.threads, self.recipe.epochs, 2))

    @property
    def trained(self) -> int:
        """In-vocabulary tokens that this trainer has trained so far, every epoch's."""
        return sum(self._trained)

    @property
    def before(self) -> int:
        """In-vocabulary tokens that had been trained when this trainer began."""
        return self.words * self.recipe.epochs - self.total

    @property
    def swarm_trained(self) -> int:
        """Tokens that the whole swarm has trained since this trainer was started."""
        return self.trained + max(0, self.others[0] - self._others_before)

    @property
    def done(self) -> bool:
        """Whether the text has had its epochs."""
        return self.trained >= self.total

    @property
    def alpha(self) -> float:
        """The step size that the swarm's progress asks for, and what has come of larger ones."""
        trained, total = self.others
        ratio = (self.trained + trained) / max(1, self.total + total)
        return self.scale * max(self.recipe.min_alpha, self.recipe.alpha * (1 - ratio))

    @property
    def words_per_second(self) -> float:
        """Tokens a second since the start, until the end."""
        if not self._clock:
            return 0.0
        end = self._clock[1] if len(self._clock) > 1 else time.monotonic()
        return self.trained / max(end - self._clock[0], 1e-9)

    @property
    def cpu_seconds(self) -> float:
        """What the threads have used of the cores so far."""
        return sum(self._cpu)

    @property
    def losses(self) -> list[tuple[float, float]]:
        """For each epoch that has begun the training pairs measured and the sum of their losses."""
        sums = self._sums.sum(axis=0)
        begun = np.flatnonzero(sums[:, 0])
        return [(float(pairs), float(loss)) for pairs, loss in sums[: begun[-1] + 1 if len(begun) else 0]]

    @property
    def epoch_losses(self) -> list[float]:
        """The mean loss of a pair in each epoch that has begun."""
        return [loss / pairs for pairs, loss in self.losses if pairs]

    # -- going on from where another trainer was ------------------------------------------------------------

    def resume(self, places: Sequence[Place], losses: Sequence[tuple[float, float]]) -> None:
        """Take over what another trainer of the same text had reached, whatever its threads; before the start.

        ValueError if its places cannot be in this text.
        """
        size, epochs = len(self.tokens), self.recipe.epochs
        ways = courses(len(places), size, epochs)
        if not places or len(losses) > epochs or not all(w.holds(p) for w, p in zip(ways, places, strict=True)):
            raise ValueError(f"places outside {epochs} epochs of {size:,} ids")
        same = len(places) == self.recipe.threads
        self.places = list(places) if same else deal(places, self.places, size, epochs)
        self._sums[0, : len(losses)] = losses if len(losses) else 0
        self.total = self._left()

    def shift(self, words: int) -> None:
        """Leave out `words` of what comes next, or with a negative number train as many again; before the start."""
        threads = self.recipe.threads
        for n, (way, place) in enumerate(zip(self._courses, self.places, strict=True)):
            share = abs(words) * (n + 1) // threads - abs(words) * n // threads
            self.places[n] = self._ahead(way, place, share) if words > 0 else self._back(way, place, share)
        self.total = self._left()

    def _left(self) -> int:
        """Words to train from the places on; a whole part is counted once for all epochs."""
        counted: dict[tuple[int, int], int] = {}
        left = 0
        for way, place in zip(self._courses, self.places, strict=True):
            for _, *bounds in way.all_left(place):
                start, stop = bounds
                if (start, stop) not in counted:
                    counted[start, stop] = self._count(start, stop)
                left += counted[start, stop]
        return left

    def _ahead(self, way: Course, place: Place, words: int) -> Place:
        while words and (stretch := way.next(place)) is not None:
            found = np.flatnonzero(self.tokens[stretch.start : min(stretch.start + SLICE, stretch.stop)] >= 0)[:words]
            enough = len(found) == words
            end = stretch.start + int(found[-1]) + 1 if enough else min(stretch.start + SLICE, stretch.stop)
            place, words = way.after(place, end, place.bits), words - len(found)
        return place

    def _back(self, way: Course, place: Place, words: int) -> Place:
        while words:
            earlier = way.back(place, words)
            if earlier == place:
                return place
            more = len(earlier.left) > len(place.left)
            end = earlier.left[0].stop if more else place.left[0].start
            words -= self._count(earlier.left[0].start, end)
            place = earlier
        return place

    def _begin(self, n: int) -> Place:
        return Place((), 0, int(sgns.rng_state(self.recipe.seed, n)[0]))

    # -- the threads ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads."""
        self._clock.append(time.monotonic())
        self._others_before = self.others[0]
        self._start()

    def go_on(self, scale: float) -> None:
        """Go on where the threads ended at a breach, with step sizes of `scale` of those that were asked for.

        The places stay: the text up to them has been told to others as trained. Nothing is started after a `stop`.
        """
        self.breach, self.loss, self.scale = None, None, scale
        self._threads.clear()
        if not self._stop.is_set():
            self._start()

    def _start(self) -> None:
        for n in range(self.recipe.threads):
            thread = threading.Thread(target=self._guarded, args=(n,), name=f"train-{n}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout: float = 5.0) -> bool:
        """Ask the threads to end, and wait; returns whether all did."""
        self._stop.set()
        return self.wait(timeout)

    def wait(self, timeout: float = 5.0) -> bool:
        """Wait for the threads to end, which they do at a breach; returns whether all did."""
        for thread in self._threads:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def look_over(self) -> None:
        """Look at all rows and the loss when training is over: there may have been too little text to judge by."""
        row, negative = guard.first_unsound(self.model.weights), self.recipe.negative
        judged = self.loss if self.loss and self._sums[:, :, 0].sum() >= guard.ENOUGH else 0.0
        if row is not None:
            self.breach = guard.describe(self.model.weights, row)
        elif guard.is_worse_than_nothing(judged, negative):
            self.breach = guard.too_high(judged, negative)

    def _guarded(self, n: int) -> None:
        _give_way()
        try:
            for _ in self.steps(n, SLICE):
                self._cpu[n] = time.thread_time()
        except BaseException as error:  # a thread's death must be seen by the daemon
            self.failure = error
        if self.done and len(self._clock) == 1:
            self._clock.append(time.monotonic())

    def steps(self, n: int, size: int) -> Iterator[None]:
        """Train thread `n`'s share of the text, `size` tokens at each step; for one thread at a time."""
        way, recipe = self._courses[n], self.recipe
        state = np.array([self.places[n].bits], np.uint64)
        scratch = sgns.make_scratch(self.model.vector_size, recipe.window, recipe.negative)
        syn0, syn1neg, updates = self.model.syn0, self.model.syn1neg, self.model.updates
        train = sgns.sgns_train if recipe.sg else sgns.cbow_train
        watch = Guard(self.model.weights, recipe.negative)
        while (stretch := way.next(self.places[n])) is not None and not self._ended():
            end = min(stretch.start + size, stretch.stop)
            tokens = self.tokens[stretch.start : end]
            params = sgns.Params(recipe.window, recipe.negative, self.alpha, recipe.alpha)
            pairs, loss = train(tokens, syn0, syn1neg, updates, self.keep, self.noise, params, state, scratch)
            self._trained[n] += int(np.count_nonzero(tokens >= 0))
            if self.guarded and (why := watch.look(tokens, pairs, loss)) is not None:
                self.breach = self.breach or why  # the first of all threads
            elif loss:  # a slice too short to be measured says nothing
                self._sums[n, stretch.epoch] += pairs, loss
                self._note_loss(loss / pairs)
            if self.forget is not None and (stretch.start - way.part[0]) % FORGET == 0:
                self.forget()
            self.places[n] = way.after(self.places[n], end, int(state[0]))  # at once: a checkpoint may look now
            yield

    def _ended(self) -> bool:
        return self._stop.is_set() or self.breach is not None

    def _count(self, start: int, stop: int) -> int:
        """Words among the ids `start` to `stop`."""
        words = 0
        for at in range(start, stop, FORGET):
            words += int(np.count_nonzero(self.tokens[at : min(at + FORGET, stop)] >= 0))
            if self.forget is not None:
                self.forget()
        return words

    def _note_loss(self, mean: float) -> None:
        self.loss = mean if self.loss is None else RECENT * self.loss + (1 - RECENT) * mean

    def sample_pairs(self, n: int, rng: np.random.Generator) -> Pairs:
        """About `n` training pairs, drawn as training draws them; none where there is no text."""
        window, skipgram = self.recipe.window, bool(self.recipe.sg)
        centers = rng.integers(0, max(1, len(self.tokens)), 4 * n if len(self.tokens) else 0)
        reach = rng.integers(1, window + 1, (len(centers), 1))
        one = reach * rng.choice((-1, 1), reach.shape)
        offsets = one if skipgram else np.delete(np.arange(-window, window + 1), window)
        words, around = self._kept(centers, rng), self._kept(centers[:, None] + offsets, rng)
        around[np.abs(np.broadcast_to(offsets, around.shape)) > reach] = -1
        good = (words >= 0) & (around >= 0).any(axis=1)
        words, around = words[good][:n], around[good][:n]
        noise = self._draw_noise(rng, (len(words), self.recipe.negative))
        return Pairs(words[:, None], around[:, 0], noise) if skipgram else Pairs(around, words, noise)

    def _kept(self, places: NDArray[np.int64], rng: np.random.Generator) -> Tokens:
        """The words at some places of the text; -1 where there is none, or where subsampling takes it away."""
        inside = (places >= 0) & (places < len(self.tokens))
        words = np.full(places.shape, -1, np.int32)
        words[inside] = self.tokens[places[inside]]
        stay = rng.integers(0, 1 << 32, words.shape, dtype=np.uint64) <= self.keep[words]
        return np.where(stay, words, np.int32(-1))

    def _draw_noise(self, rng: np.random.Generator, shape: tuple[int, int]) -> Tokens:
        words = rng.integers(0, len(self.noise), shape)
        entries = self.noise[words]
        stay = rng.integers(0, 1 << 32, shape, dtype=np.uint64) <= entries >> np.uint64(32)
        return np.where(stay, words, entries & np.uint64(0xFFFFFFFF)).astype(np.int32)


def _give_way() -> None:
    """Lower this thread's priority: merging and messages take little and must not queue behind training."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux, or not allowed: then all are equal
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)
