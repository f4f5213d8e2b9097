"""From text to a frozen vocabulary and encoded text: the phrases are gensim's, and those of a slow twin."""

import random
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import naive_phrases

from gossipw2v.w2v.phrases.grams import no_grams
from gossipw2v.w2v.phrases.rule import PhraseRule
from gossipw2v.w2v.text.blocks import TextReader
from gossipw2v.w2v.text.shards import END, encode
from gossipw2v.w2v.text.vocab import Counts, Vocab, VocabError, count_grams, count_words, freeze, merge_counts

PLANTED = [b"new york", b"new york city", b"los angeles", b"hong kong", b"rio de janeiro", b"ad hoc", b"la la land"]
PLAIN = [b"w%d" % n for n in range(300)]


def planted_text(seed: int, lines: int = 1500) -> bytes:
    """Sentences of plain words, the first of which are frequent, with collocations and parts of these among them."""
    pick = random.Random(seed)
    parts = [*PLANTED, *b" ".join(PLANTED).split()]
    out = []
    for _ in range(lines):
        words = [PLAIN[int(pick.random() ** 3 * len(PLAIN))] for _ in range(pick.randrange(1, 12))]
        if pick.random() < 0.5:
            words.insert(pick.randrange(len(words)), pick.choice(parts))
        out.append(b" ".join(words))
    return b"\n".join(out) + b"\n"


def counted(folder: Path, text: bytes, passes: int = 1, block_bytes: int = 1 << 20) -> tuple[Path, Counts]:
    path = folder / f"text{len(list(folder.iterdir()))}"
    path.write_bytes(text)
    reader = TextReader(2, block_bytes=block_bytes)
    return path, count_grams(count_words([path], reader), [path], passes, reader)


def encoded(path: Path, vocab: Vocab, block_bytes: int = 1 << 20) -> list[list[bytes]]:
    """The text as a shard has it, sentence by sentence."""
    folder = path.parent / f"shards-of-{path.name}-{block_bytes}"
    shard = encode([path], vocab, folder, bytes(16), TextReader(2, block_bytes=block_bytes))
    words = list(vocab.words)
    lines: list[list[bytes]] = [[]]
    for token in shard.tokens.tolist():
        if token == END:
            lines.append([])
        else:
            lines[-1].append(words[token])
    return lines


def pairs(vocab: Vocab, span: int = 0) -> set[naive_phrases.Pair]:
    """What is joined in a pass."""
    units, (begin, end) = list(vocab.units), vocab.joins.spans()[span]
    sides = [[units[unit] for unit in column[begin:end].tolist()] for column in (vocab.joins.left, vocab.joins.right)]
    return set(zip(*sides, strict=True))


