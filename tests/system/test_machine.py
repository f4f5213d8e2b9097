"""Limits of control groups, read from a tree of files laid out as the kernel does; and memory that comes back."""

import os
import platform
import resource
import subprocess
import sys
import threading

import pytest

from gossipw2v.system import machine

AFFINITY = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_control_groups_the_affinity_counts(tmp_path):
    assert machine.usable_cores(tmp_path) == AFFINITY


def test_affinity_of_this_process_is_kept():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinity")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert machine.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("own", ["max 100000\n", "nonsense", ""])
def test_a_group_without_a_quota_sets_no_limit(own, tmp_path):
    root = tree(tmp_path, {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": own})
    assert machine.usable_cores(root) == AFFINITY


@pytest.mark.parametrize("folder", ["", "a/", "a/b/"])
@pytest.mark.parametrize("quota", [20_000, 100_000, 199_000])
def test_a_quota_counts_in_whole_cores_wherever_it_is_set(folder, quota, tmp_path):
    files = {"proc/self/cgroup": "0::/a/b\n", f"sys/fs/cgroup/{folder}cpu.max": f"{quota} 100000\n"}
    assert machine.usable_cores(tree(tmp_path, files)) == 1


def test_quotas_of_version_1_are_read_beside_other_controllers(tmp_path):
    group = "sys/fs/cgroup/cpu/c"
    files = {"proc/self/cgroup": "4:memory:/x\n1:cpuacct,cpu:/c\n0::/\n"}
    files |= {f"{group}/cpu.cfs_quota_us": "100000\n", f"{group}/cpu.cfs_period_us": "100000\n"}
    assert machine.usable_cores(tree(tmp_path, files)) == 1
    (tmp_path / group / "cpu.cfs_quota_us").write_text("-1\n")
    assert machine.usable_cores(tmp_path) == AFFINITY


def test_without_any_file_memory_is_unknown(tmp_path):
    assert machine.available_memory(tmp_path) is None


def test_memory_is_what_the_kernel_calls_available(tmp_path):
    files = {"proc/meminfo": "MemTotal:  9000 kB\nMemFree:  1 kB\nMemAvailable:  2000 kB\n"}
    assert machine.available_memory(tree(tmp_path, files)) == 2000 * 1024


V1 = ("memory/a/memory.limit_in_bytes", "memory/a/memory.usage_in_bytes", "memory/a/memory.stat", "total_inactive_file")
V2 = ("a/memory.max", "a/memory.current", "a/memory.stat", "inactive_file")


@pytest.mark.parametrize(("group", "names"), [("0::/a", V2), ("4:memory:/a", V1)])
def test_a_group_leaves_its_limit_less_what_it_uses_and_cannot_drop(group, names, tmp_path):
    limit, usage, stat, cached = names
    files = {"proc/self/cgroup": f"{group}\n", "proc/meminfo": "MemAvailable: 2000 kB\n"}
    files |= {f"sys/fs/cgroup/{limit}": "1000\n", f"sys/fs/cgroup/{usage}": "700\n"}
    files |= {f"sys/fs/cgroup/{stat}": f"anon 5\n{cached} 200\n"}
    assert machine.available_memory(tree(tmp_path, files)) == 500
    (tmp_path / "sys/fs/cgroup" / usage).write_text("5000\n")
    assert machine.available_memory(tmp_path) == 0


@pytest.mark.parametrize(
    ("flag", "kind", "name"), [("v", resource.RLIMIT_AS, "VmSize"), ("d", resource.RLIMIT_DATA, "VmData")]
)
def test_a_limit_of_the_shell_leaves_what_is_not_mapped(flag, kind, name, tmp_path):
    root = tree(tmp_path, {"proc/self/status": f"Name:\tx\n{name}:\t  1024 kB\n"})
    before = resource.getrlimit(kind)
    assert machine.limit_left(flag, root) is None
    resource.setrlimit(kind, (1 << 40, before[1]))  # far above what the tests take
    try:
        assert machine.limit_left(flag, root) == machine.available_memory(root) == (1 << 40) - (1 << 20)
    finally:
        resource.setrlimit(kind, before)


def test_threads_that_can_be_started_are_counted():
    before = threading.active_count()
    assert machine.can_start(3) == 3
    assert threading.active_count() <= before


def test_this_machine_has_cores_and_memory():
    assert 1 <= machine.usable_cores() <= AFFINITY
    available = machine.available_memory()
    assert available is None or available > 1 << 20


HEAPS = """
import sys, threading
import numpy as np
from gossipw2v.system.machine import return_memory, share_heap

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

def work():
    side_by_side.wait()
    np.ones(1 << 20)  # once 8 MiB were freed, glibc takes nothing of that size from the system any more
    kept = [np.ones(1 << 12) for _ in range(400)]
    side_by_side.wait()

if sys.argv[1] == "shared":
    share_heap()
np.ones(1)
before = resident()
side_by_side = threading.Barrier(4)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
return_memory()
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has a heap for each thread")
def test_what_threads_took_comes_back_from_a_shared_heap():
    """And not from others: should glibc come to return what those keep, sharing one is of no use."""
    left = {}
    for heap in ("own", "shared"):
        command = [sys.executable, "-c", HEAPS, heap]
        left[heap] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert left["shared"] < 2000
    assert left["own"] > 8000
