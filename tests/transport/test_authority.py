"""Credentials: alike where the secret is, foreign where it is another, valid at any time, and TLS 1.3 alone."""

import hashlib
import ssl
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gossipw2v.transport import authority
from gossipw2v.transport.authority import issue
from gossipw2v.transport.credentials import holder

SECRET, OTHER = b"c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmx5", b"YW5vdGhlci1zZWNyZXQtb2YtYW5vdGhl"
ONE, TWO = bytes(range(16)), bytes(range(16, 32))


def root(credentials):
    """The authority that a node trusts, as bytes; exactly one."""
    (trusted,) = credentials.server.get_ca_certs(binary_form=True)
    assert credentials.client.get_ca_certs(binary_form=True) == [trusted]
    return trusted


def shake(server, client):
    """Let two contexts meet in memory; both ends once they are done. ssl.SSLError as either finds it."""
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [server.wrap_bio(inward, outward, server_side=True), client.wrap_bio(outward, inward)]
    done = set()
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                pass
    assert done == set(ends)
    return ends


@pytest.fixture(scope="module")
def one():
    return issue(SECRET, ONE)


@pytest.fixture(scope="module")
def two():
    return issue(SECRET, TWO)


@pytest.fixture(scope="module")
def foreign():
    return issue(OTHER, TWO)


def test_two_who_hold_the_secret_meet_and_see_who_the_other_is(one, two):
    server, client = shake(one.server, two.client)
    assert (holder(server.getpeercert()), holder(client.getpeercert())) == (TWO, ONE)
    assert server.version() == client.version() == "TLSv1.3"


def test_all_who_hold_the_secret_have_the_same_authority_and_no_key_in_common(one, two, foreign):
    assert root(one) == root(two) != root(foreign)
    server, client = shake(one.server, two.client)
    theirs, ours = (x509.load_der_x509_certificate(end.getpeercert(True)) for end in (server, client))
    trusted = x509.load_der_x509_certificate(root(one))
    assert len({each.public_key().public_bytes_raw() for each in (theirs, ours, trusted)}) == 3


def test_the_authority_never_changes():
    """Else nodes of two versions could not meet."""
    key = hashlib.scrypt(SECRET, salt=b"gossipw2v authority 1", n=1 << 15, r=8, p=1, maxmem=1 << 26, dklen=32)
    expected = Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()
    trusted = x509.load_der_x509_certificate(root(issue(SECRET, ONE)))
    assert trusted.public_key().public_bytes_raw() == expected


@pytest.mark.parametrize("swapped", [False, True])
def test_another_secret_is_seen_by_the_end_that_looks_first(one, foreign, swapped):
    server, client = (foreign, one) if swapped else (one, foreign)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server.server, client.client)


def test_while_the_secret_changes_each_round_meets_the_next_and_nobody_else_is_let_in(one, foreign):
    rounds = [one, issue(SECRET, ONE, [OTHER]), issue(OTHER, TWO, [SECRET]), foreign]
    for before, after in pairwise(rounds):
        assert shake(before.server, after.client)
        assert shake(after.server, before.client)
    stranger = issue(SECRET[::-1], TWO)
    for node in rounds:
        for server, client in ((node, stranger), (stranger, node)):
            with pytest.raises(ssl.SSLCertVerificationError):
                shake(server.server, client.client)


def test_a_client_that_trusts_anyone_is_refused_by_the_server(one, foreign):
    foreign.client.verify_mode = ssl.CERT_NONE
    try:
        with pytest.raises(ssl.SSLCertVerificationError):
            shake(one.server, foreign.client)
    finally:
        foreign.client.verify_mode = ssl.CERT_REQUIRED


def bare():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_a_client_without_a_certificate_is_refused(one):
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake(one.server, bare())


def test_older_tls_is_refused(one):
    old = bare()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"PROTOCOL|VERSION"):
        shake(one.server, old)


def test_a_node_cannot_sign_for_another(one, two):
    """A certificate that a node's own key has signed hangs below no authority."""
    mine = Ed25519PrivateKey.generate()
    forged = authority._leaf(mine, mine.public_key(), ONE.hex())
    thief = authority._context(ssl.PROTOCOL_TLS_CLIENT, root(two))
    authority._load([thief], mine, forged.public_bytes(authority.Encoding.PEM))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(one.server, thief)


def test_certificates_are_valid_whatever_a_clock_says(one, two):
    server, client = shake(one.server, two.client)
    for der in (server.getpeercert(True), client.getpeercert(True), root(one)):
        certificate = x509.load_der_x509_certificate(der)
        assert certificate.not_valid_before_utc.year < 1970
        assert certificate.not_valid_after_utc.year == 9999


def test_no_session_can_be_resumed(one, two):
    _, client = shake(one.server, two.client)
    with pytest.raises(ssl.SSLWantReadError):
        client.read(1)  # a ticket would come with what follows the handshake
    assert not client.session.has_ticket


def test_no_key_is_left_behind_and_none_was_ever_readable(monkeypatch, tmp_path):
    seen = []
    load = ssl.SSLContext.load_cert_chain

    def spy(self, path, **options):
        seen.append((Path(path).read_bytes(), Path(path).stat().st_mode & 0o777))
        load(self, path, **options)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", spy)
    issue(SECRET, ONE)
    assert len(seen) == 2
    for content, mode in seen:
        assert b"ENCRYPTED PRIVATE KEY" in content
        assert b"BEGIN PRIVATE KEY" not in content
        assert mode == 0o600
    assert not list(tmp_path.iterdir())
