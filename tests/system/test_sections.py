"""Sealed sections: read back as written, in their order, from their file."""

import io
import struct

import numpy as np
import pytest

from gossipw2v.system.sections import HASH_BYTES, DamagedError, Reader, Writer, digest

START = digest(b"start")


def written(*sections: bytes, start: bytes = START) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, start)
    for section in sections:
        writer.section(len(section), [section[:1], section[1:]])
    return file.getvalue()


def reader(data: bytes, start: bytes = START) -> Reader:
    return Reader(io.BytesIO(data), start)


def test_sections_come_back_in_every_way_of_reading() -> None:
    numbers = np.arange(500_000, dtype=np.int64)
    sections = reader(written(b"text", b'{"a": 1}', bytes(3), numbers.tobytes()))
    assert sections.data(4) == b"text"
    assert sections.json(100) == {"a": 1}
    sections.skip(3)
    out = np.zeros_like(numbers)
    sections.fill(out, "<i8")
    assert np.array_equal(out, numbers)
    assert reader(written(b"")).data(0) == b""


def test_a_section_of_another_place_or_file_is_refused() -> None:
    data = written(b"one", b"two")
    size = struct.calcsize("<Q") + 3 + HASH_BYTES
    with pytest.raises(DamagedError, match="checksum"):
        reader(data[size:]).data(3)
    with pytest.raises(DamagedError, match="checksum"):
        reader(data, digest(b"another start")).data(3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (written(b"three")[:7], "cut short"),
        (written(b"three")[:10], "cut short"),
        (written(b"three")[:-1], "checksum"),
        (struct.pack("<Q", 1 << 60) + b"three", "at most 100"),
    ],
)
def test_what_is_not_whole_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DamagedError, match=reason):
        reader(data).data(100)


@pytest.mark.parametrize("text", [b"{", b"[]", b"[" * 100_000, b"\xff", b"1" * 5000])
def test_json_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(DamagedError):
        reader(written(text)).json(1 << 20)


def test_a_section_of_another_length_than_it_must_have_is_refused_before_it_is_read() -> None:
    with pytest.raises(DamagedError, match="should have 4 bytes"):
        reader(written(b"three")).skip(4)
    with pytest.raises(DamagedError, match="should have 16 bytes"):
        reader(written(b"three")).fill(np.zeros(2), "<i8")


def test_numbers_of_which_one_is_cut_in_two_are_refused() -> None:
    for missing in range(1, HASH_BYTES + 24):
        with pytest.raises(DamagedError, match=r"cut short|checksum"):
            reader(written(bytes(24))[:-missing]).fill(np.zeros(3), "<i8")
