"""Frames of zstd, as the library that owns the format writes them."""

import io
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from gossipw2v.w2v.text.files import CorpusError, open_text
from gossipw2v.w2v.text.finding.find import find_files
from gossipw2v.w2v.text.unpack import Unpacker, buffered

TEXT = b"one two three\n" * 1000
SKIPPABLE = struct.pack("<II", 0x184D2A50, 4) + b"\1\2\3\4"


def frame(data: bytes, level: int = 3) -> bytes:
    return zstandard.ZstdCompressor(level, write_checksum=True).compress(data)


@pytest.mark.parametrize(
    "packed",
    [frame(TEXT), frame(TEXT) + SKIPPABLE, SKIPPABLE + frame(TEXT), frame(TEXT[:7]) + SKIPPABLE + frame(TEXT[7:])],
    ids=["one frame", "seekable format", "pzstd", "something between frames"],
)
def test_what_other_programs_write_is_read(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "text.zst").write_bytes(packed)
    (path,) = find_files([str(tmp_path)])
    with open_text(path) as (stream, _):
        assert stream.read() == TEXT


def test_a_frame_cut_short_and_a_damaged_one_are_named(tmp_path: Path) -> None:
    path, packed = tmp_path / "text", frame(TEXT) + frame(TEXT)
    damaged = bytearray(packed)
    damaged[-2] ^= 1  # of the second frame's checksum
    for data, why in ((packed[:-3], "is cut short"), (bytes(damaged), "stream 2 of it is damaged")):
        path.write_bytes(data)
        with pytest.raises(CorpusError, match=f"text: .*{why}"), open_text(path) as (stream, _):
            stream.read()


def test_a_frame_that_asks_for_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=1)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(b"x" * 1000) + packer.flush()
    with pytest.raises(OSError, match="memory"):
        buffered(Unpacker(io.BytesIO(packed), "zst").some).read()


BOMB = """
import resource, sys, zstandard
from gossipw2v.w2v.text.unpack import Unpacker, buffered
stream = buffered(Unpacker(open(sys.argv[1], "rb"), "zst").some)
stream.read(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
size = 1 << 20
while data := stream.read(1 << 20):
    size += len(data)
assert size == 3 << 30, size
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_frame_that_unpacks_to_much_is_unpacked_in_bounded_memory(tmp_path: Path) -> None:
    packer = zstandard.ZstdCompressor(1).compressobj()
    path = tmp_path / "bomb.zst"
    with path.open("wb") as file:
        for _ in range(3 << 6):
            file.write(packer.compress(bytes(1 << 24)))
        file.write(packer.flush())
    assert path.stat().st_size < 1 << 20
    done = subprocess.run([sys.executable, "-c", BOMB, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200 << 10  # KiB


def test_without_the_library_one_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.zst").write_bytes(frame(TEXT))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(CorpusError, match=r"text.zst: .*zstandard: pip install 'gossipw2v\[data\]'"):
        find_files([str(tmp_path)])
