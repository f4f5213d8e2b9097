"""Answers in JSON: the same whether or not a value holds what JSON does not have."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.status.responses import encoded, plain

TEXT = st.text(st.characters(codec=None) | st.sampled_from(["\ud800", "\udfff", "\U0001f600", "\\", "u", "d"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_any_value_becomes_json_that_every_reader_takes(value: Any) -> None:
    told = encoded(value)
    assert told == json.dumps(plain(value), allow_nan=False).encode()
    json.dumps(json.loads(told), ensure_ascii=False).encode()  # there is no half of a character in it


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), b"null"),
        ([1.5, float("-inf")], b"[1.5, null]"),
        ({"a\ud800": "\udfff"}, b'{"a\\ufffd": "\\ufffd"}'),
        ("\U0001f600", b'"\\ud83d\\ude00"'),
        (MappingProxyType({"a": (1, None)}), b'{"a": [1, null]}'),
    ],
)
def test_what_json_does_not_have_is_null_or_a_mark(value: Any, told: bytes) -> None:
    assert encoded(value) == told
