"""Phrases the slow way: sentences are lists of words, counts are a Counter, every rule is a line of Python."""

from collections import Counter

Sentence = list[bytes]
Pair = tuple[bytes, bytes]


def sentences(text: bytes) -> list[Sentence]:
    """The words of each line."""
    return [line.split() for line in text.split(b"\n")]


def grams(text: list[Sentence], size: int) -> Counter[tuple[bytes, ...]]:
    """How often so many words follow each other in a sentence."""
    return Counter(tuple(line[n : n + size]) for line in text for n in range(len(line) - size + 1))


def phrases(text: list[Sentence], threshold: float, min_count: int) -> set[Pair]:
    """The pairs that word2vec's score, of all different words and pairs, takes for phrases."""
    words, pairs = grams(text, 1), grams(text, 2)
    entries = len(words) + len(pairs)
    found = set()
    for (left, right), count in pairs.items():
        if (count - min_count) / (words[left,] * words[right,]) * entries > threshold:
            found.add((left, right))
    return found


def join(line: Sentence, pairs: set[Pair]) -> Sentence:
    """From left to right; what is joined is not joined again."""
    out: Sentence = []
    while line:
        if tuple(line[:2]) in pairs:
            out.append(b"_".join(line[:2]))
            line = line[2:]
        else:
            out.append(line[0])
            line = line[1:]
    return out
