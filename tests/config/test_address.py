"""Addresses as they are typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.config.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.7:7411", "10.0.0.7", 7411),
        ("node-3.lan:0", "node-3.lan", 0),
        ("[::1]:7411", "::1", 7411),
        ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65535),
    ],
)
def test_an_address_reads_back_what_it_writes(text, host, port):
    address = Address.parse(text)
    assert address == (host, port)
    assert address.format() == str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "7411", ":7411", "host", "host:", "host:-1", "host:65536", "host:+1", "host:1e3", "host:٣", "host: 1",
     "::1:7411", "[::1:7411", "::1]:7411", "[host]:1", "[]:1", "1.2.3:4", "1.2.3.256:1", "a b:1", "-a:1", "a\n:1",
     "a:1\n", "a/b:1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=r"\S"):
        Address.parse(text)


@given(st.text(max_size=40))
def test_parsing_an_address_gives_one_or_a_value_error(text):
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(address.format()) == address
