"""`gossipw2v evaluate`: what vectors are worth, of a file, of a running node, or of what a node has left."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gossipw2v.cli import streams
from gossipw2v.cli.commands import USAGE
from gossipw2v.cli.models import vectors
from gossipw2v.status import client
from gossipw2v.system.launch import prepare_machine
from gossipw2v.system.machine import usable_cores

if TYPE_CHECKING:
    from gossipw2v.w2v.evaluation.embedding import Embedding, Floats
    from gossipw2v.w2v.evaluation.report import Result
    from gossipw2v.w2v.vectors.table import Vectors

RESTRICT = 300_000  # as in `embedding`, which is too heavy to ask
KINDS = ("pairs", "analogies", "categories", "next_item", "labels", "compare")

Token = Callable[[argparse.Namespace], bytes | None]
Scoring = tuple[bool, Callable[["Embedding"], "list[Result]"]]  # whether of the most frequent words alone, and what


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be typed behind `gossipw2v evaluate`."""
    parser.description = (
        "Score vectors on test sets. Files may be packed with gzip, bzip2 or xz; columns are separated by tabs, "
        "semicolons, commas or spaces; a first line may name them; lines that begin with # are passed over. Words are "
        "looked up as they are written, then in lower case."
    )
    parser.add_argument("source", metavar="VECTORS|URL|DATA-DIR", help="a file, a running node, or its data directory")
    sets = parser.add_argument_group("test sets")
    _several(sets, "--pairs", "two words and people's rating a line: Spearman's and Pearson's correlation")
    _several(sets, "--analogies", "Google's questions-words.txt, a file or the folder of BATS: 3CosAdd, 3CosMul")
    _several(sets, "--categories", "a word and its class a line: the purity of clusters by k-means")
    _several(sets, "--next-item", "a sequence of items a line, of which the last is to be found: hit rate, nDCG, MRR")
    _several(sets, "--labels", "a node and its labels a line: micro and macro F1 of logistic regression")
    _several(sets, "--compare", "other vectors: how far any value is from the same one there")
    rules = parser.add_argument_group("rules")
    rules.add_argument(
        "--restrict", type=_count, default=RESTRICT, metavar="N",
        help="most frequent words that pairs and analogies are asked of (default %(default)s, as in gensim)",
    )  # fmt: skip
    rules.add_argument("--case-sensitive", action="store_true", help="look words up only as they are written")
    rules.add_argument("--drop-first", action="store_true", help="each sequence begins with its user, who is no item")
    rules.add_argument("--seed", type=_count, default=1, metavar="N", help="of k-means and of the splits (default 1)")
    parser.add_argument("--json", action="store_true", help="all there is, for programs")


def _several(group: Any, flag: str, does: str) -> None:
    group.add_argument(flag, nargs="+", action="extend", default=[], type=Path, metavar="FILE", help=does)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) < 1 << 31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {(1 << 31) - 1}")
    return int(text)


def run(args: argparse.Namespace, token: Token) -> int:
    """Score and print; `token` finds what to show a node. Exit code 2 for what is no test set and no vectors."""
    if not any(getattr(args, kind) for kind in KINDS):
        return _refuse(f"nothing to score: give {', '.join('--' + kind.replace('_', '-') for kind in KINDS)}")
    for library in ("OPENBLAS", "OMP", "MKL"):  # nobody trains here
        os.environ.setdefault(f"{library}_NUM_THREADS", str(usable_cores()))
    prepare_machine()
    from gossipw2v.w2v.evaluation.learners import MissingExtraError  # noqa: PLC0415
    from gossipw2v.w2v.evaluation.tables import LayoutError  # noqa: PLC0415
    from gossipw2v.w2v.text.files import CorpusError  # noqa: PLC0415

    try:
        return _evaluate(args, token)
    except (LayoutError, CorpusError, MissingExtraError) as error:
        return _refuse(str(error))


def _refuse(why: str) -> int:
    streams.tell(f"gossipw2v: {why}")
    return USAGE


