"""What is trained and what it is judged by: a text of a file or of a made-up world, cut into parts for the nodes."""

from __future__ import annotations

import hashlib
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenarios import read_texts
from test_sets import TestSets

from compare.communities import Communities
from gossipw2v.cli.synthetic import RELATIONS, TOPICS, World
from gossipw2v.w2v.evaluation.layouts import Question, RatedPair
from gossipw2v.w2v.text.vocab import Vocab

PIECE = 1000  # ids that stay together where a text is dealt out in equal parts
GLANCE = 4  # one question of so many serves for scores while a model trains

Tokens = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass(slots=True)
class Judging:
    """What scoring has taken."""

    cpu_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Material:
    """A text as word ids, -1 after each sentence, with its vocabulary and test sets. `path` is what gensim reads."""

    vocab: Vocab
    words: list[str]
    tokens: Tokens
    sets: TestSets
    path: Path
    digest: str
    generated: bool
    judging: Judging = field(default_factory=Judging)

    def scores(self, vectors: Floats, quick: bool = False) -> dict[str, float]:
        """Of float32[V, D] by test set, and `points`, their mean. `quick`: on some of the questions."""
        began = time.process_time()
        sets = TestSets(self.sets.pairs, self.sets.questions[::GLANCE]) if quick else self.sets
        scores = {name: float(score) for name, score in sets.scores(self.words, vectors).items()}
        self.judging.cpu_seconds += time.process_time() - began
        return {**scores, "points": float(np.mean(list(scores.values())))}

    def parts(self, nodes: int, text: str, seed: int) -> list[Tokens]:
        """A part for each node: of equal kind, or `skewed`, by topic where that is known and else by place."""
        if nodes == 1:
            return [self.tokens]
        if text == "equal":
            return _dealt(self.tokens, nodes, seed)
        return np.array_split(self._by_topic() if self.generated else self.tokens, nodes)

    def _by_topic(self) -> Tokens:
        """All sentences, those of one topic after those of another."""
        topic = np.full(len(self.words) + 1, -1)
        row_of = {word: row for row, word in enumerate(self.words)}
        for number, words in enumerate(TOPICS.values()):
            topic[[row_of[word] for word in words if word in row_of]] = number
        sentence = np.cumsum(self.tokens < 0) - (self.tokens < 0)
        known = topic[self.tokens] >= 0
        counts = np.zeros((int(sentence[-1]) + 1, len(TOPICS)), np.int32)
        np.add.at(counts, (sentence[known], topic[self.tokens][known]), 1)
        return np.asarray(self.tokens[np.argsort(counts.argmax(axis=1)[sentence], kind="stable")])


def _dealt(tokens: Tokens, nodes: int, seed: int) -> list[Tokens]:
    pieces = np.array_split(tokens, nodes * max(1, len(tokens) // PIECE // nodes))
    order = np.random.default_rng(seed).permutation(len(pieces))
    return [np.concatenate([pieces[at] for at in order[node::nodes]]) for node in range(nodes)]


def read_corpus(path: Path, sets: TestSets, folder: Path) -> Material:
    """The text of a file; ValueError if there is nothing to judge by."""
    if not sets.pairs and not sets.questions:
        raise ValueError("a text of your own needs something to judge by: --wordsim, --simlex, --pairs or --analogies")
    return _material(path, sets, folder, generated=False)


def make_world(sentences: int, folder: Path) -> Material:
    """A generated text, with what was planted in it as test sets."""
    world, path = World(seed=1), folder / "world.txt"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{sentence}\n" for sentence in world.sentences(sentences, seed=1))
    pairs = {"topics": _same_topic(), "relations": _related()}
    questions = [Question(kind, a, b, c, (d,)) for kind, a, b, c, d in world.analogies()]
    return _material(path, TestSets(pairs, questions), folder, generated=True)


def make_graph(folder: Path) -> Material:
    """Walks over a graph with planted communities, with these as test sets."""
    graph, path = Communities(seed=1), folder / "walks.txt"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{walk}\n" for walk in graph.walks())
    return _material(path, TestSets(graph.pairs(), []), folder, generated=False)


def _material(path: Path, sets: TestSets, folder: Path, generated: bool) -> Material:
    texts = read_texts([str(path)], 5, folder)
    tokens = texts.tokens[0]
    words = [word.decode("utf-8", "replace") for word in texts.vocab.words]
    told: list[Any] = [sets.pairs, sets.questions]
    digest = hashlib.blake2b(tokens.tobytes() + repr(told).encode(), digest_size=6).hexdigest()
    return Material(texts.vocab, words, tokens, sets, path, digest, generated)


def _same_topic() -> list[RatedPair]:
    """Words of one topic are alike, words of two are not: as many of one kind as of the other."""
    inside = [pair for words in TOPICS.values() for pair in itertools.combinations(words, 2)]
    rng, topics = np.random.default_rng(1), list(TOPICS.values())
    across = []
    for _ in inside:
        one, other = rng.choice(len(topics), 2, replace=False)
        across.append((str(rng.choice(topics[one])), str(rng.choice(topics[other]))))
    return [RatedPair(*pair, 1.0) for pair in inside] + [RatedPair(*pair, 0.0) for pair in across]


def _related() -> list[RatedPair]:
    """Both sides of a pair share most of their contexts, words of one side some, words of two relations none."""
    pairs: list[RatedPair] = []
    for (_, one), (_, other) in itertools.pairwise(RELATIONS.items()):
        pairs += [RatedPair(a, b, 2.0) for a, b in one.pairs]
        pairs += [RatedPair(a, b, 1.0) for (a, _), (b, _) in itertools.pairwise(one.pairs)]
        pairs += [RatedPair(a, b, 0.0) for (a, _), (_, b) in zip(one.pairs, other.pairs, strict=False)]
    return pairs
