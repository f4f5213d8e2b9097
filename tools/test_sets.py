"""The test sets that models are scored on by `bench_train` and `simulate`."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.evaluation.analogies import COS_ADD, score_analogies
from gossipw2v.w2v.evaluation.embedding import Embedding
from gossipw2v.w2v.evaluation.layouts import Question, RatedPair, read_analogies, read_pairs
from gossipw2v.w2v.evaluation.pairs import score_pairs

RESTRICT = 30_000  # words that analogies are asked of


@dataclass(frozen=True)
class TestSets:
    """What vectors are scored on: pairs by the name of their set, and analogies."""

    pairs: dict[str, list[RatedPair]]
    questions: list[Question]

    @classmethod
    def read(cls, args: argparse.Namespace) -> "TestSets":
        """The sets that `add_test_sets` was given, in lower case unless it is to be kept."""
        given = {name: path for name in ("wordsim", "simlex") if (path := getattr(args, name))}
        for path in args.pairs:
            if path.stem in given or path.stem == "analogy":
                raise ValueError(f"{path}: another test set is called {path.stem!r}: rename the file")
            given[path.stem] = path
        pairs, questions = {name: read_pairs(path) for name, path in given.items()}, []
        if args.analogies:
            questions = read_analogies(args.analogies)
        if not args.keep_case:
            for each in pairs.values():
                each[:] = [RatedPair(one.lower(), other.lower(), rating) for one, other, rating in each]
            questions = [lower(question) for question in questions]
        return cls(pairs, questions)

    def scores(self, words: list[str], vectors: NDArray[np.float32]) -> dict[str, float]:
        """Spearman x 100 of each set of pairs, and the analogies solved in per cent."""
        embedding = Embedding.of(words, vectors, case_sensitive=True)
        scores = {
            name: 100 * score_pairs(embedding, pairs, name)[0].figures["spearman"] for name, pairs in self.pairs.items()
        }
        if self.questions:
            few = embedding.restricted(RESTRICT)
            (total, *_) = score_analogies(few, self.questions, "analogy", (COS_ADD,))
            scores["analogy"] = 100 * total.figures[COS_ADD] if total.known else 0.0
        return scores


def lower(question: Question) -> Question:
    """A question in lower case, its section as it is."""
    section, a, b, c, answers = question
    return Question(section, a.lower(), b.lower(), c.lower(), tuple(map(str.lower, answers)))


def add_test_sets(parser: argparse.ArgumentParser) -> None:
    """The arguments that name the published test sets."""
    for name in ("wordsim", "simlex", "analogies"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE")
    parser.add_argument(
        "--pairs", type=Path, nargs="+", default=[], metavar="FILE", help="more pairs of words with scores"
    )
    parser.add_argument("--keep-case", action="store_true", help="do not lower-case the test sets")
