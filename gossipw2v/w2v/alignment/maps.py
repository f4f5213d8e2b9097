"""The orthogonal map of each model into the common space (generalised Procrustes, ALiR).

Two trainings of the same text differ by a rotation, as only products of rows matter. ALiR (Anand et al., WSDM 2019)
alternates between the map of each model onto a consensus and the consensus as the mean of the mapped rows, where a word
that a model lacks has, for that model, the row of the consensus. That comes to rest where the consensus is the mean of
those that have the word. With it the sum of squared distances depends on the maps and on products of two models' rows
alone:

    G[k, j] = sum over words that both have of  M_k[word]^T M_j[word] / (weight of the models that have the word)

so the rows are read once, and the maps are found one by one on matrices of D x D: each is the best for the others as
they are (Ten Berge 1977), and no step makes anything worse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gossipw2v.w2v.alignment.union import AlignmentError, Doubles, Mask, Union
from gossipw2v.w2v.vectors.table import Floats

MOST_ROUNDS = 200
SETTLED = 1e-7  # of what the maps have in common, by which a round may still gain

Products = dict[tuple[int, int], Doubles]


def alir(union: Union, tell: Callable[[str], None]) -> list[Floats]:
    """Of each model the map float32[D, D] of its rows into the space of the first. AlignmentError."""
    order = connected(union)
    products = _products(union, [(k, j) for k in order for j in order if k < j], over_shared=True)
    maps: dict[int, Doubles] = {order[0]: np.eye(union.dimensions)}
    for number in order[1:]:
        maps[number] = orthogonal(_pull(union, products, maps, number))
    _settle(union, products, maps, tell)
    return [(maps[number] @ maps[0].T).astype(np.float32) for number in range(len(maps))]


def onto_first(union: Union) -> list[Floats]:
    """Of each model the map float32[D, D] onto the first, by the words that both have. AlignmentError."""
    for number in range(1, len(union.models)):
        _check_shared(union, number, _shared_words(union, number, union.places[0] >= 0), union.models[0].name)
    others = range(1, len(union.models))
    products = _products(union, [(0, number) for number in others], over_shared=False)
    maps = [np.eye(union.dimensions), *(orthogonal(products[0, number].T) for number in others)]
    return [turn.astype(np.float32) for turn in maps]


def orthogonal(product: Doubles) -> Doubles:
    """The orthogonal float64[D, D] R that makes trace(R^T product) largest."""
    left, _, right = np.linalg.svd(product)
    return np.asarray(left @ right)


def connected(union: Union) -> list[int]:
    """The models in an order in which each shares enough words with those before it, the largest first.

    AlignmentError if there is none: fewer shared words than dimensions leave a map undetermined.
    """
    sizes = [len(model.words) for model in union.models]
    order = [sizes.index(max(sizes))]
    known = union.places[order[0]] >= 0
    while len(order) < len(sizes):
        shared = {k: _shared_words(union, k, known) for k in range(len(sizes)) if k not in order}
        best = max(shared, key=lambda number: shared[number])
        _check_shared(union, best, shared[best], " and ".join(union.models[k].name for k in order))
        order.append(best)
        known |= union.places[best] >= 0
    return order


def _shared_words(union: Union, number: int, known: Mask) -> int:
    return int(np.count_nonzero((union.places[number] >= 0) & known))


def _check_shared(union: Union, number: int, shared: int, others: str) -> None:
    if shared < union.dimensions:
        raise AlignmentError(
            f"{union.models[number].name} shares {shared:,} words with {others}; {union.dimensions:,}, as many as "
            "there are dimensions, are the least that say how to turn it. Are case and language the same?"
        )


def _products(union: Union, pairs: Sequence[tuple[int, int]], *, over_shared: bool) -> Products:
    """G of each pair of models, or without the weights of those that have a word."""
    size = union.dimensions
    products = {pair: np.zeros((size, size)) for pair in pairs}
    for block in union.blocks():
        share = (1 / union.shared(block) if over_shared else np.ones(block.stop - block.start)).astype(np.float32)
        has = [union.has(number, block) for number in range(len(union.models))]
        rows = [union.centred(number, block) for number in range(len(union.models))]
        for k, j in pairs:
            both = has[k] & has[j]
            products[k, j] += (rows[k][both[has[k]]] * share[both, None]).T @ rows[j][both[has[j]]]
    return products


def _pull(union: Union, products: Products, maps: dict[int, Doubles], number: int) -> Doubles:
    """M^T of a model times what the others make of the consensus."""
    pull = np.zeros((union.dimensions, union.dimensions))
    for other, turn in maps.items():
        if other != number:
            product = products[number, other] if number < other else products[other, number].T
            pull += union.weights[other] * (product @ turn)
    return pull


def _settle(union: Union, products: Products, maps: dict[int, Doubles], tell: Callable[[str], None]) -> None:
    """Better the maps, one after the other, until a round gains next to nothing."""
    before = -np.inf
    for turn in range(1, MOST_ROUNDS + 1):
        gained = 0.0
        for number in list(maps):
            pull = _pull(union, products, maps, number)
            maps[number] = orthogonal(pull)
            gained += union.weights[number] * float(np.sum(maps[number] * pull))
        tell(f"round {turn} of turning models onto each other")
        if gained - before <= SETTLED * abs(gained):
            return
        before = gained
