"""Every message survives the wire, frozen frames stay readable, and no bytes do more than raise ProtocolError."""

import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import DIGEST, LINK, MEMBER, NODE, SAMPLES, messages, repeatable

from gossipw2v.delta import RowDelta
from gossipw2v.gossip.codec import HEADER, KINDS, MAGIC, decode, encode, frame_length
from gossipw2v.gossip.messages import (
    BIG,
    MAX_FRAME,
    MAX_HELLO,
    MAX_LISTING,
    MAX_OFFERS,
    MAX_ORIGINS,
    MAX_PART,
    MAX_ROWS,
    MAX_TASKS,
    MAX_TERM,
    MAX_TOLD,
    BlobPart,
    Leave,
    Offer,
    ProtocolError,
    Push,
    StateNews,
)
from gossipw2v.gossip.records import MAX_MEMBERS, MAX_PARTS, Portion

FRAMES = Path(__file__).parents[1] / "golden" / "frames.txt"
GOLDEN = dict(line.split() for line in FRAMES.read_text().splitlines())
NAN, INFINITY = float("nan"), float("inf")
named = pytest.mark.parametrize("message", SAMPLES, ids=lambda m: type(m).__name__)


def same(one, other) -> bool:
    """Equality in depth and in type: dataclasses with arrays in them have none of their own."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__)
    return one == other


def body_of(message) -> bytes:
    return encode(message)[HEADER.size :]


def items_of(message) -> list:
    return msgpack.unpackb(body_of(message), strict_map_key=False)


def refused(body: bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode(body)
    assert caught.value.reason == "malformed"
    return caught.value


def attempt(body: bytes):
    """The message, or None if it was refused; anything else that is raised fails the test."""
    try:
        return decode(body)
    except ProtocolError:
        return None


def swapped(message, field: int, value) -> bytes:
    """The message's body with another value in one field; 0 is the tag."""
    items = items_of(message)
    items[field] = value
    return msgpack.packb(items)


def sample(name: str):
    return next(message for message in SAMPLES if type(message).__name__ == name)


def test_every_kind_has_a_sample_and_a_golden_frame():
    assert {type(message) for message in SAMPLES} == {kind for kind, _ in KINDS.values()}
    assert GOLDEN.keys() == {kind.__name__ for kind, _ in KINDS.values()}


@named
def test_a_frame_frozen_long_ago_is_written_and_read_alike(message):
    frame = bytes.fromhex(GOLDEN[type(message).__name__])
    assert encode(message) == frame
    assert same(decode(frame[HEADER.size :]), message)


@repeatable(300)
@given(messages)
def test_every_message_comes_back_equal(message):
    frame = encode(message)
    assert frame_length(frame[: HEADER.size]) == len(frame) - HEADER.size
    assert same(decode(frame[HEADER.size :]), message)


@named
def test_fields_that_a_newer_sender_appends_are_ignored(message):
    body = msgpack.packb([*items_of(message), "new", {"deep": [1, None]}])
    assert same(decode(body), message)


@named
def test_a_frame_cut_at_any_offset_is_refused(message):
    body = body_of(message)
    for end in range(len(body)):
        refused(body[:end])


@named
def test_trailing_bytes_are_refused(message):
    refused(body_of(message) + b"\x00")


@named
def test_a_missing_field_is_refused(message):
    items = items_of(message)
    for n in range(len(items)):
        refused(msgpack.packb(items[:n]))


@repeatable(500)
@given(st.binary(max_size=200))
def test_random_bytes_do_no_more_than_raise(body):
    assert attempt(body) in (None, Leave())


@repeatable(500)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_frame_is_another_message_or_refused(message, data):
    body = bytearray(body_of(message))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    again = attempt(bytes(body))
    if again is not None:  # what was let in can be passed on
        assert type(decode(body_of(again))) is type(again)


ODD = [
    None,
    True,
    -1,
    1.0,
    NAN,
    BIG + 1,
    2**64 - 1,
    "x",
    "\x00",
    b"",
    b"x",
    [],
    [[]],
    {},
    {"a": 1},
    msgpack.ExtType(1, b""),
]