def _evaluate(args: argparse.Namespace, token: Token) -> int:
    """Test sets are read first: what is wrong with them is told before large vectors are."""
    from gossipw2v.w2v.evaluation.embedding import Embedding  # noqa: PLC0415
    from gossipw2v.w2v.evaluation.report import as_json, as_text  # noqa: PLC0415

    scorings = list(_scorings(args))
    find_token = partial(token, args)
    words, rows = load(args.source, find_token)
    every = Embedding.of(words, rows, args.case_sensitive)
    frequent = every.restricted(args.restrict)
    results = [result for few, score in scorings for result in score(frequent if few else every)]
    results += [_compared(every, path, find_token) for path in args.compare]
    about = (args.source, rows.shape, results)
    print(json.dumps(as_json(*about), allow_nan=False) if args.json else as_text(*about))
    return 0


def _scorings(args: argparse.Namespace) -> Iterator[Scoring]:
    """What to do with the vectors, in the order of the help. LayoutError, CorpusError, MissingExtraError."""
    from gossipw2v.w2v.evaluation import layouts, learners  # noqa: PLC0415
    from gossipw2v.w2v.evaluation.analogies import score_analogies  # noqa: PLC0415
    from gossipw2v.w2v.evaluation.categories import score_categories  # noqa: PLC0415
    from gossipw2v.w2v.evaluation.labels import SPLITS, score_labels  # noqa: PLC0415
    from gossipw2v.w2v.evaluation.next_item import score_next_items  # noqa: PLC0415
    from gossipw2v.w2v.evaluation.pairs import score_pairs  # noqa: PLC0415

    if args.categories or args.labels:
        learners.check_installed()

    def scored(score: Any, path: Path, content: Any, **more: Any) -> Callable[[Embedding], list[Result]]:
        return lambda embedding: list(score(embedding, content, path.stem, **more))

    for path in args.pairs:
        yield True, scored(score_pairs, path, layouts.read_pairs(path))
    for path in args.analogies:
        yield True, scored(score_analogies, path, layouts.read_analogies(path), threads=usable_cores())
    for path in args.categories:
        yield False, scored(score_categories, path, layouts.read_categories(path), seed=args.seed)
    for path in args.next_item:
        yield False, scored(score_next_items, path, layouts.read_sequences(path, args.drop_first))
    for path in args.labels:
        seeds = range(args.seed, args.seed + SPLITS)
        yield False, scored(score_labels, path, layouts.read_labels(path), seeds=seeds)


def _compared(embedding: Embedding, other: Path, token: Callable[[], bytes | None]) -> Result:
    """How far any value of the words of both is from the same one there, of how many words of either."""
    import numpy as np  # noqa: PLC0415

    from gossipw2v.w2v.evaluation.report import Result  # noqa: PLC0415
    from gossipw2v.w2v.similarity import largest_difference  # noqa: PLC0415

    words, vectors = load(str(other), token)
    shared = [(here, there) for there, word in enumerate(words) if (here := embedding.index.get(word)) is not None]
    one, two = np.array(shared, np.int64).reshape(-1, 2).T
    if vectors.shape[1] != embedding.vectors.shape[1]:
        raise client.AnswerError(f"{other}: has vectors of {vectors.shape[1]} dimensions and cannot be compared")
    figures = {"difference": largest_difference(embedding.vectors[one], vectors[two])}
    return Result("compare", str(other), figures, len(shared), len(embedding.words) + len(words) - len(shared))


# --- where vectors come from ----------------------------------------------------------------------------


def load(source: str, token: Callable[[], bytes | None]) -> tuple[list[str], Floats]:
    """Words and float32[V, D] of a file, a running node's URL, or a data directory; `token` for a node that asks.

    NoNodeError, AnswerError, OSError.
    """
    from gossipw2v.api.loading import fetched  # noqa: PLC0415
    from gossipw2v.node.storage.export import map_model  # noqa: PLC0415
    from gossipw2v.w2v.vectors.files import read_vectors  # noqa: PLC0415

    with vectors.telling():
        if "://" in source:
            return _plain(fetched(_url(source), token=token()))
        return _plain(map_model(Path(source))[0] if Path(source).is_dir() else read_vectors(Path(source)))


def _plain(found: Vectors) -> tuple[list[str], Floats]:
    return [word.decode("utf-8", "replace") for word in found.words], found.rows.astype("float32", copy=False)


def _url(text: str) -> str:
    from gossipw2v.w2v.evaluation.tables import LayoutError  # noqa: PLC0415

    try:
        return client.base_url(text)
    except ValueError as error:
        raise LayoutError(str(error)) from None
