"""Small links of a stopped node for tests, and files of them that lie though their checksums are right."""

import json
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gossipw2v.gossip.overlay.retained import SavedLink
from gossipw2v.node.storage.saved_links import MAGIC, VERSION, Held, read, write
from gossipw2v.system.durable import Disk
from gossipw2v.system.sections import DamagedError, Writer, digest
from gossipw2v.w2v.training.link_view import Reference
from support.checkpoints import NODE

GENERATION = 7
SHAPE = (4, 3)
PEER, ORIGIN = b"\x11" * 16, b"\x22" * 16

# of a file: the JSON of one link
GOOD_LINK = {
    "up": True, "peer": PEER.hex(), "link": "ab" * 8, "batch": 3, "known": {ORIGIN.hex(): 5},
    "again": [ORIGIN.hex()], "via": [ORIGIN.hex()], "doubts": [], "take": False, "origin": "10.0.0.1",
}  # fmt: skip


class Quick(Disk):
    """Waits for nothing to be on disk."""

    def sync(self, file: BinaryIO) -> None:
        file.flush()

    def sync_folder(self, folder: Path) -> None:
        pass


def held(n: int) -> Held:
    """A link and its reference that say in every number which they are."""
    saved = SavedLink(n % 2 == 1, bytes([n]) * 16, bytes([n]) * 8, n, {ORIGIN: n}, (ORIGIN,), (PEER, ORIGIN), (PEER,))
    weights = np.arange(12, dtype=np.float32).reshape(SHAPE) - n
    disjoint = np.arange(4) % 2 == n % 2
    return saved, Reference(weights, np.full(4, n, np.int64), disjoint, n % 2 == 0, f"10.0.0.{n}")


def bits(link: Held) -> tuple[object, ...]:
    """All of a link, so that two can be compared bit for bit."""
    saved, kept = link
    arrays = (kept.weights, kept.seen, kept.disjoint)
    return saved, *((each.dtype, each.shape, each.tobytes()) for each in arrays), kept.take, kept.host


def keep(path: Path, *links: Held) -> bytes:
    """Write a file of them; its bytes."""
    write(path, GENERATION, NODE, list(links), Quick())
    return path.read_bytes()


def read_all(path: Path) -> tuple[list[Held], DamagedError | None]:
    """What a file gives, and why it gives no more."""
    links: list[Held] = []
    try:
        links.extend(read(path, GENERATION, NODE, SHAPE))
    except DamagedError as error:
        return links, error
    return links, None


def prefix(version: int = VERSION, generation: int = GENERATION) -> bytes:
    start = struct.pack("<8sIQ", MAGIC, version, generation)
    return start + digest(start)


def arrays(n: int = 1) -> list[bytes]:
    """The sections of a link after `about`."""
    _, kept = held(n)
    return [kept.weights.tobytes(), kept.seen.tobytes(), kept.disjoint.tobytes()]


def forge(path: Path, about: object, *sections: bytes) -> None:
    """A file with that description, JSON or its bytes, and with correct checksums."""
    described = about if isinstance(about, bytes) else json.dumps(about).encode()
    with path.open("wb") as file:
        file.write(prefix())
        out = Writer(file, prefix()[-16:])
        for section in (described, *sections):
            out.section(len(section), [section])
