"""What strangers' bytes reach, as functions of bytes: whatever those are, a target returns, within its promises.

`TARGETS` names them. What a target lets through is a defect: an exception, a broken promise (AssertionError), more than
SECONDS of processor time. `tools/fuzz.py` searches for such bytes; `test_fuzz.py` replays all that were ever found.
"""

import atexit
import functools
import hashlib
import io
import itertools
import json
import random
import shutil
import struct
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from zeroconf import ServiceInfo

from gossipw2v.config.loader import ConfigError, load
from gossipw2v.config.options import reference_toml
from gossipw2v.delta import Batch, DeltaError, RowDelta, empty
from gossipw2v.gossip.codec import HEADER, decode, encode
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Collect, Instruction, Merge, Received, Settle
from gossipw2v.gossip.messages import PROTOCOL, Hello, LinkOpen, ProtocolError, Push, StateNews
from gossipw2v.gossip.records import Member, Stage
from gossipw2v.node.storage.checkpoint import MAGIC, VERSION, CheckpointError
from gossipw2v.node.storage.generations import find
from gossipw2v.node.storage.saved_links import read as read_references
from gossipw2v.system.sections import HASH_BYTES, DamagedError, Writer, digest
from gossipw2v.transport.addresses import usable_addresses
from gossipw2v.transport.discovery import NODE_ID, SERVICE, read_text
from gossipw2v.w2v.phrases.grams import Grams
from gossipw2v.w2v.phrases.joins import Joins
from gossipw2v.w2v.text import shards
from gossipw2v.w2v.text.vocab import Counts, Vocab, VocabError
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.training.clipping import ClippingLimits
from gossipw2v.w2v.training.cursor import Position, deal, schedules
from gossipw2v.w2v.training.model import Model
from support import saved_links
from support.checkpoints import GOOD_ABOUT, GOOD_STATE, VOCAB
from support.samples import LINK, NODE, OTHER, SAMPLES

SECONDS = 0.1  # of processor time for one input
WORDS, SIZE = 6, 5  # of the model that deltas are merged into
LIMITS = ClippingLimits(move=5.0, budget=40.0)
ME, CHILD = b"\x80" * 16, b"\x01" * 16
JOB = {"job": "default", "window": "5"}
VOCABULARY = b"a vocabulary"
IDENTITY = bytes(range(32))

Target = Callable[[bytes], None]


@functools.cache
def folder() -> Path:
    """One folder for this process, in memory where there is such a place."""
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, path, True)
    return path


# -- frames and the handshake -------------------------------------------------------------------------------


def wire(data: bytes) -> None:
    """A frame's body: a message that can be sent on as it is, or ProtocolError."""
    with suppress(ProtocolError):
        message = decode(data)
        again = encode(message)
        assert encode(decode(again[HEADER.size :])) == again


def handshake(data: bytes) -> None:
    """Frames as they come, a 16-bit length before each body, on a core that has a vocabulary and a model."""
    core = _core()
    core.opened(1, None, 0.0, "10.0.0.1")
    now, at = 0.0, 0
    while at + 2 <= len(data) and 1 in core.connections.by_conn:
        (length,) = struct.unpack_from(">H", data, at)
        body, at, now = data[at + 2 : at + 2 + length], at + 2 + length, now + 0.3
        try:
            orders = core.received(1, decode(body), now)
        except ProtocolError as error:
            orders = core.sanctions.violated(1, error, now)
        _obey(core, orders, now)
        _obey(core, core.tick(now), now)


def _core() -> GossipCore:
    me = Member(ME, 0, Stage.COUNTING, ("10.0.0.9:7411",))
    core = GossipCore(me, GossipConfig(job=JOB), random.Random(1), 0.0)
    core.own.frozen(VOCABULARY, 5)
    core.own.ready()
    core.own.trained(10)
    return core


def _obey(core: GossipCore, orders: list[Instruction], now: float) -> None:
    """What the owner does, with a model that has nothing to say; every message must fit a frame."""
    queue = list(orders)
    for _ in range(100):
        if not queue:
            return
        match queue.pop(0):
            case Collect(link):
                queue += core.collected(link, Batch(empty(SIZE), 0, 0))
            case Merge(link, delta):
                queue += core.merged(link, Batch(delta, 0, 0), now)
            case Settle(link):
                core.settled(link, now)
            case Received(_, blob):
                core.census.reject(blob)
            case order:
                for message in [order.message] if hasattr(order, "message") else []:
                    encode(message)
                if hasattr(order, "reason") and hasattr(order, "conn"):
                    core.closed(order.conn)
    raise AssertionError("there is always more to do")


