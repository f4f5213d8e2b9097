#!/usr/bin/env python3
"""Score word2vec text files on published test sets, or say how far they are apart.

    tools/evaluate.py vectors.txt --wordsim FILE --simlex FILE --analogies FILE
    tools/evaluate.py vectors.txt --pairs FILE [FILE ...]
    tools/evaluate.py --compare one.txt two.txt [three.txt ...]

Similarity files hold lines of two words and, in the third column or the first later one that is a number, a score;
tabs, commas or spaces separate. Headers and lines that begin with # are skipped. --pairs takes any number of them, each
under the name of its file. Analogy files are in the format of Google's questions-words.txt.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.similarity import Pair, Question, Space, largest_difference, solve_analogies, word_similarity

Model = tuple[list[str], NDArray[np.float32]]


def read_vectors(path: Path) -> Model:
    """Words and float32[V, D] of a word2vec text file; ValueError says which line is not one."""
    with path.open("rb") as file:
        number = 1
        try:
            count, size = map(int, file.readline().split())
            words: list[str] = []
            vectors = np.empty((count, size), np.float32)
            for row in range(count):
                number = row + 2
                word, vectors[row] = read_row(file.readline(), size)
                words.append(word)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    return words, vectors


def read_row(line: bytes, size: int) -> tuple[str, list[float]]:
    """A word and its `size` values."""
    word, *values = line.split()
    if len(values) != size:
        raise ValueError(f"{len(values)} values; the first line promises {size}")
    return word.decode("utf-8", "replace"), [float(value) for value in values]


def read_pairs(path: Path, keep_case: bool) -> Iterator[Pair]:
    """Pairs of words with people's scores; ValueError says which line is none."""
    header = True
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        pair = read_pair(line if keep_case else line.lower())
        if pair is not None:
            header = False
            yield pair
        elif not header:
            raise ValueError(f"{path}, line {number}: not two words and a score, separated by tabs, commas or spaces")


def read_pair(line: str) -> Pair | None:
    """Two words and the first number behind them: the mean, where each person's score stands behind it as well."""
    separator = next((each for each in "\t," if each in line), None)
    one, other, *columns = [*map(str.strip, line.split(separator)), "", ""]
    numbers = (number for column in columns if (number := as_number(column)) is not None)
    score = next(numbers, None)
    return None if score is None else (one, other, score)


def as_number(text: str) -> float | None:
    """The finite number that `text` is, if it is one."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_questions(path: Path, keep_case: bool) -> Iterator[Question]:
    """Analogies under the section they stand in."""
    section = "unnamed"
    for line in path.read_text("utf-8").splitlines():
        if line.startswith(":"):
            section = line[1:].strip()
        elif line:
            a, b, c, d = (line if keep_case else line.lower()).split()
            yield section, a, b, c, d


@dataclass(frozen=True)
class TestSets:
    """What vectors are scored on: pairs by the name of their set, and analogies."""

    pairs: dict[str, list[Pair]]
    questions: list[Question]

    @classmethod
    def read(cls, args: argparse.Namespace) -> "TestSets":
        """The sets that `add_test_sets` was given."""
        given = {name: path for name in ("wordsim", "simlex") if (path := getattr(args, name))}
        for path in args.pairs:
            if path.stem in given or path.stem == "analogy":
                raise ValueError(f"{path}: another test set is called {path.stem!r}: rename the file")
            given[path.stem] = path
        questions = list(read_questions(args.analogies, args.keep_case)) if args.analogies else []
        return cls({name: list(read_pairs(path, args.keep_case)) for name, path in given.items()}, questions)

    def scores(self, words: list[str], vectors: NDArray[np.float32], restrict: int = 30_000) -> dict[str, float]:
        """Spearman x 100 of each set of pairs, and the analogies solved in per cent."""
        space = Space.of(words, vectors)
        scores = {name: 100 * word_similarity(space, pairs).rho for name, pairs in self.pairs.items()}
        if self.questions:
            found = solve_analogies(Space.of(words, vectors, restrict), self.questions).values()
            scores["analogy"] = 100 * sum(each.right for each in found) / max(1, sum(each.asked for each in found))
        return scores


def add_test_sets(parser: argparse.ArgumentParser) -> None:
    """The arguments that name the published test sets."""
    for name in ("wordsim", "simlex", "analogies"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE")
    parser.add_argument(
        "--pairs", type=Path, nargs="+", default=[], metavar="FILE", help="more pairs of words with scores"
    )
    parser.add_argument("--keep-case", action="store_true", help="do not lower-case the test sets")


def evaluate(args: argparse.Namespace) -> None:
    """Print what was asked for: similarity over all words, analogies over the most frequent."""
    words, vectors = read_vectors(args.vectors)
    space = Space.of(words, vectors)
    print(f"{args.vectors}: {len(words):,} words of {vectors.shape[1]} dimensions")
    published = (("WordSim-353", args.wordsim), ("SimLex-999", args.simlex))
    for name, path in (*published, *((path.stem, path) for path in args.pairs)):
        if path:
            pairs = list(read_pairs(path, args.keep_case))
            rho, found = word_similarity(space, pairs)
            print(f"{name:12} {100 * rho:6.2f}   Spearman x 100, {found} of {len(pairs)} pairs")
    if args.analogies:
        frequent = Space.of(words, vectors, args.restrict)
        print_analogies(frequent, read_questions(args.analogies, args.keep_case))


def print_analogies(space: Space, questions: Iterator[Question]) -> None:
    """The total, then every section."""
    scores = solve_analogies(space, questions)
    right, asked = sum(score.right for score in scores.values()), sum(score.asked for score in scores.values())
    print(f"{'analogies':12} {share(right, asked)}   {right} of {asked}, among {len(space.words):,} words")
    for section, score in scores.items():
        print(f"{'':12} {share(*score)}   {score.right} of {score.asked}, {section}")


def share(right: int, asked: int) -> str:
    """A percentage of fixed width."""
    return f"{100 * right / asked:6.2f}" if asked else "     -"


def compare(paths: list[Path]) -> None:
    """Print the largest difference of any value, relative to its row's norm, between every two files."""
    models = {path: read_vectors(path) for path in paths}
    for (one, (words, vectors)), (other, (others, other_vectors)) in itertools.combinations(models.items(), 2):
        row_of = {word: row for row, word in enumerate(others)}
        shared = [(row, row_of[word]) for row, word in enumerate(words) if word in row_of]
        here, there = np.array(shared, np.int64).reshape(-1, 2).T
        apart = largest_difference(vectors[here], other_vectors[there])
        alone = len(words) + len(others) - 2 * len(shared)
        print(f"{apart:.3g}   {one} and {other}, {len(shared):,} words in both, {alone:,} in only one")


def main() -> int:
    """Exit code 2 with one line on standard error for what cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path, nargs="?")
    add_test_sets(parser)
    parser.add_argument("--restrict", type=int, default=30_000, metavar="N", help="words that analogies are asked of")
    parser.add_argument("--compare", type=Path, nargs="+", metavar="FILE")
    args = parser.parse_args()
    if (args.vectors is None) == (args.compare is None):
        parser.error("give one file to score, or --compare and at least two")
    if args.compare is not None and len(set(args.compare)) < 2:
        parser.error("--compare needs at least two different files")
    if args.compare is None and not (args.wordsim or args.simlex or args.pairs or args.analogies):
        parser.error("nothing to score: give --wordsim, --simlex, --pairs or --analogies")
    try:
        compare(args.compare) if args.compare else evaluate(args)
    except (OSError, ValueError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
