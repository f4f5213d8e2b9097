"""What nodes say of each other: whether two of them train the same."""

from hypothesis import given
from hypothesis import strategies as st
from support.samples import DIGEST, repeatable

from gossipw2v.gossip.records import Portion


@repeatable()
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_portions_overlap_where_a_hash_falls_into_both(parts: int, others: int, data: st.DataObject) -> None:
    one = Portion(DIGEST, data.draw(st.integers(1, parts)), parts)
    other = Portion(DIGEST, data.draw(st.integers(1, others)), others)
    dealt = [number % parts == one.part - 1 and number % others == other.part - 1 for number in range(parts * others)]
    assert one.overlaps(other) == other.overlaps(one) == any(dealt)


def test_portions_of_other_files_do_not_overlap() -> None:
    assert Portion(DIGEST).overlaps(Portion(DIGEST, 2, 3))
    assert not Portion(DIGEST).overlaps(Portion(b"other" + DIGEST[5:]))
