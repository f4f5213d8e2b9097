"""One swarm whose vocabulary grows while the nemesis is at it, from a seed: text comes, words are proposed, nodes die.

*Safety*, at every step: no row of any node holds more than was trained of its word, by however many ways it came; both
ends of a link hold the same reference, to the bit; no honest node is taken for a breaker of the protocol. *In the end*,
once all is healed: one vocabulary that holds what all the living had proposed, each word counted as often as it was
read, and no more; one final model that all hold.
"""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np

from gossipw2v.gossip.blobs.names import PROPOSAL, proposal_id, version_name
from gossipw2v.gossip.census import digest_of
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.instructions import Freeze, Received
from gossipw2v.gossip.messages import Offer
from gossipw2v.gossip.records import NodeId, Stage
from gossipw2v.simulation.auditor import Auditor, BrokenError
from gossipw2v.simulation.ledger import ROUNDING
from gossipw2v.simulation.machine import Machine
from gossipw2v.simulation.nemesis import Nemesis
from gossipw2v.simulation.network import Line
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Swarm
from gossipw2v.w2v.growth.ledger import WaitingWords
from gossipw2v.w2v.growth.rows import Initial, carry_over, moved_delta, new_rows, put_in_place, renumber_links
from gossipw2v.w2v.growth.versions import Rule, follows, next_version, rank_of, renumbering, root_of
from gossipw2v.w2v.text.vocab import Counts, Vocab
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.training.model import Model

FIRST = Vocab(Words.of([b"w%03d" % n for n in range(12)]), np.full(12, 9, np.int64))
RULE = Rule(min_count=2)
KINDS = ("reset", "hang up", "partition", "partition", "crash", "crash", "join", "pause")
MOST_NODES = 14  # that may ever live
FILES = 12  # that come
PATIENCE = 300.0  # virtual s from the end of all trouble until everything is well
LOOK, SAVING = 0.3, 4.0  # s between two looks of a node at its text; between two states on disk
SPEED = 40.0  # tokens a second
ALONE = 30.0  # s until a node that cannot link to the tree trains all the same

Text = tuple[str, list[bytes]]  # a file's mark, and its words


def blank(vocab: Vocab) -> Initial:
    """Rows that hold nothing."""
    size = 2 * len(vocab)
    return lambda: np.zeros((size, 2), np.float32)


def counted(words: list[bytes]) -> Counts:
    """The counts of a file."""
    found = sorted(Counter(words).items())
    numbers = np.array([count for _, count in found], np.int64)
    return Counts(Words.of([word for word, _ in found]), numbers, len(words))


@dataclass(slots=True)
class WordBooks:
    """What was trained of each word, over all, and of which vocabulary each model is."""

    truth: Counter[bytes] = field(default_factory=Counter)
    vocabularies: dict[int, Vocab] = field(default_factory=dict)  # by the model's address

    def expected(self, model: Model) -> np.ndarray:
        """float64[V]: how often each word of a model was trained."""
        return np.array([self.truth[word] for word in self.vocabularies[id(model)].words], np.float64)

    def excess(self, model: Model) -> float:
        """By how much any row of a model is above what was trained of its word."""
        return float((model.syn0[:, 0] - self.expected(model)).max())


@dataclass(slots=True)
class WordReader:
    """Trains words, each of which adds one to its row."""

    books: WordBooks
    model: Model
    vocab: Vocab = FIRST
    total: int = 0
    trained: int = 0
    text: list[bytes] = field(default_factory=list)  # what is left to train
    owed: float = 0.0

    def train(self, seconds: float, others: tuple[int, int]) -> None:  # noqa: ARG002 - as Worker says
        """Go on for so long."""
        self.owed += seconds * SPEED
        number = min(int(self.owed), len(self.text))
        self.owed -= number
        part, self.text = self.text[:number], self.text[number:]
        places = {word: row for row, word in enumerate(self.vocab.words)}
        for row in [places[word] for word in part]:
            self.model.weights[row, 0] += 1
            self.model.updates[row] += 1
        self.books.truth.update(part)
        self.trained += number

    def before_merge(self, now: float) -> None:
        """No curvature: merging is adding."""

    def restart(self) -> None:
        """There is no other vocabulary."""
        raise AssertionError("a version was taken for another vocabulary")


@dataclass(slots=True)
class Owner:
    """What stands around a core: the vocabulary, what waits, and files."""

    node: SimulatedNode
    reader: WordReader
    waiting: WaitingWords
    files: list[Text]  # that came and are not trained
    counts: dict[str, Counts] = field(default_factory=dict)  # proposals
    newer: tuple[Vocab, bytes, Offer] | None = None
    proposed: bytes = b""  # what a version will call the proposal of the first file

    @property
    def vocab(self) -> Vocab:
        """In use."""
        return self.reader.vocab


