"""Bounds hold what is inside and at them, and nothing else."""

from dataclasses import dataclass, fields

import pytest

from gossipw2v.config.fields import Between, OneOf, setting


@pytest.mark.parametrize(
    ("value", "inside"), [(1, True), (255, True), (0, False), (255.5, False), (float("nan"), False)]
)
def test_bounds_are_included_and_not_a_number_is_outside(value, inside):
    if inside:
        Between(1, 255)(value)
    else:
        with pytest.raises(ValueError, match="out of bounds: 1 to 255"):
            Between(1, 255)(value)


def test_a_long_wrong_word_is_cut():
    OneOf(("text", "json"))("json")
    with pytest.raises(ValueError, match=r"^'x{80}' is none of text, json$"):
        OneOf(("text", "json"))("x" * 1000)


def test_a_setting_is_a_field_that_says_what_it_is():
    @dataclass
    class Some:
        one: int = setting(3, Between(1, 5), "words", "does this", "that is why")

    (one,) = fields(Some)
    assert Some().one == 3
    assert dict(one.metadata) == {"check": Between(1, 5), "unit": "words", "does": "does this", "reason": "that is why"}
