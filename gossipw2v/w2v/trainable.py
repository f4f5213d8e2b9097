"""What a node trains: its text, or walks over its graph; both are found, counted and encoded in the same steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gossipw2v.config.node import Config, parse_share
from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import usable_cores
from gossipw2v.w2v.graphs.source import GraphSource
from gossipw2v.w2v.graphs.walks import WalkPlan, WalkText
from gossipw2v.w2v.shared.source import SharedCorpus
from gossipw2v.w2v.shared.text import SharedText
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import Source as File
from gossipw2v.w2v.text.heldout import Division
from gossipw2v.w2v.text.shards import Shard
from gossipw2v.w2v.text.sources.form import Form
from gossipw2v.w2v.text.vocab import Counts, Vocab

log = get_logger("corpus")


class Trainable(Protocol):
    """The files that a node trains; numbers for people are as those of `Corpus`."""

    @property
    def form(self) -> Form:
        """How the files are written."""

    @property
    def files(self) -> list[File]:
        """All of them."""

    @property
    def passed_over(self) -> dict[File, str]:
        """Files among them that are none of it, and what they are."""

    @property
    def bytes(self) -> int:
        """Of all files."""

    @property
    def done_bytes(self) -> int:
        """Of `bytes`, read in the current pass."""

    @property
    def counts(self) -> Counts | None:
        """None until they are there."""

    @property
    def damaged_files(self) -> int:
        """With replaced bytes."""

    def find(self, own: Sequence[Path] = (), fresh: bool = False) -> None:
        """Find the files; those of `own` are none. CorpusError names what is missing or unusable.

        `fresh`: what an earlier start has kept of standard input and the like is read anew.
        """

    @property
    def share(self) -> tuple[int, int] | None:
        """(i, n): the i-th of n parts of what the files hold is trained."""

    @property
    def problem(self) -> str | None:
        """What is wrong with them though they are read, for people; None if nothing is."""

    async def count(self, phrases: int = 0, /) -> Counts:
        """Count the words, and for so many passes of joining phrases what follows what. CorpusError."""

    def totals(self) -> tuple[int, ...]:
        """What was counted in all, as `Counts.totals` gives it."""

    def counted_before(self, totals: tuple[int, ...]) -> None:
        """These are the totals of a count in an earlier life."""

    def let_go(self) -> None:
        """Forget the words that were counted; their totals stay."""

    async def encode(self, vocab: Vocab) -> Shard | WalkText | SharedText:
        """What is to be trained, as ids of `vocab`."""

    def stop(self) -> None:
        """Make a running pass end within about a second, with `blocks.Stopped`."""


def trainable_of(config: Config) -> Trainable:
    """What a node with these settings trains."""
    job, walks, threads = config.job, config.walks, config.threads or usable_cores()
    if not config.graph:
        division, form = Division(config.held_out, job.seed), Form.of(config)
        if job.shared_corpus:
            whole = Corpus(config.corpus, config.data_dir, threads, form=form)
            return SharedCorpus(whole, job.epochs, config.held_out)
        return Corpus(config.corpus, config.data_dir, threads, division, form)
    if job.sample:
        log.warning("sample thins out a small graph's nodes; 0 suits walks (configs/graph.toml)", sample=job.sample)
    plan = WalkPlan(walks.walk_length, walks.walks, walks.p, walks.q, job.seed, parse_share(config.graph_share))
    form = Form(config.encoding, as_is=True)
    return GraphSource(config.graph, config.data_dir, plan, walks.directed, config.held_out, form)
