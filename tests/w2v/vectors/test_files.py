"""Whatever the bytes, `read_vectors` gives sound vectors or refuses them by file, line and cure, in bounded memory."""

from __future__ import annotations

import functools
import gzip
import json
import pickle
import re
import struct
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import repeatable
from support.vector_files import save, some_rows, some_words

from gossipw2v.w2v.vectors.files import read_vectors
from gossipw2v.w2v.vectors.formats import formats
from gossipw2v.w2v.vectors.table import VectorFileError, Vectors

WORDS, ROWS = some_words(40), some_rows(40, 5)
NAMES = ["v.txt", "v.bin", "v.txt.gz", "v.bin.zst", "v.npy", "v.safetensors", "v.parquet", "v.tsv"]
CHECKED = ["v.txt.gz", "v.bin.zst"]  # all of their bytes are under a checksum
MOST_BYTES = 16 << 20  # of memory, for whatever a small file says


@functools.cache
def good(name: str) -> dict[str, bytes]:
    """The files of a small model, by name."""
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / name, WORDS, ROWS)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def read_with(name: str, data: bytes, beside: dict[str, bytes] | None = None) -> Vectors:
    """What is read where a file has been changed. AssertionError if that took much memory."""
    with tempfile.TemporaryDirectory() as folder:
        for other, bytes_beside in {**good(name), **(beside or {}), name: data}.items():
            (Path(folder) / other).write_bytes(bytes_beside)
        tracemalloc.start()
        try:
            return read_vectors(Path(folder) / name)
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < MOST_BYTES


def refused(name: str, data: bytes, beside: dict[str, bytes] | None = None) -> str:
    """Why a file is refused."""
    with pytest.raises(VectorFileError) as error:
        read_with(name, data, beside)
    assert name in str(error.value)
    return str(error.value)


def check_sound(read: Vectors) -> None:
    assert read.rows.ndim == 2
    assert len(read.words) == len(read.rows) == len(set(read.words))
    assert np.isfinite(read.rows).all()
    for word in read.words:
        assert not re.search(rb"[ \t\n\v\f\r]", word)
        assert word.decode()


pytestmark = pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")  # NumPy's, of headers of Python 2


# -- cut, flipped, lying -----------------------------------------------------------------------------------------


@repeatable(40)
@given(st.data())
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_cut_short_is_refused(name: str, data: Any) -> None:
    """The end of the last row of binary is none of its parts: gensim leaves it out."""
    whole = good(name)[name].removesuffix(b"\n" if name == "v.bin" else b"")
    refused(name, whole[: data.draw(st.integers(0, len(whole) - 1))])


@repeatable(40)
@given(st.data())
@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_byte_gives_sound_vectors_or_is_refused(name: str, data: Any) -> None:
    """A digit that became another is a number as good as before; only a checksum could tell."""
    whole = bytearray(good(name)[name])
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = read_with(name, bytes(whole))
    except VectorFileError:
        return
    check_sound(read)
    if name in CHECKED:
        assert read.words == WORDS
        assert read.rows.tobytes() == ROWS.tobytes()


