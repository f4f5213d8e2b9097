"""`gossipw2v train`: a text in, a file of vectors out, and no service in between."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from gossipw2v.cli import streams
from gossipw2v.cli.commands import FAILURE, USAGE
from gossipw2v.cli.models import vectors
from gossipw2v.config import options
from gossipw2v.system.launch import prepare_machine

NODE_FLAGS = (
    "graph",
    "jsonl",
    "csv",
    "parquet",
    "plain",
    "encoding",
    "vocab",
    "from",
    "threads",
    "held_out",
)  # the rest of a node's settings are about others, and about staying
DESCRIPTION = (
    "Train on a text, on this machine alone, and write the vectors to a file. Ctrl-C ends the training and writes what "
    "is there. `gossipw2v start` trains together with other machines, keeps checkpoints, and can be watched."
)


def add(
    parser: argparse.ArgumentParser,
    target: Callable[[str], Path],
    add_option: Callable[[argparse.ArgumentParser, options.Option], None],
) -> None:
    """Add the command's options; `target` reads the name of a file, `add_option` adds a setting as `start` has it."""
    parser.description = DESCRIPTION
    parser.add_argument("corpus", nargs="*", metavar="TEXT", help="files, folders, globs; a line is a sentence")
    told = "the file to write; - for standard output"
    parser.add_argument("-o", "--output", dest="path", type=target, required=True, metavar="OUT", help=told)
    vectors.add_options(parser)
    for option in options.OPTIONS.values():
        if option.name in _flags():
            add_option(parser, option)
    parser.set_defaults(run=train)


def _flags() -> tuple[str, ...]:
    return (*NODE_FLAGS, *(option.name for option in options.JOB_OPTIONS if option.name != "job"))


def train(args: argparse.Namespace) -> int:
    """Train, then write. ConfigError; AnswerError, OSError."""
    prepare_machine()
    target, selection = vectors.chosen(args)
    from gossipw2v.api.training import trained  # noqa: PLC0415
    from gossipw2v.node.daemon import UNUSABLE  # noqa: PLC0415
    from gossipw2v.system import logs  # noqa: PLC0415
    from gossipw2v.w2v.training.guard import DivergedError  # noqa: PLC0415
    from gossipw2v.w2v.vectors import files  # noqa: PLC0415
    from gossipw2v.w2v.vectors.selection import matrix_of, select  # noqa: PLC0415

    logs.configure("error")
    settings = {name: getattr(args, name) for name in _flags()}
    try:
        with vectors.telling(), files.opened(target) as opened:
            session, interrupted = trained(args.corpus or None, settings, named=options.as_flag)
            matrices = session.model.syn0, session.model.syn1neg
            words, rows = select(session.vocab.words, matrix_of(matrices, selection.matrix), selection)
            files.write(opened, target, words, rows)
    except UNUSABLE as error:
        streams.tell(f"gossipw2v: {error}")
        return USAGE
    except DivergedError:  # the node has told of it
        return FAILURE
    early = ", as they were when the training was interrupted" if interrupted else ""
    streams.tell(f"{args.path}: {len(words):,} words of {rows.shape[1]} dimensions{early}")
    return 0
