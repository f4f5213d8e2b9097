"""Around a command that computes: what it needs of the machine before, a loop to run on, and an end at once."""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from gossipw2v import __version__
from gossipw2v.system import machine

LEAST_MEMORY = {"v": 900 << 20, "d": 640 << 20}  # bytes for interpreter, libraries and a small model, measured
MORE_THREADS = "raise the limit (ulimit -u, or pids.max of the container)"
LEAST_THREADS = 12  # beside those that train; libuv ends the process where it gets none
TEMPORARY: list[str] = []  # folders to remove at the end


@contextmanager
def telling_of_limits() -> Iterator[None]:
    """Import what is large, or say that the limits of this shell (`ulimit -v`, `-d`) leave no room for it."""
    tight = [(flag, left) for flag in LEAST_MEMORY if (left := machine.limit_left(flag)) is not None]
    for flag, left in tight:
        if left < LEAST_MEMORY[flag]:
            raise MemoryError(_too_little(flag, left))
    if (started := machine.can_start(LEAST_THREADS)) < LEAST_THREADS:
        raise OSError(f"only {started} more threads can be started and {LEAST_THREADS} are needed; {MORE_THREADS}")
    try:
        yield
    except (ImportError, OSError) as error:  # "failed to map segment from shared object"
        if not tight:
            raise
        raise MemoryError(f"{_too_little(*tight[0])} ({error})") from error


def _too_little(flag: str, left: int) -> str:
    least = LEAST_MEMORY[flag] >> 20
    return f"ulimit -{flag} leaves {left >> 20} MiB, and the program alone takes some {least}; raise or lift that limit"


@contextmanager
def uncollected(ours: bool = True) -> Iterator[None]:
    """Import without the garbage collector, which would look through what stays again and again, as it grows.

    `ours`: nothing that is there then need ever be looked through, as the whole process is this program's.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if ours:
            gc.freeze()
        if was:
            gc.enable()


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run to the end on uvloop, or on asyncio's own loop where there is no uvloop.

    The loop stays open for `leave`: closing it would wait for threads that wait for a disk or a name server.
    """
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return asyncio.Runner().run(main)
    return asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main)


def leave(code: int) -> NoReturn:
    """End the process at once: all that matters is done, and nobody waits for threads that hang in the system."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # their reader may be gone
            stream.flush()
    for folder in TEMPORARY:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(code)


def prepare_machine() -> None:
    """Leave the cores to the training threads and give compiled kernels a place; call it before numpy's import.

    What the user has set stays, unless it cannot be used. Compiled code is loaded unseen, so no folder is taken that
    others can write. OSError if there is no place at all.
    """
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    given = os.environ.get("NUMBA_CACHE_DIR")
    if not given or not _can_be_made(Path(given)):
        os.environ["NUMBA_CACHE_DIR"] = str(_cache_dir(os.environ) or _temporary())


def _cache_dir(environ: Mapping[str, str]) -> Path | None:
    try:
        home = Path(environ.get("XDG_CACHE_HOME", ""))
        user = (home if home.is_absolute() else Path.home() / ".cache") / "gossipw2v"
        folder = Path(environ.get("CACHE_DIRECTORY", "").split(":")[0] or user) / f"numba-{__version__}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        return None
    return folder if _can_be_made(folder) else None


def _can_be_made(folder: Path) -> bool:
    """Whether this process can write into a folder, or make it."""
    there = next((place for place in (folder, *folder.absolute().parents) if os.access(place, os.F_OK)), folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _temporary() -> str:
    try:
        folder = tempfile.mkdtemp(prefix="gossipw2v-numba-")
    except OSError:
        raise OSError(
            "no folder can be written that compiled kernels could go to; set NUMBA_CACHE_DIR to one"
        ) from None
    TEMPORARY.append(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
