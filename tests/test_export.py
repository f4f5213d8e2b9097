"""word2vec text that others read, and snapshots that are whole, checked, or refused."""

import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gossipw2v.durable import replace_file
from gossipw2v.export import (
    MAGIC,
    MAX_HEADER,
    SNAPSHOT,
    ExportError,
    SnapshotError,
    export_snapshot,
    lines,
    load_snapshot,
    save_snapshot,
    write_word2vec,
)
from gossipw2v.similarity import Space, most_similar

WORDS = ["the", "naïve", "日本", "no\u00a0break", "word\u2028line", "a%sb", "-1.5"]


def model(words: int = 40, size: int = 6) -> tuple[list[bytes], np.ndarray]:
    names = [f"w{number}".encode() for number in range(words)]
    return names, np.random.default_rng(1).normal(0, 0.3, (2 * words, size)).astype(np.float32)


def read_text(data: bytes) -> tuple[list[bytes], np.ndarray]:
    """The obvious reader: each number as a double, then as a float32."""
    header, *rows = data.decode().split("\n")[:-1]
    cells = [row.split(" ") for row in rows]
    assert header == f"{len(rows)} {len(cells[0]) - 1}"
    return [row[0].encode() for row in cells], np.array([row[1:] for row in cells], np.float64).astype(np.float32)


# --- word2vec text --------------------------------------------------------------------------------------

every_float32 = arrays(np.uint32, (3, 4)).map(lambda bits: bits.view(np.float32))


@settings(deadline=None)
@given(every_float32)
def test_every_finite_float32_reloads_bit_for_bit(vectors: np.ndarray) -> None:
    vectors = np.where(np.isfinite(vectors), vectors, np.float32(0))
    _, read = read_text(b"".join(lines([b"a", b"b", b"c"], vectors)))
    assert read.tobytes() == vectors.tobytes()  # also tells -0 from 0


@pytest.mark.parametrize("block", [1, 7, 40, 1000])
def test_the_size_of_the_pieces_does_not_change_the_text(block: int) -> None:
    words, weights = model()
    assert b"".join(lines(words, weights[:40], block)) == b"".join(lines(words, weights[:40]))


def test_the_file_is_what_streaming_sends_most_frequent_word_first(tmp_path: Path) -> None:
    words, weights = model()
    write_word2vec(tmp_path / "v.txt", words, weights[:40])
    data = (tmp_path / "v.txt").read_bytes()
    assert data == b"".join(lines(words, weights[:40]))
    assert data.startswith(b"40 6\nw0 ")
    read_words, read = read_text(data)
    assert read_words == words
    assert np.array_equal(read, weights[:40])


def test_gensim_reads_the_same_vectors_and_finds_the_same_neighbours(tmp_path: Path) -> None:
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    vectors = np.random.default_rng(2).normal(0, 0.3, (len(WORDS) + 200, 20)).astype(np.float32)
    words = [*WORDS, *(f"w{number}" for number in range(200))]
    write_word2vec(tmp_path / "v.txt", [word.encode() for word in words], vectors)
    loaded = keyed.load_word2vec_format(str(tmp_path / "v.txt"))
    assert loaded.index_to_key == words
    assert loaded.vectors.tobytes() == vectors.tobytes()
    space = Space.of(words, vectors)
    for word in words:
        ours, theirs = most_similar(space, word, 10), loaded.most_similar(word, topn=10)
        assert [name for name, _ in ours] == [name for name, _ in theirs]
        assert [score for _, score in ours] == pytest.approx([score for _, score in theirs], abs=1e-5)


@pytest.mark.parametrize("word", [b"", b"New York", b"a\tb", b"a\n", b"\rb", b"a\x0bb", b"a\x0cb"])
def test_a_word_the_format_cannot_hold_is_refused_by_name(tmp_path: Path, word: bytes) -> None:
    with pytest.raises(ExportError, match="white space") as error:
        write_word2vec(tmp_path / "v.txt", [b"fine", word], np.ones((2, 3), np.float32))
    assert repr(word.decode()) in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_refused_by_its_word(tmp_path: Path, value: float) -> None:
    words, weights = model(1000)
    weights[700, 5] = value
    with pytest.raises(ExportError, match="'w700'"):
        write_word2vec(tmp_path / "v.txt", words, weights[:1000])
    assert list(tmp_path.iterdir()) == []


def test_words_and_vectors_must_match(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="1 words"):
        write_word2vec(tmp_path / "v.txt", [b"a"], np.ones((2, 3), np.float32))


# --- whole or not at all --------------------------------------------------------------------------------


def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def broken() -> Any:
        yield b"new"
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        replace_file(path, broken())
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"old")]


def test_a_written_file_has_the_permissions_the_user_asked_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "file", [b"x"])
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


WRITER = """
import sys
from pathlib import Path
import numpy as np
from gossipw2v.export import write_word2vec
write_word2vec(Path(sys.argv[1]), [b"w%d" % n for n in range(300_000)], np.ones((300_000, 64), np.float32))
"""


def test_a_node_killed_in_the_middle_of_an_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"old")
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) as writer:
        while not any(file.stat().st_size > 1 << 20 for file in tmp_path.glob(".vectors.txt.*.tmp")):
            assert writer.poll() is None, "the export ended before it could be killed"
            time.sleep(0.005)
        writer.send_signal(signal.SIGKILL)
        assert writer.wait(10) == -signal.SIGKILL
    assert path.read_bytes() == b"old"


