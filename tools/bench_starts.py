#!/usr/bin/env python3
"""What a start from given vectors is worth, and what new text does to a model that was done: losses on held-out text.

    tools/bench_starts.py first.txt second.txt               # train the first; the second from nothing, and from that
    tools/bench_starts.py first.txt second.txt --further     # the second as new text into the model of the first

One thread, one epoch; losses are of a pair, as a node shows them. --further asks for alphas and shares of old text.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from gossipw2v.config.job import Job
from gossipw2v.config.node import Config
from gossipw2v.node.session import Session, make_session, make_trainer
from gossipw2v.w2v.given.given import NOTHING, Given
from gossipw2v.w2v.given.warm_start import warm_start
from gossipw2v.w2v.text.heldout import Division
from gossipw2v.w2v.text.rounds.replay import replayed
from gossipw2v.w2v.text.shards import Shard, encode
from gossipw2v.w2v.text.vocab import Vocab, count_words, freeze
from gossipw2v.w2v.training import trainer as training
from gossipw2v.w2v.training.evaluation import draw_pairs, mean_loss
from gossipw2v.w2v.vectors.table import Floats, Vectors

HELD_OUT = Division(0.02, 1)
POINTS = (0, 20_000, 50_000, 100_000, 200_000, 500_000)  # words
STEP = 5000  # ids
EARLIER = 20  # epochs that were trained, of which alpha is to know
ALPHAS, SHARES = (training.AGAIN, training.FRESH, 1.0), (0.0, 0.2, 0.5)


def session_of(text: Path, folder: Path, args: argparse.Namespace, given: Given = NOTHING) -> Session:
    """A model and its trainer, which has not begun."""
    job = Job(vector_size=args.vector_size, min_count=args.min_count, epochs=1)
    config = Config(corpus=(str(text),), data_dir=folder, threads=1, job=job)
    vocab = freeze(count_words([text]), job.min_count)
    return make_session(config, vocab, encoded(text, vocab, folder), lambda *_: None, given)


def encoded(text: Path, vocab: Vocab, folder: Path) -> Shard:
    """A text as ids, a part of it held out."""
    return encode([text], vocab, folder, text.name.encode()[:16].ljust(16), division=HELD_OUT)


def train(trainer: training.Trainer, words: float = np.inf) -> None:
    """Train until so many words have been trained, or all."""
    steps = trainer.steps(0, STEP)
    while trainer.trained < words and next(steps, steps) is not steps:
        pass


def starts(args: argparse.Namespace, folder: Path) -> None:
    """Print the loss after some words, from nothing, from word vectors and from both matrices."""
    source = session_of(args.first, folder, args)
    train(source.trainer)
    word, context = (Vectors("first", source.vocab.words, half.copy()) for half in halves(source))
    print(f"{'words trained':14}", *(f"{n:8,}" for n in POINTS), "     all")
    for name, matrices in {"from nothing": (), "word vectors": (word,), "both": (word, context)}.items():
        given = Given(start=warm_start(matrices, "first", args.vector_size)) if matrices else NOTHING
        found = session_of(args.second, folder, args, given)
        losses = []
        for words in (*POINTS, np.inf):
            train(found.trainer, words)
            losses.append(found.evaluation.measure(found.trainer.trained, 0))
        print(f"{name:14}", *(f"{loss:8.3f}" for loss in losses), flush=True)


def halves(session: Session) -> tuple[Floats, Floats]:
    """Word and context vectors."""
    return session.model.syn0, session.model.syn1neg


def further(args: argparse.Namespace, folder: Path) -> None:
    """Print the losses on both texts, before and after the second is trained into the model of the first."""
    session = session_of(args.first, folder, args)
    train(session.trainer)
    model, old, trained = session.model, session.trainer.cursor.text, session.trainer.trained
    new, kept = encoded(args.second, session.vocab, folder), model.weights.copy()
    pairs = (session.evaluation.pairs, draw_pairs(new.held_out, session.trainer))
    print("before: old {:.3f}, new {:.3f}".format(*(mean_loss(*halves(session), each) for each in pairs)))
    job = Job(vector_size=args.vector_size, epochs=1)
    config = Config(corpus=(str(args.second),), data_dir=folder, threads=1, job=job)
    for training.FRESH in ALPHAS:
        for share in SHARES:
            model.weights[:] = kept
            tokens = np.concatenate(list(replayed(new.tokens, [old.ids(0, 0, len(old))], share, 1)))
            words = int(np.count_nonzero(tokens >= 0))
            trainer = make_trainer(config, model, session.vocab, Shard(tokens, words, new.path))
            trainer.others = (EARLIER * trained, EARLIER * trained)
            trainer.go_further(training.FRESH)
            alpha = trainer.alpha
            train(trainer)
            losses = (mean_loss(*halves(session), each) for each in pairs)
            print("alpha from {:.4f}, replay {:.1f}: old {:.3f}, new {:.3f}".format(alpha, share, *losses), flush=True)


def main() -> int:
    """Read what was typed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--further", action="store_true")
    parser.add_argument("--vector-size", type=int, default=100)
    parser.add_argument("--min-count", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (further if args.further else starts)(args, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
