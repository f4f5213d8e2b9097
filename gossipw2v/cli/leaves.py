"""`gossipw2v what-leaves`: the words that a node would tell others of, before it tells anybody."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from gossipw2v.cli import streams
from gossipw2v.cli.commands import USAGE, config_file
from gossipw2v.config import loader
from gossipw2v.system.launch import prepare_machine

if TYPE_CHECKING:
    from gossipw2v.w2v.text.vocab import Counts

FLAGS = (
    "corpus",
    "encoding",
    "jsonl",
    "csv",
    "parquet",
    "plain",
    "tokenize",
    "lowercase",
    "min_local_count",
    "vocab",
    "phrases",
)
DESCRIPTION = (
    "Count a node's text as `gossipw2v start` with the same settings does, and print each word that would be sent to "
    "other nodes, a tab, and how often it is there, the commonest first; with --phrases, then words that follow each "
    "other, with spaces between them. Nothing is sent. Besides these counts, a node "
    "sends its settings, its addresses, how far it is, and how far the vectors of words of the common vocabulary moved."
)


def what_leaves(args: argparse.Namespace) -> int:
    """Count and print. ConfigError."""
    flags = {name: getattr(args, name) for name in FLAGS}
    config = loader.load({**flags, "data_dir": os.devnull}, config_file(args), os.environ)
    prepare_machine()
    from gossipw2v.node.storage.inputs import read_given  # noqa: PLC0415
    from gossipw2v.system.machine import usable_cores  # noqa: PLC0415
    from gossipw2v.w2v.text.corpus import Corpus  # noqa: PLC0415
    from gossipw2v.w2v.text.files import CorpusError  # noqa: PLC0415
    from gossipw2v.w2v.text.sources.form import Form  # noqa: PLC0415
    from gossipw2v.w2v.text.vocab import VocabError  # noqa: PLC0415

    try:
        given = read_given(config)
        with TemporaryDirectory(prefix="gossipw2v-") as folder:  # for text that can be read only once
            corpus = Corpus(config.corpus, Path(folder), config.threads or usable_cores(), form=Form.of(config))
            corpus.find()
            counts = asyncio.run(corpus.count(config.job.phrases))
    except (CorpusError, VocabError) as error:
        streams.tell(f"gossipw2v: {error}")
        return USAGE
    leaving = given.leaving(counts.at_least(config.job.min_local_count))
    for row in (-leaving.counts).argsort(kind="stable"):
        sys.stdout.write(f"{leaving.words[row].decode()}\t{leaving.counts[row]}\n")
    _write_grams(leaving)
    kept, told = len(counts.words) - len(leaving.words), f"at least {config.job.min_local_count} times here"
    if given.words is not None:
        told += f", and in {given.words.name}" if given.words.counts is None else f"; {given.words.name} has the counts"
    streams.tell(f"{len(leaving.words):,} words would leave this node ({told}); {kept:,} would not")
    return 0


def _write_grams(counts: Counts) -> None:
    units = list(counts.words) if len(counts.grams) else []
    for left, right, count in counts.grams.rows():
        units.append(units[left] + b" " + units[right])
        sys.stdout.write(f"{units[-1].decode()}\t{count}\n")
