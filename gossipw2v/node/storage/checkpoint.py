"""A node's work on disk: one file that is whole, or refused.

    prefix      magic, version, generation, length of `about`, checksum: the same in every version
    about       JSON: what the checkpoint belongs to (`About`)
    vocabulary  the words, as they travel between nodes
    weights     float32[2V, D], `syn0` above `syn1neg`
    updates     int64[2V]
    state       JSON: what the node had done and whom it knew (`SavedState`)

All numbers are little-endian; all but the prefix are sealed sections (`sections`), and nothing follows the last.

Rows go first and the state last, while training and gossip go on. Rows of different moments do no harm: training is
never sure of a row's moment (Hogwild); all that is asked of them is that they are finite, which `write` sees to. But
the state must not be the older of the two, for what it does not own up to would be merged a second time. It may be the
younger: then what was learned during the write is lost to this node.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gossipw2v.system.durable import DISK, Disk, replacing
from gossipw2v.system.sections import HASH_BYTES, DamagedError, Reader, Writer, blocks, digest, to_json
from gossipw2v.w2v.training.cursor import Position, TokenSpan

VERSION = 2  # 2: made from initial vectors in (-1, 1) / D
MAGIC = b"GW2VCKPT"

_PREFIX = struct.Struct("<8sIQI")
_ID_BYTES = 16
_MOST_ABOUT = 1 << 20  # bytes; a job takes some hundred
_MOST_STATE = 64 << 20  # bytes; 4096 origins and 1024 threads take one million
_BLOCK_ROWS = 512  # rows copied at a time

Floats = NDArray[np.float32]
Updates = NDArray[np.int64]
Origins = dict[bytes, int]


class CheckpointError(ValueError):
    """A checkpoint that must be neither used nor replaced; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class About:
    """What a checkpoint belongs to: `job` as in the handshake; digests in hex, that of the `text` as it was encoded.

    `words` V, `vector_size` D; `counted`: totals of the node's own text, as `Counts.totals` gives them.
    """

    program: str
    job: dict[str, str]
    vocabulary: str
    text: str
    words: int
    vector_size: int
    counted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SavedState:
    """How far node `node` was: tokens of all `origins` in its rows, `places` of its threads and their `losses`.

    `lives`: the ids under which the text was trained up to `places`, each with its tokens. `addresses` of others. Of a
    shared text there are no places, but the `tasks` that had been done.
    `lift`: of alpha, as in `Recipe`.
    """

    node: bytes
    complete: bool
    origins: Origins
    lives: Origins
    places: tuple[Position, ...]
    losses: tuple[tuple[float, float], ...]
    addresses: tuple[tuple[str, ...], ...] = ()
    tasks: tuple[int, ...] = ()
    lift: float = 1.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that has been found whole. The rows stay on disk, at `rows_at`, after what has the checksum `sealed`."""

    path: Path
    generation: int
    about: About
    vocabulary: bytes
    state: SavedState
    rows_at: int
    sealed: bytes

    def restore(self, weights: Floats, updates: Updates) -> None:
        """Read the rows into float32[2V, D] and int64[2V]. CheckpointError if they are no longer what was found."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.rows_at)
                sections = Reader(file, self.sealed)
                sections.fill(weights.reshape(-1), "<f4")
                sections.fill(updates, "<i8")
        except (OSError, DamagedError) as error:
            raise CheckpointError(f"{self.path}: {error}") from error

    def weights(self) -> Floats:
        """Both matrices, float32[2V, D]. CheckpointError."""
        weights = np.empty((2 * self.about.words, self.about.vector_size), np.float32)
        self.restore(weights, np.empty(len(weights), np.int64))
        return weights


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a checkpoint. Rows may change while it is written; `state` is asked for when they are on disk."""

    about: About
    vocabulary: bytes
    weights: Floats
    updates: Updates
    state: Callable[[], SavedState]


def write(path: Path, generation: int, contents: Contents, disk: Disk = DISK) -> int:
    """Write a checkpoint to `path`, whole or not at all; its size. OSError; ValueError if a row is not finite."""
    about, weights, updates = contents.about, contents.weights, contents.updates
    if weights.shape != (2 * about.words, about.vector_size) or updates.shape != weights.shape[:1]:
        raise ValueError(f"rows of shape {weights.shape} do not go with {about.words} words")
    try:
        with replacing(path, disk) as file:
            described = to_json(asdict(about))
            out = _begin(file, generation, len(described))
            out.section(len(described), [described])
            out.section(len(contents.vocabulary), [contents.vocabulary])
            out.section(weights.nbytes, _finite(weights))
            out.section(updates.nbytes, blocks(updates, "<i8"))
            last = to_json(_state_json(contents.state()))
            out.section(len(last), [last])
            return file.tell()
    except OSError:
        with suppress(OSError):  # under its name, but perhaps not on disk: the next one needs the room
            disk.remove(path)
        raise


def _begin(file: BinaryIO, generation: int, about_bytes: int) -> Writer:
    prefix = _PREFIX.pack(MAGIC, VERSION, generation, about_bytes)
    file.write(prefix + digest(prefix))
    return Writer(file, digest(prefix))


def _finite(weights: Floats) -> Iterator[bytes]:
    for at in range(0, len(weights), _BLOCK_ROWS):
        block = weights[at : at + _BLOCK_ROWS].astype("<f4")  # a copy: training goes on
        if not np.isfinite(block).all():
            row = at + int(np.isfinite(block).all(axis=1).argmin())
            raise ValueError(f"row {row} of the model holds a value that is not finite")
        yield block.tobytes()


def _state_json(state: SavedState) -> dict[str, Any]:
    return {
        "node": state.node.hex(),
        "complete": state.complete,
        "origins": {origin.hex(): n for origin, n in state.origins.items()},
        "lives": {life.hex(): n for life, n in state.lives.items()},
        "places": [[place.left, place.epoch, place.bits] for place in state.places],
        "losses": state.losses,
        "addresses": state.addresses,
        **({"tasks": state.tasks} if state.tasks else {}),
        "lift": state.lift,
    }


# -- reading -------------------------------------------------------------------------------------------------


def read(path: Path) -> Checkpoint:
    """Check all of a file (about 1 GB/s) and read all but its rows.

    DamagedError if it is not whole, CheckpointError if it is of another version.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        generation, about_bytes, sealed = _read_prefix(path, file)
        sections = Reader(file, sealed)
        about = _about(sections.json(min(about_bytes, _MOST_ABOUT)))
        vocabulary = sections.data(size)
        rows_at, rows_sealed = file.tell(), sections.sealed
        sections.skip(4 * 2 * about.words * about.vector_size)
        sections.skip(8 * 2 * about.words)
        state = _state(sections.json(_MOST_STATE))
        if file.tell() != size:
            raise DamagedError("bytes follow the end")
    return Checkpoint(path, generation, about, vocabulary, state, rows_at, rows_sealed)


