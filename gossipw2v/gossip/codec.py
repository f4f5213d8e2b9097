"""Messages as bytes. `decode` is total: it returns a message or raises ProtocolError, whatever the bytes.

A frame is the magic `GW2V`, a big-endian uint32 length and one msgpack array `[tag, field, ...]`; rows travel as raw
little-endian bytes beside their number and dimensions. Tags and fields are append-only.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeAlias

import msgpack
import numpy as np
from numpy.typing import DTypeLike, NDArray

from gossipw2v.delta import RowDelta
from gossipw2v.gossip import messages
from gossipw2v.gossip.messages import Message, ProtocolError
from gossipw2v.gossip.records import MAX_MEMBERS, MAX_PARTS, Member, Portion, Stage

MAGIC = b"GW2V"
TLS = b"\x16\x03"  # how a TLS connection begins
HEADER = struct.Struct(">4sI")
MAX_NODES = 1 << 15  # lists and maps in a frame: a full StateNews has some 25,000; 8 MiB of empty maps would be 570 MiB


def encode(message: Message) -> bytes:
    """One frame, header included."""
    tag = TAGS[type(message)]
    packer = msgpack.Packer(autoreset=False)
    packer.pack([tag, *(_plain(getattr(message, f.name)) for f in fields(message))])
    body = packer.getbuffer()
    if len(body) > messages.MAX_FRAME:
        raise ProtocolError("size", f"a {type(message).__name__} of {len(body)} bytes does not fit a frame")
    return b"".join((HEADER.pack(MAGIC, len(body)), body))


def frame_length(header: bytes, cap: int = messages.MAX_FRAME) -> int:
    """The length that a frame header declares; ProtocolError for a wrong magic or more than `cap` bytes."""
    magic, length = HEADER.unpack(header)
    if magic.startswith(TLS):
        raise ProtocolError("secret", "it speaks TLS: it was given a secret, and this node none; see --secret-file")
    if magic != MAGIC:
        raise ProtocolError("magic", "not a gossipw2v frame")
    if not 0 < length <= cap:
        raise ProtocolError("size", f"a frame of {length} bytes, at most {cap} allowed")
    return int(length)


def decode(body: bytes) -> Message:
    """The message in a frame's body."""
    budget = itertools.count()

    def counted(container: Any) -> Any:
        if next(budget) >= MAX_NODES:
            raise ValueError("too many lists and maps")
        return container

    try:
        items = msgpack.unpackb(
            body,
            strict_map_key=False,
            list_hook=counted,
            object_hook=counted,
            max_array_len=max(messages.MAX_OFFERS, MAX_MEMBERS),
            max_map_len=messages.MAX_ORIGINS,
            max_str_len=1024,
            max_bin_len=messages.MAX_FRAME,
            max_ext_len=0,
        )
    except Exception as error:  # msgpack raises a dozen kinds, RecursionError-like StackError among them
        raise ProtocolError("malformed", f"not msgpack: {type(error).__name__}") from None
    return _build(items)


def _build(items: Any) -> Message:
    if not isinstance(items, list) or not items or type(items[0]) is not int or items[0] not in KINDS:
        raise ProtocolError("malformed", "not a message of this protocol")
    kind, schema = KINDS[items[0]]
    if len(items) - 1 < len(schema):  # a newer sender may append fields: they are ignored
        raise ProtocolError("malformed", f"{kind.__name__} with {len(items) - 1} of {len(schema)} fields")
    try:
        return kind(*(check(item) for check, item in zip(schema, items[1:], strict=False)))  # type: ignore[no-any-return]  # a kind of message, as `KINDS` says
    except (TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
        raise ProtocolError("malformed", f"{kind.__name__}: {error}") from None


Check: TypeAlias = Callable[[Any], Any]


def _only(kind: type, fits: Callable[[Any], bool], expected: str) -> Check:
    """An item of just this kind, which `fits`."""

    def check(item: Any) -> Any:
        if type(item) is not kind or not fits(item):
            raise ValueError(f"expected {expected}")
        return item

    return check


def _integer(low: int, high: int) -> Check:
    return _only(int, lambda item: low <= item <= high, f"an integer of {low}..{high}")


def _octets(low: int, high: int) -> Check:
    return _only(bytes, lambda item: low <= len(item) <= high, f"{low}..{high} bytes")


def _text(longest: int) -> Check:
    fits = lambda item: len(item) <= longest and item.isprintable()  # noqa: E731 - as its siblings
    return _only(str, fits, f"at most {longest} printable characters")


def _many(check: Check, most: int) -> Check:
    whole = _only(list, lambda item: len(item) <= most, f"a list of at most {most}")
    return lambda item: [check(each) for each in whole(item)]


def _table(key: Check, value: Check, most: int) -> Check:
    whole = _only(dict, lambda item: len(item) <= most, f"a map of at most {most}")
    return lambda item: {key(k): value(v) for k, v in whole(item).items()}


def _record(kind: Callable[..., Any], *schema: Check, later: tuple[Check, ...] = ()) -> Check:
    """A list of these fields, which may end where those begin that came `later`."""
    whole = _only(list, lambda item: len(item) >= len(schema), f"{len(schema)} fields")
    return lambda item: kind(*(check(each) for check, each in zip((*schema, *later), whole(item), strict=False)))


def _array(data: bytes, dtype: DTypeLike, size: int) -> NDArray[Any]:
    if len(data) != size * np.dtype(dtype).itemsize:
        raise ValueError(f"{len(data)} bytes for {size} values of {np.dtype(dtype)}")
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype, copy=False)


