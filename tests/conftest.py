"""What all tests share: one place for compiled kernels, in this process and in the daemons that tests start.

`--quick` leaves out the tests that take long: those of daemons and commands, of sockets, kernels, whole swarms and
tools, and what is marked `slow`.
"""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

from gossipw2v.system.launch import prepare_machine

TESTS = Path(__file__).parent
LONG = tuple(
    f"{TESTS / name}{os.sep}"
    for name in ("whole", "engines", "tools", "simulation", "node", "cli", "api", "transport", "w2v/kernels")
)
MOST_PROCESSES = 8  # each takes some 300 MB, and those of its daemons as much

prepare_machine()
gc.disable()  # until all is imported, of which nothing goes: a fifth of that time
# a first call may compile; a test that fails must fail again
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out the tests that take long")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores, since tests of daemons wait for timers as long as they compute."""
    return min(MOST_PROCESSES, (os.cpu_count() or 1) + 2)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Not even imported, in any of the processes."""
    return True if config.getoption("--quick") and f"{collection_path}{os.sep}" in LONG else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=rank)  # the longest first: else all processes end up waiting for one that began a long file late
    if not config.getoption("--quick"):
        return
    long = [item for item in items if takes_long(item)]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if not takes_long(item)]


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def takes_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None or rank(item) < len(LONG)


def rank(item: pytest.Item) -> int:
    """Where the folder of a test stands in `LONG`, the longest first; those that are not there come last."""
    return next((n for n, folder in enumerate(LONG) if str(item.path).startswith(folder)), len(LONG))
