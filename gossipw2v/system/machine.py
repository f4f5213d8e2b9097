"""What this process may use of its machine: cores and memory, as its control groups (v1 and v2) allow.

`root` is another root of the file system, for tests. What cannot be read sets no limit.
"""

import contextlib
import ctypes
import math
import os
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
NICE = 10  # such a thread gets a tenth of a core that others want; with less, what waits for its lock would wait long
_M_ARENA_MAX = -8  # of glibc's <malloc.h>


def usable_cores(root: Path = ROOT) -> int:
    """Cores this process may keep busy, at least 1: its affinity, cut to the whole cores of its CPU quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for group in _groups("cpu", root) if (quota := _quota(group)) is not None]
    return max(1, math.floor(min([affinity, *quotas])))


def available_memory(root: Path = ROOT) -> int | None:
    """Bytes this process may still take without swapping or being killed; None where nothing says so."""
    free = [_field(root / "proc/meminfo", "MemAvailable:", 1024), *map(_headroom, _groups("memory", root))]
    return min(
        (amount for amount in (*free, limit_left("v", root), limit_left("d", root)) if amount is not None), default=None
    )


def resident_memory(root: Path = ROOT) -> int | None:
    """Bytes of memory that this process takes now; None where nothing says so."""
    return _field(root / "proc/self/status", "VmRSS:", 1024)


def limit_left(flag: str, root: Path = ROOT) -> int | None:
    """Bytes this process may still map under `ulimit -v` ("v", address space) or `-d` ("d", data); None: no limit."""
    kind, used = {"v": (resource.RLIMIT_AS, "VmSize:"), "d": (resource.RLIMIT_DATA, "VmData:")}[flag]
    limit = resource.getrlimit(kind)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    return max(0, limit - (_field(root / "proc/self/status", used, 1024) or 0))


def can_start(threads: int) -> int:
    """How many of so many threads this process can have at once, beside those that it has."""
    end, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(threads):
            thread = threading.Thread(target=end.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError:  # "can't start new thread"
        pass
    end.set()
    for thread in started:
        thread.join()
    return len(started)


def make_way() -> None:
    """Let other threads go first where they want the core of this one, if the system is Linux: others know no nice
    thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + NICE))


def share_heap() -> None:
    """Let all threads take their memory from one heap; for a process's start, before it has threads.

    With glibc each thread has its own, of which `return_memory` cannot return what is free at the end: up to 64 MiB.
    Other C libraries are left as they are.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def return_memory() -> None:
    """Give what was freed back to the system, if the C library is glibc: it keeps some for the next time."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """The folders of this process's control group and of all above it; each may set a limit of its own."""
    try:
        memberships = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in memberships:
        _, controllers, name = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / (controller if controllers else "")
        own = base / name.lstrip("/")
        yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(base))


def _quota(group: Path) -> float | None:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None  # -1: no limit
    except (OSError, ValueError):  # "max": no limit
        return None


def _headroom(group: Path) -> int | None:
    """What is left below a group's memory limit; cached files count as free, the kernel drops them first."""
    for limit, usage, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            left = int((group / limit).read_text()) - int((group / usage).read_text())
        except (OSError, ValueError):
            continue
        return max(0, left + (_field(group / "memory.stat", cached, 1) or 0))
    return None


def _field(path: Path, name: str, unit: int) -> int | None:
    """The number beside `name` in a file of `name number` lines, times `unit`."""
    try:
        lines = (line.split() for line in path.read_text().splitlines())
        return next((int(words[1]) * unit for words in lines if words[0] == name), None)
    except (OSError, ValueError, IndexError):
        return None