def _delta(item: Any) -> RowDelta:
    n, dimensions, rows, counts, scales, values = item
    n, dimensions = _integer(0, messages.MAX_ROWS)(n), _integer(1, messages.MAX_DIMENSIONS)(dimensions)
    rows, counts, scales, values = (_octets(0, messages.MAX_FRAME)(each) for each in (rows, counts, scales, values))
    return RowDelta(
        _array(rows, np.int32, n),
        _array(counts, np.uint32, n),
        _array(scales, np.float32, n),
        _array(values, np.int8, n * dimensions).reshape(n, dimensions),
    )


def _plain(value: Any) -> Any:
    """A field as msgpack takes it: records become lists, arrays raw little-endian bytes."""
    if isinstance(value, RowDelta):
        arrays = (value.rows, value.counts, value.scales, value.values)
        little = (np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for a in arrays)
        return [*value.values.shape, *(a.reshape(-1).view(np.uint8).data for a in little)]  # packed without a copy
    if isinstance(value, (Member, messages.Offer, Portion)):
        items = [_plain(getattr(value, f.name)) for f in fields(value)]
        return items[:-1] if items[-1] is None else items  # a field that came later, and says nothing
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value  # of enums their numbers


_node, _link, _digest = _octets(16, 16), _octets(8, 8), _octets(16, 16)
_parent = _only(bytes, lambda item: len(item) in (0, 16), "16 bytes, or none")
_flag = _only(bool, lambda _: True, "true or false")
_number = _integer(0, messages.BIG)
_name, _address = _text(64), _text(80)
_addresses = _many(_address, 16)
_origins = _table(_node, _number, messages.MAX_ORIGINS)
_member = _record(
    lambda node, beat, state, addresses, *rest: Member(node, beat, Stage(state), tuple(addresses), *rest),
    *(_node, _number, _integer(0, max(Stage)), _addresses, _number, _number, _integer(0, MAX_MEMBERS), _parent),
    later=(_record(Portion, _digest, _integer(1, MAX_PARTS), _integer(1, MAX_PARTS)),),
)
_verdict = _record(lambda *each: each, _node, _number)
_offer = _record(messages.Offer, _name, _digest, _integer(1, messages.MAX_BLOB), _number)
_holding = _record(messages.Holding, _flag, _integer(0, messages.MAX_TERM), _parent)
_task = _record(lambda *each: each, _integer(0, messages.MAX_TASKS - 1), _holding)
_exchange = (_link, _number, _flag, _number, _number, _origins, _delta, _integer(0, messages.MAX_ROWS))

# tag -> (message, a check for each field). ONLY APPEND; 5 and 6 were in use up to protocol 2.
KINDS: dict[int, tuple[Any, tuple[Check, ...]]] = {
    0: (messages.Hello, (_integer(0, 999), _integer(0, 999), _node, _table(_name, _text(120), 32), _addresses)),
    1: (messages.Refuse, (_name, _text(500))),
    2: (messages.StateNews, (_many(_member, MAX_MEMBERS), _many(_offer, messages.MAX_OFFERS))),
    3: (messages.BlobPull, (_name, _digest, _integer(0, messages.MAX_BLOB))),
    4: (messages.BlobPart, (_name, _digest, _integer(0, messages.MAX_BLOB), _octets(0, messages.MAX_PART))),
    7: (messages.LinkOpen, (_link, _flag, _number, _digest, _origins, _flag)),
    8: (messages.LinkOpened, (_link, _flag, _origins)),
    9: (messages.Push, _exchange),
    10: (messages.Answer, _exchange),
    11: (messages.Leave, ()),
    12: (messages.Dead, (_many(_verdict, MAX_MEMBERS),)),
    13: (messages.LinkRefused, (_link, _name)),
    14: (messages.TaskNews, (_digest, _many(_task, messages.MAX_TOLD))),
    15: (messages.FileListing, (_octets(0, messages.MAX_LISTING),)),
}
TAGS = {kind: tag for tag, (kind, _) in KINDS.items()}
