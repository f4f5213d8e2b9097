"""JSON lines: every text comes out as it was put in, in whatever pieces it is read, and lines without are counted."""

import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import repeatable

from gossipw2v.w2v.text.blocks import Tally, TextReader, read_blocks
from gossipw2v.w2v.text.damage import Damage
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.finding.find import find
from gossipw2v.w2v.text.sources import jsonl, records
from gossipw2v.w2v.text.sources.form import JSONL, Form
from gossipw2v.w2v.text.sources.jsonl import jsonl_text
from gossipw2v.w2v.text.sources.records import LeftOut
from gossipw2v.w2v.text.vocab import count_words

FORM = Form(kind=JSONL, field="text")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
values = texts | st.lists(texts, max_size=5)


def words_of(value: object) -> list[bytes]:
    """The words that a value stands for, said another way than the reader does."""
    if isinstance(value, str):
        return value.encode().split()
    assert isinstance(value, list)
    return [b"_".join(word.encode().split()) for word in value if word.encode().split()]


def read(data: bytes, field: str = "text") -> tuple[bytes, LeftOut]:
    left_out = LeftOut()
    return b"".join(jsonl_text(io.BytesIO(data), field, left_out)), left_out


@given(st.lists(values, min_size=1), st.booleans(), st.integers(1, 64), st.integers(1, 50))
@repeatable()
def test_the_words_are_those_that_were_put_in(
    tmp_path_factory: pytest.TempPathFactory, given: list[object], ascii_only: bool, block: int, piece: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "text.jsonl"
    lines = [json.dumps({"id": n, "text": value}, ensure_ascii=ascii_only) + "\n" for n, value in enumerate(given)]
    path.write_text("".join(lines), "utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "PIECE_BYTES", piece)
        found = b"".join(b.data for b in read_blocks(path, block, FORM)).split()
    assert found == [word for value in given for word in words_of(value)]


def test_a_text_a_list_and_a_path_of_names() -> None:
    lines = [
        {"text": "one two", "doc": {"body": "three"}},
        {"text": ["New York", " four "], "doc": {"body": "five"}, "doc.body": "six"},
    ]
    data = "\ufeff".encode() + b"\n".join(json.dumps(line).encode() for line in lines)
    assert read(data)[0] == b"one two\nNew_York four\n"
    assert read(data, "doc.body")[0] == b"three\nsix\n"


def test_lines_without_text_are_counted_and_the_first_is_named() -> None:
    good = b'{"text": "one two"}\n' * 1000
    bad = [b"no json", b"[1]", b"{}", b'{"text": 7}', b'{"text": [1]}', b'{"text": null, "a": 1}', b"[" * 10_000]
    text, left_out = read(good + b"\n".join(bad) + b"\n\n" + good)
    assert text == b"one two\n" * 2000
    assert (left_out.read, left_out.bad) == (2007, 7)
    assert "line 1,001, which is no JSON: 'no json'" in str(left_out)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{}", "has no 'text', but nothing"),
        (b'{"content": "one"}', "has no 'text', but 'content'"),
        (b'{"text": 7}', "neither text nor a list"),
        (b'"text"', "no JSON object"),
        (b"x" * 100, "no JSON: 'x+'\\.\\.\\."),
    ],
)
def test_a_file_of_which_too_much_has_no_text_is_refused(line: bytes, why: str, tmp_path: Path) -> None:
    for data in (line, (line + b"\n") * 20 + b'{"text": "a b"}\n' * 1000, (line + b"\n") * 5000):
        path = tmp_path / "text.jsonl"
        path.write_bytes(data)
        with pytest.raises(CorpusError, match=f"text.jsonl: .*hold no text.*line 1, which .*{why}"):
            count_words([path], TextReader(1, form=FORM))


def test_a_wrong_field_is_told_before_a_large_file_has_ended() -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
            line = b'{"other": "text"}\n'
            buffer[: len(line)] = line
            return len(line)

    with pytest.raises(ValueError, match="1,000 of 1,000 lines"):
        list(jsonl_text(io.BufferedReader(Endless()), "text", LeftOut()))


def test_a_line_without_end_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MOST_BYTES", 100)
    long = json.dumps({"text": "x" * 1000}).encode()
    exact = json.dumps({"text": "y" * 87}).encode()
    assert len(exact) == 99
    text, left_out = read(long + b"\n" + exact + b"\n" + long)
    assert text.split() == [b"y" * 87]
    assert (left_out.read, left_out.bad) == (3, 2)


def test_damaged_bytes_and_lone_surrogates_are_counted_as_damage(tmp_path: Path) -> None:
    path, told = tmp_path / "text.jsonl.gz", list[Damage]()
    lines = [b'{"text": "\xff one"}', rb'{"text": "\ud800 \u0000"}', b"{}", *[b'{"text": "two two"}'] * 100]
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    assert find([str(path)], FORM).files == [path]
    tally = Tally()
    list(TextReader(1, form=FORM, on_damage=told.append).run([path], len, tally))
    assert tally.replaced == 3
    (file,) = told
    assert file.replaced == 3
    assert file.left_out.bad == 1


def test_another_encoding_is_decoded_first(tmp_path: Path) -> None:
    path = tmp_path / "text.jsonl"
    path.write_text('{"text": "größer"}\n', "utf-16")
    form = Form("utf-16", JSONL, "text")
    assert list(count_words([path], TextReader(1, form=form)).words) == ["größer".encode()]
