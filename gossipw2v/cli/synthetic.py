"""A small made-up world that tells itself in sentences: text with planted structure, to judge a model by.

Every item of a relation (France and Paris, king and queen) has a *signature*, a few topical words that both
its sides share; every side of a relation has *markers*, words that all items of that side share (`city`,
`she`, `than`). The contexts of a word are the sum of the two, which is what makes `paris - france + italy`
land on `rome` (Pennington et al. 2014, section 3). The rest is filler with a Zipf distribution.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Rng = np.random.Generator


class Relation(NamedTuple):
    """One kind of analogy: its pairs, and the words that mark the left and the right side."""

    pairs: tuple[tuple[str, str], ...]
    left: tuple[str, ...]
    right: tuple[str, ...]


def _relation(pairs: str, left: str, right: str) -> Relation:
    halves = [pair.split("/") for pair in pairs.split()]
    return Relation(tuple((a, b) for a, b in halves), tuple(left.split()), tuple(right.split()))


RELATIONS = {
    "country-capital": _relation(
        "france/paris italy/rome spain/madrid germany/berlin england/london norway/oslo sweden/stockholm "
        "finland/helsinki denmark/copenhagen poland/warsaw austria/vienna hungary/budapest greece/athens "
        "turkey/ankara egypt/cairo kenya/nairobi ghana/accra japan/tokyo china/beijing india/delhi "
        "thailand/bangkok vietnam/hanoi nepal/kathmandu cuba/havana peru/lima chile/santiago canada/ottawa "
        "portugal/lisbon ireland/dublin scotland/edinburgh",
        "nation border government republic exports province flag treaty population coastline",
        "city mayor streets downtown square boulevard suburbs tram station cathedral",
    ),
    "singular-plural": _relation(
        "horse/horses dog/dogs bird/birds tree/trees stone/stones boat/boats wheel/wheels apple/apples "
        "lamp/lamps book/books chair/chairs knife/knives wolf/wolves leaf/leaves child/children mouse/mice "
        "goose/geese window/windows bottle/bottles basket/baskets letter/letters ring/rings rope/ropes "
        "hammer/hammers candle/candles mirror/mirrors coin/coins bell/bells bridge/bridges tower/towers",
        "a one every each this another single itself",
        "many several few these those both various themselves",
    ),
    "male-female": _relation(
        "king/queen man/woman boy/girl father/mother brother/sister son/daughter uncle/aunt nephew/niece "
        "husband/wife actor/actress prince/princess duke/duchess waiter/waitress grandfather/grandmother "
        "hero/heroine host/hostess lord/lady wizard/witch monk/nun steward/stewardess widower/widow "
        "groom/bride heir/heiress emperor/empress",
        "he his him himself beard sir",
        "she her hers herself gown madam",
    ),
    "adjective-comparative": _relation(
        "tall/taller short/shorter strong/stronger weak/weaker fast/faster slow/slower warm/warmer "
        "cold/colder bright/brighter dark/darker loud/louder quiet/quieter rich/richer poor/poorer "
        "young/younger old/older heavy/heavier light/lighter deep/deeper shallow/shallower sharp/sharper "
        "smooth/smoother clean/cleaner cheap/cheaper brave/braver calm/calmer good/better bad/worse "
        "kind/kinder proud/prouder",
        "very so too quite rather really extremely fairly",
        "than much even far still slightly considerably becoming",
    ),
}

TOPICS = {
    name: tuple(words.split())
    for name, words in {
        "sea": "wave tide harbour anchor sail captain island shore fish storm crew deck reef gull lighthouse",
        "music": "violin piano melody orchestra chorus drum singer concert rhythm flute opera tune guitar",
        "farming": "wheat plough harvest barn field cattle seed orchard meadow shepherd hay mill soil",
        "war": "army battle sword siege soldier fortress cannon victory shield general cavalry truce archer",
        "science": "theory experiment laboratory atom telescope formula planet energy proof measure orbit",
        "food": "bread butter cheese soup kitchen oven salt pepper honey feast spice dinner sugar recipe",
        "weather": "rain snow cloud thunder frost fog breeze sunshine hail drought flood winter summer",
        "trade": "merchant market price coinage gold silver silk debt profit bargain tax bank customer",
        "faith": "temple prayer priest altar pilgrim saint hymn blessing shrine sermon chapel incense relic",
        "games": "ball team score referee goal champion medal race stadium league match trophy athlete coach",
        "forest": "oak pine moss deer fox owl branch trail hunter berry fern squirrel beaver root timber",
        "craft": "loom thread needle weaver potter clay kiln carpenter saw chisel blacksmith anvil forge",
        "health": "doctor nurse fever medicine hospital wound patient surgeon herb cure pulse bandage",
        "law": "judge court jury verdict trial witness lawyer crime prison evidence statute appeal sentence",
    }.items()
}

_FUNCTION_WORDS = (
    "the of and in to was is for as on with by at from that it an be had were which or are not but have they "
    "who been would their there when what all if more after also its into no about up could only then some "
    "other over such our between where before through during under while again against"
)
FUNCTION_WORDS = tuple(_FUNCTION_WORDS.split())

_RARE_WORDS = 6000
_SIGNATURE = 10  # topical words that both sides of a pair share
_MARKERS = 10  # places for the markers of a side; short lists repeat
_ROWS = 4096  # sentences drawn at a time
_SHORTEST, _LONGEST = 7, 15  # words in a sentence
_TABLE = 1 << 18  # entries of a lottery
_ABOUT_TOPICS = 0.25  # share of the sentences that are about a topical word, not about an item
# What a place in a sentence holds. The last two are noise: without it every analogy would come out.
_KINDS = ("filler", "signature", "marker", "any topic", "any marker")
_SHARES = (0.50, 0.10, 0.05, 0.20, 0.15)


class World:
    """The world of one seed: the same words, signatures and analogies however much text is drawn from it."""

    def __init__(self, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self._words: list[str] = []
        filler = self._add(FUNCTION_WORDS + _coin(rng, _RARE_WORDS, _named()))
        self._filler = filler[_lottery(_zipf(len(filler)))]
        self._topical = [self._add(words) for words in TOPICS.values()]
        self._subjects, self._signatures, self._markers, chances = self._plant(rng, filler[:_MARKERS])
        self._chances = _lottery(chances)

    def analogies(self) -> list[tuple[str, str, str, str, str]]:
        """All planted questions `(kind, a, b, c, d)`: a is to b as c is to d."""
        return [
            (kind, *first, *second)
            for kind, relation in RELATIONS.items()
            for first, second in itertools.permutations(relation.pairs, 2)
        ]

    def sentences(self, count: int, seed: int) -> Iterator[str]:
        """`count` sentences of 7 to 15 words, no line ends; another seed, other sentences, the same world."""
        rng = np.random.default_rng(seed)
        for start in range(0, count, _ROWS):
            yield from self._tell(rng, min(_ROWS, count - start))

    def _add(self, words: tuple[str, ...]) -> Ids:
        first = len(self._words)
        self._words.extend(words)
        return np.arange(first, len(self._words), dtype=np.int32)

    def _plant(self, rng: Rng, plain: Ids) -> tuple[Ids, Ids, Ids, Floats]:
        """Every word a sentence can be about: its id, its signature, its markers, its chance to be chosen."""
        each = _ABOUT_TOPICS / sum(map(len, self._topical))
        rows = [
            (word, np.resize(rng.permutation(topic), _SIGNATURE), plain, each)
            for topic in self._topical
            for word in topic
        ]
        for relation in RELATIONS.values():
            sides = [np.resize(self._add(side), _MARKERS) for side in (relation.left, relation.right)]
            share = _zipf(len(relation.pairs)) * (1 - _ABOUT_TOPICS) / len(RELATIONS) / 2
            for pair, chance in zip(relation.pairs, rng.permutation(share), strict=True):
                signature, ids = self._signature(rng), self._add(pair)
                rows += [(word, signature, side, chance) for word, side in zip(ids, sides, strict=True)]
        subjects, signatures, markers, chances = zip(*rows, strict=True)
        return np.array(subjects), np.array(signatures), np.array(markers), np.array(chances)

    def _signature(self, rng: Rng) -> Ids:
        """Words of two topics: no two items are alike, yet items that share a topic are near each other."""
        home, other = rng.choice(len(self._topical), 2, replace=False)
        most = rng.choice(self._topical[home], _SIGNATURE - 4, replace=False)
        return np.concatenate([most, rng.choice(self._topical[other], 4, replace=False)])

    def _tell(self, rng: Rng, rows: int) -> Iterator[str]:
        lengths = rng.integers(_SHORTEST, _LONGEST + 1, rows).tolist()
        words = self._words
        for row, length in zip(self._compose(rng, rows).tolist(), lengths, strict=True):
            yield " ".join([words[word] for word in row[:length]])

    def _compose(self, rng: Rng, rows: int) -> Ids:
        """Word ids [rows, longest]: the subject, a marker before it, and words of every kind around them."""
        shape = (rows, _LONGEST)
        about = self._chances[rng.integers(_TABLE, size=rows)][:, None]
        stranger = self._chances[rng.integers(_TABLE, size=shape)]
        drawn = {
            "filler": self._filler[rng.integers(_TABLE, size=shape)],
            "signature": self._signatures[about, rng.integers(_SIGNATURE, size=shape)],
            "marker": self._markers[about, rng.integers(_MARKERS, size=shape)],
            "any topic": self._signatures[stranger, rng.integers(_SIGNATURE, size=shape)],
            "any marker": self._markers[stranger, rng.integers(_MARKERS, size=shape)],
        }
        kinds = rng.choice(len(_KINDS), size=shape, p=_SHARES)
        ids = np.choose(kinds, [drawn[kind] for kind in _KINDS])
        ids[:, 1] = drawn["marker"][:, 1]
        ids[:, 2] = self._subjects[about[:, 0]]
        return ids


def _zipf(count: int) -> Floats:
    """Shares that fall with the rank, as word frequencies do; they sum to 1."""
    shares = 1 / np.arange(1, count + 1)
    return np.asarray(shares / shares.sum())


def _lottery(shares: Floats) -> Ids:
    """A table of `_TABLE` entries holding every index in proportion to its share: one lookup is one draw."""
    bounds = np.cumsum(shares)
    places = np.linspace(0, bounds[-1], _TABLE, endpoint=False)
    return np.searchsorted(bounds, places, side="right").astype(np.int32)


def _named() -> set[str]:
    """Every word that has a part in the world, so that no coined word is one of them."""
    named = {*FUNCTION_WORDS}.union(*TOPICS.values())
    for left, right, *pairs in ((r.left, r.right, *r.pairs) for r in RELATIONS.values()):
        named.update(left, right, *pairs)
    return named


def _coin(rng: Rng, count: int, taken: set[str]) -> tuple[str, ...]:
    """`count` pronounceable words of two or three syllables, none of them in `taken`."""
    onsets = (
        "b",
        "br",
        "d",
        "dr",
        "f",
        "g",
        "gl",
        "h",
        "k",
        "l",
        "m",
        "n",
        "p",
        "r",
        "s",
        "st",
        "t",
        "tr",
        "v",
    )
    syllables = [onset + vowel + coda for onset in onsets for vowel in "aeiou" for coda in ("", "n", "r")]
    coined: dict[str, None] = {}
    while len(coined) < count:
        word = "".join(rng.choice(syllables, rng.integers(2, 4)))
        if word not in taken:
            coined[word] = None
    return tuple(coined)
