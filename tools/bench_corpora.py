"""What `bench_train` trains on, a text, random walks over a graph or baskets, and what the vectors are scored on."""

import argparse
import hashlib
import io
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from test_sets import TestSets

from gossipw2v.w2v.evaluation.embedding import Embedding
from gossipw2v.w2v.evaluation.labels import score_labels
from gossipw2v.w2v.evaluation.learners import MissingExtraError, check_installed
from gossipw2v.w2v.evaluation.next_item import score_next_items
from gossipw2v.w2v.similarity import Space
from gossipw2v.w2v.text.files import open_text

BLOCK = 1 << 20  # characters read at once
LONGEST = 10_000  # words of a line: gensim cuts longer ones
TOP = 20  # items recommended
ASKED = 20_000  # users, at most, that something is recommended to
TWINS = 500  # rare twins, at most
RARE = (5, 20)  # occurrences of a twin, from and to
KNOWN = 200  # occurrences of a word that gets a twin, at least

Floats = NDArray[np.float32]
Tokens = NDArray[np.int32]
Sentences = Iterable[list[str]]


@dataclass(frozen=True)
class Judge:
    """A test set: what it is called, a digest of what is in it, and per cent (or rho x 100) for words and vectors."""

    name: str
    digest: str
    score: Callable[[list[str], Floats], float]


@dataclass(frozen=True)
class Vocabulary:
    """The words that occur often enough, most frequent first, and the text as their places; -1 ends a sentence."""

    words: list[str]
    counts: NDArray[np.int64]
    tokens: Tokens


@dataclass(frozen=True)
class Corpus:
    """A text as numbers of its words, -1 at the end of each sentence, and the file of the same sentences for gensim."""

    words: list[str]
    tokens: Tokens
    judges: list[Judge] = field(default_factory=list)
    path: Path = Path()
    digest: str = ""

    def sizes(self) -> tuple[int, int]:
        """How many words and sentences there are."""
        ends = int(np.count_nonzero(self.tokens < 0))
        return len(self.tokens) - ends, ends

    def vocabulary(self, min_count: int) -> Vocabulary:
        """What is trained where rarer words are left out; ValueError if no word is left."""
        counts = np.bincount(self.tokens[self.tokens >= 0], minlength=len(self.words))
        order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts >= min_count)]
        if len(order) < 2:
            raise ValueError(f"fewer than two words occur {min_count} times: give more text or a lower --min-count")
        place = np.full(len(self.words) + 1, -2, np.int32)
        place[order] = np.arange(len(order))
        place[-1] = -1
        tokens = place[self.tokens]
        return Vocabulary([self.words[word] for word in order.tolist()], counts[order], tokens[tokens > -2])


def read_corpus(args: argparse.Namespace, sets: TestSets, folder: Path) -> Corpus:
    """What the command line asks for, written to `folder` as well; ValueError says what cannot be trained on."""
    sentences, judges = {"text": from_text, "walks": from_graph, "baskets": from_baskets}[args.lines](args)
    words, tokens = number(sentences, args.words)
    if args.rare:
        words, tokens, judge = add_twins(words, tokens)
        judges.append(judge)
    digest = write_lines(words, tokens, folder / "lines.txt")
    return Corpus(words, tokens, [*judges_of(sets), *judges], folder / "lines.txt", digest)


def number(sentences: Sentences, limit: int) -> tuple[list[str], Tokens]:
    """All words in the order of their first occurrence, and the first `limit` words of the text as their places."""
    places: dict[str, int] = {}
    tokens, left = array("i"), limit
    for sentence in sentences:
        kept = sentence[:left]
        tokens.extend(places.setdefault(word, len(places)) for word in kept)
        tokens.append(-1)
        left -= len(kept)
        if left == 0:
            break
    return list(places), np.frombuffer(tokens, np.int32) if tokens else np.empty(0, np.int32)


def write_lines(words: list[str], tokens: Tokens, path: Path) -> str:
    """A line for each sentence; returns a digest of the file."""
    digest = hashlib.blake2b(digest_size=8)
    with path.open("wb") as file:
        for sentence in sentences_of(tokens):
            line = (" ".join([words[word] for word in sentence]) + "\n").encode()
            digest.update(line)
            file.write(line)
    return digest.hexdigest()


