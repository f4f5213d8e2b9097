"""What a node has counted in text that came later and is in no version of the vocabulary yet; kept in a file.

    prefix      magic, and its checksum
    about       JSON: of which vocabulary, files that were counted, words forgotten, and the digests of what follows
    counts      the words that wait; then every proposal, and what of it has gone into a version, as `Counts`

All but the prefix are sealed sections (`sections`). Words that have gone into a version come back when the swarm gives
that one up, or when the node goes on from a checkpoint of an earlier one: what a version holds it says itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gossipw2v.system.durable import replacing
from gossipw2v.system.logs import get_logger
from gossipw2v.system.sections import HASH_BYTES, DamagedError, Reader, Writer, digest, to_json
from gossipw2v.w2v.growth.versions import part_of, without
from gossipw2v.w2v.text.vocab import Counts, Vocab, VocabError, merge_counts, places
from gossipw2v.w2v.text.words import Words

NAME = "waiting.words"
MAGIC = b"GW2VWAIT"
MOST_WAITING = 1 << 20  # words: some 20 MB
KEPT = 8  # proposals that are remembered
_MOST_ABOUT = 256 << 20  # bytes: the marks of some million files
_MOST_COUNTS = 1 << 30


def no_counts() -> Counts:
    """Those of no text."""
    return Counts.of_totals((0, 0, 0, 0, 0))


@dataclass(slots=True)
class WaitingWords:
    """Counts of one node's text that no version holds, for the vocabulary whose versions have `root`."""

    folder: Path  # the data directory
    root: bytes = b""  # of the vocabulary; b"" if there is none yet
    waiting: Counts = field(default_factory=no_counts)
    marks: set[str] = field(default_factory=set)  # of the files that were counted
    forgotten: int = 0  # words that were left out since there were too many
    offered: dict[bytes, Counts] = field(default_factory=dict)  # the last proposals, by what versions call them
    taken: dict[bytes, Counts] = field(default_factory=dict)  # what of them is in the vocabulary's counts
    most: int = MOST_WAITING

    # -- counting -------------------------------------------------------------------------------------------

    def begin(self, root: bytes, counts: Counts | None = None) -> None:
        """Begin with another vocabulary, if this is one; `counts`: words of the first text that are not in it."""
        if root != self.root:
            self.root, self.waiting, self.offered, self.taken = root, no_counts(), {}, {}
            self.marks, self.forgotten = set(), 0
            if counts is not None:
                self.add(counts, ())

    def add(self, counts: Counts, marks: Iterable[str]) -> None:
        """Files of these marks were counted. Beyond `most` words the rarest are forgotten."""
        plain = Counts(counts.words, counts.counts, int(counts.counts.sum()))
        self.waiting = merge_counts([self.waiting, plain])
        self.marks.update(marks)
        if (extra := len(self.waiting.words) - self.most) > 0:
            order = np.argsort(self.waiting.counts, kind="stable")
            chosen = np.ones(len(order), np.bool_)
            chosen[order[:extra]] = False
            self.waiting = _alone(self.waiting.of(chosen))
            self.forgotten += extra

    def unknown(self, vocab: Vocab, least: int = 1) -> int:
        """How many words wait that occur at least so often and are not in the vocabulary."""
        often = self.waiting.at_least(least)
        return int(np.count_nonzero(places(vocab.words, often.words) < 0))

    # -- versions -------------------------------------------------------------------------------------------

    def proposal(self, least: int) -> Counts:
        """The words that occur at least so often, for the next version."""
        return _alone(self.waiting.at_least(least))

    def propose(self, name: bytes, counts: Counts) -> None:
        """These are proposed, and called so in the version that takes them up."""
        self.offered[name] = counts
        for old in list(self.offered)[:-KEPT]:
            del self.offered[old]
            self.taken.pop(old, None)

    def adopted(self, vocab: Vocab) -> None:
        """The node has this vocabulary now: what of its proposals is in it waits no longer, and what is not does."""
        included = vocab.lineage.included if vocab.lineage is not None else {}
        if self.taken:
            self.waiting = merge_counts([self.waiting, *self.taken.values()])
        self.taken = {}
        for name in [each for each in self.offered if each in included]:
            words = vocab.words[: included[name]]  # words that came later were not taken up then: they wait on
            self.taken[name] = _alone(part_of(self.offered[name], words))
            self.waiting = without(self.waiting, self.taken[name])

    # -- the file -------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Keep all of it, whole and on disk. OSError."""
        marks, names = sorted(self.marks), ("offered", "taken")
        digests = {name: [each.hex() for each in getattr(self, name)] for name in names}
        about = to_json({"root": self.root.hex(), "marks": marks, "forgotten": self.forgotten, **digests})
        parts = [self.waiting, *self.offered.values(), *self.taken.values()]
        with replacing(self.folder / NAME) as file:
            file.write(MAGIC + digest(MAGIC))
            out = Writer(file, digest(MAGIC))
            for data in (about, *(part.to_bytes() for part in parts)):
                out.section(len(data), [data])

    @classmethod
    def read(cls, folder: Path) -> WaitingWords:
        """What was kept in a data directory; nothing where there is none, or it is damaged, which is logged."""
        path = folder / NAME
        try:
            return cls._read(path)
        except FileNotFoundError:
            return cls(folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            get_logger("growth").warning("words that waited are lost", path=str(path), why=str(error))
            return cls(folder)

    @classmethod
    def _read(cls, path: Path) -> WaitingWords:
        with path.open("rb") as file:
            if file.read(len(MAGIC) + HASH_BYTES) != MAGIC + digest(MAGIC):
                raise DamagedError("it holds no words that wait, or its first bytes are damaged")
            sections = Reader(file, digest(MAGIC))
            about = sections.json(_MOST_ABOUT)
            parts = [_counts(sections) for _ in range(1 + len(about["offered"]) + len(about["taken"]))]
        found = cls(path.parent, bytes.fromhex(about["root"]), parts[0], set(map(str, about["marks"])))
        found.forgotten = int(about["forgotten"])
        found.offered = dict(zip(map(bytes.fromhex, about["offered"]), parts[1:], strict=False))
        found.taken = dict(zip(map(bytes.fromhex, about["taken"]), parts[1 + len(about["offered"]) :], strict=True))
        return found


def _counts(sections: Reader) -> Counts:
    try:
        return Counts.from_bytes(sections.data(_MOST_COUNTS))
    except VocabError as error:
        raise DamagedError(str(error)) from error


def _alone(counts: Counts) -> Counts:
    """As if there had been no other words in the text: others learn nothing of those."""
    return Counts(counts.words, counts.counts, int(counts.counts.sum()))


def left_over(counts: Counts, words: Words) -> Counts:
    """Of a text's counts, those of words that are not among `words`."""
    return counts.of(places(words, counts.words) < 0)