# -- rows ---------------------------------------------------------------------------------------------------


def merging(data: bytes) -> None:
    """Deltas on a link, pushed and answered: no number ends up infinite, no row moves too far, references agree."""
    parent, child = _model(), _model()
    start = parent.weights.copy()
    moved, at = np.zeros(len(start)), 0
    while at < len(data) and at < 400:
        delta, overlap, flush, at = _read_delta(data, at)
        before = parent.weights.copy()
        try:
            parent.merge(LINK, delta, flush, overlap)
        except DeltaError:
            assert parent.weights.tobytes() == before.tobytes()
        moved = np.maximum(moved, np.linalg.norm(parent.weights - before, axis=1))
        held = child.weights.copy()
        try:
            child.settle(LINK, _cut(delta), delta)
        except DeltaError:
            assert child.weights.tobytes() == held.tobytes()
    assert (moved <= LIMITS.move * 1.001).all()
    assert (np.linalg.norm(parent.weights - start, axis=1) <= LIMITS.budget).all()
    for each in (parent, child):
        assert np.isfinite(each.weights).all()
        assert np.isfinite(each.links[LINK].reference).all()
        assert (each.updates >= 0).all()
    with suppress(DeltaError):
        sent = child.collect(LINK, True)
        answer = parent.merge(LINK, sent.delta, True, False)
        child.settle(LINK, sent.delta, answer.delta)


def _model() -> Model:
    made = Model(_initial, 2 * WORDS, limits=LIMITS)
    made.open_link(LINK, False, False)
    return made


def _initial() -> np.ndarray:
    return np.linspace(-1, 1, 2 * WORDS * SIZE, dtype=np.float32).reshape(2 * WORDS, SIZE)


def _read_delta(data: bytes, at: int) -> tuple[RowDelta, bool, bool, int]:
    """A delta of up to 15 rows from raw bytes; its rows mostly ascend, its scales are any 32 bits."""
    flags = data[at]
    n, wide = flags & 15, bool(flags & 16)
    width = SIZE if wide else (SIZE + 1) // 2
    size = n * (1 + 4 + 4 + width)
    raw = data[at + 1 : at + 1 + size].ljust(size, b"\x01")
    steps, counts, scales, values = (raw[a:b] for a, b in ((0, n), (n, 5 * n), (5 * n, 9 * n), (9 * n, size)))
    rows = np.cumsum(np.frombuffer(steps, np.int8), dtype=np.int32)
    delta = RowDelta(
        rows,
        np.frombuffer(counts, "<u4"),
        np.frombuffer(scales, "<f4"),
        np.frombuffer(values, np.int8).reshape(n, width),
    )
    return delta, bool(flags & 32), bool(flags & 64), at + 1 + size


def _cut(delta: RowDelta) -> RowDelta:
    """What might have been sent before such an answer: every second of its rows, with other numbers."""
    scales = np.full(len(delta.rows[::2]), 0.01, np.float32)
    return RowDelta(delta.rows[::2], delta.counts[::2], scales, np.ascontiguousarray(delta.values[::2]))


# -- files --------------------------------------------------------------------------------------------------


def shard(data: bytes) -> None:
    """An encoded text. An odd first byte: its checksums are put right, so that what they cover is looked at."""
    path = folder() / "a.shard"
    path.write_bytes(_signed_shard(data[1:]) if data[:1] and data[0] & 1 else data[1:])
    with suppress(shards.ShardError):
        opened = shards.open_shard(path, IDENTITY[:16], IDENTITY[16:])
        assert int(opened.tokens.sum(dtype=np.int64) + opened.held_out.sum(dtype=np.int64)) is not None
        opened.forget()


def _signed_shard(data: bytes) -> bytes:
    data = data.ljust(24, b"\0")
    number, words, held_out = struct.unpack_from("<QQQ", data)
    checksum = hashlib.blake2b(data[24:] + shards._divided(number, held_out), digest_size=16).digest()
    return shards._header((number, words, held_out), IDENTITY + bytes(16), checksum) + data[24:]