@repeatable(60)
@given(st.binary(max_size=300))
@pytest.mark.parametrize(
    "start", [b"", b"2 3\n", b"the 1.5 2\n", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x93NUMPY\1\0", b"PAR1"]
)
def test_any_bytes_are_sound_vectors_or_refused(start: bytes, rest: bytes) -> None:
    try:
        check_sound(read_with("v.txt", start + rest))
    except VectorFileError:
        pass


@repeatable(60)
@given(st.data())
@pytest.mark.parametrize("name", ["v.npy", "v.tsv"])
def test_the_words_beside_are_judged_as_well(name: str, data: Any) -> None:
    beside = next(other for other in good(name) if other != name)
    words = bytearray(good(name)[beside])
    words[data.draw(st.integers(0, len(words) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        check_sound(read_with(name, good(name)[name], {beside: bytes(words)}))
    except VectorFileError:
        pass


@pytest.mark.parametrize(
    "header", ["40 500000", "99999999999 5", "4000 5", "41 5", "39 5", "40 6", "40 4", "0 5", "40 0"]
)
@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_a_header_that_lies_is_refused_before_anything_is_made(name: str, header: str) -> None:
    refused(name, good(name)[name].replace(b"40 5", header.encode(), 1))


@pytest.mark.parametrize("name", ["v.txt.gz", "v.bin.gz"])
def test_a_packed_file_that_promises_the_world_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"16000000 60000\n" + b"a 1" + b" 1" * 1000))
    with pytest.raises(VectorFileError, match="too few"):
        read_vectors(tmp_path / name)


@pytest.mark.parametrize("shape", [(1 << 40, 5), (40, 1 << 40), (0, 5), (40, 6), (200,), (40, 5, 1)])
def test_an_array_of_another_size_than_it_says_is_refused(shape: tuple[int, ...]) -> None:
    whole = good("v.npy")["v.npy"]
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    refused("v.npy", whole[:10] + header.encode() + whole[128:])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"shape": [1 << 40, 5]}, "does not fit"),
        ({"shape": [40, 5.0]}, "does not fit"),
        ({"shape": [True, 200]}, "does not fit"),
        ({"data_offsets": [-8, 792]}, "does not fit"),
        ({"data_offsets": [1 << 62, (1 << 62) + 800]}, "does not fit"),
        ({"dtype": "F64"}, "cannot be read|can be read"),
        ({"dtype": ["F32"]}, "can be read"),
        ({"dtype": "U8", "shape": [800]}, "of type U8"),
    ],
)
def test_tensors_that_lie_are_refused(change: dict[str, Any], why: str) -> None:
    whole = good("v.safetensors")["v.safetensors"]
    (length,) = struct.unpack_from("<Q", whole)
    header = json.loads(whole[8 : 8 + length])
    header["vectors"] |= change
    described = json.dumps(header).encode()
    assert re.search(why, refused("v.safetensors", struct.pack("<Q", len(described)) + described + whole[8 + length :]))


def test_a_table_that_lacks_a_column_or_has_ragged_rows_is_refused(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for columns, why in (
        ({"word": ["a"]}, "without the column vector"),
        ({"word": ["a", "b"], "vector": [[1.0, 2.0], [3.0]]}, "different lengths"),
        ({"word": ["a", "b"], "vector": [[1.0, 2.0], None]}, "different lengths"),
        ({"word": ["a", "b"], "vector": [[1.0, 2.0], [1.0, None]]}, "different lengths"),
        ({"word": ["a", "b"], "vector": [["x"], ["y"]]}, "can be read|holds"),
        ({"word": ["a", "b"], "vector": [1.0, 2.0]}, "holds|list"),
        ({"word": ["a", None], "vector": [[1.0], [2.0]]}, "row 2: no word"),
        ({"word": [1, 2], "vector": [[1.0], [2.0]]}, "row 1: no word"),
        ({"word": ["a", "a"], "vector": [[1.0], [2.0]]}, "row 2: the word 'a' stood already"),
        ({"word": ["a", "b c"], "vector": [[1.0], [2.0]]}, "row 2: the word 'b c' holds white space"),
        ({"word": ["a", "b"], "vector": [[1.0], [float("nan")]]}, "row 2: the vector of 'b' is not finite"),
    ):
        parquet.write_table(arrow.table(columns), tmp_path / "v")
        with pytest.raises(VectorFileError, match=why):
            read_vectors(tmp_path / "v")


# -- what is refused, by line, and what to do ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"2 2\nthe 1 2\nthe 3 4\n", "line 3: the word 'the' stood already at .*v, line 2; replace"),
        (b"the 1 2\nthe 3 4\n", "line 2: the word 'the' stood already at .*v, line 1; replace"),
        (b"2 2\nthe 1 2\nof 3 nan\n", "line 3: what follows 'of' is not 2 finite numbers; export"),
        (b"2 2\nthe 1 2\nof 3 1e99\n", "line 3: what follows 'of' is not 2 finite numbers; export"),
        (b"2 2\nthe 1 2\nof 3 1_0\n", "line 3: what follows 'of' is not 2 finite numbers; export"),
        (b"2 2\nthe 1 2\nof 3 4 5\n", "line 3: 3 columns behind the word 'of', not 2 numbers; a word that holds"),
        (b"2 2\nthe 1 2\nNew York 3 4\n", "line 3: 3 columns behind the word 'New', not 2 numbers; a word that holds"),
        (b"2 2\nthe 1 2\nof 3\n", "line 3: 1 columns"),
        (b"2 2\nthe 1 2\nf\xff 3 4\n", "line 3: the word 'f\ufffd' is not UTF-8; replace"),
        (b"2 2\nthe 1 2\n 3 4\n", "line 3: no word"),
        (b"2 2\nthe 1 2\nof 3 4", "line 3: is cut short"),
        (b"3 2\nthe 1 2\nof 3 4\n", "promises 3 words, and 2 are there"),
        (b"1 2\nthe 1 2\nof 3 4\n", "line 3: more follows the 1 words"),
        (b"", "is empty"),
        (b"hello world\nthis is text\n", "first line is neither"),
    ],
)
def test_text_that_is_wrong_is_refused_by_line(text: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(text)
    with pytest.raises(VectorFileError, match=told):
        read_vectors(tmp_path / "v")


def test_binary_that_is_wrong_is_refused_by_row(tmp_path: Path) -> None:
    def row(word: bytes, *values: float) -> bytes:
        return word + b" " + np.array(values, "<f4").tobytes()

    first = row(b"the", 0.1, 0.2)
    for rest, told in (
        (row(b"\nthe", 3, 4), "row 2: the word 'the' stood already at .*v, row 1"),
        (row(b"\nof", 3, np.inf), "row 2: the vector of 'of' is not finite"),
        (row(b"\na\tb", 3, 4), "row 2: the word 'a.tb' holds white space"),
        (row(b"\n\xff", 3, 4), "row 2: the word '\ufffd' is not UTF-8"),
        (row(b"\n" + b"x" * 5000, 3, 4), "row 2: no word"),
        (row(b"\nof", 3, 4)[:-1], "row 2: no word and 2 numbers"),
        (row(b"\nof", 3, 4) + b"\nmore", "more follows"),
    ):
        (tmp_path / "v").write_bytes(b"2 2\n" + first + rest)
        with pytest.raises(VectorFileError, match=told):
            read_vectors(tmp_path / "v")


@pytest.mark.parametrize("name", ["v.npy", "v.safetensors", "v.bin"])
def test_a_number_that_is_not_finite_is_refused_by_its_word(name: str) -> None:
    whole = good(name)[name]
    value = ROWS[7, 2].tobytes()
    assert whole.count(value) == 1
    assert repr(WORDS[7].decode()) in refused(name, whole.replace(value, np.float32(np.nan).tobytes()))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (pickle.dumps({"vectors": 1}), "Python pickle.*load it with gensim"),
        (b"GW2VCKPT" + bytes(40), "checkpoint.*data directory"),
        (b"PK\x03\x04" + bytes(40), "numpy.save"),
        (b"\xba\x16\x4f\x2f" + bytes(40), r"\.vec file"),
    ],
)
def test_what_is_no_file_of_vectors_is_named(data: bytes, told: str) -> None:
    assert re.search(told, refused("v.txt", data))


