"""A node's own graph: found, read and counted in a thread, with its numbers for people to see."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import return_memory
from gossipw2v.w2v.graphs.csr import Graph, GraphFiles
from gossipw2v.w2v.graphs.edges import EDGES, EdgesReader
from gossipw2v.w2v.graphs.layout import SEPARATORS
from gossipw2v.w2v.graphs.walks import WalkPlan, WalkText, expected_visits
from gossipw2v.w2v.text.files import CorpusError, total_bytes
from gossipw2v.w2v.text.files import Source as File
from gossipw2v.w2v.text.finding.find import find
from gossipw2v.w2v.text.sources.form import Form
from gossipw2v.w2v.text.sources.spool import Spool
from gossipw2v.w2v.text.vocab import Counts, Vocab
from gossipw2v.w2v.text.words import ascending

T = TypeVar("T")

SHOWN = 5  # files that are named

log = get_logger("graph")


@dataclass(slots=True)
class GraphSource:
    """The files of edges behind `paths`, walked as `plan` says; used as `Corpus` is.

    The words are the names of nodes, their counts the visits that walks of an epoch are expected to make.
    """

    paths: Sequence[str]  # files, folders and globs, as people give them
    folder: Path  # where the graph is kept
    plan: WalkPlan
    directed: bool = False
    held_out: float = 0.0  # share of an epoch's walks that are made besides, to measure the loss on
    form: Form = EDGES
    files: list[File] = field(default_factory=list)
    passed_over: dict[File, str] = field(default_factory=dict)  # files among them that hold no edges
    bytes: int = 0
    done_bytes: int = 0  # of `bytes`, read in the current pass
    counts: Counts | None = None  # None until they are there
    damaged_files: int = 0  # none ever: what is damaged is refused
    _graph: Graph | None = None  # from counting until it is walked
    _idle: str | None = None  # why this node trains nothing
    _stop: threading.Event = field(default_factory=threading.Event)

    def find(self, own: Sequence[Path] = (), fresh: bool = False) -> None:
        """As `Source.find`."""
        spool = Spool(self.folder, self._stop.is_set, fresh)
        self.files, self.passed_over = find(self.paths, self.form, own, spool)
        self.bytes = total_bytes(self.files)
        names = [str(path) for path in self.files[:SHOWN]]
        log.info("found the edges", files=len(self.files), bytes=self.bytes, names=names, encoding=self.form.encoding)

    @property
    def share(self) -> tuple[int, int]:
        """(i, n): walks begin at the i-th of n parts of the nodes."""
        return self.plan.share

    @property
    def problem(self) -> str | None:
        """Why this node trains nothing, for people; None if it does."""
        return self._idle

    async def count(self, _phrases: int = 0, /) -> Counts:
        """Read the graph and count expected visits; neighbours are no phrases. CorpusError if there is none."""
        self.counts = await self._in_thread(self._count)
        return self.counts

    def totals(self) -> tuple[int, ...]:
        """What was counted in all, as `Counts.totals` gives it."""
        return self.counts.totals() if self.counts is not None else ()

    def counted_before(self, totals: tuple[int, ...]) -> None:
        """These are the totals of a count in an earlier life; the names are not needed any more."""
        if totals:
            self.counts = Counts.of_totals(totals)

    def let_go(self) -> None:
        """Forget the names that were counted; their totals stay, for people."""
        if self.counts is not None:
            self.counts = Counts.of_totals(self.counts.totals())

    async def encode(self, vocab: Vocab) -> WalkText:
        """The walks, as ids of `vocab`."""
        text = await self._in_thread(lambda: self._walks(vocab))
        told = {"starts": len(text.starts), "words": text.count(0, len(text)), "held_out": len(text.held_out)}
        log.info("ready to walk", **told, reused=text.graph.reused)
        self._idle = None
        if not len(text):
            self._idle = f"{self._where()}: no edge leads on from this node's share of the graph, so it trains nothing"
        return text

    def stop(self) -> None:
        """Make a running pass end within about a second, with `blocks.Stopped`."""
        self._stop.set()

    def _where(self) -> str:
        return ", ".join(map(str, self.paths))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self.done_bytes = 0
        try:
            return await asyncio.to_thread(work)
        finally:
            return_memory()

    def _count(self) -> Counts:
        graph = self._graph = self._read()
        visits = np.rint(expected_visits(graph, self.plan, self._stop.is_set)).astype(np.int64)
        order = ascending(graph.names.array, graph.names.starts[:-1], graph.names.lengths)
        order = order[visits[order] > 0]
        if not len(order):
            raise CorpusError(f"{self._where()}: no edge leads on from this node's share of the graph")
        return Counts(graph.names.take(order), visits[order], int(visits.sum()))

    def _read(self) -> Graph:
        reader = EdgesReader(self.folder, self.form, self._progress, self._stop.is_set)
        graph = GraphFiles(self.files, self.folder, self.form, self.directed).graph(reader)
        self._tell_layouts(reader)
        sizes, ends = graph.sizes, int(np.count_nonzero(np.diff(graph.offsets) == 0))
        told = {"weighted": bool(sizes.weighted), "directed": self.directed, "reused": graph.reused}
        left_out = {"self_loops": sizes.loops, "repeated": sizes.repeats, "comments": reader.names.comments}
        numbers = {"nodes": sizes.nodes, "edges": sizes.edges, "nodes_without_a_way_on": ends}
        log.info("read the graph", **numbers, **left_out, **told)
        return graph

    def _tell_layouts(self, reader: EdgesReader) -> None:
        """What was guessed of the first files."""
        for path, layout in list(reader.layouts.items())[:SHOWN]:
            header = f"line {layout.header}" if layout.header else "none"
            told = {"separated_by": SEPARATORS[layout.separator], "weighted": layout.columns == 3, "header": header}
            log.info("read edges", path=str(path), **told)
            if layout.times:
                log.warning("the weights look like times; if they are, leave the column out", path=str(path))

    def _walks(self, vocab: Vocab) -> WalkText:
        graph, self._graph = self._graph or self._read(), None
        return WalkText(graph, self.plan, vocab, self.held_out)

    def _progress(self, done: int) -> None:
        self.done_bytes = done
