"""What a node's fields accept, and what it costs to know them."""

import subprocess
import sys

import pytest

from gossipw2v.config.loader import ConfigError, load

CORPUS = {"corpus": ["text.txt"]}


@pytest.mark.parametrize("raw", [["10.0.0.1:7411"], ["somebody"], "10.0.0.0/40", [""]])
def test_a_ban_of_nobody_is_refused(raw):
    with pytest.raises(ConfigError, match="neither an IP address"):
        load(CORPUS | {"ban": raw}, None, {})


def test_nobody_is_banned_unless_somebody_is():
    assert load(CORPUS, None, {}).ban == ()
    assert load(CORPUS | {"ban": "10.0.0.1,10.0.0.0/8"}, None, {}).ban == ("10.0.0.1", "10.0.0.0/8")


def test_configuration_imports_nothing_heavy():
    code = "import sys, gossipw2v.config.node; print({'numpy', 'numba', 'aiohttp', 'asyncio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