class Trap:
    """What a hostile pickle holds."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was read",)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_is_ever_read(protocol: int) -> None:
    refused("v.txt", pickle.dumps(Trap(), protocol))
    array = np.array([[Trap()]], object)
    with tempfile.TemporaryFile() as file:
        np.save(file, array, allow_pickle=True)
        file.seek(0)
        assert "type object" in refused("v.npy", file.read())


def test_an_index_is_for_searching() -> None:
    pytest.importorskip("usearch")
    assert "index of usearch" in refused("v.usearch", good("v.usearch")["v.usearch"])


@pytest.mark.parametrize("name", ["v.npy", "v.tsv"])
def test_vectors_without_their_words_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(good(name)[name])
    beside = next(other for other in good(name) if other != name)
    with pytest.raises(VectorFileError, match=rf"put .* beside it, one a line, as .*{beside}"):
        read_vectors(tmp_path / name)


def test_a_pipe_is_no_file() -> None:
    with pytest.raises(VectorFileError, match="is no file"):
        read_vectors(Path("/dev/zero"))


def test_a_column_of_double_numbers_or_in_columns_is_told_how_to_be_saved() -> None:
    for array in (ROWS.astype(np.float64), np.asfortranarray(ROWS), ROWS.astype(">f4")):
        with tempfile.TemporaryFile() as file:
            np.save(file, array)
            file.seek(0)
            assert "numpy.ascontiguousarray" in refused("v.npy", file.read())


def test_every_format_is_tried() -> None:
    assert {name.partition(".")[2].partition(".")[0] for name in NAMES} | {"kv", "usearch"} == {
        row.suffixes[0][1:] for row in formats.values()
    }
