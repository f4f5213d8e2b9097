"""Which addresses a node announces, and which of those that it hears of it would dial."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.transport.addresses import local_addresses, usable_addresses


@given(st.lists(st.ip_addresses().map(str)), st.booleans())
def test_only_addresses_that_can_be_dialled_are_kept(announced: list[str], loopback: bool) -> None:
    usable = usable_addresses(announced, loopback)
    assert len(usable) <= 8
    assert set(usable) <= set(announced)


@pytest.mark.parametrize(
    ("address", "loopback", "kept"),
    [
        ("10.0.0.7", False, True), ("100.64.1.1", False, True), ("169.254.3.4", False, True), ("fd00::2", False, True),
        ("127.0.0.1", False, False), ("127.0.0.1", True, True), ("::1", False, False), ("fe80::1%3", False, False),
        ("fe80::1", True, False), ("0.0.0.0", True, False), ("224.0.0.251", True, False), ("ff02::fb", True, False),
        ("255.255.255.255", True, False), ("::ffff:10.0.0.7", False, False),
    ],
)  # fmt: skip
def test_kinds_of_addresses(address: str, loopback: bool, kept: bool) -> None:
    assert usable_addresses([address], loopback) == ([address] if kept else [])


# --- our own addresses


def test_a_node_announces_the_one_address_it_listens_on() -> None:
    assert local_addresses("10.1.2.3") == ["10.1.2.3"]
    assert local_addresses("127.0.0.1") == ["127.0.0.1"]
    with pytest.raises(ValueError, match="localhost"):
        local_addresses("localhost")


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
def test_listening_everywhere_announces_some_addresses_of_its_family(wildcard: str) -> None:
    addresses = local_addresses(wildcard)
    assert 1 <= len(addresses) <= 8
    assert all((":" in address) == (":" in wildcard) for address in addresses)
