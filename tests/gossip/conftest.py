"""An option for the tests of stories, and of tables in a README."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-stories", action="store_true", help="write what happens now into tests/gossip/stories")