def sentences_of(tokens: Tokens) -> Iterator[list[int]]:
    """What lies between the ends of sentences."""
    start = 0
    for end in np.flatnonzero(tokens < 0).tolist():
        yield tokens[start:end].tolist()
        start = end + 1


def judges_of(sets: TestSets) -> Iterator[Judge]:
    """The published test sets, each for itself."""
    for name, pairs in sets.pairs.items():
        yield Judge(name, digest_of(pairs), lambda *model, n=name, p=pairs: TestSets({n: p}, []).scores(*model)[n])
    if sets.questions:
        only = TestSets({}, sets.questions)
        yield Judge("analogy", digest_of(sets.questions), lambda *model: only.scores(*model)["analogy"])


def digest_of(content: object) -> str:
    """What tells two test sets of one name apart."""
    return hashlib.blake2b(repr(content).encode(), digest_size=8).hexdigest()


@contextmanager
def opened(path: Path) -> Iterator[io.TextIOWrapper]:
    """A file as text, unpacked; only a line feed ends a line, as for gensim."""
    with open_text(path) as (file, _):
        yield io.TextIOWrapper(file, "utf-8", errors="replace", newline="\n")


# --- text ----------------------------------------------------------------------------------------------------------


def from_text(args: argparse.Namespace) -> tuple[Sentences, list[Judge]]:
    """All words of a file, in lines of equal length."""
    words = read_words(args.file)
    return iter(lambda: list(islice(words, args.line)), []), []


def read_words(path: Path) -> Iterator[str]:
    """The words of a file that may be one endless line."""
    with opened(path) as file:
        rest = ""
        while block := file.read(BLOCK):
            words = (rest + block).split()
            rest = words.pop() if words and not block[-1].isspace() else ""
            yield from words
        yield from rest.split()


def add_twins(words: list[str], tokens: Tokens) -> tuple[list[str], Tokens, Judge]:
    """Rename 5 to 20 occurrences of words that are frequent: rare words whose nearest neighbour is known.

    ValueError if no word is frequent enough.
    """
    counts = np.bincount(tokens[tokens >= 0], minlength=len(words))
    frequent, rng = np.flatnonzero(counts >= KNOWN), np.random.default_rng(1)
    if len(frequent) == 0:
        raise ValueError(f"--rare needs words that occur {KNOWN} times, and there are none: give more text")
    tokens, pairs = tokens.copy(), []
    order = np.argsort(tokens, kind="stable")  # of a word, all its places one after the other
    starts = np.cumsum(counts) - counts + np.count_nonzero(tokens < 0)
    for word in rng.permutation(frequent)[:TWINS].tolist():
        chosen = rng.choice(counts[word], rng.integers(RARE[0], RARE[1] + 1), replace=False)
        tokens[order[starts[word] + chosen]] = len(words) + len(pairs)
        pairs.append((f"{words[word]}//rare", words[word]))
    twins, known = [twin for twin, _ in pairs], {words[word] for word in frequent.tolist()}
    return [*words, *twins], tokens, Judge("rare", digest_of(pairs), lambda *model: twins_found(pairs, known, *model))


def twins_found(pairs: list[tuple[str, str]], known: set[str], words: list[str], vectors: Floats) -> float:
    """100 times the mean of 1 / the rank of a word among the `known` ones by their cosine to its rare twin.

    Rare words are left out as they are near each other, whatever they mean.
    """
    space = Space.of(words, vectors)
    others = space.unit[[word in known for word in words]]
    ranks = []
    for twin, word in pairs:
        if twin in space.index:
            one, two = space.unit[space.index[twin]], space.unit[space.index[word]]
            ranks.append(max(1, np.count_nonzero(others @ one >= two @ one)))
    return 100 * float(np.mean(1 / np.array(ranks))) if ranks else float("nan")


# --- graphs --------------------------------------------------------------------------------------------------------


def from_graph(args: argparse.Namespace) -> tuple[Sentences, list[Judge]]:
    """Random walks over an undirected graph, as DeepWalk takes them (Perozzi et al. 2014)."""
    names, edges = read_edges(args.file)
    judges = [judge_labels(args.labels, args.file)] if args.labels else []
    return walks(names, edges, args.walks, args.length), judges


