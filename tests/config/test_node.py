"""What a node's fields accept, and what it costs to know them."""

import subprocess
import sys

import pytest

from gossipw2v.config.loader import ConfigError, load
from gossipw2v.config.node import parse_share

CORPUS = {"corpus": ["text.txt"]}


@pytest.mark.parametrize("raw", [["10.0.0.1:7411"], ["somebody"], "10.0.0.0/40", [""]])
def test_a_ban_of_nobody_is_refused(raw):
    with pytest.raises(ConfigError, match="neither an IP address"):
        load(CORPUS | {"ban": raw}, None, {})


def test_nobody_is_banned_unless_somebody_is():
    assert load(CORPUS, None, {}).ban == ()
    assert load(CORPUS | {"ban": "10.0.0.1,10.0.0.0/8"}, None, {}).ban == ("10.0.0.1", "10.0.0.0/8")


@pytest.mark.parametrize("raw", ["0/4", "5/4", "1", "1/", "/4", "1/0", "-1/4", "1/4/4", "1/4097", "a/b", "\u0661/4"])
def test_a_share_that_is_none_is_refused(raw):
    with pytest.raises(ConfigError, match=r"graph-share.*(I/N|no share)"):
        load({"graph": ["edges"], "graph_share": raw}, None, {})


def test_shares_are_read():
    assert [parse_share(text) for text in ("1/1", "3/4", "4096/4096")] == [(1, 1), (3, 4), (4096, 4096)]


def test_configuration_imports_nothing_heavy():
    code = "import sys, gossipw2v.config.loader; print({'numpy', 'numba', 'aiohttp', 'asyncio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
