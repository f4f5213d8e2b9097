"""CSV: every cell comes out as the library that owns the format wrote it, in whatever pieces it is read."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import repeatable

from gossipw2v.w2v.text.blocks import TextReader, read_blocks
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.sources import records, tables
from gossipw2v.w2v.text.sources.errors import SourceError
from gossipw2v.w2v.text.sources.form import CSV, Form
from gossipw2v.w2v.text.sources.records import LeftOut
from gossipw2v.w2v.text.sources.tables import csv_text
from gossipw2v.w2v.text.vocab import count_words

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def written(rows: list[list[str]], delimiter: str = ",") -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue().encode()


def read(data: bytes, column: str = "text") -> bytes:
    return b"".join(csv_text(io.BytesIO(data), column, LeftOut()))


@given(st.lists(st.tuples(cells, cells), min_size=4), st.sampled_from(",\t;"), st.integers(1, 64), st.integers(1, 50))
@repeatable()
def test_the_words_are_those_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, given: list[tuple[str, str]], delimiter: str, block: int, piece: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "text.csv"
    rows = [["number", "text", "note"], *([str(n), text, note] for n, (text, note) in enumerate(given))]
    path.write_bytes(written(rows, delimiter))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "PIECE_BYTES", piece)
        found = b"".join(b.data for b in read_blocks(path, block, Form(kind=CSV, field="text")))
    assert found.split() == [word for text, _ in given for word in text.encode().split()]


def test_quotes_and_newlines_in_quotes() -> None:
    data = b'id,text\r\n1,"one, ""two""\nthree"\r\n2,four\r\n'
    assert read(data) == b'one, "two"\nthree\nfour\n'


def test_a_column_by_its_name_or_number() -> None:
    data = "\ufeffid;text;Größe\n1;one two;3\n2;four five;6\n".encode()
    assert read(data, "Größe") == b"3\n6\n"
    assert read(data, "id") == b"1\n2\n"
    assert read(data, "2") == b"text\none two\nfour five\n"
    assert read(b"one\ntwo\n", "1") == b"one\ntwo\n"
    for column, why in (("words", "no column 'words'; its first row is 'id', 'text'"), ("4", "no column 4, but 3")):
        with pytest.raises(SourceError, match=why):
            read(data, column)


def test_what_separates_cells_is_found_out() -> None:
    assert read(b"id\ttext\n1\tone, two, three\n2\tfour, five\n") == b"one, two, three\nfour, five\n"
    assert read(b"id,text\n1,one; two; three\n2,four\n") == b"one; two; three\nfour\n"


def test_rows_of_other_widths_are_counted_and_too_many_refused(tmp_path: Path) -> None:
    path, told = tmp_path / "text.csv", list[str]()
    form = Form(kind=CSV, field="text")
    reader = TextReader(1, form=form, on_damage=lambda file: told.append(str(file.left_out)))
    path.write_bytes(b"id,text\n" + b"1,a b\n" * 500 + b"1,2,a b\n" * 16 + b"\n" + b"1,a b\n" * 500)
    assert count_words([path], reader).tokens == 2000
    assert told == ["16 of 1,016 rows hold no text: the first is row 502, which has 3 cells and not 2: '1'"]
    path.write_bytes(b"id,text\n" + b"1,a b\n" * 500 + b"1,2,a b\n" * 17)
    with pytest.raises(CorpusError, match=r"text.csv: 17 of 517 rows"):
        count_words([path], reader)


def test_a_quote_that_does_not_end_is_an_error_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    before = csv.field_size_limit(1000)
    try:
        with pytest.raises(SourceError, match=r"behind row 2 it is no CSV: .*quote"):
            read(b'id,text\n1,one\n2,"two\n' + b"3,three\n" * 1000)
    finally:
        csv.field_size_limit(before)
    assert before == records.MOST_BYTES
    monkeypatch.setattr(tables, "MOST_BYTES", 100)
    with pytest.raises(SourceError, match="a line is longer"):
        read(b"id,text\n1," + b"x" * 200)