@dataclass(frozen=True, slots=True)
class SavedOwner:
    """What a node finds on its disk when it comes back."""

    node: NodeId
    vocab: Vocab
    weights: np.ndarray
    updates: np.ndarray
    origins: dict[NodeId, int]
    text: list[bytes]
    files: list[Text]


@dataclass(slots=True)
class GrowthTrial:
    """The swarm of a seed. `run()` raises BrokenError if anything does not hold."""

    seed: int
    rng: Random = field(init=False)
    books: WordBooks = field(init=False)
    auditor: Auditor = field(init=False)
    swarm: Swarm = field(init=False)
    nemesis: Nemesis = field(init=False)
    owners: dict[str, Owner] = field(default_factory=dict)
    saved: dict[str, SavedOwner] = field(default_factory=dict)
    ledgers: dict[str, WaitingWords] = field(default_factory=dict)  # on disk at once
    read: Counter[bytes] = field(default_factory=Counter)  # words of all files that ever came
    gone: bool = False  # whether a node has died and not come back, or without its disk
    died: bool = False  # whether one has died: what it trained last may be lost
    given_up: int = 0  # words that were given up with a version
    versions: int = 0  # that were taken over by anybody
    born: int = 0  # nodes that ever lived

    def __post_init__(self) -> None:
        self.rng = rng = Random(self.seed)
        self.books = WordBooks()
        self.auditor = Auditor(self.books, blobs=self)
        line = Line(rng.choice((0.001, 0.02, 0.2)), rng.choice((0.0, 0.02)), loss=rng.choice((0.0, 0.05)))
        rules = GossipConfig(
            job={"job": "growth"}, interval=rng.choice((0.1, 0.3)), seats=rng.choice((1, 2)), quiet=1.0
        )
        self.swarm = Swarm(self.seed, rules, lambda _one, _other: line, watch=self.auditor)
        self.swarm.piece_seconds = rng.choice((0.001, 0.05, 0.2))
        seconds = rng.uniform(25, 50)
        self.nemesis = Nemesis(self.swarm, rng, seconds, rng.choice((2.0, 5.0)), self.enter, self.stop, most=6)
        self.nemesis.kinds = KINDS
        count = rng.randrange(2, 6)
        for n in range(count):
            self._add(f"n{n}", min_peers=count - 1)
        for n in range(1, count):
            self.swarm.introduce(f"n{n}", f"n{rng.randrange(n)}")
        for n in range(FILES):
            self.swarm.clock.at(rng.uniform(0, seconds), partial(self._come, f"file {n}", n))

    # -- nodes ----------------------------------------------------------------------------------------------

    def _add(self, name: str, min_peers: int = 0, found: SavedOwner | None = None) -> Owner:
        vocab = found.vocab if found else FIRST
        reader = WordReader(self.books, Model(blank(vocab), 12), vocab)
        machine = Machine(self.swarm.clock, self.rng.uniform(0, 1e6))
        self.born += 1
        node = self.swarm.add(name, reader, min_peers, machine=machine, before=found.node if found else None)
        self.auditor.nodes[node.core.node] = node
        self.books.vocabularies[id(reader.model)] = vocab
        kept = self.ledgers.get(name) if found else None
        waiting = _copied(kept) if kept else WaitingWords(Path(), root_of(FIRST))
        owner = self.owners[name] = Owner(node, reader, waiting, list(found.files) if found else [])
        waiting.adopted(vocab)
        root = root_of(vocab) if vocab.version else b""
        self.swarm.perform(node, node.core.own.frozen(vocab.to_bytes(), rank_of(vocab), root))
        if found is not None:
            reader.model.weights[:], reader.model.updates[:] = found.weights, found.updates
            reader.text, reader.total = list(found.text), len(found.text)
            node.core.own.resumed(found.origins, None)
        node.machine.at(LOOK * self.rng.random(), lambda: self._live(owner))
        node.machine.at(ALONE, lambda: _begin(node))
        node.machine.at(SAVING * self.rng.random(), lambda: self._go_on_saving(owner))
        return owner

    def enter(self, name: str, kept: bool) -> bool:
        """Start a node that knows others; whether there was room for it."""
        if self.born == MOST_NODES or (name in self.swarm.nodes and self.swarm.nodes[name].alive):
            return False
        found = self.saved.get(name) if kept else None
        self.died |= name in self.swarm.nodes
        self.gone |= found is None and name in self.swarm.nodes
        self._add(name, found=found)
        others = [other.name for other in self.swarm.living() if other.name != name]
        self.swarm.introduce(name, *self.rng.sample(others, min(len(others), 2)))
        return True

    def stop(self, name: str) -> float:
        """None is told to stop."""
        raise AssertionError(name)

    def _go_on_saving(self, owner: Owner) -> None:
        node, reader = owner.node, owner.reader
        if not node.machine.queue and not node.core.growth.busy:
            model, claims = reader.model, node.core.view.claims()
            rows = model.weights.copy(), model.updates.copy()
            text, files = list(reader.text), list(owner.files)
            self.saved[node.name] = SavedOwner(node.core.node, owner.vocab, *rows, claims, text, files)
        node.machine.at(SAVING, lambda: self._go_on_saving(owner))

    # -- text that comes ------------------------------------------------------------------------------------

    def _come(self, mark: str, number: int) -> None:
        """A file comes to a node that lives: words of its own, others that several files have, and known ones."""
        living = self.swarm.living()
        if not living:
            return
        owner = self.owners[self.rng.choice(living).name]
        own, common = [b"own%02d-%d" % (number, n) for n in range(2)], [b"common%d" % n for n in range(6)]
        words = [
            *own,
            *own,
            b"junk%02d" % number,
            *self.rng.sample(common, 3),
            *self.rng.choices(list(FIRST.words), k=9),
        ]
        owner.files.append((mark, words))
        self.read.update(words)
        if (found := self.saved.get(owner.node.name)) is not None and found.node == owner.node.core.node:
            self.saved[owner.node.name] = replace(
                found, files=[*found.files, (mark, words)]
            )  # files are on disk at once

    def _live(self, owner: Owner) -> None:
        """Look for a version, and for text."""
        node = owner.node
        node.machine.at(LOOK, lambda: self._live(owner))
        if node.core.view.has_model:
            self._take_over(owner)
        if node.began and owner.files and not owner.reader.text and node.core.view.final(node.machine.now):
            self._go_on_with(owner, *owner.files[0])

    def _go_on_with(self, owner: Owner, mark: str, words: list[bytes]) -> None:
        """Propose a file's words, or train it once they are in a version."""
        lineage = owner.vocab.lineage
        if mark not in owner.waiting.marks:
            owner.waiting.add(counted(words), [mark])
            owner.proposed = b""
            self._keep(owner)
        if lineage is not None and owner.proposed in lineage.included:
            owner.files.pop(0)
            self._train(owner, words)
        elif not owner.proposed:
            self._propose(owner)

    def _propose(self, owner: Owner) -> None:
        core, counts = owner.node.core, owner.waiting.proposal(1)
        name, data = core.growth.name(counts.tokens), counts.to_bytes()
        owner.proposed = proposal_id(name, data)
        owner.waiting.propose(owner.proposed, counts)
        self._keep(owner)
        owner.counts[name] = counts
        self.swarm.perform(owner.node, core.growth.propose(name, data, owner.node.machine.now))

    def _keep(self, owner: Owner) -> None:
        self.ledgers[owner.node.name] = _copied(owner.waiting)

    def _train(self, owner: Owner, words: list[bytes]) -> None:
        reader, core, known = owner.reader, owner.node.core, set(owner.vocab.words)
        reader.text = [word for word in words if word in known]
        reader.total, reader.owed = reader.total + len(reader.text), 0.0
        core.own.done(False)
        core.own.to_train(reader.total)

    # -- versions -------------------------------------------------------------------------------------------

    def blob(self, node: SimulatedNode, order: Freeze | Received) -> None:
        """A version is to be made, or a proposal or a version has come."""
        owner = self.owners[node.name]
        if isinstance(order, Freeze):
            self._make(owner, order)
        elif order.name.startswith(PROPOSAL):
            owner.counts[order.name] = Counts.from_bytes(order.data)
            node.core.growth.hold(order.name, order.data, node.machine.now)
        else:
            self._arrived(owner, Vocab.from_bytes(order.data))

    def _make(self, owner: Owner, order: Freeze) -> None:
        """Make a version; it takes a moment."""
        parts = {proposal_id(name, owner.counts[name].to_bytes()): owner.counts[name] for name in order.origins}
        vocab = next_version(owner.vocab, parts, RULE)
        owner.node.machine.at(self.rng.choice((0.0, 0.5)), lambda: self._arrived(owner, vocab))

    def _arrived(self, owner: Owner, vocab: Vocab) -> None:
        data = vocab.to_bytes()
        offer = Offer(version_name(root_of(vocab)), digest_of(data), len(data), rank_of(vocab))
        if owner.node.core.growth.made(offer):
            owner.newer = vocab, data, offer

    def _take_over(self, owner: Owner) -> None:
        """Go on with a version, at the next look if rows are changing hands."""
        node, reader, core = owner.node, owner.reader, owner.node.core
        if owner.newer is None or (reader.text and not follows(owner.vocab, owner.newer[0])):
            return
        core.growth.pause(True)
        if node.machine.queue or core.growth.busy:
            return
        (vocab, data, offer), owner.newer = owner.newer, None
        to, initial = renumbering(owner.vocab, vocab), blank(vocab)
        renumber_links(reader.model, to, initial)
        grown = new_rows(to, initial)
        carry_over(reader.model, to, grown)
        moved = partial(moved_delta, rows=to.rows)
        names = core.growth.go_on(data, offer, root_of(vocab), moved, node.machine.now)
        put_in_place(reader.model, grown, initial, names)
        for old, new in names.items():
            self.auditor.open.discard((core.node, old))
            self.auditor.open.add((core.node, new))
        self._adopted(owner, vocab, to.dropped)

    def _adopted(self, owner: Owner, vocab: Vocab, dropped: int) -> None:
        owner.reader.vocab = self.books.vocabularies[id(owner.reader.model)] = vocab
        self.given_up, self.versions = self.given_up + dropped, self.versions + 1
        owner.counts.clear()
        owner.waiting.adopted(vocab)
        self._keep(owner)
        if vocab.lineage is not None and owner.proposed not in vocab.lineage.included:
            owner.proposed = b""
        self.swarm.perform(owner.node, owner.node.core.growth.tell())

    # -- the run --------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Trouble, healing, and the end that must come; how many versions there are."""
        self.nemesis.unleash()
        self.swarm.run(self.nemesis.seconds)
        living = [node.name for node in self.swarm.living()]
        for name in [name for name in self.owners if name not in living]:
            if self.rng.random() < 0.7 and self.enter(name, kept=True):
                continue
            self.gone = True
        living = [node.name for node in self.swarm.living()]
        for one, other in pairwise(living):
            self.swarm.introduce(one, other)
        end = self.swarm.now + PATIENCE
        while missing := self.missing():
            if self.swarm.now > end:
                raise BrokenError(f"{PATIENCE:g} s after all was healed: {'; '.join(missing)}")
            self.swarm.run(1.0)
        self._check_counts()
        return max((self.owners[node.name].vocab.version for node in self.swarm.living()), default=0)

    def missing(self) -> list[str]:
        """What is not yet as it must be in the end."""
        owners = [self.owners[node.name] for node in self.swarm.living()]
        out = [f"{o.node.name} has text left" for o in owners if o.files or o.reader.text]
        out += [f"{o.node.name} is not final" for o in owners if not o.node.core.view.final(o.node.machine.now)]
        if len({o.vocab.digest for o in owners}) > 1:
            out.append(f"versions {[o.vocab.version for o in owners]} of {[len(o.vocab) for o in owners]} words")
        elif not out and self.swarm.apart() > 1e-3:
            out.append(f"replicas are {self.swarm.apart():.1e} apart")
        return out

    def _check_counts(self) -> None:
        """No word is counted twice, none is lost of those whose nodes live, and all rows hold all that was trained."""
        owners = [self.owners[node.name] for node in self.swarm.living()]
        if not owners:
            return
        vocab, waits = owners[0].vocab, Counter[bytes]()
        for owner in owners:
            waits += _numbers(owner.waiting.waiting)
        first, held = _numbers(FIRST), _numbers(vocab)
        for word in self.read.keys() | held.keys():
            expected, found = first[word] + self.read[word], held[word] + waits[word]
            if found > expected or (found < expected and not self.gone):
                raise BrokenError(f"{word.decode()} was read {expected} times, and is counted {found} times")
        model = owners[0].reader.model
        lack = float((self.books.expected(model) - model.syn0[:, 0]).max())
        if lack > ROUNDING and not (self.auditor.overlapped or self.given_up or self.gone or self.died):
            raise BrokenError(f"a row lacks {lack:.3f} of what was trained")


def _numbers(counts: Counts | Vocab) -> Counter[bytes]:
    return Counter(dict(zip(counts.words, counts.counts.tolist(), strict=True)))


def _begin(node: SimulatedNode) -> None:
    """A node that was not linked to any other in time trains alone."""
    if not node.began and node.core.view.has_model:
        node.core.own.enter(Stage.TRAINING)
        node.began = True


def _copied(waiting: WaitingWords) -> WaitingWords:
    return replace(waiting, marks=set(waiting.marks), offered=dict(waiting.offered), taken=dict(waiting.taken))


def failure(seed: int) -> str | None:
    """What went wrong with a seed, how to replay it and what had happened by then; None if all is well."""
    trial = GrowthTrial(seed)
    try:
        trial.run()
    except Exception as error:
        where = [] if isinstance(error, BrokenError) else traceback.format_exception(error)[-4:]
        lines = [f"seed {seed}: {error or type(error).__name__}", f"replay: tools/nemesis.py --growth --seed {seed}"]
        return "\n".join([*lines, *trial.nemesis.story, *where])
    return None
