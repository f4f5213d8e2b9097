"""What is selected of a model to be written."""

import numpy as np

from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors.selection import Selection, select


def test_the_most_frequent_words_are_found_by_counts_where_they_are_not_the_first() -> None:
    words, rows = Words.of([b"a", b"b", b"c"]), np.arange(6, dtype=np.float32).reshape(3, 2)
    kept, found = select(words, (rows,), Selection(top=2), counts=np.array([5, 1, 3]))
    assert list(kept) == [b"a", b"c"]
    assert np.array_equal(found[slice(0, 2)], rows[[0, 2]])
