"""What a node needs of its own machine: a folder, room, memory, compiled kernels, secrets that are kept."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path

from gossipw2v.cli.operate.findings import Finding, fine, note, wrong
from gossipw2v.config.address import Address, is_local
from gossipw2v.config.node import Config
from gossipw2v.config.secret import ADVICE
from gossipw2v.node.compiler import cache, is_compiled
from gossipw2v.node.memory import LESS_MEMORY, MEMORY_SHARE, memory_needed
from gossipw2v.node.storage.inputs import NODE_FILE, read_given
from gossipw2v.status.humanize import size
from gossipw2v.system import lock
from gossipw2v.system.launch import TEMPORARY
from gossipw2v.system.machine import available_memory
from gossipw2v.w2v.given.warm_start import WarmStartError
from gossipw2v.w2v.text.vocab import VocabError

CHECKPOINTS = "checkpoint-*[0-9]"  # as in `generations`
GENERATIONS = 3  # of a checkpoint that need room: two are kept, and the next is written beside them
BLOCK = 1 << 16  # bytes that are written to see whether a disk takes them
MOST_NOTE = 1 << 16  # bytes of node.json that are read
LINKS = 2  # copies of the model that links need at least, as in `session.check_room`
SECRETS = ("secret_file", "other_secret_file", "http_token_file")


def look_at_machine(config: Config, words: int) -> list[Finding]:
    """All of it, for a vocabulary of so many words."""
    return [
        running(config.data_dir),
        *secrets(config),
        *folder(config.data_dir, 8 * words * config.job.vector_size, words),
        memory(config, words),
        kernels(config),
    ]


def running(data_dir: Path) -> Finding:
    """Whether a node has the folder now; that is no fault."""
    if not lock.in_use(data_dir):
        return fine("node", f"none runs with {data_dir}")
    told = node_note(data_dir)
    where = f"pid {told.get('pid', 'unknown')}, http on {told.get('http', 'unknown')}"
    return note("node", f"one runs with {data_dir}: {where}", "a second one needs another --data-dir and other ports")


def node_note(data_dir: Path) -> dict[str, object]:
    """What a node has written of itself into its folder; empty if there is nothing to be read."""
    try:
        with (data_dir / NODE_FILE).open("rb") as file:
            told = json.loads(file.read(MOST_NOTE))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def secrets(config: Config) -> list[Finding]:
    """Files that are unfit are problems of the configuration; here is what is left to be said."""
    given = [(name, path) for name in SECRETS if (path := getattr(config, name)) is not None]
    found = [fine(name, f"{path} is closed to others") for name, path in given]
    if config.secret_file is None and not is_local(Address.parse(config.listen).host):
        text = f"there is none: anyone who reaches {config.listen} can join and change the model"
        found.append(note("secret_file", text, f"give all nodes one by --secret-file, unless you trust all; {ADVICE}"))
    return found


def given(config: Config) -> tuple[list[Finding], dict[str, str]]:
    """Whether the list of words and the vectors to start from can be read, if there are any; what the job has of them.

    They are read once: vectors may be gigabytes.
    """
    try:
        found = read_given(config)
    except (VocabError, WarmStartError) as error:
        return [wrong("vocab, from", str(error), "mend the file, and give all nodes the same")], {}
    each = {"vocab": found.words, "from": found.start}
    told = [
        fine(name, f"{one.name} has {len(one.words):,} words, digest {one.digest.hex()}")
        for name, one in each.items()
        if one is not None
    ]
    return told, found.job


def folder(data_dir: Path, model: int, words: int) -> list[Finding]:
    """Whether it can be written, and has room for checkpoints of `model` bytes."""
    there = next((place for place in (data_dir, *data_dir.absolute().parents) if place.exists()), data_dir)
    if (why := _refused(there)) is not None:
        what = "make room on that disk" if why.errno in (errno.ENOSPC, errno.EDQUOT) else "give a folder that can"
        text = f"{data_dir} cannot be written: {why.strerror or why}"
        return [wrong("data_dir", text, f"{what}, or give another --data-dir")]
    room = os.statvfs(there)
    free, kept = room.f_bavail * room.f_frsize, sum(1 for _ in data_dir.glob(CHECKPOINTS))
    needed = model * max(1, GENERATIONS - kept)
    text = f"{size(free)} are free, checkpoints of {words:,} words need {size(needed)} more"
    enough = fine("disk", text) if free >= needed else wrong("disk", text, "make room, or give another --data-dir")
    return [fine("data_dir", f"{data_dir} can be written"), enough]


def _refused(there: Path) -> OSError | None:
    """Why a folder takes no file; what is tried leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(BLOCK))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None


def memory(config: Config, words: int) -> Finding:
    """Whether a model of so many words fits, by the rule that `start` goes by."""
    links = 1 if config.peers == ("none",) else LINKS
    needed, available = memory_needed(words, config.job.vector_size, links), available_memory()
    text = f"{words:,} words of {config.job.vector_size} dimensions need {size(needed)}"
    if available is None:
        return note("memory", f"{text}; nothing here says how much there is")
    text = f"{text}, {size(available)} are available"
    return fine("memory", text) if needed <= MEMORY_SHARE * available else wrong("memory", text, LESS_MEMORY)


def kernels(config: Config) -> Finding:
    """Whether compiled code can be kept, and is there."""
    if TEMPORARY:
        text = "no folder keeps compiled kernels: they are compiled at every start"
        return wrong("kernels", text, "set NUMBA_CACHE_DIR to a folder that can be written")
    if (why := _refused(cache())) is not None:
        text = f"{cache()} cannot be written: {why.strerror or why}"
        return wrong("kernels", text, "make room, or set NUMBA_CACHE_DIR to another folder")
    if is_compiled(config.job.vector_size, config.job.sg):
        return fine("kernels", f"compiled, in {cache()}")
    return note("kernels", f"not compiled yet, in {cache()}", "the next start does it, in half a minute or so")
