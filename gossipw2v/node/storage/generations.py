"""The checkpoints in a data directory: which one counts, and which ones stay.

`checkpoint-N` is written once and never changed. N is its generation, which also stands inside: of the whole files the
one of the highest generation counts, whatever names and clocks say. The one before stays in case that it turns out to
be damaged. What is damaged, or given up on purpose, stays under another name. `checkpoint-N.links` has the references
that belong to checkpoint N, if it was the last of a node that stopped in order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from gossipw2v.node.storage.checkpoint import Checkpoint, CheckpointError, generation_of, read
from gossipw2v.system.durable import DISK, Disk, sweep
from gossipw2v.system.sections import DamagedError

KEEP = 2
ASIDE, DAMAGED, LINKS = ".aside", ".damaged", ".links"

PATTERN = "checkpoint-*"
_NAME = re.compile(r"checkpoint-(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a folder: the checkpoint that counts, the damaged files and why, the last generation's number."""

    newest: Checkpoint | None
    damaged: dict[Path, str] = field(default_factory=dict)
    last: int = 0


def path_of(folder: Path, generation: int) -> Path:
    """Where a checkpoint of that generation goes."""
    return folder / f"checkpoint-{generation}"


def links_of(folder: Path, generation: int) -> Path:
    """Where the references go that belong to the checkpoint of that generation."""
    return folder / f"checkpoint-{generation}{LINKS}"


def find(folder: Path) -> Found:
    """Look for the checkpoint that counts; nothing is changed. CheckpointError if one is not for this program."""
    damaged: dict[Path, str] = {}
    generations: dict[Path, int] = {}
    numbers = [_number(path) for path in folder.glob(PATTERN)]
    for path in _files(folder):
        try:
            generations[path] = generation_of(path)
        except (DamagedError, OSError) as error:
            damaged[path] = _reason(path, error)
    last = max([*numbers, *generations.values()], default=0)
    for path in sorted(generations, key=generations.__getitem__, reverse=True):
        try:
            return Found(read(path), damaged, last)
        except (DamagedError, OSError) as error:
            damaged[path] = _reason(path, error)
    return Found(None, damaged, last)


def newest(folder: Path) -> Checkpoint:
    """The checkpoint that counts. CheckpointError if there is none."""
    found = find(folder)
    if found.newest is None:
        told = "".join(f"; {path.name}: {why}" for path, why in found.damaged.items())
        raise CheckpointError(f"{folder}: no model has been saved here{told}")
    return found.newest


def set_aside(folder: Path, disk: Disk = DISK) -> list[Path]:
    """Keep all checkpoints under names by which they are not found; these."""
    return [_rename(path, ASIDE, disk) for path in _files(folder)]


def set_damaged_aside(path: Path, disk: Disk = DISK) -> Path:
    """Keep a damaged file under another name; its new one. Of several the last KEEP stay."""
    new = _rename(path, DAMAGED, disk)
    for old in sorted(path.parent.glob(PATTERN + DAMAGED), key=_number)[:-KEEP]:
        disk.remove(old)
    return new


def prune(folder: Path, newest: int, disk: Disk = DISK) -> None:
    """Remove what killed processes left half written, all but KEEP generations up to `newest`, and older references."""
    sweep(folder, PATTERN)
    for path in folder.glob(PATTERN + LINKS):
        if _number(path) < newest:
            disk.remove(path)
    known = sorted((path for path in _files(folder) if _number(path) <= newest), key=_number)
    for path in known[:-KEEP]:
        disk.remove(path)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob(PATTERN) if _NAME.fullmatch(path.name)]


def _number(path: Path) -> int:
    found = _NAME.match(path.name)
    return int(found[1]) if found else 0


def _rename(path: Path, suffix: str, disk: Disk) -> Path:
    new = path.with_name(path.name + suffix)
    disk.rename(path, new)
    disk.sync_folder(path.parent)
    return new


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):  # it may be whole: whoever owns it must decide
        raise CheckpointError(f"{path}: {error.strerror}: check the owner of the data directory") from error
    return str(error)
