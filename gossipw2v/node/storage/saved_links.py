"""The references of a stopped node's links, in a file beside the checkpoint whose rows they go with.

    prefix      magic, version, generation of the checkpoint, checksum
    about       JSON: the life that wrote it, and every link (`SavedLink`)
    per link    the reference, float32[2V, D]; updates seen, int64[2V]; disjoint rows, uint8[2V]

Numbers are little-endian; all but the prefix are sealed sections (`sections`), and nothing follows the last. It is
written after the checkpoint, and only by a node that is told to stop: without it links begin anew, and nothing is lost.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gossipw2v.gossip.messages import BIG, LINK_BYTES
from gossipw2v.gossip.overlay.retained import SavedLink
from gossipw2v.node.storage.checkpoint import node_id, version_vector_of
from gossipw2v.system.durable import DISK, Disk, replacing
from gossipw2v.system.sections import HASH_BYTES, DamagedError, Reader, Writer, blocks, digest, to_json
from gossipw2v.w2v.training.link_view import Reference

VERSION = 1
MAGIC = b"GW2VLINK"

_PREFIX = struct.Struct("<8sIQ")
_MOST_ABOUT = 256 << 20  # bytes; 64 links with 4096 origins each, four times named, take some 60 million
_MOST_LINKS = 1024
_FIELDS = {  # of a link in `about`
    "up": bool, "peer": str, "link": str, "batch": int, "known": dict, "again": list, "via": list, "doubts": list,
    "take": bool, "origin": str,
}  # fmt: skip

Held = tuple[SavedLink, Reference]


def write(path: Path, generation: int, node: bytes, links: list[Held], disk: Disk = DISK) -> None:
    """Write the references of `links`, which do not change meanwhile, whole or not at all. OSError.

    `generation` and `node`: of the checkpoint that holds the rows, and who wrote it.
    """
    prefix = _PREFIX.pack(MAGIC, VERSION, generation)
    about = to_json({"node": node.hex(), "links": [_described(*link) for link in links]})
    with replacing(path, disk) as file:
        file.write(prefix + digest(prefix))
        out = Writer(file, digest(prefix))
        out.section(len(about), [about])
        for _, held in links:
            out.section(held.weights.nbytes, blocks(held.weights.reshape(-1), "<f4"))
            out.section(held.seen.nbytes, blocks(held.seen, "<i8"))
            out.section(len(held.disjoint), blocks(held.disjoint, "u1"))


def read(path: Path, generation: int, node: bytes, shape: tuple[int, int]) -> Iterator[Held]:
    """The links in a file that belongs to a checkpoint of `node` with rows float32`shape`, one after the other.

    DamagedError for one that is not whole, or does not belong to it; OSError.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        sections = Reader(file, _read_prefix(file.read(_PREFIX.size), file.read(HASH_BYTES), generation))
        for raw in _links(sections.json(min(size, _MOST_ABOUT)), node):
            saved = _saved(raw)
            yield saved, _reference(sections, raw, shape)
        if file.tell() != size:
            raise DamagedError("bytes follow the end")


def _read_prefix(prefix: bytes, checksum: bytes, generation: int) -> bytes:
    if not prefix.startswith(MAGIC) or digest(prefix) != checksum:
        raise DamagedError("it holds no references, or its first bytes are damaged")
    if _PREFIX.unpack(prefix)[1:] != (VERSION, generation):
        raise DamagedError("it is of another version, or of another checkpoint")
    return checksum


def _reference(sections: Reader, raw: dict[str, Any], shape: tuple[int, int]) -> Reference:
    weights, seen, disjoint = np.empty(shape, np.float32), np.empty(shape[0], np.int64), np.empty(shape[0], np.uint8)
    sections.fill(weights.reshape(-1), "<f4")
    sections.fill(seen, "<i8")
    sections.fill(disjoint, "u1")
    if not np.isfinite(weights).all() or (seen < 0).any():
        raise DamagedError("a reference that is none")
    return Reference(weights, seen, disjoint != 0, raw["take"], raw["origin"])


def _described(saved: SavedLink, held: Reference) -> dict[str, Any]:
    named = {name: [each.hex() for each in getattr(saved, name)] for name in ("again", "via", "doubts")}
    known = {origin.hex(): n for origin, n in saved.acked.items()}
    ids = {"up": saved.up, "peer": saved.peer.hex(), "link": saved.link.hex(), "batch": saved.seq, "known": known}
    return {**ids, **named, "take": held.take, "origin": held.host}


def _links(about: dict[str, Any], node: bytes) -> list[dict[str, Any]]:
    links = about.get("links")
    if about.get("node") != node.hex():
        raise DamagedError("it is of another life of this node")
    if not isinstance(links, list) or len(links) > _MOST_LINKS or not all(isinstance(each, dict) for each in links):
        raise DamagedError("it does not say what it holds")
    return links


def _saved(raw: dict[str, Any]) -> SavedLink:
    if any(type(raw.get(name)) is not kind for name, kind in _FIELDS.items()):
        raise DamagedError("a link that lacks something")
    try:
        again, via, doubts = (tuple(node_id(each) for each in raw[name]) for name in ("again", "via", "doubts"))
        peer, link, known = node_id(raw["peer"]), bytes.fromhex(raw["link"]), version_vector_of(raw["known"])
    except (TypeError, ValueError) as error:
        raise DamagedError(f"a link that cannot be read: {error}") from error
    if not 0 <= raw["batch"] <= BIG or len(link) != LINK_BYTES:
        raise DamagedError("a link that is none")
    return SavedLink(raw["up"], peer, link, raw["batch"], known, again, via, doubts)
