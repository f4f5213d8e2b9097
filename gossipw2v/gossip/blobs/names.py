"""What blobs of a growing vocabulary are called, so that a node knows from an offer whether it wants one.

vocabulary                         the first one
vocabulary/ROOT                    a version of it; ROOT is the digest of the first one, in hex
proposal/BASE/STEM/TOKENS          counts for the version after BASE, of the node of that stem
"""

from __future__ import annotations

import hashlib

from gossipw2v.gossip.messages import Offer
from gossipw2v.gossip.records import NodeId, stem

VOCABULARY = "vocabulary"
PROPOSAL = "proposal/"
_BASE_DIGITS = 16  # of a digest in hex: a name has 64 characters at most


def is_vocabulary(name: str) -> bool:
    """Whether a blob is one, or a version of one."""
    return name == VOCABULARY or name.startswith(VOCABULARY + "/")


def version_name(root: bytes) -> str:
    """Of a version."""
    return f"{VOCABULARY}/{root.hex()}"


def root_in(offer: Offer) -> str:
    """What all versions of one vocabulary have in common."""
    return offer.name.partition("/")[2] or offer.digest.hex()


def proposals_for(base: bytes) -> str:
    """How the names of all proposals begin for the version after that of digest `base`."""
    return f"{PROPOSAL}{base.hex()[:_BASE_DIGITS]}/"


def proposal_name(base: bytes, node: NodeId, tokens: int) -> str:
    """Of a node's proposal, of so many tokens: of two the one of more is right."""
    return f"{proposals_for(base)}{stem(node).hex()}/{tokens}"


def proposer(name: str) -> str:
    """What the names of all proposals of a node begin with, for one version."""
    return name.rpartition("/")[0] + "/"


def tokens_in(name: str) -> int:
    """Of a proposal, -1 if its name does not say."""
    told = name.rpartition("/")[2]
    return int(told) if told.isdecimal() and len(told) < 16 else -1


def proposal_id(name: str, data: bytes) -> bytes:
    """16 bytes that tell a proposal from all others, whoever makes it for whatever version."""
    return hashlib.blake2b(proposer(name).encode() + data, digest_size=16).digest()
