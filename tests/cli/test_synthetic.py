"""The generated world: seeded, Zipfian, and with the structure that its analogies ask about."""

import itertools
from collections import Counter

import pytest

from gossipw2v.cli.synthetic import FUNCTION_WORDS, RELATIONS, TOPICS, World


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7)


def test_the_same_seeds_tell_the_same_sentences(world: World) -> None:
    assert list(World(seed=7).sentences(500, seed=3)) == list(world.sentences(500, seed=3))


def test_another_seed_tells_other_sentences_of_the_same_world(world: World) -> None:
    one, two = (set(world.sentences(5000, seed)) for seed in (1, 2))
    assert len(one & two) < 5
    known = {word for line in one for word in line.split()}
    frequent = Counter(word for line in two for word in line.split()).most_common(500)
    assert all(word in known for word, _ in frequent)


def test_another_world_has_other_signatures_and_the_same_analogies(world: World) -> None:
    other = World(seed=8)
    assert other.analogies() == world.analogies()
    assert list(other.sentences(50, seed=1)) != list(world.sentences(50, seed=1))


def test_sentences_are_lines_of_7_to_15_plain_words(world: World) -> None:
    for line in world.sentences(2000, seed=1):
        words = line.split(" ")
        assert 7 <= len(words) <= 15
        assert all(word.isascii() and word.isalpha() and word.islower() for word in words)


@pytest.mark.parametrize("count", [0, 1, 4096, 4097])
def test_exactly_as_many_sentences_as_asked_for(world: World, count: int) -> None:
    assert sum(1 for _ in world.sentences(count, seed=1)) == count


def test_sentences_stream() -> None:
    endless = World(seed=1).sentences(10**15, seed=1)
    assert len(list(itertools.islice(endless, 5000))) == 5000


def test_no_word_has_two_parts_in_the_world() -> None:
    planted = Counter(word for relation in RELATIONS.values() for pair in relation.pairs for word in pair)
    planted.update(word for topic in TOPICS.values() for word in topic)
    assert [word for word, times in planted.items() if times > 1] == []
    markers = {word for relation in RELATIONS.values() for word in (*relation.left, *relation.right)}
    assert not planted.keys() & (markers | set(FUNCTION_WORDS))


def test_word_frequencies_fall_as_zipf_says(world: World) -> None:
    counts = Counter(word for line in world.sentences(50_000, seed=1) for word in line.split())
    of_rank = [0, *(counts[word] for word in FUNCTION_WORDS)]  # the first ten are markers too
    assert of_rank[11] == pytest.approx(2 * of_rank[22], rel=0.15)
    assert of_rank[11] == pytest.approx(5 * of_rank[55], rel=0.25)
    assert sum(1 for count in counts.values() if count < 10) > 1000  # a long tail


def test_every_planted_word_is_told_of_often_enough_to_be_learned(world: World) -> None:
    counts = Counter(word for line in world.sentences(30_000, seed=1) for word in line.split())
    asked = {word for _, *question in world.analogies() for word in question}
    assert min(counts[word] for word in asked) >= 5


def test_both_sides_of_a_pair_keep_the_same_company(world: World) -> None:
    """What is planted: `france` shares topical words with `paris`, not with `tokyo`."""
    topical = {word for topic in TOPICS.values() for word in topic}
    company: dict[str, Counter[str]] = {"france": Counter(), "paris": Counter(), "tokyo": Counter()}
    for line in world.sentences(200_000, seed=1):
        words = line.split()
        if words[2] in company:
            company[words[2]].update(word for word in words if word in topical)
    strongest = {word: {w for w, _ in counts.most_common(10)} for word, counts in company.items()}
    assert len(strongest["france"] & strongest["paris"]) >= 6
    assert len(strongest["paris"] & strongest["tokyo"]) <= 5


def test_questions_are_all_ordered_pairs_of_pairs(world: World) -> None:
    questions = world.analogies()
    assert ("country-capital", "france", "paris", "italy", "rome") in questions
    assert ("male-female", "king", "queen", "man", "woman") in questions
    assert len(questions) == len(set(questions)) == sum(len(r.pairs) * (len(r.pairs) - 1) for r in RELATIONS.values())
