"""What a node makes of a frozen vocabulary: the model, its trainer and its row worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gossipw2v.config.job import Job
from gossipw2v.config.node import Config
from gossipw2v.delta import Batch
from gossipw2v.gossip.messages import MAX_FRAME, MAX_PART, MAX_ROWS
from gossipw2v.gossip.pacing import FEWEST
from gossipw2v.gossip.replica import RowWork
from gossipw2v.node.memory import check_memory, explain_memory, memory_needed
from gossipw2v.node.row_worker import RowWorker
from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import return_memory, usable_cores
from gossipw2v.w2v.given.given import NOTHING, Given
from gossipw2v.w2v.given.warm_start import NO_ROWS, FirstRows
from gossipw2v.w2v.graphs.walks import WalkText
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.shared.cursor import SharedCursor
from gossipw2v.w2v.shared.text import SharedText
from gossipw2v.w2v.text.shards import Shard, describe_lines
from gossipw2v.w2v.text.vocab import Vocab
from gossipw2v.w2v.training.clipping import ClippingLimits
from gossipw2v.w2v.training.cursor import Course, StoredText, Text
from gossipw2v.w2v.training.evaluation import Evaluation, draw_pairs
from gossipw2v.w2v.training.guard import LONGEST
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Recipe, Trainer, first_bits

ENOUGH = 110  # exchanges in a run, on a link, which reach one machine's quality
PLENTY = 250  # these gain two points of analogy, and twice as many gain nothing more
MOST_WINDOW = 255  # words to each side, as of `Job.window`
LOOK = 0.25  # s of CPU time between two looks at it


log = get_logger("session")

Report = Callable[[RowWork, Batch | Exception | None], None]


@dataclass(slots=True)
class Session:
    """A vocabulary's model with the threads that train and merge it; `text`: the checksum of what they train.

    `evaluation`: of the model, on the part of the text that is held out. `first`: rows that start from given vectors.
    `past`: words of earlier rounds of text, which this life has trained.
    """

    vocab: Vocab
    text: bytes
    model: Model
    trainer: Trainer
    row_worker: RowWorker
    brake: Brake
    evaluation: Evaluation
    first: FirstRows = NO_ROWS
    past: int = 0

    @property
    def trained(self) -> int:
        """Words that this life has trained, of all rounds."""
        return self.past + self.trainer.trained

    @property
    def to_train(self) -> int:
        """Words that this life has trained, and is to train."""
        return self.past + self.trainer.total

    def go_on_with(self, config: Config, shard: Shard) -> None:
        """Train another text into the model, now that the last has been trained; in a thread, before it is started."""
        trainer = make_trainer(config, self.model, self.vocab, shard)
        trainer.scale = self.trainer.scale  # smaller once the model has diverged
        evaluation = Evaluation(self.model, draw_pairs(shard.held_out, trainer), _held_out(shard))
        evaluation.history = self.evaluation.history
        self.past, self.trainer, self.text, self.evaluation = self.trained, trainer, shard.checksum, evaluation
        self.row_worker.follow(trainer)

    def grow(self, vocab: Vocab, first: FirstRows) -> None:
        """The model has grown with its vocabulary, whose words `first` says where they started; no thread trains."""
        self.vocab, self.first = vocab, first
        self.trainer.grow(vocab.counts)

    def close(self) -> None:
        """Stop all threads; some milliseconds. The model stays readable."""
        self.trainer.stop()
        self.row_worker.close()


def check_room(config: Config, vocab: Vocab) -> None:
    """Raise VocabError, with the arithmetic, if the model and its links' references do not fit in memory."""
    links = 1 if config.peers == ("none",) else 2
    size = config.job.vector_size
    check_memory(memory_needed(len(vocab), size, links), explain_memory(len(vocab), size, links))


def make_session(
    config: Config, vocab: Vocab, shard: Shard | WalkText | SharedText, report: Report, given: Given = NOTHING
) -> Session:
    """Allocate and wire everything; training does not start yet. WarmStartError if what is given has changed."""
    job, first = config.job, given.rows_of(vocab.words, config.data_dir)
    if given.start is not None:
        told = log.info if len(first.at) else log.warning
        told("words start from vectors", path=given.start.name, found=len(first.at), words=len(vocab), both=first.both)
    most = most_rows(job.vector_size)
    initial = partial(initial_weights, vocab, job.seed, job.vector_size, first)
    limits = ClippingLimits(config.max_row_move, config.row_budget)
    rows = min(config.exchange_rows, most)
    model = Model(initial, rows, most, job.alpha, limits=limits, longest=LONGEST)
    trainer = make_trainer(config, model, vocab, shard)
    evaluation = Evaluation(model, draw_pairs(shard.held_out, trainer), _held_out(shard))
    shard.forget()
    return_memory()  # what making all this took; training touches the rest of the matrices
    brake = Brake(model.budget, config.merge_share)
    return Session(vocab, shard.checksum, model, trainer, RowWorker(model, trainer, report), brake, evaluation, first)


