"""Parquet files of the library that owns the format, read column by column in bounded memory."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import repeatable

from gossipw2v.w2v.text.blocks import TextReader, read_blocks
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.finding.find import find, find_files
from gossipw2v.w2v.text.sources import parquet
from gossipw2v.w2v.text.sources.form import PARQUET, Form
from gossipw2v.w2v.text.vocab import count_words

WORDS = [["one", "New York"], [], ["two", ""], None, ["three"]]
COLUMNS = {
    "text": pa.array(["one two", "three\nfour", None, "", "größer"]),
    "large": pa.array(["one two", "three\nfour", None, "", "größer"], pa.large_string()),
    "kinds": pa.array(["one two", "three\nfour", None, "", "größer"]).dictionary_encode(),
    "words": pa.array(WORDS),
    "large_words": pa.array(WORDS, pa.large_list(pa.large_string())),
    "number": pa.array(range(5)),
    "numbers": pa.array([[1], [2], [3], [4], [5]]),
}


def form(column: str) -> Form:
    return Form(kind=PARQUET, field=column)


def read(path: Path, column: str) -> bytes:
    return b"".join(block.data for block in read_blocks(path, form=form(column)))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(COLUMNS), path, row_group_size=2)
    return path


@pytest.mark.parametrize("column", ["text", "large", "kinds"])
def test_strings_are_texts(table: Path, column: str) -> None:
    assert read(table, column).decode() == "one two\nthree\nfour\n\ngrößer\n\n"


@pytest.mark.parametrize("column", ["words", "large_words"])
def test_lists_of_strings_are_sentences(table: Path, column: str) -> None:
    assert read(table, column) == b"one New_York\n\ntwo\nthree\n\n"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=20)
SPACES = b" \t\n\r\v\f"
SPACE = re.compile(rb"[ \t\n\r\v\f]")
TEXTS = [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
LISTS = [make(kind) for make in (pa.list_, pa.large_list) for kind in TEXTS]


@given(st.lists(st.none() | texts), st.sampled_from(TEXTS), st.integers(1, 5), st.integers(1, 5))
@repeatable(40)
def test_every_row_of_strings_comes_out_a_line_each(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str | None], kind: pa.DataType, group: int, batch: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "table.parquet"
    pq.write_table(pa.table({"text": pa.array(rows, pa.string()).cast(kind)}), path, row_group_size=group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "MOST_BATCH_ROWS", batch)
        found = read(path, "text")
    assert found == b"".join(row.encode() + b"\n" for row in rows if row is not None) + b"\n"


@given(st.lists(st.none() | st.lists(st.none() | texts)), st.sampled_from(LISTS), st.integers(1, 5), st.integers(1, 5))
@repeatable(40)
def test_every_list_comes_out_a_sentence(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str | None] | None],
    kind: pa.DataType,
    group: int,
    batch: int,
) -> None:
    path = tmp_path_factory.mktemp("text") / "table.parquet"
    pq.write_table(pa.table({"text": pa.array(rows, pa.list_(pa.string())).cast(kind)}), path, row_group_size=group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "MOST_BATCH_ROWS", batch)
        found = [line.split() for line in read(path, "text").split(b"\n")]
    words = [[SPACE.sub(b"_", (word or "").encode().strip(SPACES)) for word in row] for row in rows if row is not None]
    assert found[:-2] == [[word for word in row if word] for row in words]


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("number", "column 'number' is no text, but int64; those of text are 'text', 'large', "),
        ("numbers", "column 'numbers' is no text, but list<element: int64>"),
        ("content", "has no column of text 'content'; those of text are 'text'"),
    ],
)
def test_a_column_that_is_no_text_is_refused_with_those_that_are(table: Path, column: str, why: str) -> None:
    with pytest.raises(CorpusError, match=f"table.parquet: {why}"):
        count_words([table], TextReader(1, form=form(column)))


def test_what_is_no_parquet_or_is_damaged_is_refused(table: Path, tmp_path: Path) -> None:
    whole = table.read_bytes()
    other = tmp_path / "other.parquet"
    damaged = bytearray(whole)
    damaged[60:90] = bytes(30)
    for data, why in {
        b"id,text\n1,one\n": "is no Parquet file",
        gzip.compress(whole): "is no Parquet file",
        whole[:-20]: "is damaged, or is no Parquet",
        whole[:8]: "is damaged, or is no Parquet",
        bytes(damaged): "is damaged behind row 0",
    }.items():
        other.write_bytes(data)
        with pytest.raises(CorpusError, match=f"other.parquet: {why}"):
            read(other, "text")


def test_parquet_that_nobody_asked_for_names_the_setting(table: Path) -> None:
    with pytest.raises(CorpusError, match=r"table.parquet: is Parquet: say --parquet COLUMN"):
        find_files([str(table)])
    assert find([str(table)], form("text")).files == [table]


def test_what_lies_beside_parquet_is_left_out_and_a_wrong_column_told_at_once(table: Path) -> None:
    (table.parent / "_metadata").write_bytes(b"PAR1")
    (table.parent / "_committed_123").write_text("{}")
    assert find([str(table.parent)], form("text")).files == [table]
    with pytest.raises(CorpusError, match=r"table.parquet: column 'number' is no text"):
        find([str(table.parent)], form("number"))
    (table.parent / "README").write_text("about the table")
    with pytest.raises(CorpusError, match="README: is no Parquet file"):
        find([str(table.parent)], form("text"))


def test_progress_never_goes_back(table: Path) -> None:
    pq.write_table(pa.table({"text": [f"{n} " * 100 for n in range(50_000)]}), table)
    seen: list[int] = []
    reader = TextReader(1, lambda done, _: seen.append(done), block_bytes=1000, form=form("text"))
    count_words([table], reader)
    assert seen == sorted(seen)
    assert seen[-1] == table.stat().st_size
    assert len(set(seen)) > 5


def test_without_the_library_one_sentence_says_how_to_get_it(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CorpusError, match=r"table.parquet: Parquet needs .*pyarrow: pip install 'gossipw2v\[data\]'"):
        read(table, "text")


LARGE = """
import resource, sys
from pathlib import Path
from gossipw2v.w2v.text.blocks import read_blocks
from gossipw2v.w2v.text.sources import parquet
from gossipw2v.w2v.text.sources.form import PARQUET, Form
size, before = 0, 0
for block in read_blocks(Path(sys.argv[1]), form=Form(kind=PARQUET, field="text")):
    before = before or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size += len(block.data)
print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_one_large_row_group_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path, text = tmp_path / "large.parquet", " ".join(str(n * n) for n in range(10_000))
    rows = [f"{n} {text}" for n in range(3000)]
    pq.write_table(pa.table({"text": rows}), path, use_dictionary=False, row_group_size=10_000)
    assert pq.ParquetFile(path).num_row_groups == 1
    done = subprocess.run([sys.executable, "-c", LARGE, path], capture_output=True, text=True, check=True)
    size, grown = map(int, done.stdout.split())
    assert size > 200 << 20
    assert grown < 100 << 10  # KiB
