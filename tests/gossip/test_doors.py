"""Owners of a core use its doors, and no part behind them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gossipw2v
from gossipw2v.gossip.core import GossipCore

PACKAGE = Path(gossipw2v.__file__).parent
OWNERS = [*PACKAGE.glob("node/*.py"), *PACKAGE.glob("transport/*.py"), *PACKAGE.glob("simulation/*.py")]
METHODS = {name for name, value in vars(GossipCore).items() if not name.startswith("_") and value is not None}
DOORS = METHODS | {"own", "view", "tasks", "growth"}


def uses(source: str) -> Iterator[str]:
    """What is asked of anything that is called a core."""
    for each in ast.walk(ast.parse(source)):
        if isinstance(each, ast.Attribute):
            owner = each.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name == "core":
                yield each.attr


@pytest.mark.parametrize("path", OWNERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_owner_uses_nothing_but_the_doors(path):
    assert set(uses(path.read_text("utf-8"))) <= DOORS


def test_a_part_behind_the_doors_is_noticed():
    assert set(uses("node.core.tree.links\ncore.members.me\nself.core.view.me")) - DOORS == {"tree", "members"}