def generation_of(path: Path) -> int:
    """The generation that a file says it is of. DamagedError, CheckpointError as `read`."""
    with path.open("rb") as file:
        return _read_prefix(path, file)[0]


def _read_prefix(path: Path, file: BinaryIO) -> tuple[int, int, bytes]:
    """Generation, length of `about`, and the prefix's checksum."""
    prefix, checksum = file.read(_PREFIX.size), file.read(HASH_BYTES)
    if not prefix.startswith(MAGIC) or digest(prefix) != checksum:
        raise DamagedError("it is no checkpoint, or its first bytes are damaged")
    _, version, generation, about_bytes = _PREFIX.unpack(prefix)
    if version != VERSION:
        raise CheckpointError(
            f"{path}: is of version {version}, and this program reads version {VERSION}: "
            "go on with the program that wrote it, or start over with --fresh"
        )
    return generation, about_bytes, checksum


def _about(raw: dict[str, Any]) -> About:
    try:
        about = About(**{**raw, "counted": tuple(raw["counted"])})
        texts = (about.program, about.vocabulary, about.text, *about.job, *about.job.values())
        numbers = (about.words, about.vector_size, *about.counted)
    except (TypeError, KeyError, AttributeError) as error:
        raise DamagedError(f"it does not say what it is: {error}") from error
    if not all(isinstance(text, str) for text in texts) or not all(_whole(n) for n in numbers):
        raise DamagedError("it does not say what it is")
    return about


def _state(raw: dict[str, Any]) -> SavedState:
    try:
        return SavedState(
            node_id(raw["node"]),
            raw["complete"] is True,
            version_vector_of(raw["origins"]),
            version_vector_of(raw["lives"]),
            tuple(_place(*place) for place in raw["places"]),
            tuple((float(pairs), float(loss)) for pairs, loss in raw["losses"]),
            tuple(tuple(map(str, each)) for each in raw["addresses"]),
            _tasks(raw.get("tasks", [])),
            _lift(raw.get("lift", 1.0)),  # checkpoints of earlier versions have none
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DamagedError(f"its state cannot be read: {error}") from error


def node_id(text: str) -> bytes:
    """An id from its hex digits. ValueError, TypeError."""
    node = bytes.fromhex(text)
    if len(node) != _ID_BYTES:
        raise ValueError("an id that is none")
    return node


def version_vector_of(raw: dict[str, int]) -> Origins:
    """Tokens by origin, from JSON. ValueError, TypeError, AttributeError."""
    if not all(_whole(n) for n in raw.values()):
        raise ValueError("a number of tokens that is none")
    return {node_id(origin): n for origin, n in raw.items()}


def _tasks(raw: list[int]) -> tuple[int, ...]:
    if not all(_whole(n) for n in raw):
        raise ValueError("a task that is none")
    return tuple(raw)


def _lift(value: float) -> float:
    if not 1 <= value < float("inf"):
        raise ValueError("a lift of alpha that is none")
    return float(value)


def _place(left: list[list[int]], epoch: int, bits: int) -> Position:
    if not all(_whole(n) for n in (epoch, bits, *(n for stretch in left for n in stretch))):
        raise ValueError("a place that is none")
    return Position(tuple(TokenSpan(*span) for span in left), epoch, bits)


def _whole(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 64
