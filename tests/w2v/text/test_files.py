"""Text is found and unpacked whatever its name and packing; what cannot be read is refused by name."""

import bz2
import gzip
import lzma
import os
import re
from pathlib import Path

import pytest

from gossipw2v.w2v.text.blocks import BOM
from gossipw2v.w2v.text.files import CorpusError, corpus_digest, find_files, open_text

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def content(path: Path) -> bytes:
    with open_text(path) as (stream, _):
        return stream.read()


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_text_is_known_by_its_bytes_not_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(PACKERS[kind](BOM + b"one two\nthree"))
    assert content(path) == BOM + b"one two\nthree"


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_packed_text_cut_short_is_refused_by_name(kind: str, keep: float, tmp_path: Path) -> None:
    path, packed = tmp_path / "text", PACKERS[kind](os.urandom(50_000).hex().encode())
    path.write_bytes(packed[: int(keep * len(packed))])
    with pytest.raises(CorpusError, match=re.escape(str(path))):
        content(path)


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_text_that_is_damaged_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    path, packed = tmp_path / "text", bytearray(PACKERS[kind](os.urandom(50_000).hex().encode()))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    with pytest.raises(CorpusError, match=re.escape(str(path))):
        content(path)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x28\xb5\x2f\xfd rest", "zstd.*unzstd"),
        (b"PK\x03\x04 rest", "zip.*unzip"),
        ("text".encode("utf-16"), "UTF-16.*iconv"),
        (gzip.compress("text".encode("utf-16"), mtime=0), "UTF-16.*iconv"),
    ],
    ids=["zstd", "zip", "UTF-16", "UTF-16 in gzip"],
)
def test_what_is_not_text_is_refused_with_what_to_do(data: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=f"{re.escape(str(path))}.*{what}"):
        content(path)


def test_text_that_starts_like_a_packed_file_is_text(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"BZhang wrote PAR1")
    assert content(path) == b"BZhang wrote PAR1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt", "sub/c.txt", ".hidden", ".git/d.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"text of {name}")
    (tmp_path / "_SUCCESS").touch()
    return tmp_path


def test_a_folder_stands_for_its_files_sorted_without_hidden_and_empty(folder: Path) -> None:
    assert find_files([str(folder)]) == [folder / "a.txt", folder / "b.txt", folder / "sub/c.txt"]


def test_files_globs_and_folders_mix_and_a_file_counts_once(folder: Path) -> None:
    (folder / "link.txt").symlink_to(folder / "a.txt")
    (folder / "sub" / "loop").symlink_to(folder)
    names = [str(folder / "b.txt"), str(folder / "*.txt"), str(folder)]
    assert find_files(names) == [folder / "b.txt", folder / "a.txt", folder / "sub/c.txt"]
    assert find_files([str(folder / "**" / "c*")]) == [folder / "sub/c.txt"]


def test_a_name_with_glob_characters_is_a_name_first(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").write_text("x")
    assert find_files([str(tmp_path / "a[1].txt")]) == [tmp_path / "a[1].txt"]


def test_missing_empty_and_irregular_paths_are_refused_by_name(folder: Path) -> None:
    os.mkfifo(folder / "sub" / "pipe")
    (folder / "empty").mkdir()
    bad = {"missing": "no such file", "*.csv": "no text found", "_SUCCESS": "is empty", "empty": "no text found"}
    bad |= {"sub/pipe": "not a regular file", "sub": "not a regular file", "a.txt/b": "cannot be read"}
    for name, why in bad.items():
        with pytest.raises(CorpusError, match=why) as error:
            find_files([str(folder / name)])
        assert name in str(error.value)
    with pytest.raises(CorpusError, match="not a regular file"):
        find_files(["/dev/zero"])
    with pytest.raises(CorpusError, match="empty list"):
        find_files([])


def test_digest_is_of_the_text_not_of_its_place(folder: Path, tmp_path: Path) -> None:
    files = find_files([str(folder / "a.txt"), str(folder / "b.txt")])
    before = corpus_digest(files)
    moved = [path.rename(tmp_path / f"moved-{path.name}") for path in files]
    assert corpus_digest(moved) == before
    assert corpus_digest(moved[::-1]) != before
    os.utime(moved[0])
    assert corpus_digest(moved) != before


def test_digest_sees_a_change_at_either_end_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "text"
    digests = set()
    for place in (None, 0, 999_999):
        data = bytearray(1_000_000)
        if place is not None:
            data[place] = 1
        path.write_bytes(data)
        os.utime(path, (0, 0))
        digests.add(corpus_digest([path]))
    assert len(digests) == 3
