"""Columns on K servers: each holds a K-th of every vector, so that no machine holds the model (Ordentlich et al. 2016).

No vector moves. For each minibatch a client sends all servers its pairs and a seed; each draws the same noise words and
answers with its part of the dot products; the client adds them up and sends back by how much rows are to move along
each other. Quality is that of one machine with minibatches; bytes and seconds follow from a formula, which a prototype
here checks by doing it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.baselines.rows import ID_BYTES, Floats
from compare.network import LATENCY, bytes_per_second

SEED_BYTES = 8
BATCH = 50  # pairs of a minibatch, the authors' choice
FLOAT = 4


def bytes_of_batch(pairs: int, negative: int, servers: int) -> int:
    """Of a minibatch, both ways, at its client: pairs and seed out, dot products in, steps out."""
    products = FLOAT * (negative + 1) * pairs
    return servers * (2 * ID_BYTES * pairs + SEED_BYTES + 2 * products)


@dataclass
class Columns:
    """The prototype: `inputs` and `outputs` are cut into columns. `counted`: bytes that went over the network."""

    inputs: Floats
    outputs: Floats
    servers: int
    negative: int
    counted: int = 0
    parts: list[tuple[Floats, Floats]] = field(init=False)

    def __post_init__(self) -> None:
        cut = (np.array_split(matrix, self.servers, axis=1) for matrix in (self.inputs, self.outputs))
        self.parts = [(one.copy(), other.copy()) for one, other in zip(*cut, strict=True)]

    def train(self, pairs: NDArray[np.int32], alpha: float, seed: int) -> None:
        """A minibatch int32[n, 2] of input and output words, all from the rows before it."""
        outputs = np.concatenate([pairs[:, 1:], self._noise(len(pairs), seed)], axis=1)
        products = np.zeros(outputs.shape, np.float32)
        for one, other in self.parts:
            self.counted += pairs.nbytes + SEED_BYTES
            part = np.einsum("nd,nkd->nk", one[pairs[:, 0]], other[outputs])
            self.counted += part.nbytes
            products += part
        steps = step_sizes(products, alpha)
        for one, other in self.parts:
            self.counted += steps.nbytes
            move(one, other, pairs[:, 0], outputs, steps)

    def _noise(self, pairs: int, seed: int) -> NDArray[np.int32]:
        """What every server draws alike."""
        return np.random.default_rng(seed).integers(0, len(self.outputs), (pairs, self.negative), dtype=np.int32)


def step_sizes(products: Floats, alpha: float) -> Floats:
    """float32[n, 1 + negative]: how far rows move along each other; the first word is the true one."""
    labels = np.zeros_like(products)
    labels[:, 0] = 1
    return np.asarray(alpha * (labels - 1 / (1 + np.exp(-products))), np.float32)


def move(inputs: Floats, outputs: Floats, words: NDArray[np.int32], others: NDArray[np.int32], steps: Floats) -> None:
    """Move rows int32[n] of `inputs` and int32[n, k] of `outputs` along each other as they were before."""
    before = inputs[words]
    np.add.at(inputs, words, np.einsum("nk,nkd->nd", steps, outputs[others]))
    np.add.at(outputs, others, steps[:, :, None] * before[:, None, :])


def by_formula(pairs: float, negative: int, nodes: int, computing: float, bandwidth: float) -> dict[str, Any]:
    """Bytes and seconds of a run of so many pairs where each of the nodes is a client and a server.

    `computing`: seconds of a node without any network. Messages and arithmetic overlap, at best.
    """
    total = pairs / BATCH * bytes_of_batch(BATCH, negative, nodes) * (nodes - 1) / nodes  # a node's own server is near
    cable = total / nodes  # sent and, as much again, received: each byte has two ends
    trips = 2 * pairs / nodes / BATCH * 2 * LATENCY
    return {"bytes": total, "busiest": 2 * cable, "seconds": max(computing, cable / bytes_per_second(bandwidth)),
            "seconds_one_batch_at_a_time": computing + trips}  # fmt: skip
