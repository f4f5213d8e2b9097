"""The example files in `configs/` are settings that a node takes."""

from pathlib import Path

import pytest

from gossipw2v.config import loader

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_an_example_is_taken(path: Path) -> None:
    loader.load({"corpus": ["text.txt"]}, path, {})


def test_there_are_examples() -> None:
    assert {"lan.toml", "items.toml"} <= {path.name for path in CONFIGS}