# --- snapshots ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [0, 1, 40, 1500])
def test_a_snapshot_comes_back_as_it_was(tmp_path: Path, words: int) -> None:
    names, weights = model(words)
    meta = {"job": "näme", "complete": True, "epochs": 3, "alpha": 0.025}
    save_snapshot(tmp_path, names, weights, meta)
    read_names, read, read_meta = load_snapshot(tmp_path)
    assert (list(read_names), read_meta) == (names, meta)
    assert read.dtype == np.float32
    assert read.shape == weights.shape
    assert read.tobytes() == weights.tobytes()


def test_a_snapshot_replaces_the_one_before(tmp_path: Path) -> None:
    for value in (1, 2):
        save_snapshot(tmp_path, [b"a"], np.full((2, 3), value, np.float32), {})
    assert [file.name for file in tmp_path.iterdir()] == [SNAPSHOT]
    assert np.all(load_snapshot(tmp_path)[1] == 2)


def test_exporting_a_snapshot_writes_its_first_matrix(tmp_path: Path) -> None:
    names, weights = model()
    save_snapshot(tmp_path, names, weights, {})
    assert export_snapshot(tmp_path, tmp_path / "v.txt") == (40, 6)
    assert (tmp_path / "v.txt").read_bytes() == b"".join(lines(names, weights[:40]))


@pytest.mark.parametrize(
    ("words", "rows", "reason"),
    [([b"a", b"b"], 2, "do not go"), ([b"a\nb"], 2, "line end"), ([b""], 2, "empty")],
)
def test_what_could_not_be_read_back_is_not_saved(tmp_path: Path, words: list[bytes], rows: int, reason: str) -> None:
    with pytest.raises(SnapshotError, match=reason):
        save_snapshot(tmp_path, words, np.ones((rows, 3), np.float32), {})
    with pytest.raises(SnapshotError, match="takes"):
        save_snapshot(tmp_path, [b"a"], np.ones((2, 3), np.float32), {"much": "x" * MAX_HEADER})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_snapshot_is_named(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="no model has been saved") as error:
        load_snapshot(tmp_path)
    assert str(tmp_path / SNAPSHOT) in str(error.value)


def saved(folder: Path) -> bytearray:
    save_snapshot(folder, [b"one", b"two"], np.arange(12, dtype=np.float32).reshape(4, 3), {"job": "x"})
    return bytearray((folder / SNAPSHOT).read_bytes())


def test_no_damaged_byte_goes_unnoticed(tmp_path: Path) -> None:
    good = saved(tmp_path)
    for place in range(len(good)):
        bad = good.copy()
        bad[place] ^= 0x10
        (tmp_path / SNAPSHOT).write_bytes(bad)
        with pytest.raises(SnapshotError, match=SNAPSHOT):
            load_snapshot(tmp_path)


def test_no_missing_or_added_byte_goes_unnoticed(tmp_path: Path) -> None:
    good = saved(tmp_path)
    for bad in (*(good[:length] for length in range(len(good))), good + b"\0"):
        (tmp_path / SNAPSHOT).write_bytes(bad)
        with pytest.raises(SnapshotError, match=SNAPSHOT):
            load_snapshot(tmp_path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path: Path, data: bytes) -> None:
    for start in (b"", MAGIC, MAGIC + b"\1\0"):
        (tmp_path / SNAPSHOT).write_bytes(start + data)
        with pytest.raises(SnapshotError):
            load_snapshot(tmp_path)


def forge(folder: Path, header: bytes, *sections: bytes, length: int | None = None) -> None:
    """A file whose checksums are right: what somebody would write on purpose."""
    size = len(header) if length is None else length
    start = struct.pack(f"<{len(MAGIC)}sHI", MAGIC, 1, size) + header
    parts = [part + hashlib.blake2b(part, digest_size=16).digest() for part in (start, *sections)]
    (folder / SNAPSHOT).write_bytes(b"".join(parts))


def shape(**changes: object) -> bytes:
    return json.dumps({"words": 1, "word_bytes": 1, "vector_size": 1, "meta": {}, **changes}).encode()


def test_the_forger_of_these_tests_can_write_a_good_file(tmp_path: Path) -> None:
    forge(tmp_path, shape(), b"a", bytes(8))
    assert list(load_snapshot(tmp_path)[0]) == [b"a"]


HOSTILE = {
    "a header that is no object": (b"[]", "JSON object"),
    "a header that is no JSON": (b"{", "Expecting"),
    "a header without end": (b"[" * 500_000, "recursion"),
    "a huge header": (b" " * (MAX_HEADER + 1), "at most"),
    "no shape": (b"{}", "words"),
    "a negative count": (shape(words=-1), "words"),
    "a count that is true": (shape(words=True), "words"),
    "a fraction of words": (shape(words=1.0), "words"),
    "more words than could be": (shape(words=1 << 40), "words"),
    "more words than the file has": (shape(words=1 << 28, vector_size=1 << 15), "announces"),
    "other words than announced": (shape(words=0, word_bytes=9), "0 different words"),
    "a number of absurd length": (b'{"words": ' + b"9" * 9000 + b"}", "digits"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_forged_header_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    header, reason = HOSTILE[name]
    forge(tmp_path, header, b"a" * (9 if b'"word_bytes": 9' in header else 1), b"" if b'": 0' in header else bytes(8))
    with pytest.raises(SnapshotError, match=reason):
        load_snapshot(tmp_path)


def test_a_word_that_stands_twice_is_refused(tmp_path: Path) -> None:
    forge(tmp_path, shape(words=2, word_bytes=3), b"a\na", bytes(16))
    with pytest.raises(SnapshotError, match="2 different words"):
        load_snapshot(tmp_path)


def test_a_sparse_file_of_absurd_size_is_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    forge(tmp_path, shape(words=1 << 29, vector_size=1 << 16), b"a", bytes(8))
    with (tmp_path / SNAPSHOT).open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(SnapshotError, match="announces"):
        load_snapshot(tmp_path)
