#!/usr/bin/env python3
"""Phrases of a text, found and joined: gensim's Phrases and its frozen form beside ours, one thread each.

`python tools/bench_phrases.py TEXT [--threshold 100]`, with the `bench` extra. Seconds are processor time: ours from
the text's file to the file of ids, gensim's from sentences in memory, whose reading is told apart. Each runs twice.
"""

import argparse
import tempfile
import time
from pathlib import Path

from gensim.models.phrases import Phrases

from gossipw2v.w2v.phrases import counting
from gossipw2v.w2v.phrases.rule import PhraseRule
from gossipw2v.w2v.text import scanner
from gossipw2v.w2v.text.blocks import TextReader
from gossipw2v.w2v.text.shards import encode
from gossipw2v.w2v.text.vocab import count_grams, count_words, freeze

SENTENCE = 10_000  # words, as gensim's Text8Corpus cuts one endless line


def read(path: Path) -> list[list[str]]:
    """Sentences as gensim wants them."""
    lines = [line.split() for line in path.read_text("utf-8", "replace").split("\n")]
    return [line[at : at + SENTENCE] for line in lines for at in range(0, len(line), SENTENCE)]


def gensim_phrases(sentences: list[list[str]], threshold: float) -> int:
    """Learn and join; how many phrases."""
    frozen = Phrases(sentences, threshold=threshold, max_vocab_size=10**9).freeze()
    for sentence in sentences:
        frozen[sentence]
    return len(frozen.phrasegrams)


def our_phrases(path: Path, threshold: float) -> int:
    """Count words and pairs, freeze, join and write the ids; how many phrases."""
    reader = TextReader(threads=1)
    counts = count_grams(count_words([path], reader), [path], 1, reader)
    vocab = freeze(counts, rule=PhraseRule(1, threshold, 5))
    with tempfile.TemporaryDirectory() as folder:
        encode([path], vocab, Path(folder), bytes(16), reader)
    return len(vocab.joins)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--threshold", type=float, default=100.0)
    args = parser.parse_args()
    scanner.warm_up()
    counting.warm_up()
    at = time.process_time()
    sentences = read(args.text)
    words, reading = sum(map(len, sentences)), time.process_time() - at
    print(f"{words:,} words; reading them for gensim: {reading:.1f} s")
    for _ in range(2):
        for name, work in (
            ("gensim", lambda: gensim_phrases(sentences, args.threshold)),
            ("ours", lambda: our_phrases(args.text, args.threshold)),
        ):
            at = time.process_time()
            found = work()
            seconds = time.process_time() - at
            print(f"{name:8} {found:,} phrases, {seconds:.2f} s, {words / seconds / 1e6:.2f} M words/s", flush=True)


if __name__ == "__main__":
    main()
