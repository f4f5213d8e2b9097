#!/usr/bin/env python3
"""Phrases of a text, found and joined: gensim's Phrases and its frozen form beside ours, one thread each.

`python tools/bench_phrases.py TEXT [--threshold 100] [--turns 5]`, with the `bench` extra. Seconds are processor time:
ours from a file of lines to the file of ids, gensim's from the same lines in memory, whose reading is told apart. They
take turns, and are asked for their phrases, which should be the same.
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


def write(sentences: list[list[str]], path: Path) -> None:
    """A sentence a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{' '.join(sentence)}\n" for sentence in sentences)


def gensim_phrases(sentences: list[list[str]], threshold: float) -> set[str]:
    """Learn and join; the phrases."""
    frozen = Phrases(sentences, threshold=threshold, max_vocab_size=10**9).freeze()
    for sentence in sentences:
        frozen[sentence]
    return set(frozen.phrasegrams)


def our_phrases(path: Path, threshold: float) -> set[str]:
    """Count words and pairs, freeze, join and write the ids; the phrases."""
    reader = TextReader(threads=1)
    counts = count_grams(count_words([path], reader), [path], 1, reader)
    vocab = freeze(counts, rule=PhraseRule(1, threshold, 5))
    with tempfile.TemporaryDirectory() as folder:
        encode([path], vocab, Path(folder), bytes(16), reader)
    return {word.decode() for word in vocab.units.take(vocab.joins.joined)}


def turn(sentences: list[list[str]], path: Path, threshold: float) -> float:
    """Both once; how many times as fast ours is."""
    seconds, found = [], []
    works = {"gensim": lambda: gensim_phrases(sentences, threshold), "ours": lambda: our_phrases(path, threshold)}
    words = sum(map(len, sentences))
    for name, work in works.items():
        at = time.process_time()
        found.append(work())
        seconds.append(time.process_time() - at)
        print(f"{name:8} {len(found[-1]):,} phrases, {seconds[-1]:.2f} s, {words / seconds[-1] / 1e6:.2f} M words/s")
    ratio, apart = seconds[0] / seconds[1], len(found[0] ^ found[1])
    print(f"{ratio:.1f} times as fast; {apart} phrases are not the same", flush=True)
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--threshold", type=float, default=100.0)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    scanner.warm_up()
    counting.warm_up()
    at = time.process_time()
    sentences = read(args.text)
    print(f"{sum(map(len, sentences)):,} words; reading them for gensim: {time.process_time() - at:.1f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text")
        write(sentences, path)
        ratios = [turn(sentences, path, args.threshold) for _ in range(args.turns)]
    print(f"times as fast: {', '.join(f'{ratio:.1f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
