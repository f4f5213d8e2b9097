"""Who may read: names for this node, and the ways in which a token comes."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.status.access import Access

TOKEN = b"dG9rZW4tb2YtdGhpcy10ZXN0LW9ubHktMTIz"
OPEN, GUARDED = Access(), Access(TOKEN, ("models.example", "Node1"))


def basic(user, password):
    return "Basic " + base64.b64encode(user + b":" + password).decode()


@pytest.mark.parametrize("bound", ["127.0.0.1", "::1", "10.0.0.7", "0.0.0.0"])
@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:1",
        "127.0.0.1",
        "127.9.9.9:80",
        "[::1]",
        "[::1]:7412",
        "localhost.",
        "LOCALHOST.:7412",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
    ],
)
def test_a_machines_names_for_itself_are_always_ours(host, bound):
    assert OPEN.names_us([host], bound)


@pytest.mark.parametrize(
    ("host", "bound", "ours"),
    [
        ("10.0.0.7:7412", "10.0.0.7", True), ("10.0.0.8:7412", "10.0.0.7", False), ("10.0.0.7", "127.0.0.1", False),
        ("10.0.0.8", "0.0.0.0", True), ("[2001:db8::1]:7412", "::", True), ("[2001:DB8:0::1]", "2001:db8::1", True),
        ("models.example:443", "10.0.0.7", True), ("node1", "127.0.0.1", True), ("MODELS.EXAMPLE", "0.0.0.0", True),
        ("models.example.:443", "10.0.0.7", True), ("[::ffff:10.0.0.7]:7412", "10.0.0.7", True),
        ("[fe80::7%25eth0]:7412", "fe80::7%eth0", True), ("[fe80::8%25eth0]", "fe80::7%eth0", False),
        ("localhost.evil", "0.0.0.0", False), ("localhost..", "0.0.0.0", False), (".", "0.0.0.0", False),
        ("models.example.evil", "0.0.0.0", False), ("evil", "0.0.0.0", False), ("10.0.0.7.evil", "0.0.0.0", False),
        ("", "0.0.0.0", False), ("[", "0.0.0.0", False), ("[10.0.0.7", "10.0.0.7", False),
    ],
)  # fmt: skip
def test_an_address_is_ours_where_we_listen_and_a_name_where_it_was_given(host, bound, ours):
    assert GUARDED.names_us([host], bound) is ours


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "evil"]])
def test_exactly_one_name(hosts):
    assert not GUARDED.names_us(hosts, "127.0.0.1")


def test_without_a_token_all_are_admitted():
    assert OPEN.admits([])
    assert OPEN.admits(["Bearer anything", "twice"])


@pytest.mark.parametrize(
    "header",
    [f"Bearer {TOKEN.decode()}", f"bearer   {TOKEN.decode()} ", basic(b"", TOKEN), basic(b"a user", TOKEN)],
)
def test_the_token_is_taken_as_bearer_and_as_password(header):
    assert GUARDED.admits([header])


@pytest.mark.parametrize(
    "headers",
    [
        [], [""], ["Bearer"], ["Bearer "], [TOKEN.decode()], [f"Digest {TOKEN.decode()}"], ["Basic"], ["Basic !"],
        [f"Bearer {TOKEN[:-1].decode()}"], [f"Bearer {TOKEN.decode()}x"], [f"Basic {TOKEN.decode()}"],
        [basic(TOKEN, b"")], [basic(b"", TOKEN + b":")], [f"Bearer {TOKEN.decode()}"] * 2, [f"Bearer {TOKEN!r}"],
    ],
)  # fmt: skip
def test_anything_else_is_not_admitted(headers):
    assert not GUARDED.admits(headers)


@given(st.text() | st.text().map("Basic {}".format) | st.binary().map(lambda raw: basic(b"", raw)))
def test_no_header_is_an_error(header):
    assert not GUARDED.admits([header])
    GUARDED.names_us([header], "0.0.0.0")


@given(st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_no_bytes_are_an_error(header):
    assert not GUARDED.admits([f"Bearer {header}"])
    assert not GUARDED.admits([f"Basic {header}"])


def test_the_token_is_not_shown():
    assert TOKEN.decode() not in repr(GUARDED)
