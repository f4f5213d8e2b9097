"""Packed text of one stream or many is all of the text, or an error: never a part of it."""

import bz2
import gzip
import io
import lzma
import os
import random
import sys
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipw2v.w2v.text import unpack
from gossipw2v.w2v.text.unpack import Unpacker, buffered, packing

PACKERS = {
    "gz": lambda data: gzip.compress(data, 1),
    "bz2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "zst": lambda data: zstandard.ZstdCompressor(1, write_checksum=True).compress(data),  # as `zstd` does
}
KINDS = pytest.mark.parametrize("kind", PACKERS)


@pytest.fixture(scope="module", params=["with", "without"], autouse=True)
def isal(request: pytest.FixtureRequest) -> Iterator[None]:
    """With the library that is faster, and where it is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "without":
            patch.setitem(sys.modules, "isal", None)
        yield


def unpacked(packed: bytes, kind: str) -> bytes:
    return buffered(Unpacker(io.BytesIO(packed), kind).some).read()


@KINDS
def test_a_packed_file_is_known_by_its_first_bytes(kind: str) -> None:
    assert packing(PACKERS[kind](b"text")) == kind
    assert packing(b"BZhang is text") is None


@given(
    parts=st.lists(st.binary(max_size=200), min_size=1, max_size=6),
    kind=st.sampled_from(list(PACKERS)),
    size=st.integers(1, 64),
)
@settings(deadline=None)
def test_all_streams_are_read_in_whatever_pieces(parts: list[bytes], kind: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpack, "READ_BYTES", size)
        some = Unpacker(io.BytesIO(b"".join(map(PACKERS[kind], parts))), kind).some
        pieces = list(iter(lambda: some(size), b""))
    assert b"".join(pieces) == b"".join(parts)
    assert all(len(piece) <= size for piece in pieces)


@KINDS
@pytest.mark.parametrize("large", [False, True])
def test_nothing_but_a_whole_file_is_read(kind: str, large: bool) -> None:
    first, second = (PACKERS[kind](os.urandom(200_000 if large else 20)) for _ in range(2))
    whole = first + second
    cuts = {1, 3, len(first) // 2, len(first) - 1, len(first) + 1, len(first) + 5, len(whole) - 9, len(whole) - 1}
    for cut in cuts:
        with pytest.raises((EOFError, OSError)):
            unpacked(whole[:cut], kind)
    for behind in (b"\1garbage", b"text\n" * 99, second[:1] + b"x" * 50, b"\0\0\0x"):
        with pytest.raises((EOFError, OSError)):
            unpacked(first + behind, kind)


@KINDS
def test_damage_in_any_stream_is_an_error_or_without_effect(kind: str) -> None:
    texts = [b" ".join(b"%d" % (n * n) for n in range(2000)), b"second " * 500]
    whole = b"".join(map(PACKERS[kind], texts))
    pick = random.Random(1)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[pick.randrange(len(whole))] ^= 1 << pick.randrange(8)
        try:
            found = unpacked(bytes(damaged), kind)
        except (EOFError, OSError):
            continue
        assert found == b"".join(texts)  # a name or a time in a header of gzip


@pytest.mark.parametrize(("kind", "zeros"), [("gz", 1), ("gz", 512), ("gz", 300_000), ("xz", 4), ("xz", 300_000)])
def test_padding_that_the_format_allows_is_passed_over(kind: str, zeros: int) -> None:
    one = PACKERS[kind](b"one")
    assert unpacked(one + bytes(zeros) + one + bytes(zeros), kind) == b"oneone"


@pytest.mark.parametrize(("kind", "zeros"), [("xz", 3), ("xz", 6), ("bz2", 4)])
def test_padding_that_the_format_does_not_know_is_an_error(kind: str, zeros: int) -> None:
    with pytest.raises((EOFError, OSError)):
        unpacked(PACKERS[kind](b"one") + bytes(zeros), kind)


def test_an_error_names_the_stream() -> None:
    with pytest.raises(OSError, match="stream 2 of it is damaged, or is no bz2"):
        unpacked(bz2.compress(b"one") + b"two", "bz2")
