"""The job: what is trained, equal on all nodes of a swarm."""

import re
from dataclasses import asdict, dataclass

from gossipw2v.config.fields import Between, OneOf, setting
from gossipw2v.config.tokenize import WHITESPACE, check_tokenize

JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # also a folder, and in discovery records


def _job_name(value: str) -> None:
    if not JOB_NAME.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is not a job's name: letters, digits, '.', '_', '-', at most 64")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained, equal on all nodes of a swarm: it travels in the handshake."""

    job: str = setting(
        "default",
        _job_name,
        "name",
        "name of the job",
        "nodes of other names on the same network are left alone",
    )
    vector_size: int = setting(
        128,
        Between(1, 4096),
        "dimensions",
        "length of a word vector",
        "enough for corpora below a billion words; memory and traffic grow with it",
    )
    sg: int = setting(
        1,
        Between(0, 1),
        "choice",
        "1 is skip-gram, 0 is CBOW (the mean of the window predicts the word)",
        "skip-gram gives better vectors; CBOW is faster, and wants an alpha of 0.05",
    )
    window: int = setting(
        5,
        Between(1, 255),
        "words",
        "furthest context word on either side",
        "word2vec's; smaller favours syntax, larger favours topics",
    )
    shrink_windows: int = setting(
        1,
        Between(0, 1),
        "choice",
        "1 draws each window's reach from 1 to `window`, 0 always takes all of it",
        "word2vec's: near words count more; where order says little, take 0",
    )
    lines: str = setting(
        "sentences",
        OneOf(("sentences", "whole")),
        "word",
        "sentences have windows; with `whole` a line, up to 255 items to either side, is the window (item2vec)",
        "text is in order; baskets, playlists and sets of tags are not",
    )
    negative: int = setting(
        5,
        Between(1, 255),
        "words",
        "noise words for each pair",
        "word2vec's; 5 to 20 for small corpora, 2 to 5 for large ones",
    )
    sample: float = setting(
        1e-4,
        Between(0, 1, below=True),
        "share of all tokens",
        "frequency above which a word is thinned out; 0 keeps every token",
        "the commonest words cost most of the time and teach least",
    )
    min_count: int = setting(
        5,
        Between(1, 10**9),
        "occurrences",
        "words rarer than this in the whole swarm are dropped",
        "a word met fewer times learns nothing of use",
    )
    min_local_count: int = setting(
        1,
        Between(1, 10**9),
        "occurrences",
        "words rarer than this in a node's own text never leave it, nor do their counts",
        "the whole swarm's counts decide what is rare; raise it where names in a text are nobody else's business",
    )
    max_vocab: int = setting(
        0,
        Between(0, 2**29),
        "words",
        "keep only this many of the most frequent words; 0 keeps all",
        "set it to bound memory: a word costs 8 bytes a dimension, and as much again for each link",
    )
    alpha: float = setting(
        0.025,
        Between(1e-6, 1),
        "step",
        "learning rate at the start",
        "word2vec's; it falls with the progress of the whole swarm",
    )
    min_alpha: float = setting(
        0.0001,
        Between(0, 1),
        "step",
        "learning rate at the end",
        "word2vec's; never above alpha",
    )
    epochs: int = setting(
        3,
        Between(1, 10_000),
        "passes",
        "times every token is trained",
        "more passes gain little once a corpus has tens of millions of tokens",
    )
    seed: int = setting(
        1,
        Between(0, 2**32 - 1),
        "number",
        "seed of the first vectors",
        "every node starts from the same vectors without sending them",
    )
    ns_exponent: float = setting(
        0.75,
        Between(-2, 2),
        "power",
        "noise words are drawn by frequency to this power",
        "word2vec's for text; recommenders do better near or below 0",
    )
    tokenize: str = setting(
        WHITESPACE,
        check_tokenize,
        "whitespace or pattern",
        "what words are: what white space separates, or each match of a regular expression (Python's re) in a line",
        "text that has been prepared has its words apart; a pattern finds some 4 million words a second on one core",
    )
    lowercase: bool = setting(
        False,
        bool,
        "true or false",
        "make all letters lower case, in every script",
        "names and first words of sentences look different for a reason, and this takes time",
    )
    shared_corpus: bool = setting(
        False,
        bool,
        "true or false",
        "all nodes have the same text, on a disk that they share or as copies, and train it together",
        "a node's text is its own unless it is said to be everybody's",
    )
    phrases: int = setting(
        0,
        Between(0, 4),
        "passes",
        "join words that are phrases, as new_york: 1 pass joins two words, each further pass one more; 0 joins none",
        "each pass reads the text once more; pairs of words are many, and their counts go to every node",
    )
    phrase_threshold: float = setting(
        100.0,
        Between(0, 1e12),
        "score",
        "words that stand next to each other are a phrase where word2vec's score of them is above this",
        "word2vec's; lower joins more",
    )
    phrase_min_count: int = setting(
        5,
        Between(1, 10**9),
        "occurrences",
        "taken off the count of a pair before it is scored: a phrase is there more often than this",
        "word2vec's; higher leaves out what stood together by chance",
    )


@dataclass(frozen=True, kw_only=True)
class Walks:
    """How a graph is walked, equal on all nodes of a swarm that trains one."""

    walk_length: int = setting(
        40,
        Between(2, 10_000),
        "nodes",
        "nodes of a walk over the graph, the first included",
        "DeepWalk's; several times the window",
    )
    walks: int = setting(
        10,
        Between(1, 10_000),
        "walks",
        "walks from each node in each epoch, new ones every time",
        "node2vec's; more epochs do the same",
    )
    p: float = setting(
        1.0,
        Between(0.01, 100),
        "number",
        "node2vec's return parameter: above 1 a walk seldom turns back",
        "1 with q 1 is DeepWalk",
    )
    q: float = setting(
        1.0,
        Between(0.01, 100),
        "number",
        "node2vec's in-out parameter: above 1 a walk stays near, below 1 it goes far",
        "1 with p 1 is DeepWalk",
    )
    directed: bool = setting(
        False,
        bool,
        "true or false",
        "walk edges from their first column to their second only",
        "most graphs that are walked have edges that go both ways",
    )


# settings that came with later versions: until they are used, nobody needs to know them
LATER = {
    "lines",
    "lowercase",
    "min_local_count",
    "phrase_min_count",
    "phrase_threshold",
    "phrases",
    "shared_corpus",
    "shrink_windows",
    "tokenize",
}


def job_fields(job: Job, walks: Walks | None = None) -> dict[str, str | int | float]:
    """The job as handshakes and checkpoints hold it: field name to scalar, in the order of the class.

    Those of `LATER` that have their defaults are left out, so that checkpoints and nodes of earlier versions are of the
    same job. `walks` belongs to it where a graph is trained: nodes with text and nodes with a graph refuse each other.
    """
    usual = asdict(Job())
    fields = {name: value for name, value in asdict(job).items() if name not in LATER or value != usual[name]}
    return {**fields, **({} if walks is None else asdict(walks))}
