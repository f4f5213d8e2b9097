"""What is no text is known by its first bytes; what is text is not taken for anything else."""

import io
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from gossipw2v.system import logs
from gossipw2v.w2v.text.formats import HEAD_BYTES, is_tar, ours, refusal
from gossipw2v.w2v.vectors.word2vec import lines

TEXT = b"some words of text\n" * 100
LISTS = [["some", "words"], {"word": 1}, np.zeros(10), ("a", "b"), "text"]


def zipped() -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.txt", TEXT)
        return file.getvalue()


def saved() -> bytes:
    with io.BytesIO() as file:
        np.save(file, np.zeros(9))
        return file.getvalue()


KINDS = {
    "lz4": b"\x04\x22\x4d\x18\x64\x40\xa7" + zlib.compress(TEXT),
    "lzma": lzma.compress(TEXT, format=lzma.FORMAT_ALONE),
    "compress": b"\x1f\x9d\x90" + zlib.compress(TEXT),
    "zip": zipped(),
    "7z": b"7z\xbc\xaf\x27\x1c\0\4",
    "rar": b"Rar!\x1a\x07\x01\0",
    "cpio": b"070701" + b"0" * 104 + b"a.txt\0" + TEXT,
    "ar archive": b"!<arch>\ndebian-binary",
    "Parquet": b"PAR1\x15\x04",
    "NumPy": saved(),
    "PDF": b"%PDF-1.7\n",
    "PostScript": b"%!PS-Adobe-3.0\n",
    "RTF": b"{\\rtf1\\ansi",
    "program": Path("/proc/self/exe").read_bytes()[:HEAD_BYTES] if Path("/proc/self/exe").exists() else b"\x7fELF",
    "image": b"\x89PNG\r\n\x1a\n\0\0",
    "sound": b"RIFF\x24\x08\0\0WAVEfmt ",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_file_is_named_with_what_to_do(kind: str) -> None:
    why = refusal(KINDS[kind])
    assert why is not None
    assert kind in why
    assert ": " in why


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
@pytest.mark.parametrize("held", LISTS[:3], ids=["list", "dict", "array"])
def test_pickles_of_any_protocol_are_refused(held: object, protocol: int) -> None:
    assert "pickle" in (refusal(pickle.dumps(held, protocol)) or "")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["a.txt", "ä/" * 30 + "b.txt"])
def test_tars_of_any_age_are_refused(form: int, name: str) -> None:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            member = tarfile.TarInfo(name)
            member.size = len(TEXT)
            archive.addfile(member, io.BytesIO(TEXT))
        data = file.getvalue()
    assert "tar xf" in (refusal(data) or "")
    old = bytearray(data[:512])  # the oldest have no mark, only the checksum
    old[257:265] = bytes(8)
    old[148:156] = b" " * 8
    old[148:155] = b"%06o\0" % sum(old)
    assert is_tar(bytes(old) + TEXT)


def test_a_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "db") as database:
        database.execute("create table t (s text)")
    database.close()
    assert "sqlite3" in (refusal((tmp_path / "db").read_bytes()) or "")


@pytest.mark.parametrize("inner", [b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\0"])
def test_what_is_packed_twice_is_refused(inner: bytes) -> None:
    assert refusal(inner) is None
    assert "packed twice" in (refusal(inner, inside=True) or "")


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b" ",
            b"\n" * 600,
            b"a",
            TEXT,
            b"BZhang wrote PAR1",
            b"PK is a name",
            b"MZ and BM are letters\n",
            b"RIFF raff",
        ),
        *(
            b"Rar ist selten",
            b"07070 Beverly Hills",
            b"GIF is a format",
            b"(lp records)\n",
            b"c'est la vie\n",
            b"ID3 tags",
        ),
        *(
            "größer\n".encode(),
            "日本語 の\n".encode(),
            "\ufeffmark\n".encode(),
            b"%! is a modeline",
            b"OTTO the great\n",
        ),
        *(
            b"2 3\n1 2 3 4\n5 6 7 8\n",
            b"1984 5\nwas a year 1.5 of 2 kinds\n",
            b"12:30:01 [info] text\n",
            b'{"text": "x"}\n',
        ),
    ],
)
def test_text_is_text(text: bytes) -> None:
    assert refusal(text, inside=True) is None
    assert ours(text) is None


@pytest.mark.parametrize("size", [1, 2, 300, 4096])
def test_exported_vectors_are_known_however_long_their_rows(size: int) -> None:
    vectors = np.random.default_rng(1).normal(size=(3, size)).astype(np.float32)
    data = b"".join(lines([b"one", "zwölf".encode(), b"3"], vectors))
    assert "word vectors" in (ours(data[:HEAD_BYTES]) or "")


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_log_of_this_program_is_known(form: str) -> None:
    stream = io.StringIO()
    before = logs.logging.getLogger().handlers[:], logs.logging.getLogger().level
    try:
        logs.configure("info", form, stream)
        logs.get_logger("daemon").info("listening", node="00")
    finally:
        logs.logging.getLogger().handlers[:], level = before
        logs.logging.getLogger().setLevel(level)
        logs.logging.captureWarnings(False)
    log = stream.getvalue().encode()
    assert ours(log) == ours(b"nohup: ignoring input\n" + log) == "a log of gossipw2v"
    assert ours(b"a text\n" * 9 + log) is None


def test_the_state_of_another_node_is_known_by_name_and_content() -> None:
    assert ours(b"12345\n", "lock")
    assert ours(b'{"pid": 12, "node": "00"}', "node.json")
    assert ours(b"12345\n", "a.txt") is None
    assert ours(b"lock and key\n", "lock") is None


def test_checkpoints_and_shards_are_known() -> None:
    assert ours(b"GW2VCKPT\1\0\0\0")
    assert ours(b"GW2VSHRD\1\0\0\0")
