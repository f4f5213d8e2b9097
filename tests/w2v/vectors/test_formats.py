"""Every format is read back, bit for bit, by the library that owns it, and by this program where it reads it at all."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from support.samples import repeatable
from support.vector_files import chosen, save, some_rows, some_words

from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors import formats as table
from gossipw2v.w2v.vectors.files import opened, read_vectors, write
from gossipw2v.w2v.vectors.formats import MissingLibraryError, choose, formats
from gossipw2v.w2v.vectors.selection import SelectedRows, Selection, select
from gossipw2v.w2v.vectors.table import ExportError

READABLE = ["v.txt", "v.vec", "v.bin", "v.txt.gz", "v.txt.zst", "v.bin.gz", "v.bin.zst", "v.npy", "v.safetensors",
            "v.parquet", "vectors.tsv", "wiki.tsv"]  # fmt: skip
HALVES = ["v.txt", "v.npy", "v.safetensors", "v.parquet", "v.tsv"]
WORDS, ROWS = some_words(), some_rows()
TEXTS = [word.decode() for word in WORDS]


# -- this program reads what it has written ----------------------------------------------------------------------


@pytest.mark.parametrize("name", READABLE)
def test_a_format_that_is_read_gives_every_bit_back(name: str, tmp_path: Path) -> None:
    read = read_vectors(save(tmp_path / name, WORDS, ROWS))
    assert read.words == WORDS
    assert read.rows.dtype == np.float32
    assert read.rows.tobytes() == ROWS.tobytes()


@repeatable(8)
@given(arrays(np.uint32, (3, 2)).map(lambda bits: bits.view(np.float32)))
@pytest.mark.parametrize("name", READABLE)
def test_every_finite_number_comes_back(name: str, tmp_path_factory: Any, rows: np.ndarray) -> None:
    rows = np.where(np.isfinite(rows), rows, np.float32(-0.0))
    path = save(tmp_path_factory.mktemp("v") / name, some_words(3), rows)
    assert read_vectors(path).rows.tobytes() == rows.tobytes()


@pytest.mark.parametrize("name", HALVES)
def test_half_precision_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    rows = every[np.isfinite(every)].reshape(-1, 31 * 2)[:, :4]
    read = read_vectors(save(tmp_path / name, some_words(len(rows)), rows))
    assert read.rows.astype(np.float16).tobytes() == rows.tobytes()


@pytest.mark.parametrize("name", ["v.npy", "v.safetensors"])
def test_bare_numbers_are_mapped_and_not_copied(name: str, tmp_path: Path) -> None:
    read = read_vectors(save(tmp_path / name, WORDS, ROWS))
    assert read.mapping is not None
    read.release()
    assert read.rows.tobytes() == ROWS.tobytes()


@pytest.mark.parametrize("name", [*READABLE, "v.usearch"])
def test_the_same_vectors_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    one, other = (
        save(tmp_path / folder / name, WORDS, ROWS) for folder in ("a", "b") if not (tmp_path / folder).mkdir()
    )
    assert one.read_bytes() == other.read_bytes()


# -- so do others ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz", "v.bin", "v.bin.gz"])
def test_gensim_reads_word2vec_in_all_its_forms(name: str, tmp_path: Path) -> None:
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    save(tmp_path / name, WORDS, ROWS)
    loaded = keyed.load_word2vec_format(str(tmp_path / name), binary=".bin" in name)
    assert loaded.index_to_key == TEXTS
    assert loaded.vectors.tobytes() == ROWS.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gensim_loads_its_own_format(tmp_path: Path, dtype: str) -> None:
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    rows = ROWS.astype(dtype)
    loaded = keyed.load(str(save(tmp_path / "v.kv", WORDS, rows)))
    assert (loaded.index_to_key, loaded.vectors.dtype) == (TEXTS, rows.dtype)
    assert loaded.vectors.tobytes() == rows.tobytes()
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    assert loaded.most_similar("the", topn=1)[0][0] == TEXTS[np.argsort(-(unit @ unit[0]))[1]]
    assert [path.name for path in tmp_path.iterdir()] == ["v.kv"]


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_zstd_and_gzip_unpack_to_the_plain_file(name: str, tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    plain = save(tmp_path / name, WORDS, ROWS).read_bytes()
    with zstandard.open(save(tmp_path / f"{name}.zst", WORDS, ROWS), "rb") as file:
        assert file.read() == plain
    assert gzip.decompress(save(tmp_path / f"{name}.gz", WORDS, ROWS).read_bytes()) == plain


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_numpy_loads_the_array_and_a_text_file_has_its_words(tmp_path: Path, dtype: str) -> None:
    rows = ROWS.astype(dtype)
    loaded = np.load(save(tmp_path / "v.npy", WORDS, rows), mmap_mode="r", allow_pickle=False)
    assert loaded.dtype == rows.dtype
    assert loaded.tobytes() == rows.tobytes()
    assert (tmp_path / "v.npy.words.txt").read_bytes().decode() == "".join(f"{word}\n" for word in TEXTS)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_safetensors_loads_both_tensors(tmp_path: Path, dtype: str) -> None:
    load_file = pytest.importorskip("safetensors.numpy").load_file
    rows = ROWS.astype(dtype)
    loaded = load_file(save(tmp_path / "v.safetensors", WORDS, rows))
    assert loaded["vectors"].dtype == rows.dtype
    assert loaded["vectors"].tobytes() == rows.tobytes()
    assert loaded["words"].tobytes().decode().split("\n") == TEXTS


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_arrow_reads_a_table_of_words_and_lists(tmp_path: Path, dtype: str) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = some_rows(20_000, 3, dtype)
    words = some_words(20_000)
    read = parquet.read_table(save(tmp_path / "v.parquet", words, rows))
    kind = arrow.float32() if dtype == "float32" else arrow.float16()
    assert read.schema == arrow.schema([("word", arrow.string()), ("vector", arrow.list_(kind))])
    assert read["word"].to_pylist() == [word.decode() for word in words]
    values = read["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    assert np.asarray(values).tobytes() == rows.tobytes()


def test_the_projector_gets_tabs_and_a_column_of_words_without_a_header(tmp_path: Path) -> None:
    save(tmp_path / "vectors.tsv", WORDS, ROWS)
    rows = [line.split("\t") for line in (tmp_path / "vectors.tsv").read_text().splitlines()]
    assert np.array(rows, np.float64).astype(np.float32).tobytes() == ROWS.tobytes()
    assert (tmp_path / "metadata.tsv").read_bytes().decode().split("\n") == [*TEXTS, ""]


def test_usearch_finds_the_nearest_rows_in_the_index(tmp_path: Path) -> None:
    index_class = pytest.importorskip("usearch.index").Index
    index = index_class.restore(str(save(tmp_path / "v.usearch", WORDS, ROWS)))
    assert np.asarray(index.get(np.arange(len(ROWS)))).tobytes() == ROWS.tobytes()
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    nearest = np.argsort(-(unit @ unit[5]))[:3]
    assert index.search(ROWS[5], 3).keys.tolist() == nearest.tolist()
    assert (tmp_path / "v.usearch.words.txt").read_bytes().decode().splitlines() != []


# -- this program reads what others have written -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz", "v.bin", "v.bin.gz"])
def test_what_gensim_writes_is_read(name: str, tmp_path: Path) -> None:
    keyed = pytest.importorskip("gensim.models").KeyedVectors(ROWS.shape[1])
    keyed.add_vectors(TEXTS, ROWS)
    keyed.save_word2vec_format(str(tmp_path / name), binary=".bin" in name)
    read = read_vectors(tmp_path / name)
    assert (list(read.words), read.rows.shape) == (list(WORDS), ROWS.shape)
    assert np.allclose(read.rows, ROWS, rtol=1e-6, atol=1e-7)


def test_the_spaces_that_word2vec_c_leaves_at_ends_of_lines_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"2 2\nthe 1 2 \nof 3 4 \n")
    assert read_vectors(tmp_path / "v").rows.tolist() == [[1, 2], [3, 4]]


def test_glove_has_no_header(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"the 1.5 2 -3e-1\nof 3 4 5\n")
    read = read_vectors(tmp_path / "v")
    assert list(read.words) == [b"the", b"of"]
    assert read.rows.tolist() == [[1.5, 2, np.float32(-0.3)], [3, 4, 5]]


def test_a_tensor_file_of_the_library_is_read(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.numpy").save_file
    text = np.frombuffer("\n".join(TEXTS).encode(), np.uint8)
    save_file({"words": text, "vectors": ROWS, "a": np.zeros(3, np.int64)}, tmp_path / "v", {"about": "x"})
    read = read_vectors(tmp_path / "v")
    assert read.words == WORDS
    assert read.rows.tobytes() == ROWS.tobytes()


@pytest.mark.parametrize("kind", ["list", "large list", "fixed list", "double"])
def test_tables_of_others_are_read(kind: str, tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    number = arrow.float64() if kind == "double" else arrow.float32()
    lists = {"large list": arrow.large_list(number), "fixed list": arrow.list_(number, ROWS.shape[1])}
    columns = {"n": list(range(len(ROWS))), "word": TEXTS}
    made = arrow.table(columns).append_column(
        "vector", arrow.array(ROWS.tolist(), lists.get(kind, arrow.list_(number)))
    )
    parquet.write_table(made, tmp_path / "v", row_group_size=300)
    read = read_vectors(tmp_path / "v")
    assert read.words == WORDS
    assert read.rows.tobytes() == ROWS.tobytes()


# -- which vectors -----------------------------------------------------------------------------------------------


def test_the_most_frequent_and_those_of_a_list() -> None:
    assert chosen(WORDS, ROWS, Selection(top=3))[0] == list(WORDS)[:3]
    wanted = Words.of([b"w5", b"the", b"nowhere"])
    words, rows = chosen(WORDS, ROWS, Selection(words=wanted))
    assert words == [b"the", b"w5"]
    assert rows.tobytes() == ROWS[[0, list(WORDS).index(b"w5")]].tobytes()
    assert chosen(WORDS, ROWS, Selection(words=wanted, top=1))[0] == [b"the"]
    with pytest.raises(ExportError, match="none of the words in the list is in the model"):
        chosen(WORDS, ROWS, Selection(words=Words.of([b"nowhere"])))


def test_rows_of_length_one_but_for_zero() -> None:
    rows = ROWS.copy()
    rows[3] = 0
    _, made = chosen(WORDS, rows, Selection(normalize=True))
    lengths = np.linalg.norm(made, axis=1)
    assert lengths[3] == 0
    assert np.delete(lengths, 3) == pytest.approx(1, abs=1e-6)
    assert np.allclose(made[5], rows[5] / np.linalg.norm(rows[5]))


def test_both_matrices_add_up() -> None:
    other = some_rows(seed=2)
    _, rows = select(WORDS, (ROWS, other), Selection("sum"))
    assert isinstance(rows, SelectedRows)
    assert np.array_equal(rows[10:20], ROWS[10:20] + other[10:20])


def test_what_half_precision_has_no_room_for_is_refused_by_name(tmp_path: Path) -> None:
    rows = ROWS.copy()
    rows[4, 2] = 1e6
    kept, some = select(WORDS, (rows,), Selection(dtype="float16"))
    with pytest.raises(ExportError, match=r"'word.*float16 has no room for"):
        save(tmp_path / "v.npy", kept, some)
    assert list(tmp_path.iterdir()) == []


# -- how a format is chosen ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(formats.keys() - {"gensim"}))  # which writes down the time of day
def test_a_name_wins_over_the_suffix(name: str, tmp_path: Path) -> None:
    plain = save(tmp_path / f"vectors{formats[name].suffixes[0]}", some_words(9), some_rows(9)).read_bytes()
    path = save(tmp_path / "other", some_words(9), some_rows(9), name)
    assert path.read_bytes() == plain


@pytest.mark.parametrize("name", ["v", "v.data", "-", "v.TXT"])
def test_any_other_suffix_is_word2vec_text(name: str) -> None:
    assert choose(Path(name)).format is table.TEXT


@pytest.mark.parametrize(
    ("name", "form", "dtype", "why"),
    [
        ("v.npy.gz", None, "float32", "npy is not packed"),
        ("v.zst", "parquet", "float32", "parquet is not packed"),
        ("v.bin", None, "float16", "holds float32 only"),
        ("/dev/null", "npy", "float32", "makes two files"),
    ],
)
def test_what_does_not_go_together_is_refused(name: str, form: str | None, dtype: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        choose(Path(name), form, dtype)


@pytest.mark.parametrize(
    ("name", "library"),
    [("v.parquet", "pyarrow"), ("v.kv", "gensim"), ("v.usearch", "usearch"), ("v.txt.zst", "zstandard")],
)
def test_a_library_that_is_missing_is_one_sentence(
    name: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(library)
    told = rf"^this needs {library}, which is not installed: pip install 'gossipw2v\[formats\]'$"
    read_back = name.endswith(("parquet", "zst"))
    if read_back:
        save(tmp_path / name, WORDS, ROWS)
    monkeypatch.setattr(table.importlib.util, "find_spec", lambda _: None)
    for module in [each for each in sys.modules if each.partition(".")[0] == library]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingLibraryError, match=told):
        choose(tmp_path / name)
    if read_back:
        with pytest.raises(MissingLibraryError, match=told):
            read_vectors(tmp_path / name)


def test_tensors_and_arrays_need_no_library(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from support.vector_files import *;"
        "save(Path('v.safetensors'), some_words(), some_rows()); save(Path('v.npy'), some_words(), some_rows());"
        "assert not {'safetensors', 'pyarrow', 'gensim', 'usearch', 'zstandard'} & sys.modules.keys()"
    )
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, check=True, timeout=60)


# -- whole or not at all -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*READABLE, "v.kv", "v.usearch"])
def test_a_format_with_a_bad_row_leaves_the_old_files(name: str, tmp_path: Path) -> None:
    save(tmp_path / name, WORDS, ROWS)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    rows = ROWS.copy()
    rows[600, 3] = np.nan
    with pytest.raises(ExportError, match="'w590'"):
        save(tmp_path / name, WORDS, rows)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["word2vec", "word2vec-binary", "safetensors", "parquet"])
def test_a_format_of_one_file_goes_through_a_pipe(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    save(tmp_path / "pipe", WORDS, ROWS, name)
    reader.join(20)
    assert got == [save(tmp_path / "file", WORDS, ROWS, name).read_bytes()]


def test_progress_is_told_up_to_the_last_row(tmp_path: Path) -> None:
    for name in [*READABLE, "v.kv", "v.usearch"]:
        seen: list[tuple[int, int]] = []
        target = choose(tmp_path / name)
        with opened(target) as files:
            write(files, target, WORDS, ROWS, lambda *told, seen=seen: seen.append(told))
        assert seen[-1] == (len(WORDS), len(WORDS)), name
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
