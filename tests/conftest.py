"""What all tests share: one place for compiled kernels, in this process and in the daemons that tests start.

`--quick` leaves out the tests that take long: those of daemons and commands, of sockets, kernels, whole swarms and
tools, and what is marked `slow`.
"""

from pathlib import Path

import pytest
from hypothesis import settings

from gossipw2v.system.launch import prepare_machine

TESTS = Path(__file__).parent
LONG = tuple(TESTS / name for name in ("whole", "tools", "simulation", "node", "cli", "transport", "w2v/kernels"))

prepare_machine()
# a first call may compile; a test that fails must fail again
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out the tests that take long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--quick"):
        return
    long = [item for item in items if takes_long(item)]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if not takes_long(item)]


def takes_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None or any(folder in item.path.parents for folder in LONG)
