"""The two programs that `bench_train` compares, with one way to start them and to tell their runs apart."""

import ast
import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from bench_corpora import Corpus, Floats, Tokens, Vocabulary

from gossipw2v.w2v.kernels import sgns

LAST_ALPHA = 0.0001
SLICE = 20_000  # tokens of one kernel call, as in the daemon

Slice = tuple[Tokens, int]


@dataclass(frozen=True)
class Setting:
    """How to train; gensim's names and meanings. `min_count` comes first, as another one is another vocabulary."""

    min_count: int
    sg: int
    size: int
    threads: int
    sample: float
    epochs: int
    alpha: float
    window: int
    negative: int

    @property
    def last_alpha(self) -> float:
        """Where alpha ends."""
        return min(LAST_ALPHA, self.alpha)


@dataclass(frozen=True)
class Run:
    """What tells one run from another: also the program, its version, a digest of the text, and the seed."""

    who: str
    version: str
    corpus: str
    setting: Setting
    seed: int


@dataclass(frozen=True)
class Trained:
    """What came of a run: seconds, words of the vocabulary trained in them, pairs if known, and both matrices."""

    seconds: float
    words: float
    pairs: int
    inputs: Floats
    outputs: Floats


# --- this project --------------------------------------------------------------------------------------------------


class Ours:
    """This project's kernel, a part of the text for each thread, one alpha for all. `progress` is from 0 to 1."""

    def __init__(self, text: Vocabulary, setting: Setting, seed: int) -> None:
        self.setting, self.seed, self.half = setting, seed, len(text.words)
        self.total = setting.epochs * int(text.counts.sum())
        self.weights = sgns.aligned(2 * self.half, setting.size)
        self.updates = np.zeros(2 * self.half, np.int64)
        self.keep = sgns.keep_table(text.counts, setting.sample)
        self.noise = sgns.noise_table(text.counts, 0.75)
        self.parts = [slices(part) for part in divide(text.tokens, setting.threads)]
        self.done = [0] * setting.threads
        sgns.init_rows(np.arange(self.half, dtype=np.uint64), seed, self.weights[: self.half])

    @property
    def progress(self) -> float:
        return sum(self.done) / self.total

    def train(self) -> Trained:
        start = time.perf_counter()
        with ThreadPoolExecutor(self.setting.threads) as pool:
            pairs = sum(pool.map(self._work, range(self.setting.threads), self.parts))
        seconds = time.perf_counter() - start
        return Trained(seconds, self.total, pairs, self.weights[: self.half], self.weights[self.half :])

    def _work(self, n: int, part: list[Slice]) -> int:
        """Train a thread's part; returns its pairs."""
        one, pairs = self.setting, 0
        train = (sgns.cbow_train, sgns.sgns_train)[one.sg]
        state, scratch = sgns.rng_state(self.seed, n), sgns.make_scratch(one.size, one.window, one.negative)
        matrices = self.weights[: self.half], self.weights[self.half :], self.updates
        for tokens, words in part * one.epochs:
            alpha = max(one.last_alpha, one.alpha * (1 - self.progress))
            params = sgns.Params(one.window, one.negative, alpha, one.alpha)
            pairs += train(tokens, *matrices, self.keep, self.noise, params, state, scratch)[0]
            self.done[n] += words
        return pairs


def slices(part: Tokens) -> list[Slice]:
    """What a kernel gets at once, and how many words that is."""
    return [(each, int(np.count_nonzero(each >= 0))) for each in divide(part, len(part) // SLICE + 1) if len(each)]


def divide(tokens: Tokens, parts: int) -> list[Tokens]:
    """Parts of about equal length that end where a sentence ends; some are empty where there are fewer sentences."""
    ends = np.flatnonzero(tokens < 0) + 1
    inner = np.searchsorted(ends, len(tokens) * np.arange(1, parts) / parts)
    return np.split(tokens, ends[inner])


def kernel_version() -> str:
    """A digest of the sources of the kernels and of all modules of this package that they import."""
    found: dict[str, bytes] = {}
    left = ["gossipw2v.w2v.kernels.sgns"]
    while left:
        name = left.pop()
        spec = module_spec(name) if name not in found else None
        if spec is not None and spec.origin is not None:
            found[name] = Path(spec.origin).read_bytes()
            left += imported(found[name])
    return hashlib.blake2b(b"".join(found[name] for name in sorted(found)), digest_size=8).hexdigest()


def module_spec(name: str) -> ModuleSpec | None:
    """Where a module is; None for what is none, but a name in one."""
    with suppress(ModuleNotFoundError):
        return find_spec(name)
    return None


def imported(source: bytes) -> Iterator[str]:
    """The modules of this package that a source may import; a name that is imported may be one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gossipw2v":
            yield from (str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names))


# --- gensim --------------------------------------------------------------------------------------------------------


class Gensim:
    """gensim from its fastest source, a file of lines. It tells of its progress between epochs only."""

    def __init__(self, text: Vocabulary, corpus: Corpus, setting: Setting, seed: int) -> None:
        from gensim.models import Word2Vec  # noqa: PLC0415 - not needed with --alone

        self.text, self.path, self.setting = text, str(corpus.path), setting
        self.words, self.lines = corpus.sizes()
        self.epochs_done = 0
        self.model = Word2Vec(
            vector_size=setting.size, window=setting.window, negative=setting.negative, sample=setting.sample,
            min_count=setting.min_count, sg=setting.sg, alpha=setting.alpha, min_alpha=setting.last_alpha,
            workers=setting.threads, epochs=setting.epochs, seed=seed,
        )  # fmt: skip
        self.model.build_vocab_from_freq(dict(zip(text.words, text.counts.tolist(), strict=True)))

    @property
    def progress(self) -> float:
        return self.epochs_done / self.setting.epochs

    def on_epoch_end(self, _model: Any) -> None:
        """gensim calls this, and the other three."""
        self.epochs_done += 1

    def on_epoch_begin(self, _model: Any) -> None: ...

    def on_train_begin(self, _model: Any) -> None: ...

    def on_train_end(self, _model: Any) -> None: ...

    def train(self) -> Trained:
        start = time.perf_counter()
        _, raw = self.model.train(
            corpus_file=self.path, total_words=self.words, total_examples=self.lines, epochs=self.setting.epochs,
            callbacks=[self],
        )  # fmt: skip
        seconds = time.perf_counter() - start
        order = [self.model.wv.key_to_index[word] for word in self.text.words]
        share = int(self.text.counts.sum()) / self.words
        return Trained(seconds, raw * share, 0, self.model.wv.vectors[order], self.model.syn1neg[order])


def gensim_version() -> str:
    """Its version; ValueError without it."""
    try:
        from gensim import __version__  # noqa: PLC0415 - not needed with --alone
    except ImportError:
        raise ValueError("gensim is not installed: pip install 'gossipw2v[bench]', or give --alone") from None
    return str(__version__)