@named
def test_no_odd_value_in_any_field_does_more_than_raise(message):
    for field in range(len(items_of(message))):
        for odd in [*ODD, msgpack.Timestamp(2**40)]:
            again = attempt(swapped(message, field, odd))
            assert again is None or type(again) is type(message) or field == 0


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("Hello", 1, True),
        ("Hello", 1, 1000),
        ("Hello", 1, -1),
        ("Hello", 3, b"short"),
        ("Hello", 3, "a" * 16),
        ("Hello", 4, {1: "x"}),
        ("Hello", 4, {NAN: "x"}),
        ("Hello", 4, {b"job": "x"}),
        ("Hello", 4, {None: "x"}),
        ("Hello", 4, {"job": 1}),
        ("Hello", 4, {str(n): "x" for n in range(33)}),
        ("Hello", 4, {"job": "x" * 121}),
        ("Hello", 4, {"job": "line\nbreak"}),
        ("Hello", 4, {"job": "\x1b[31m"}),
        ("Hello", 5, ["x"] * 17),
        ("Hello", 5, ["x" * 81]),
        ("Refuse", 2, "x" * 501),
        ("StateNews", 1, [["short"]]),
        ("StateNews", 1, [[NODE, 1, 99, [], 0, 0, 0, b""]]),
        ("StateNews", 1, [[NODE, 1, True, [], 0, 0, 0, b""]]),
        ("StateNews", 1, [[NODE, 1, 1, [], 0, -1, 0, b""]]),
        ("StateNews", 1, [[NODE, 1, 1, [], 0, 0, MAX_MEMBERS + 1, b""]]),
        ("StateNews", 1, [[NODE, 1, 1, [], 0, 0, 0, b"short"]]),
        ("StateNews", 1, [[NODE, 1, 1, [], 0, 0, 0, ""]]),
        ("StateNews", 1, [[NODE, 1, 1, [], 0, 0, 0, None]]),
        ("StateNews", 1, [[NODE, 1, 1, [], 0, 0, 0, b"", None]]),
        ("StateNews", 1, [[NODE, 1, 1, [], 0, 0, 0, b"", [b"short", 1, 1]]]),
        ("StateNews", 1, [[NODE, 1, 1, [], 0, 0, 0, b"", [DIGEST, 1, MAX_PARTS + 1]]]),
        ("StateNews", 1, [[NODE, 1, 1, [], 0, 0, 0, b"", [DIGEST, 0, 1]]]),
        ("StateNews", 2, [["vocabulary", DIGEST, 0, 0]]),
        ("BlobPull", 3, -1),
        ("BlobPart", 4, bytes(MAX_PART + 1)),
        ("LinkOpen", 6, 1),
        ("LinkOpen", 6, None),
        ("LinkRefused", 1, b"short"),
        ("LinkRefused", 2, "x" * 65),
        ("LinkOpen", 1, b"too long a name"),
        ("LinkOpen", 5, {b"short": 1}),
        ("LinkOpen", 5, {NODE: -1}),
        ("LinkOpen", 5, {NODE: BIG + 1}),
        ("LinkOpen", 5, {NODE: True}),
        ("LinkOpen", 5, [NODE, 1]),
        ("Push", 2, 1.5),
        ("TaskNews", 2, [[MAX_TASKS, [True, 0, NODE]]]),
        ("TaskNews", 2, [[0, [1, 0, NODE]]]),
        ("TaskNews", 2, [[0, [True, -1, NODE]]]),
        ("TaskNews", 2, [[0, [True, MAX_TERM + 1, NODE]]]),
        ("TaskNews", 2, [[0, [True, 0, b"short"]]]),
        ("TaskNews", 2, [[0, [False, 0, b""]]] * (MAX_TOLD + 1)),
        ("FileListing", 1, bytes(MAX_LISTING + 1)),
    ],
)
def test_a_field_out_of_its_bounds_is_refused(name, field, value):
    refused(swapped(sample(name), field, value))


def raw_delta(n=1, dimensions=2, rows=4, counts=4, scales=4, values=2) -> list:
    return [n, dimensions, bytes(rows), bytes(counts), bytes(scales), bytes(values)]


@pytest.mark.parametrize(
    "bad",
    [
        raw_delta(rows=3),
        raw_delta(counts=8),
        raw_delta(scales=0),
        raw_delta(values=1),
        raw_delta(dimensions=0, values=0),
        raw_delta(dimensions=4097, values=4097),
        raw_delta(n=-1),
        raw_delta(n=True),
        raw_delta(n=MAX_ROWS + 1),
        raw_delta(n=2**62),
        raw_delta()[:5],
        [*raw_delta(), b""],
        [1, 2, "rows", bytes(4), bytes(4), bytes(2)],
        [1, 2, [0], [0], [0.5], [1, 2]],
        None,
    ],
    ids=str,
)
def test_a_delta_whose_bytes_do_not_fit_its_shape_is_refused(bad):
    refused(swapped(sample("Push"), 7, bad))


