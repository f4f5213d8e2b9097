"""Credentials that whoever holds the swarm's secret makes for itself; the only module that knows cryptography.

The secret gives the key of an authority, the same on every node. A node signs a certificate for a key that it has just
made; the certificate names the node. Each end of a connection demands one that the authority has signed, so both prove
that they hold the secret, and neither is told it.

scrypt stands between the secret and the key because whoever connects is shown a certificate and may test guesses on
it. The key is Ed25519: any 32 bytes are one, and equal keys sign alike, so the authority is the same byte for byte on
all nodes. Certificates are always valid, because machines' clocks may be wrong by years.
"""

import hashlib
import secrets
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gossipw2v.config.secret import read_secret
from gossipw2v.transport.credentials import Credentials

SALT = b"gossipw2v authority 1"
COST, BLOCK = 1 << 15, 8  # of scrypt: 32 MiB and 0.1 s, once for a start
NAME = "gossipw2v"
BEGIN, END = datetime(1950, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def issue(secret: bytes, node: bytes, others: Sequence[bytes] = ()) -> Credentials:
    """Make a key and a certificate for `node` (16 bytes), by the authority of `secret`; takes 0.1 s a secret.

    Who holds one of the `others` is let in too.
    """
    authority = _authority(secret)
    trusted = b"".join(_root(each).public_bytes(Encoding.DER) for each in (authority, *map(_authority, others)))
    key = Ed25519PrivateKey.generate()
    certificate = _leaf(authority, key.public_key(), node.hex()).public_bytes(Encoding.PEM)
    server, client = (_context(side, trusted) for side in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    server.num_tickets = 0  # nobody resumes a session
    _load([server, client], key, certificate)
    return Credentials(server, client)


def from_files(secret: Path, other: Path | None, node: bytes) -> Credentials:
    """As `issue`, from the files of `--secret-file` and `--other-secret-file`; SecretError."""
    return issue(read_secret(secret), node, () if other is None else (read_secret(other),))


def _authority(secret: bytes) -> Ed25519PrivateKey:
    memory = 2 * 128 * BLOCK * COST
    seed = hashlib.scrypt(secret, salt=SALT, n=COST, r=BLOCK, p=1, maxmem=memory, dklen=32)
    return Ed25519PrivateKey.from_private_bytes(seed)


def _context(side: int, trusted: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the authority says who may join; the Hello must name the same node
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=trusted)
    return context


def _load(contexts: list[ssl.SSLContext], key: Ed25519PrivateKey, certificate: bytes) -> None:
    """Give OpenSSL the key. It takes files only: in this one the key is encrypted, by a password that nobody keeps."""
    password = secrets.token_bytes(32).hex().encode()
    with tempfile.NamedTemporaryFile(prefix="gossipw2v-") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password)))
        file.write(certificate)
        file.flush()
        for context in contexts:
            context.load_cert_chain(file.name, password=password)


def _root(authority: Ed25519PrivateKey) -> x509.Certificate:
    key = authority.public_key()
    return (
        _builder(NAME, key, key, serial=1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .sign(authority, None)
    )


def _leaf(authority: Ed25519PrivateKey, key: Ed25519PublicKey, name: str) -> x509.Certificate:
    sides = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        _builder(name, key, authority.public_key(), serial=x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(sides), critical=False)
        .sign(authority, None)
    )


def _builder(name: str, key: Ed25519PublicKey, issuer: Ed25519PublicKey, serial: int) -> x509.CertificateBuilder:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer)
    return (
        x509.CertificateBuilder(_name(NAME), _name(name), key, serial, BEGIN, END)
        .add_extension(identifier, critical=False)
    )  # fmt: skip


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
