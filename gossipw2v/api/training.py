"""`train`: one node in this process, from text to vectors."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from gossipw2v.api.corpus import Paths, Sentences, as_paths
from gossipw2v.api.loading import Start, as_file
from gossipw2v.api.progress import Callback, Epoch, TrainingLine, epochs_in, words_trained
from gossipw2v.api.running import NodeThread
from gossipw2v.api.vectors import WordVectors
from gossipw2v.config import loader
from gossipw2v.config.job import Job
from gossipw2v.node.session import Session
from gossipw2v.system import lock

LOOK_SECONDS = 0.05  # between two looks at how far the training is
PRIVATE = {"peers": "none", "listen": "127.0.0.1:0", "http": "127.0.0.1:0"}  # of a node that nobody was told of


def train(  # noqa: PLR0913 - the settings, under the names that people know
    corpus: Paths | Sentences | None = None,
    *,
    vector_size: int = Job.vector_size,
    window: int = Job.window,
    negative: int = Job.negative,
    sg: int = Job.sg,
    min_count: int = Job.min_count,
    sample: float = Job.sample,
    alpha: float = Job.alpha,
    min_alpha: float = Job.min_alpha,
    epochs: int = Job.epochs,
    ns_exponent: float = Job.ns_exponent,
    seed: int = Job.seed,
    workers: int = 0,
    init: Start = None,
    callbacks: Iterable[Callback] = (),
    progress: bool | None = None,
    **settings: Any,
) -> WordVectors:
    """Train word2vec on `corpus` and return its vectors: float32 [V, `vector_size`], most frequent words first.

    `corpus`: a path, several, folders or globs, as `gossipw2v start --corpus` takes them, or sentences, each a list of
    words (a generator will do: it is read once, into a file). With `graph="edges.tsv"` in its place walks over a graph
    are trained. Names and meanings are gensim's; `workers` is how many
    threads train, 0 one for each core. `settings` are all others of `gossipw2v start`, with `_` for `-`: with
    `peers="auto"` this node trains together with those of the same job that it finds; with `data_dir` it keeps
    checkpoints there and goes on from them. Without, it works in a temporary folder, which takes 4 bytes a word.

    `init`: vectors that words which are in them start from: a file of them, a node's data directory, or what `load` and
    `train` return; in a swarm all nodes need the same.

    `callbacks` are called after each epoch of this node's text with an `Epoch`. `progress` draws a line on standard
    error; None: on a terminal or in a notebook. Ctrl-C stops the training and returns what is there.

    ValueError for settings, texts and words that cannot be, which it names; `gossipw2v.DivergedError` if the settings
    let vectors grow without end; OSError; MemoryError.
    """
    given = {
        **{name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in settings.items()},
        **{"vector_size": vector_size, "window": window, "negative": negative, "sg": sg, "min_count": min_count},
        **{"sample": sample, "alpha": alpha, "min_alpha": min_alpha, "epochs": epochs, "ns_exponent": ns_exponent},
        **{"seed": seed, "threads": workers, "from": init},
    }
    done = trained(corpus, given, tuple(callbacks), progress)
    if done.interrupted:
        warnings.warn("training was interrupted: these are the vectors as they were then", stacklevel=2)
    return word_vectors(done.session)


class Trained(NamedTuple):
    """The model that came of a training, and whether Ctrl-C ended it."""

    session: Session
    interrupted: bool


def trained(
    corpus: Paths | Sentences | None,
    settings: dict[str, Any],
    callbacks: tuple[Callback, ...] = (),
    progress: bool | None = None,
    named: Callable[[str], str] = str,
) -> Trained:
    """Run a node with `settings`, which messages call as `named` does, to its end. Errors are those of `train`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gossipw2v-")))
        given = {**PRIVATE, "data_dir": str(folder / "data"), **settings, "until_complete": True}
        if corpus is not None:
            given["corpus"] = as_paths(corpus, folder)
        given["from"] = as_file(given.get("from"), folder)
        config = loader.load(given, None, {}, named)
        stack.enter_context(lock.holding(config.data_dir))
        return _finished(NodeThread(config), callbacks, TrainingLine(progress))


def _finished(node: NodeThread, callbacks: tuple[Callback, ...], line: TrainingLine) -> Trained:
    """What has come of a node that has ended, by itself or by Ctrl-C."""
    node.start()
    interrupted = False
    try:
        _watch(node, callbacks, line)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        line.end()
        node.stop()
    if node.error is not None:
        raise node.error
    if node.session is None:
        raise KeyboardInterrupt
    return Trained(node.session, interrupted)


def _watch(node: NodeThread, callbacks: tuple[Callback, ...], line: TrainingLine) -> None:
    """Follow the training until it has ended, and tell of each epoch."""
    told: int | None = None  # epochs; those of an earlier life are not told of
    ended = False
    while not ended:
        ended = node.wait(LOOK_SECONDS)
        if (session := node.session) is None or node.error is not None:
            continue
        line.show(session)
        if not callbacks:  # words are made texts for those alone, which holds training up
            continue
        told = epochs_in(session, session.trainer.before) if told is None else told
        for number in range(told + 1, epochs_in(session, words_trained(session)) + 1):
            _tell(session, number, callbacks)
            told = number


def _tell(session: Session, number: int, callbacks: tuple[Callback, ...]) -> None:
    trainer, history = session.trainer, session.evaluation.history
    loss = history[-1].loss if history else None
    epoch = Epoch(number, trainer.recipe.epochs, trainer.words_per_second, loss, word_vectors(session))
    for callback in callbacks:
        callback(epoch)


def word_vectors(session: Session) -> WordVectors:
    """The vectors of a model, without a copy."""
    return WordVectors([word.decode() for word in session.vocab.words], session.model.syn0)