def test_a_delta_of_nan_passes_the_wire_only_to_be_refused_by_check():
    """The codec judges shapes; `delta.check` judges values, with the model at hand."""
    scales = np.array([NAN], "<f4").tobytes()
    push = decode(swapped(sample("Push"), 7, [1, 2, bytes(4), bytes(4), scales, bytes(2)]))
    assert isinstance(push, Push)
    assert np.isnan(push.delta.scales).all()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x91" * 100_000,
        b"\xdc\x20\x00" * 100_000,
        b"\x81\x00" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x92\x05\xd4\x01\x00",
        b"\x92\x05\xc7\x0c\xff" + bytes(12),
        b"\x93\x01\xa1\xff\xa0",
        b"\x93\x01\xa3\xed\xa0\x80\xa0",
        b"\x91\xcb" + struct.pack(">d", NAN),
        b"\x91\x0c",
        b"\x91\xff",
        b"\x91\xc3",
        b"\x81\x0b\x0b",
        b"\x0b",
        b"\x91\x91\x0b",
    ],
    ids=lambda body: body[:6].hex() or "nothing",
)
def test_hostile_msgpack_is_refused(body):
    refused(body)


@pytest.mark.parametrize(
    "small", [b"\x80", b"\x90", b"\xa2ab", b"\xcd\x7f\x7f"], ids=["maps", "lists", "texts", "numbers"]
)
def test_a_frame_full_of_small_things_takes_bounded_memory(small):
    inner = b"\xdc\x20\x00" + small * 8192
    body = b"\x93\x02\xdc" + struct.pack(">H", 40) + inner * 40 + b"\x90"
    tracemalloc.start()
    try:
        refused(body)
        assert tracemalloc.get_traced_memory()[1] < 25 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_the_fullest_honest_state_fits_and_comes_back():
    crowd = [replace(MEMBER, portion=Portion(DIGEST, 1, MAX_PARTS))] * MAX_MEMBERS
    news = StateNews(crowd, [Offer("counts/" + "f" * 32, DIGEST, 1, 0)] * MAX_OFFERS)
    assert same(decode(body_of(news)), news)
    refused(swapped(news, 1, items_of(news)[1] + [items_of(news)[1][0]]))


def test_the_longest_origins_fit_and_one_more_is_refused():
    many = {n.to_bytes(16): n for n in range(MAX_ORIGINS)}
    assert decode(swapped(sample("LinkOpen"), 5, many)).origins == many
    refused(swapped(sample("LinkOpen"), 5, many | {b"\xff" * 16: 1}))


def test_a_message_too_large_for_a_frame_is_not_written():
    n = MAX_ROWS
    wide = RowDelta(
        np.arange(n, dtype=np.int32), *(np.zeros(n, t) for t in (np.uint32, np.float32)), np.zeros((n, 200), np.int8)
    )
    with pytest.raises(ProtocolError, match="a Push of") as caught:
        encode(Push(LINK, 1, False, 0, 0, {}, wide))
    assert caught.value.reason == "size"


@pytest.mark.parametrize("length", [0, MAX_FRAME + 1, 0xFFFFFFF0])
def test_a_length_out_of_bounds_is_refused_before_the_body(length):
    with pytest.raises(ProtocolError) as caught:
        frame_length(HEADER.pack(MAGIC, length))
    assert caught.value.reason == "size"


def test_a_stranger_may_send_less_than_a_member():
    assert frame_length(HEADER.pack(MAGIC, MAX_HELLO + 1)) == MAX_HELLO + 1
    with pytest.raises(ProtocolError, match="4096 allowed"):
        frame_length(HEADER.pack(MAGIC, MAX_HELLO + 1), MAX_HELLO)


@pytest.mark.parametrize("stranger", [b"GET / HT", b"SSH-2.0-", bytes(8)])
def test_another_protocol_is_told_by_its_magic(stranger):
    with pytest.raises(ProtocolError) as caught:
        frame_length(stranger)
    assert caught.value.reason == "magic"


def test_one_who_speaks_tls_is_told_what_is_missing():
    with pytest.raises(ProtocolError, match="--secret-file") as caught:
        frame_length(b"\x16\x03\x01\x02\x00\x01\x00\x01")
    assert caught.value.reason == "secret"


def test_a_part_of_the_largest_size_fits():
    part = BlobPart("vocabulary", DIGEST, 0, bytes(MAX_PART))
    assert same(decode(body_of(part)), part)


def test_arrays_are_little_endian_on_the_wire():
    rows = items_of(sample("Push"))[7][2]
    assert rows == b"\x01\x00\x00\x00\x70\x11\x01\x00"