def checkpoint(data: bytes) -> None:
    """A checkpoint left in a data directory; an odd first byte: its checksums are put right."""
    path = folder() / "checkpoint-1"
    path.write_bytes(_signed_checkpoint(data[1:]) if data[:1] and data[0] & 1 else data[1:])
    with suppress(CheckpointError):
        found = find(folder()).newest
        if found is not None:
            assert found.weights().shape == (2 * found.about.words, found.about.vector_size)
            _go_on(found.state.places)


def _go_on(places: tuple[Position, ...]) -> None:
    """Places that can be in a text of 50 ids can be dealt out and walked through."""
    ways = schedules(len(places), 50, 3)
    if places and all(way.holds(place) for way, place in zip(ways, places, strict=True)):
        for way, place in zip(schedules(2, 50, 3), deal(places, [Position((), 0, 1)] * 2, 50, 3), strict=True):
            assert way.holds(place)


def _signed_checkpoint(data: bytes) -> bytes:
    """Five sections, the first four as long as numbers of 16 bits say, each with its checksum."""
    lengths, rest = struct.unpack_from("<4H", data.ljust(8, b"\0")), data[8:]
    start = struct.pack("<8sIQI", MAGIC, VERSION, 1, lengths[0])
    file = io.BytesIO(start + digest(start))
    file.seek(0, io.SEEK_END)
    out = Writer(file, digest(start))
    for length in lengths:
        out.section(len(rest[:length]), [rest[:length]])
        rest = rest[length:]
    out.section(len(rest), [rest])
    return file.getvalue()


def references(data: bytes) -> None:
    """The references beside a checkpoint; an odd first byte: checksums are put right. What is read can be written."""
    path = folder() / "a.links"
    path.write_bytes(_signed_references(data[1:]) if data[:1] and data[0] & 1 else data[1:])
    with suppress(DamagedError):
        got = list(read_references(path, saved_links.GENERATION, NODE, saved_links.SHAPE))
        for _, kept in got:
            assert np.isfinite(kept.weights).all()
        saved_links.keep(path, *got)
        again, error = saved_links.read_all(path)
        assert error is None
        assert [saved_links.bits(link) for link in again] == [saved_links.bits(link) for link in got]


def _signed_references(data: bytes) -> bytes:
    """A description as long as a number of 16 bits says, then sections of the sizes that a link's have, all sealed."""
    (length,), rest = struct.unpack_from("<H", data.ljust(2, b"\0")), data[2:]
    file = io.BytesIO(saved_links.prefix())
    file.seek(0, io.SEEK_END)
    out = Writer(file, saved_links.prefix()[-HASH_BYTES:])
    sizes = itertools.chain([length], itertools.cycle(map(len, saved_links.arrays())))
    while rest:
        size = next(sizes)
        out.section(len(rest[:size]), [rest[:size]])
        rest = rest[size:]
    return file.getvalue()


def vocab(data: bytes) -> None:
    """A vocabulary from a peer: exactly what it would be packed as, or VocabError."""
    with suppress(VocabError):
        read = Vocab.from_bytes(data)
        assert read.to_bytes() == data
        assert len({*read.words}) == len(read)


def counts(data: bytes) -> None:
    """Word counts from a peer."""
    with suppress(VocabError):
        read = Counts.from_bytes(data)
        assert read.to_bytes() == data
        assert list(read.words) == sorted(read.words)


# -- text ---------------------------------------------------------------------------------------------------


def announcement(data: bytes) -> None:
    """A TXT record, and after a NUL the addresses beside it."""
    text, _, addresses = data.partition(b"\0\0")
    packed = [addresses[at : at + 4] for at in range(0, len(addresses) - 3, 4)]
    info = ServiceInfo(SERVICE, f"x.{SERVICE}", port=1, properties=text, addresses=packed)
    node, label = read_text(info.properties)
    assert node == "" or NODE_ID.fullmatch(node)
    assert isinstance(label, str)
    assert len(usable_addresses(info.parsed_scoped_addresses(), False)) <= 8


def configuration(data: bytes) -> None:
    """A configuration file."""
    path = folder() / "fuzz.toml"
    path.write_bytes(data)
    with suppress(ConfigError):
        load({"corpus": ["text"]}, path, {})


TARGETS: dict[str, Target] = {
    "wire": wire,
    "handshake": handshake,
    "merging": merging,
    "shard": shard,
    "checkpoint": checkpoint,
    "references": references,
    "vocab": vocab,
    "counts": counts,
    "announcement": announcement,
    "configuration": configuration,
}


