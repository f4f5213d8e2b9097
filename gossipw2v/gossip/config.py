"""What the protocol core is told about its node and its job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipConfig:
    """As the owner has been configured; the same for a whole run."""

    job: dict[str, str]
    interval: float = 0.2  # s from the beginning of an exchange with the parent to that of the next
    max_bandwidth: float = 0.0  # Mbit/s of the link to the parent, each way; 0 is no limit
    seats: int = 4  # children taken
    quiet: float = 3.0  # s without a new member before the vocabulary is frozen
    banned: tuple[str, ...] = ()  # node ids, addresses and networks nobody talks to
    listing: bytes = b""  # the files of a shared text, whose digest is `corpus` in `job`; else none
    lost_patience: float = 60.0  # s that half of the swarm must be silent until this node believes that it is gone
