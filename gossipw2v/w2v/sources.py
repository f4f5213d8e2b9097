"""What a node trains: its text, or walks over its graph; both are found, counted and encoded in the same steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gossipw2v.config.node import Config, parse_share
from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import usable_cores
from gossipw2v.w2v.graphs.layout import is_certainly_edges
from gossipw2v.w2v.graphs.source import GraphSource
from gossipw2v.w2v.graphs.walks import WalkPlan, WalkText
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import CorpusError, open_text
from gossipw2v.w2v.text.formats import HEAD_BYTES
from gossipw2v.w2v.text.heldout import Division
from gossipw2v.w2v.text.shards import Shard
from gossipw2v.w2v.text.vocab import Counts, Vocab

LOOKS_LIKE_EDGES = (
    "holds the edges of a graph and no text: every line is two or three numbers between tabs or commas. Give it with "
    "--graph to train walks over the graph, or add --edges-as-text if it is meant as text"
)

log = get_logger("sources")


class Source(Protocol):
    """The files that a node trains; numbers for people are as those of `Corpus`."""

    encoding: str
    files: list[Path]
    passed_over: dict[Path, str]
    bytes: int
    done_bytes: int
    counts: Counts | None
    damaged_files: int

    def find(self, own: Sequence[Path] = ()) -> None:
        """Find the files; those of `own` are none. CorpusError names what is missing or unusable."""

    @property
    def problem(self) -> str | None:
        """What is wrong with them though they are read, for people; None if nothing is."""

    async def count(self) -> Counts:
        """Count the words. CorpusError if they cannot be read, or hold none."""

    def totals(self) -> tuple[int, ...]:
        """What was counted in all, as `Counts.totals` gives it."""

    def counted_before(self, totals: tuple[int, ...]) -> None:
        """These are the totals of a count in an earlier life."""

    def let_go(self) -> None:
        """Forget the words that were counted; their totals stay."""

    async def encode(self, vocab: Vocab) -> Shard | WalkText:
        """What is to be trained, as ids of `vocab`."""

    def stop(self) -> None:
        """Make a running pass end within about a second, with `blocks.Stopped`."""


def source_of(config: Config) -> Source:
    """What a node with these settings trains."""
    job, walks, threads = config.job, config.walks, config.threads or usable_cores()
    if not config.graph:
        division = Division(config.held_out, job.seed)
        return Corpus(config.corpus, config.data_dir, threads, division, config.encoding)
    if job.sample:
        log.warning("sample thins out a small graph's nodes; 0 suits walks (configs/graph.toml)", sample=job.sample)
    plan = WalkPlan(walks.walk_length, walks.walks, walks.p, walks.q, job.seed, parse_share(config.graph_share))
    return GraphSource(config.graph, config.data_dir, plan, walks.directed, config.held_out, config.encoding)


def find(source: Source, config: Config, own: Sequence[Path]) -> None:
    """Find the files of `source`, those of `own` left out. CorpusError also for edges that are given as text."""
    source.find(own)
    for path in () if config.graph or config.edges_as_text else source.files:
        with open_text(path, config.encoding) as (stream, _):
            if is_certainly_edges(stream.read(HEAD_BYTES)):
                raise CorpusError(f"{path}: {LOOKS_LIKE_EDGES}")