def make_trainer(config: Config, model: Model, vocab: Vocab, shard: Shard | WalkText | SharedText) -> Trainer:
    """What trains a text into a model, with the job's settings."""
    job = config.job
    least, window, usual = windows(job, shard)
    recipe = Recipe(
        window=window,
        least=least,
        usual=usual,
        negative=job.negative,
        sample=job.sample,
        alpha=job.alpha,
        min_alpha=job.min_alpha,
        epochs=job.epochs,
        ns_exponent=job.ns_exponent,
        seed=job.seed,
        threads=config.threads or usable_cores(),
        sg=job.sg,
    )
    return Trainer(model, _to_train(shard, vocab, recipe), vocab.counts, recipe)


def _held_out(shard: Shard | WalkText | SharedText) -> int:
    """Words."""
    return int(np.count_nonzero(shard.held_out >= 0))


def _to_train(shard: Shard | WalkText | SharedText, vocab: Vocab, recipe: Recipe) -> Text | Course:
    if isinstance(shard, SharedText):
        words = vocab.tokens - _held_out(shard)
        return SharedCursor(shard, words, first_bits(recipe))
    return StoredText(shard.tokens, shard.forget) if isinstance(shard, Shard) else shard


def windows(job: Job, shard: Shard | WalkText | SharedText) -> tuple[int, int, int]:
    """How far windows reach to each side, at least and at most, and the usual window (0: as these say)."""
    if job.lines != "whole" or not isinstance(shard, Shard):
        return (1 if job.shrink_windows else job.window), job.window, 0
    lines = describe_lines(shard.tokens)
    window = max(1, min(MOST_WINDOW, lines.longest - 1))
    log.info("a line is a window", longest=lines.longest, of_one_word=lines.single, others=round(lines.pairs, 1))
    if lines.longest > MOST_WINDOW + 1:
        log.warning("lines are too long to be one window", longest=lines.longest, words_to_each_side=MOST_WINDOW)
    return window, window, max(1, round(lines.pairs) - 1)


def most_rows(vector_size: int) -> int:
    """Rows that one end may put into an exchange: the answer holds those of both ends, in one frame."""
    row_bytes = vector_size + 12  # int8 values; id, count and scale
    return min(MAX_ROWS, (MAX_FRAME - MAX_PART) // row_bytes) // 2


def initial_weights(vocab: Vocab, seed: int, vector_size: int, first: FirstRows = NO_ROWS) -> NDArray[np.float32]:
    """float32[2V, D] that every node computes alike: small random `syn0` rows from (seed, word), zero `syn1neg`; but
    for those that are given: `first`, in which `syn1neg` may be left at zero.
    """
    weights = sgns.aligned(2 * len(vocab), vector_size)  # a tenth faster, where rows fill whole cache lines
    if not weights.flags.c_contiguous:  # the loops of `rows` are compiled for rows without gaps
        weights = np.zeros(weights.shape, np.float32)
    sgns.init_rows(vocab.hashes, seed, weights[: len(vocab)])
    first.put(weights)
    return weights


@dataclass(slots=True)
class Brake:
    """Rows that an exchange of this node may hold while merging takes `share` of its CPU time; at most `most`.

    Never fewer than what PLENTY of full exchanges would move in the whole run: a short one needs every row.
    """

    most: int
    share: float
    rows: int = 0
    merging: float = 0.0
    training: float = 0.0

    def __post_init__(self) -> None:
        self.rows = self.most

    def look(self, merging: float, training: float, exchanges: float) -> int:
        """CPU seconds of both so far, and exchanges in the whole run; returns the rows from now on."""
        spent, trained = merging - self.merging, training - self.training
        if spent + trained >= LOOK:
            self.merging, self.training = merging, training
            wanted = self.rows * self.share * (spent + trained) / max(spent, 1e-9)
            least = max(FEWEST, self.most * PLENTY / max(exchanges, 1.0), self.rows // 2)
            self.rows = int(min(self.most, max(least, min(wanted, self.rows * 1.5))))
        return self.rows
