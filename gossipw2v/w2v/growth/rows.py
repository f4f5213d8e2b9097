"""A model that goes on with another version of its vocabulary: rows are carried over by word, new ones are initial.

Both ends of a link do the same to their references, so these stay equal to the bit. First come the references, while
training may go on; then the matrices, for which it must stand still; and all is put in place at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossipw2v.delta import RowDelta
from gossipw2v.w2v.growth.versions import Renumbering
from gossipw2v.w2v.training.clipping import Bucket
from gossipw2v.w2v.training.link_view import Floats, LinkView
from gossipw2v.w2v.training.model import Model

Initial = Callable[[], Floats]
FILLED: dict[str, float] = {  # what a new row is to a link
    "seen": 0, "sent_at": 0, "disjoint": True, "may_differ": True,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class GrownRows:
    """Both matrices of a model and their updates, float32[2V, D] and int64[2V], for another version."""

    weights: Floats
    updates: NDArray[np.int64]


def moved_delta(delta: RowDelta, rows: NDArray[np.int64]) -> RowDelta:
    """Rows on their way by their new numbers, int64[2V] of the old ones; those that are no more are left out."""
    at = rows[delta.rows]
    kept = np.flatnonzero(at >= 0)
    order = kept[np.argsort(at[kept])]
    chosen = at[order].astype(np.int32)
    return RowDelta(chosen, delta.counts[order], delta.scales[order], delta.values[order])


def renumber_links(model: Model, to: Renumbering, initial: Initial) -> None:
    """Renumber what the model knows of its links, in the row worker's thread, while no exchange is under way."""
    for view in model.links.values():
        _renumber_view(view, to, initial)
    held = [*model.clipping.buckets.values(), *model.clipping.gone()]
    for bucket in held:
        _renumber_bucket(bucket, to)
    model.clipping.rows = 2 * to.size


def new_rows(to: Renumbering, initial: Initial) -> GrownRows:
    """All rows as they begin."""
    return GrownRows(initial(), np.zeros(2 * to.size, np.int64))


def carry_over(model: Model, to: Renumbering, into: GrownRows) -> None:
    """Copy the model's rows to their new places; in the model nothing changes yet. Nobody may train meanwhile."""
    _move(model.weights, into.weights, to)
    _move(model.updates, into.updates, to)


def put_in_place(model: Model, grown: GrownRows, initial: Initial, names: dict[bytes, bytes]) -> None:
    """From now on these are the model's rows, every model of the job starts from `initial`, and links are called so."""
    model.weights, model.updates, model.initial = grown.weights, grown.updates, initial
    model.clipping.weights = grown.weights
    model.links = {names.get(link, link): view for link, view in model.links.items()}
    model.clipping.rename(names)


def _move(values: NDArray[Any], into: NDArray[Any], to: Renumbering) -> None:
    """Put what belongs to the rows of both matrices, [2V, ...], where these are then."""
    if to.stays:  # two stretches, as fast as memory
        words = len(to.places)
        into[:words], into[to.size : to.size + words] = values[:words], values[words:]
        return
    kept = to.rows >= 0
    into[to.rows[kept]] = values[kept]


def _renumber_view(view: LinkView, to: Renumbering, initial: Initial) -> None:
    reference = initial()
    _move(view.reference, reference, to)
    view.reference = reference
    for name, fill in FILLED.items():
        before = getattr(view, name)
        after = np.full(len(reference), fill, before.dtype)
        _move(before, after, to)
        setattr(view, name, after)
    if view.sent is not None:
        view.sent = moved_delta(view.sent, to.rows)


def _renumber_bucket(bucket: Bucket, to: Renumbering) -> None:
    due = np.full(2 * to.size, -np.inf)
    _move(bucket.due, due, to)
    bucket.due = due
