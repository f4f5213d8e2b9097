"""Compiles the kernels in a process of its own, which can be killed.

A compiler holds the interpreter for seconds at a time: in a thread of the node no signal and no probe would be answered
meanwhile. The process fills the disk cache, from which the node then loads within a second, and leaves a stamp there:
it is needed once for each machine and vector length.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from gossipw2v.system.logs import get_logger
from gossipw2v.w2v import warmup
from gossipw2v.w2v.kernels.jit import target

NO_ROOM = 74  # the exit code of a process that could not write to the cache; it has printed why
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>

log = get_logger("compiler")


def warm_up(vector_size: int, sg: int, graph: bool = False) -> None:
    """Compile all that training, merging and counting need, or load it from the disk cache.

    OSError names the cache's folder: the error itself names no file, and people would look at the data directory.
    """
    try:
        warmup.warm_up(vector_size, sg, graph)
    except OSError as error:
        raise OSError(f"{cache()}: compiled kernels cannot be kept there: {error}") from error


def is_compiled(vector_size: int, sg: int, graph: bool = False) -> bool:
    """Whether `warm_up` finds everything in the disk cache; of what was damaged there only the kernel is looked at."""
    return _stamp(vector_size, sg, graph).exists() and warmup.compiled(sg)


async def compile_apart(vector_size: int, sg: int, graph: bool = False) -> None:
    """Fill the disk cache in another process; cancelled, it is killed. OSError if the cache takes nothing.

    A process that cannot be started, or that the system kills, is no error: `warm_up` compiles what is missing.
    """
    command = (sys.executable, "-m", "gossipw2v.node.compiler", str(vector_size), str(sg), str(int(graph)))
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=nothing,
            stdout=pipe,
            stderr=nothing,
            start_new_session=True,  # Ctrl-C is for the node to judge
        )
    except OSError as error:
        log.warning("cannot compile in another process: nothing answers until it is done here", error=str(error))
        return
    try:
        told, _ = await child.communicate()
    finally:
        with suppress(ProcessLookupError):
            child.kill()
    if child.returncode == NO_ROOM:
        raise OSError(told.decode("utf-8", "replace").strip())
    if child.returncode:
        log.warning("compiling in another process failed; trying again in this one", code=child.returncode)


def cache() -> Path:
    """The folder of compiled code, which the command has chosen."""
    return Path(os.environ["NUMBA_CACHE_DIR"])


def _stamp(vector_size: int, sg: int, graph: bool) -> Path:
    sources = sorted(Path(str(warmup.__file__)).parent.rglob("*.py"))
    facts = [(path.name, status.st_mtime_ns, status.st_size) for path in sources if (status := path.stat())]
    seal = hashlib.blake2b(repr((target(), vector_size, sg, graph, facts)).encode(), digest_size=8)
    return cache() / f"compiled-{seal.hexdigest()}"


def main() -> int:
    """The other process: `python -m gossipw2v.node.compiler VECTOR_SIZE SG GRAPH`; the exit code."""
    with suppress(OSError, AttributeError):  # the end of the node is the end of this
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    vector_size, sg, graph = map(int, sys.argv[1:])
    try:
        warm_up(vector_size, sg, bool(graph))
        _stamp(vector_size, sg, bool(graph)).touch()
    except OSError as error:
        print(error)
        return NO_ROOM
    return 0


if __name__ == "__main__":
    sys.exit(main())
