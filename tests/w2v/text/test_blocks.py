"""Words come in the same whatever the size, blocks or damage of their text."""

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipw2v.w2v.text.blocks import (
    BOM,
    MAX_WORD_BYTES,
    Stopped,
    Tally,
    TextReader,
    clean,
    cut_blocks,
    read_blocks,
)
from gossipw2v.w2v.text.files import CorpusError, total_bytes
from gossipw2v.w2v.text.finding.find import find_files

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(f"text of {name}")
    return tmp_path


def test_blocks_of_a_packed_file_tell_how_far_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(gzip.compress(BOM + b"one two\nthree"))
    blocks = list(read_blocks(path, 4))
    assert sentences([block.data for block in blocks]) == [[b"one", b"two"], [b"three"]]
    assert blocks[-1].position == path.stat().st_size


def test_a_file_that_vanishes_is_refused_by_name(folder: Path) -> None:
    files = find_files([str(folder)])
    files[1].unlink()
    with pytest.raises(CorpusError, match=r"b\.txt: no such file"):
        list(TextReader().run(files, len, Tally()))


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_text_with_progress_to_its_end(folder: Path, threads: int) -> None:
    files, seen = find_files([str(folder)]), []
    reader = TextReader(threads, lambda done, total: seen.append((done, total)), block_bytes=4)
    found = b" ".join(reader.run(files, bytes, Tally())).split()
    assert found == b" ".join(path.read_bytes() for path in files).split()
    assert seen == sorted(seen)
    assert seen[-1] == (total_bytes(files), total_bytes(files))


def test_a_stop_ends_the_work_soon_even_inside_an_endless_word(tmp_path: Path) -> None:
    path, seen = tmp_path / "text", []
    path.write_bytes(b"x" * 100_000)
    reader = TextReader(1, lambda done, _: seen.append(done), lambda: len(seen) >= 3, block_bytes=100)
    with pytest.raises(Stopped):
        list(reader.run([path], len, Tally()))
    assert len(seen) == 3


def test_an_error_of_the_work_reaches_the_caller(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        list(TextReader().run(find_files([str(folder)]), lambda _: 1 // 0, Tally()))
