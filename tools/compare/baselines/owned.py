"""Targets that own their negatives: words are dealt out to K machines with both vectors (Stergiou et al. 2017).

The input vector of a pair travels to the machine of its output word, which draws noise among its own words, moves them
and sends the input's change back: two vectors for each pair whose words live apart, whatever the number of noise words.
Quality is near one machine's; bytes and seconds follow from a formula, which a prototype here checks by doing it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.baselines.columns import move, step_sizes
from compare.baselines.rows import ID_BYTES, Floats
from compare.network import bytes_per_second


def bytes_of_pair(vector_size: int) -> int:
    """A pair whose words live apart: its ids and the input vector there, the change back."""
    return 2 * ID_BYTES + 2 * 4 * vector_size


@dataclass
class Owned:
    """The prototype: word w lives on machine w mod `machines`. `counted`: bytes that went over the network."""

    inputs: Floats
    outputs: Floats
    machines: int
    negative: int
    counted: int = 0

    def train(self, pairs: NDArray[np.int32], alpha: float, seed: int) -> None:
        """A minibatch int32[n, 2] of input and output words, all from the rows before it."""
        noise = self._noise(pairs[:, 1], seed)
        outputs = np.concatenate([pairs[:, 1:], noise], axis=1)
        products = np.einsum("nd,nkd->nk", self.inputs[pairs[:, 0]], self.outputs[outputs])
        for one, other in pairs % self.machines:
            if one != other:
                self.counted += pairs.itemsize * 2 + 2 * self.inputs[0].nbytes
        move(self.inputs, self.outputs, pairs[:, 0], outputs, step_sizes(products, alpha))

    def _noise(self, targets: NDArray[np.int32], seed: int) -> NDArray[np.int32]:
        """Words of the machine that each target lives on."""
        homes = targets[:, None] % self.machines
        own = (len(self.outputs) - homes + self.machines - 1) // self.machines  # how many live there
        draws = np.random.default_rng(seed).random((len(targets), self.negative))
        return np.asarray(homes + self.machines * (draws * own).astype(np.int32), np.int32)


def by_formula(pairs: float, vector_size: int, nodes: int, computing: float, bandwidth: float) -> dict[str, Any]:
    """Bytes and seconds of a run of so many pairs on so many machines, messages and arithmetic overlapping.

    `computing`: seconds of a node without any network.
    """
    total = pairs * (1 - 1 / nodes) * bytes_of_pair(vector_size)
    cable = total / nodes
    return {"bytes": total, "busiest": 2 * cable, "seconds": max(computing, cable / bytes_per_second(bandwidth))}
