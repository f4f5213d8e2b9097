"""The node that a certificate names, read from what `ssl` says of it."""

import pytest

from gossipw2v.transport.credentials import holder

NODE = "0123456789abcdef" * 2


def certificate(*names, key="commonName"):
    return {"subject": tuple(((key, name),) for name in names)}


def test_the_name_is_the_node():
    assert holder(certificate(NODE)) == bytes.fromhex(NODE)


@pytest.mark.parametrize(
    "other",
    [
        {}, {"subject": ()}, certificate(), certificate(NODE, NODE), certificate(NODE[:-2]), certificate(NODE + "00"),
        certificate(NODE.upper()), certificate("gossipw2v"), certificate(NODE + "\n"), certificate(NODE, key="country"),
    ],
)  # fmt: skip
def test_anything_else_names_nobody(other):
    assert holder(other) == b""
