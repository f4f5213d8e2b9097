"""How phrases are told from words that stand next to each other by chance."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhraseRule:
    """`passes` of joining; two units are a phrase where they score above `threshold`.

    The score is (count of the pair - min_count) / (count of the left * count of the right) * entries, where `entries`
    are the different words and pairs of words.
    """

    passes: int = 0
    threshold: float = 0.0
    min_count: int = 5


NO_PHRASES = PhraseRule()
