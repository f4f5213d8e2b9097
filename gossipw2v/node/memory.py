"""How much memory a node needs, and whether there is so much."""

from __future__ import annotations

from gossipw2v.system.machine import available_memory
from gossipw2v.w2v.text.vocab import VocabError

MEMORY_SHARE = 0.8  # of what is available: the rest is for shards, exchanges and everybody else
PROCESS_BYTES = 300 << 20  # interpreter, compiler and libraries, measured
WORD_BYTES = 80  # a word's bytes, start and count, the blob that others may ask for, the index while text is encoded
LESS_MEMORY = "raise min_count, lower max_vocab, vector_size or children, or lift a limit (ulimit -v)"


def memory_needed(words: int, vector_size: int, links: int) -> int:
    """Bytes a node needs for `words` rows of two float32 matrices, their updates, and `links` references of both."""
    rows = 2 * words * (4 * vector_size + 8)
    return PROCESS_BYTES + words * WORD_BYTES + rows * (1 + links)


def explain_memory(words: int, vector_size: int, links: int) -> str:
    """The arithmetic of `memory_needed` in words, for `check_memory`."""
    return (
        f"2 x {words:,} rows x ({vector_size} floats of 4 bytes + 8) x (1 model + {links} links)"
        f" + {words:,} words x {WORD_BYTES} + {PROCESS_BYTES >> 20} MiB for the process"
    )


def check_memory(needed: int, arithmetic: str = "the model", available: int | None = None) -> None:
    """Raise VocabError if `needed` bytes are more than a fair share of what this process may take (or `available`)."""
    available = available_memory() if available is None else available
    if available is not None and needed > MEMORY_SHARE * available:
        raise VocabError(
            f"not enough memory: {arithmetic} = {_mib(needed)}, but {_mib(available)} are available, of which"
            f" {MEMORY_SHARE:.0%} may be used; {LESS_MEMORY}"
        )


def _mib(amount: int) -> str:
    return f"{amount / (1 << 20):,.0f} MiB"