def check(name: str, data: bytes) -> float:
    """Run a target once; the seconds of processor time it took. What is wrong is raised."""
    began = time.thread_time()
    TARGETS[name](data)
    seconds = time.thread_time() - began
    if seconds > SECONDS:  # a machine may be late once, and something is compiled the first time
        began = time.thread_time()
        TARGETS[name](data)
        seconds = time.thread_time() - began
    assert seconds <= SECONDS, f"{name}: {seconds:.3f} s for {len(data)} bytes"
    return seconds


# -- where the search begins --------------------------------------------------------------------------------


def seeds() -> dict[str, list[bytes]]:
    """Good inputs of every target."""
    words = Vocab(Words.split(b"the\nof\nand\n\xc3\xa9t\xc3\xa9"), np.array([70_000, 5, 5, 1]))
    counted = Counts(Words.split(b"and\nof\nthe"), np.array([3, 70_000, 9]), 80_000, 1, 2, 3, 4)
    grams = Grams(np.array([0, 1, 3], np.int32), np.array([1, 2, 2], np.int32), np.array([3, 9, 2]))
    joins = Joins(*(np.array(column, np.int32) for column in ([1, 4], [2, 0], [4, 5])), passes=(1, 1, 0, 0))
    joined = replace(words, others=Words.split(b"of_and\nof_and_the"), joins=joins)
    shard_body = struct.pack("<QQQ", 4, 3, 2) + np.array([0, 1, 2, -1, 1, -1], "<i4").tobytes()
    good_delta = bytes([3, 0, 2, 4]) + np.array([1, 2, 3], "<u4").tobytes() + np.full(3, 0.1, "<f4").tobytes()
    parts = [_json(GOOD_ABOUT), VOCAB.to_bytes(), bytes(48), bytes(32)]
    kept = struct.pack("<4H", *map(len, parts)) + b"".join(parts) + _json(GOOD_STATE)
    linked = _json({"node": NODE.hex(), "links": [saved_links.GOOD_LINK] * 2})
    links = struct.pack("<H", len(linked)) + linked + b"".join(saved_links.arrays() * 2)
    records = {"txtvers": "1", "id": NODE.hex(), "cl": "0" * 16, "pv": "1"}
    text = b"".join(bytes([len(pair)]) + pair for key, value in records.items() if (pair := f"{key}={value}".encode()))
    return {
        "wire": [encode(message)[HEADER.size :] for message in SAMPLES],
        "handshake": [_frames(*messages) for messages in _talks()],
        "merging": [good_delta + bytes(range(9)), bytes([good_delta[0] | 112]) + good_delta[1:] + bytes(60)],
        "shard": [b"\1" + shard_body, b"\0" + _signed_shard(shard_body)],
        "checkpoint": [b"\1" + kept, b"\0" + _signed_checkpoint(kept)],
        "references": [b"\1" + links, b"\0" + _signed_references(links)],
        "vocab": [words.to_bytes(), joined.to_bytes()],
        "counts": [counted.to_bytes(), replace(counted, grams=grams).to_bytes()],
        "announcement": [text + b"\0\0" + bytes([10, 0, 0, 1])],
        "configuration": [reference_toml().encode(), b'corpus = ["a"]\npeers = "auto"\nban = ["10.0.0.0/8"]\n'],
    }


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _talks() -> list[list[object]]:
    """Conversations that go all the way to an exchange, from below and from above."""
    digest = _core().census.vocabulary.digest
    below = [Hello(PROTOCOL, PROTOCOL, CHILD, JOB, []), LinkOpen(LINK, True, 0, digest, {}, True)]
    push = Push(LINK, 1, False, 0, 0, {CHILD: 5}, empty(SIZE))
    above = [Hello(PROTOCOL, PROTOCOL, OTHER, JOB, ["10.0.0.2:7411"])]
    news = StateNews([Member(OTHER, 3, Stage.TRAINING, ("10.0.0.2:7411",), 1, 2)], [])
    return [[*below, push], [*above, news, *SAMPLES[5:9], SAMPLES[10]], [*below, *SAMPLES[2:5], SAMPLES[11]]]


def _frames(*messages: object) -> bytes:
    bodies = (encode(message)[HEADER.size :] for message in messages)
    return b"".join(struct.pack(">H", len(body)) + body for body in bodies)