def read_edges(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """The nodes' names, and int64[E, 2] of their places: each edge both ways, once. ValueError names a bad line."""
    places: dict[str, int] = {}
    pairs = []
    for line, (one, other) in columns(path, 2):
        if other is None:
            raise ValueError(f"{path}, line {line}: an edge has two nodes")
        pairs.append([places.setdefault(node, len(places)) for node in (one, other)])
    if not pairs:
        raise ValueError(f"{path}: holds no edge: give a file with two nodes a line")
    edges = np.array(pairs, np.int64)
    return list(places), np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)


def columns(path: Path, most: int) -> Iterator[tuple[int, list[Any]]]:
    """Of each line that is no comment its number and its first columns, None where there are fewer."""
    with opened(path) as file:
        for number_of_line, line in enumerate(file, 1):
            found = line.split()
            if found and found[0][0] not in "#%":
                yield number_of_line, [*found[:most], *[None] * (most - len(found))]


def walks(names: list[str], edges: NDArray[np.int64], each: int, length: int) -> Iterator[list[str]]:
    """`each` walks of `length` nodes from every node, always the same; a pass starts once at each, in random order."""
    rng, degrees = np.random.default_rng(1), np.bincount(edges[:, 0], minlength=len(names))
    starts = np.cumsum(degrees) - degrees
    for _ in range(each):
        at = rng.permutation(len(names))
        steps = [at]
        for _ in range(length - 1):
            at = edges[starts[at] + (rng.random(len(at)) * degrees[at]).astype(np.int64), 1]
            steps.append(at)
        for walk in np.stack(steps, axis=1).tolist():
            yield [names[node] for node in walk]


def judge_labels(path: Path, graph: Path) -> Judge:
    """Micro-F1 of what a linear model makes of the nodes' vectors; ValueError if no line holds a node and a label."""
    try:
        check_installed()  # said now and not when all is trained
    except MissingExtraError as error:
        raise ValueError(f"--labels: {error}") from None
    with opened(path) as file:
        rows = [line.split() for line in file if line[0] not in "#%"]
    labels = {node: names for node, *names in filter(None, rows) if names}
    if len({name for names in labels.values() for name in names}) < 2:
        raise ValueError(f"{path}: fewer than two labels: give a file with a node of {graph} and its labels a line")
    return Judge("micro-F1", digest_of(labels), lambda *model: micro_f1(labels, *model))


def micro_f1(labels: dict[str, list[str]], words: list[str], vectors: Floats) -> float:
    """Per cent: one-vs-rest logistic regression on half of the nodes gives the others as many labels as they have."""
    (result,) = score_labels(Embedding.of(words, vectors, case_sensitive=True), labels, "labels", shares=(0.5,))
    return 100 * result.figures["micro_f1"]


# --- baskets -------------------------------------------------------------------------------------------------------


def from_baskets(args: argparse.Namespace) -> tuple[Sentences, list[Judge]]:
    """Each line of a file as it is; with --next-item without its last word, which is to be predicted."""
    baskets = list(read_baskets(args.file, args.drop_first))
    if not args.next_item:
        return baskets, []
    held = [(basket[:-1], basket[-1]) for basket in baskets if len(basket) > 2 and basket[-1] not in basket[:-1]]
    if not held:
        raise ValueError(f"{args.file}: --next-item needs lines of at least three items whose last one is new")
    chosen = np.random.default_rng(1).permutation(len(held))[:ASKED].tolist()
    asked = [held[n] for n in chosen]
    judge = Judge(f"hit@{TOP}", digest_of(asked), lambda *model: hit_rate(asked, *model))
    return [basket[:-1] if len(basket) > 2 else basket for basket in baskets], [judge]


def read_baskets(path: Path, drop_first: bool) -> Iterator[list[str]]:
    """The lines' words, cut where gensim would cut them."""
    with opened(path) as file:
        for line in file:
            words = line.split()[int(drop_first) :]
            for start in range(0, len(words), LONGEST):
                yield words[start : start + LONGEST]


def hit_rate(asked: list[tuple[list[str], str]], words: list[str], vectors: Floats) -> float:
    """Per cent of users whose next item is among the 20 nearest to the mean of their others, without these.

    An item that is in no line that was trained is never found; a user with no known item gets nothing.
    """
    embedding = Embedding.of(words, vectors, case_sensitive=True)
    sequences = [[*seen, item] for seen, item in asked]
    return 100 * score_next_items(embedding, sequences, "baskets", (TOP,))[0].zeroed["hit"]
