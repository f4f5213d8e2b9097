"""What can be asked of /export comes back as it was asked, and nothing else passes."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import repeatable

from gossipw2v.status.query import MOST_TOP, ExportRequest, parse
from gossipw2v.w2v.vectors.formats import MATRICES


@repeatable()
@given(st.booleans(), st.sampled_from(MATRICES), st.none() | st.integers(1, MOST_TOP))
def test_a_request_comes_back_as_it_was(binary: bool, matrix: str, top: int | None) -> None:
    asked = ExportRequest(binary, matrix, top)
    assert parse(parse_qsl(urlsplit(asked.path()).query)) == asked


def test_the_plain_request_is_what_every_version_knows() -> None:
    assert ExportRequest().path() == "/export"
    assert parse([]) == ExportRequest()


@pytest.mark.parametrize(
    "query",
    ["format=npy", "format=", "matrix=both", "top=0", "top=-1", "top=1.5", "top=²", f"top={MOST_TOP + 1}", "top=1" * 2,
     "top=1&top=2", "words=x", "FORMAT=binary", "top=" + "9" * 5000],
)  # fmt: skip
def test_anything_else_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match=r"none of|no number|unknown or there twice") as error:
        parse(parse_qsl(query, keep_blank_values=True))
    assert len(str(error.value)) < 200


@repeatable()
@given(st.lists(st.tuples(st.sampled_from(["format", "matrix", "top", "x"]), st.text(max_size=20))))
def test_whatever_is_asked_is_understood_or_refused(query: list[tuple[str, str]]) -> None:
    try:
        asked = parse(query)
    except ValueError:
        return
    assert asked.matrix in MATRICES
    assert asked.top is None or 1 <= asked.top <= MOST_TOP
