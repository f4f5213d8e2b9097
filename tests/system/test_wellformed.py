"""Text with lone surrogates becomes text that can be encoded; all other text stays."""

from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.system.wellformed import well_formed


def test_each_byte_that_is_no_utf8_is_replaced():
    assert well_formed("latin-\udce4\udcf6 日本 \U0001f600") == "latin-\ufffd\ufffd 日本 \U0001f600"


@given(st.text(st.characters(codec=None)))
def test_whatever_comes_can_be_encoded_and_its_characters_stay(text):
    shown = well_formed(text)
    assert shown.encode().decode() == shown
    pairs = zip(text, shown, strict=True)
    assert all(one == other or (other == "\ufffd" and "\ud800" <= one <= "\udfff") for one, other in pairs)
