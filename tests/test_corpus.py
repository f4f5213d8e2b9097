"""Text comes in the same whatever its size, packing, blocks or damage; what cannot be read is refused by name."""

import bz2
import gzip
import io
import lzma
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipw2v.corpus import (
    BOM,
    MAX_WORD_BYTES,
    CorpusError,
    Reader,
    Stopped,
    Tally,
    clean,
    corpus_digest,
    cut_blocks,
    find_files,
    read_blocks,
    total_bytes,
)

PIECES = [
    *(b" ", b"\n", b"\r\n", b"\t", b"\v", b"\f", b"\r", b"\0", b"\xff", b"\xc3", b"\xe2\x82", b"\x85", b"\xc2\xa0"),
    *(BOM, "\u2028".encode(), "日本語".encode(), "naïve".encode(), "🦆".encode(), b"word", b"x" * (MAX_WORD_BYTES - 3)),
    *(b"y" * MAX_WORD_BYTES, b"z" * (MAX_WORD_BYTES + 1), b"\xff" * (2 * MAX_WORD_BYTES)),
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=5)), max_size=30).map(b"".join)


def short(lines: list[list[bytes]]) -> tuple[list[list[bytes]], int]:
    kept = [[word for word in line if len(word) <= MAX_WORD_BYTES] for line in lines]
    return [line for line in kept if line], sum(map(len, lines)) - sum(map(len, kept))


def naive_sentences(data: bytes) -> tuple[list[list[bytes]], int, int]:
    """The obvious twin, on the whole text at once: sentences of words, bytes replaced, words dropped."""
    kept, dropped = short([line.split() for line in data.removeprefix(BOM).split(b"\n")])
    damaged = [word for line in kept for word in line]
    replaced = sum(len(word) - len(word.decode(errors="ignore").replace("\0", "").encode()) for word in damaged)
    repaired = [[word.decode(errors="replace").replace("\0", "\ufffd").encode() for word in line] for line in kept]
    found, too_long_now = short(repaired)
    return found, replaced, dropped + too_long_now


def sentences(blocks: list[bytes]) -> list[list[bytes]]:
    return [line.split() for line in b" ".join(blocks).split(b"\n") if line.split()]


@given(data=TEXTS, size=st.one_of(st.integers(1, 64), st.just(4096)))
@settings(deadline=None)
def test_blocks_of_any_size_give_the_words_of_the_whole(data: bytes, size: int) -> None:
    blocks = list(cut_blocks(io.BytesIO(data), size))
    cleaned = [clean(block.data) for block in blocks]
    found, dropped = short(sentences([part.data for part in cleaned]))
    dropped += sum(block.dropped for block in blocks) + sum(part.dropped for part in cleaned)
    assert (found, sum(part.replaced for part in cleaned), dropped) == naive_sentences(data)


@pytest.mark.parametrize("size", range(1, 12))
def test_a_word_a_character_and_a_line_end_across_blocks_stay_whole(size: int) -> None:
    text = "\ufeffalpha \r\n日本 beta\r\n\r\ngamma".encode()
    blocks = [block.data for block in cut_blocks(io.BytesIO(text), size)]
    assert sentences(blocks) == [[b"alpha"], ["日本".encode(), b"beta"], [b"gamma"]]
    for block in blocks:
        block.decode()


def test_an_endless_word_is_dropped_in_bounded_memory() -> None:
    blocks = list(cut_blocks(io.BytesIO(b"a " + b"x" * 1_000_000 + b"\nb"), 4096))
    assert max(len(block.data) for block in blocks) <= 3 * 4096
    assert sum(block.dropped for block in blocks) == 1
    assert sentences([block.data for block in blocks]) == [[b"a"], [b"b"]]


def test_only_ascii_whitespace_separates_words() -> None:
    every = bytes(range(1, 128)) + "\u00a0\u2028\u3000".encode()
    assert clean(every).data.split() == every.split()
    assert len(every.split()) == 3


def test_replaced_bytes_and_nul_are_counted() -> None:
    assert clean(b"a\xff\xfeb \xe2\x82 c\0d") == ("a\ufffd\ufffdb \ufffd c\ufffdd".encode(), 5, 0)
    assert clean("a\ufffdb".encode()) == ("a\ufffdb".encode(), 0, 0)  # was there before: nothing was replaced


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_text_is_known_by_its_bytes_not_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(PACKERS[kind](BOM + b"one two\nthree"))
    assert sentences([block.data for block in read_blocks(path)]) == [[b"one", b"two"], [b"three"]]


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_packed_text_cut_short_is_refused_by_name(kind: str, keep: float, tmp_path: Path) -> None:
    path, packed = tmp_path / "text", PACKERS[kind](os.urandom(50_000).hex().encode())
    path.write_bytes(packed[: int(keep * len(packed))])
    with pytest.raises(CorpusError, match=re.escape(str(path))):
        list(read_blocks(path))


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_text_that_is_damaged_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    path, packed = tmp_path / "text", bytearray(PACKERS[kind](os.urandom(50_000).hex().encode()))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    with pytest.raises(CorpusError, match=re.escape(str(path))):
        list(read_blocks(path))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x28\xb5\x2f\xfd rest", "zstd.*unzstd"),
        (b"PK\x03\x04 rest", "zip.*unzip"),
        ("text".encode("utf-16"), "UTF-16.*iconv"),
        (gzip.compress("text".encode("utf-16")), "UTF-16.*iconv"),
    ],
)
def test_what_is_not_text_is_refused_with_what_to_do(data: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=f"{re.escape(str(path))}.*{what}"):
        list(read_blocks(path))


def test_text_that_starts_like_a_packed_file_is_text(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"BZhang wrote PAR1")
    assert sentences([block.data for block in read_blocks(path)]) == [[b"BZhang", b"wrote", b"PAR1"]]


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


def test_a_file_that_vanishes_is_refused_by_name(folder: Path) -> None:
    files = find_files([str(folder)])
    files[1].unlink()
    with pytest.raises(CorpusError, match=r"b\.txt: no such file"):
        list(Reader().run(files, len, Tally()))


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


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_text_with_progress_to_its_end(folder: Path, threads: int) -> None:
    files, seen = find_files([str(folder)]), []
    reader = Reader(threads, lambda done, total: seen.append((done, total)), block_bytes=4)
    found = b" ".join(reader.run(files, bytes, Tally())).split()
    assert found == b" ".join(path.read_bytes() for path in files).split()
    assert seen == sorted(seen)
    assert seen[-1] == (total_bytes(files), total_bytes(files))


def test_a_stop_ends_the_work_soon_even_inside_an_endless_word(tmp_path: Path) -> None:
    path, seen = tmp_path / "text", []
    path.write_bytes(b"x" * 100_000)
    reader = Reader(1, lambda done, _: seen.append(done), lambda: len(seen) >= 3, block_bytes=100)
    with pytest.raises(Stopped):
        list(reader.run([path], len, Tally()))
    assert len(seen) == 3


def test_an_error_of_the_work_reaches_the_caller(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        list(Reader().run(find_files([str(folder)]), lambda _: 1 // 0, Tally()))
