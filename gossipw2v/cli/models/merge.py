"""The `merge` command: models that were trained apart made one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gossipw2v.cli import streams
from gossipw2v.cli.models import vectors
from gossipw2v.system.launch import prepare_machine

if TYPE_CHECKING:
    from gossipw2v.w2v.alignment.combine import Fit
    from gossipw2v.w2v.vectors.table import Vectors

METHODS = {
    "alir": "all models are turned into a common space, as near to each other as can be, and averaged",
    "procrustes": "each is turned onto the first, and averaged",
    "pca": "they are put side by side, and the directions of most variance on the words that all have are kept",
}
DESCRIPTION = (
    "Make one model of several that were trained apart: data directories of nodes, and files of vectors of the same "
    "dimensions (word2vec, GloVe, npy, safetensors, Parquet, projector). Vocabularies may differ; a word is the mean "
    "of those models that have it. The first model's space becomes the common one; the mean row is taken off every "
    "model, and so off the result."
)


def add(parser: argparse.ArgumentParser, target: Callable[[str], Path]) -> None:
    """Add the options of the command; `target` reads the name of a file to write."""
    parser.description = DESCRIPTION
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="a data directory, or a file of vectors")
    parser.add_argument(
        "-o",
        "--output",
        dest="path",
        type=target,
        required=True,
        metavar="OUT",
        help="the file to write; - for standard output",
    )
    told = "; ".join(f"{name}: {does}" for name, does in METHODS.items())
    parser.add_argument("--method", choices=METHODS, default="alir", help=f"(default %(default)s) {told}")
    parser.add_argument(
        "--whiten",
        type=_whitening,
        default=0.0,
        metavar="X",
        help="hold strong directions down: 0 no, 0.5 all vary alike",
    )
    parser.add_argument("--weights", type=_weights, metavar="X[,X...]", help="of each model (default: all the same)")
    vectors.add_options(parser)
    parser.set_defaults(run=_merge)


def _weights(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers with commas between") from None


def _whitening(text: str) -> float:
    try:
        given = float(text)
    except ValueError:
        given = -1
    if not 0 <= given <= 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 0.5")
    return given


def _merge(args: argparse.Namespace) -> int:
    prepare_machine()
    from gossipw2v.w2v.alignment.combine import Combination, combine  # noqa: PLC0415
    from gossipw2v.w2v.alignment.union import unite  # noqa: PLC0415
    from gossipw2v.w2v.vectors import files  # noqa: PLC0415
    from gossipw2v.w2v.vectors.selection import selected  # noqa: PLC0415

    target, selection = vectors.chosen(args)
    with vectors.telling(), vectors.word_line() as line, files.opened(target) as opened:
        union = unite([_read(path, line) for path in args.models], args.weights)
        merged, fits = combine(union, Combination(args.method, args.whiten), line.draw, line.show)
        words, rows = selected(merged, selection)
        files.write(opened, target, words, rows, line.draw)
    _report(fits)
    streams.tell(f"{args.path}: {len(words):,} words of {rows.shape[1]} dimensions, from {len(fits)} models")
    return 0


def _read(path: Path, line: vectors.WordLine) -> Vectors:
    """The vectors of a data directory or of a file, mapped."""
    from gossipw2v.node.storage.export import map_model  # noqa: PLC0415
    from gossipw2v.w2v.vectors.files import read_vectors  # noqa: PLC0415

    line.show(f"reading {path}")
    return map_model(path)[0] if path.is_dir() else read_vectors(path, progress=line.draw)


def _report(fits: Sequence[Fit]) -> None:
    for fit in fits:
        alone = f", {fit.alone:,} of them alone" if fit.alone else ""
        streams.tell(f"{fit.name}: {fit.words:,} words{alone}; mean cosine with the result {fit.cosine:.3f}")