@pytest.mark.parametrize("threshold", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("min_count", [1, 5, 20])
def test_phrases_and_joined_text_are_those_of_gensim(threshold: float, min_count: int, tmp_path: Path) -> None:
    gensim = pytest.importorskip("gensim.models.phrases")
    text = planted_text(1)
    path, counts = counted(tmp_path, text)
    vocab = freeze(counts, 1, 0, PhraseRule(1, threshold, min_count))
    sentences = [line.decode().split() for line in text.splitlines()]
    model = gensim.Phrases(sentences, min_count=min_count, threshold=threshold, delimiter="_")
    theirs = set(model.freeze().phrasegrams)
    assert {b"_".join(pair).decode() for pair in pairs(vocab)} == theirs
    assert {"new_york", "los_angeles", "hong_kong"} <= theirs
    joined = [[word.encode() for word in model[line]] for line in sentences]
    known = set(vocab.words)
    ours = [line for line in encoded(path, vocab) if line]
    assert ours == [line for line in ([word for word in each if word in known] for each in joined) if line]
    assert known >= {word for word, count in Counter(chain(*joined)).items() if count > 20}


TEXT = st.lists(st.lists(st.sampled_from([b"a", b"b", b"c", b"a_b"]), max_size=9), max_size=20)


@given(
    lines=TEXT, threshold=st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_count=st.integers(1, 3), size=st.integers(8, 90)
)
@settings(deadline=None, max_examples=60)
def test_phrases_are_those_of_the_twin(
    lines: list[list[bytes]], threshold: float, min_count: int, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also where words have the joiner, and blocks begin anywhere."""
    lines = [*lines, [b"x"], [b"y"]]
    path, counts = counted(tmp_path_factory.mktemp("twin"), b"\n".join(map(b" ".join, lines)), 1, size)
    wanted = naive_phrases.phrases(lines, threshold, min_count)
    vocab = freeze(counts, 1, 0, PhraseRule(1, threshold, min_count))
    assert (pairs(vocab) if len(vocab.joins) else set()) == wanted
    joined = [naive_phrases.join(line, wanted) for line in lines]
    known = set(vocab.words)
    shown = [line for line in ([word for word in each if word in known] for each in joined) if line]
    assert [line for line in encoded(path, vocab, size) if line] == shown
    assert Vocab.from_bytes(vocab.to_bytes()).digest == vocab.digest


def test_words_are_counted_where_they_are_not_in_phrases(tmp_path: Path) -> None:
    text = b"new york is\n" * 50 + b"a new day\n" * 20 + b"york is old\n" * 7 + b"w v u t\n" * 9
    path, counts = counted(tmp_path, text)
    vocab = freeze(counts, 1, 0, PhraseRule(1, 0.15, 10))
    assert pairs(vocab) == {(b"new", b"york"), (b"york", b"is")}
    found = dict(zip(vocab.words, vocab.counts.tolist(), strict=True))
    assert (found[b"new"], found[b"new_york"], found[b"york_is"]) == (20, 50, 7)
    assert Counter(chain(*encoded(path, vocab))) == found


def test_a_word_that_holds_the_joiner_is_no_phrase_by_itself(tmp_path: Path) -> None:
    """Frequent as a word, it does not make the pair a phrase; and phrases that come to look alike are one word."""
    text = b"a_b x1 y1\n" * 50 + b"a p a q a r a s b p b q b r b\n" * 50 + b"a b\n" * 2
    _, counts = counted(tmp_path, text)
    vocab = freeze(counts, 1, 0, PhraseRule(1, 5.0, 5))
    assert b"a_b" in set(vocab.words)
    assert (b"a", b"b") not in (pairs(vocab) if len(vocab.joins) else set())
    alike = b"u_v w 1\n2 u v_w\n" * 30 + b"3 u_v_w\n" * 10
    path, counts = counted(tmp_path, alike)
    vocab = freeze(counts, 1, 0, PhraseRule(1, 0.2, 5))
    assert {(b"u_v", b"w"), (b"u", b"v_w")} <= pairs(vocab)
    words = Counter(chain(*encoded(path, vocab)))
    assert list(vocab.words).count(b"u_v_w") == 1
    assert words[b"u_v_w"] + words[b"w_1"] + words[b"2_u"] + words[b"3_u_v_w"] == 70


def test_phrases_do_not_cross_the_end_of_a_sentence_or_a_word_that_is_left_out(tmp_path: Path) -> None:
    text = b"x new\nyork y\n" * 60 + b"los %s angeles\n" % (b"z" * 2000) * 60 + b"hong kong\n" * 60
    path, counts = counted(tmp_path, text)
    vocab = freeze(counts, 1, 0, PhraseRule(1, 0.1, 5))
    assert {b"hong_kong"} <= set(vocab.words)
    assert not {b"new_york", b"los_angeles"} & set(vocab.words)
    assert [b"los", b"angeles"] in encoded(path, vocab)


def test_three_words_take_two_passes(tmp_path: Path) -> None:
    path, counts = counted(tmp_path, planted_text(2), passes=2)
    vocab = freeze(counts, 1, 0, PhraseRule(2, 2.0, 5))
    assert {b"new_york", b"new_york_city", b"rio_de_janeiro", b"la_la_land"} <= set(vocab.words)
    there = Counter(chain(*encoded(path, vocab)))
    assert {b"new_york_city", b"rio_de_janeiro"} <= set(there)
    joined = [line.split() for line in path.read_bytes().splitlines()]
    for span in range(2):
        joined = [naive_phrases.join(line, pairs(vocab, span)) for line in joined]
    wanted = Counter(chain(*joined))
    assert all(there[word] == wanted[word] for word in vocab.words)
    error = sum(abs(count - there[word]) for word, count in zip(vocab.words, vocab.counts.tolist(), strict=True))
    assert error < 0.02 * sum(there.values())


@pytest.mark.parametrize("passes", [1, 3])
def test_parts_that_are_merged_are_the_whole_text(passes: int, tmp_path: Path) -> None:
    text = planted_text(3)
    half = text.index(b"\n", len(text) // 2) + 1
    parts = [counted(tmp_path, part, passes)[1] for part in (text[:half], text[half:])]
    whole = counted(tmp_path, text, passes)[1]
    read = [Counts.from_bytes(part.to_bytes()) for part in parts]
    assert [part.to_bytes() for part in read] == [part.to_bytes() for part in parts]
    rule = PhraseRule(passes, 10.0, 5)
    frozen = {freeze(merge_counts(order), 1, 0, rule).digest for order in (read, read[::-1])}
    assert len(frozen) == 1
    if passes == 1:  # of longer grams those that are met once in a part do not leave it
        assert frozen == {freeze(whole, 1, 0, rule).digest}


def test_a_phrase_that_no_half_would_find_is_found_in_both(tmp_path: Path) -> None:
    rare = b"zig zag\n" * 4
    parts = [counted(tmp_path, planted_text(seed) + rare)[1] for seed in (4, 5)]
    rule = PhraseRule(1, 10.0, 5)
    assert not any(b"zig_zag" in set(freeze(part, 1, 0, rule).words) for part in parts)
    assert b"zig_zag" in set(freeze(merge_counts(parts), 1, 0, rule).words)


def test_rare_grams_do_not_leave_with_rare_words(tmp_path: Path) -> None:
    text = b"a b c\n" * 5 + b"b a\n" * 4 + b"d a b\n" * 2
    _, counts = counted(tmp_path, text, passes=2)
    offered = Counts.from_bytes(counts.at_least(5).to_bytes())
    names = list(offered.words)
    assert names == [b"a", b"b", b"c"]
    grams = offered.grams
    units = [*names]
    for left, right in zip(grams.left.tolist(), grams.right.tolist(), strict=True):
        units.append(units[left] + b" " + names[right])
    assert dict(zip(units[3:], grams.counts.tolist(), strict=True)) == {b"a b": 7, b"b c": 5, b"a b c": 5}


def test_counts_and_vocabularies_without_phrases_are_as_they_were(tmp_path: Path) -> None:
    path, counts = counted(tmp_path, planted_text(6))
    plain = count_words([path])
    assert plain.to_bytes().startswith(b"GWC1")
    assert counts.to_bytes().startswith(b"GWC2")
    assert freeze(plain, 5).to_bytes() == freeze(counts, 5, 0, PhraseRule(0)).to_bytes()
    assert freeze(counts, 5, 0, PhraseRule(1, 1e9)).to_bytes() == freeze(plain, 5).to_bytes()


def test_grams_are_bounded_and_the_loss_is_told(tmp_path: Path) -> None:
    path, counts = counted(tmp_path, planted_text(7))
    few = count_grams(count_words([path]), [path], 1, most=200)
    assert len(few.grams) <= 200 < len(counts.grams)
    assert few.grams.pruned > 0 == counts.grams.pruned
    Counts.from_bytes(few.to_bytes())


def test_a_vocabulary_whose_joins_are_wrong_is_refused(tmp_path: Path) -> None:
    _, counts = counted(tmp_path, b"hong kong x\nhong kong y\n" * 30)
    good = freeze(counts, 1, 0, PhraseRule(1, 0.05, 10))
    assert good.others
    data = good.to_bytes()
    joined = good.joins
    swapped = type(joined)(joined.right, joined.left, joined.joined, joined.passes)
    bad = [
        Vocab(good.words, good.counts, good.others, swapped).to_bytes(),
        data.replace(b"hong\nkong", b"kong\nhong"),
        data.replace(b"hong\nkong", b"hong\nhong"),
        data[:-1],
        data + b"\0",
        data[:40],
        b"GWV2",
    ]
    for each in bad:
        with pytest.raises(VocabError):
            Vocab.from_bytes(each)
    assert Vocab.from_bytes(data).digest == good.digest


def test_counts_with_bad_grams_are_refused(tmp_path: Path) -> None:
    _, counts = counted(tmp_path, b"a b c\n" * 9)
    data = counts.to_bytes()
    for bad in (data[:-1], data + b"\0", data[:20], b"GWC2", data.replace(b"a\nb", b"b\na")):
        with pytest.raises(VocabError):
            Counts.from_bytes(bad)
    assert not len(no_grams())
    assert np.array_equal(Counts.from_bytes(data).grams.counts, counts.grams.counts)
