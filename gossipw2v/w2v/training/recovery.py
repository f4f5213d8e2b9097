"""A model that has diverged comes back: each row from where most is known of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gossipw2v.delta import empty
from gossipw2v.w2v.kernels.merge import Matrices, take_back
from gossipw2v.w2v.kernels.quantize import Coded, frozen
from gossipw2v.w2v.training import guard
from gossipw2v.w2v.training.link_view import Floats, LinkView, Updates
from gossipw2v.w2v.training.model import Model

BLOCK_ROWS = 4096  # rows looked at at a time


def nothing_kept(_weights: Floats, _updates: Updates) -> bool:
    """Where there is no checkpoint to come back to."""
    return False


def come_back(model: Model, kept: Callable[[Floats, Updates], bool] = nothing_kept) -> None:
    """Give up what has been trained of late: each row comes back from where most is known of it.

    `kept` puts the rows of a checkpoint of this model into float32[2V, D], and into int64[2V] updates that are
    surely in them; False if there is none. Without anything else a row is its initial one. No trainer thread may
    be at work.

    Of the checkpoint and the references the one that has seen more updates of a row is the right one for it. If
    that is the checkpoint, no exchange since has had the row, since that would have raised `seen` above what the
    checkpoint counts: the reference is older, and the difference is still pending, as it was then. If it is a
    reference, the other end holds that row; going further back would make the difference a change against what it
    has, and undo there, at the next exchange, what others have trained. What was pushed and is not answered yet
    belongs to the reference, as the answer will be merged as one to it. So `updates` never fall below what any
    other end has seen, and nothing is told twice; what only this node had is lost, as if it had been killed.
    """
    first = model.initial()
    model.forget_curvature()
    if not kept(model.weights, model.updates):
        model.weights[:], model.updates[:] = first, 0
    for start in range(0, len(first), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        lost = ~guard.sound(model.weights[block], model.longest)
        model.weights[block][lost], model.updates[block][lost] = first[block][lost], 0
    for view in model.links.values():
        _take_back(model, view)


def _take_back(model: Model, view: LinkView) -> None:
    """From what a link knows."""
    sent = view.sent or empty(model.vector_size)
    at = np.full(len(model.weights), -1, np.int32)
    at[sent.rows] = np.arange(len(sent), dtype=np.int32)
    here, coded = Matrices(model.weights, view.reference), frozen(Coded(sent.scales, sent.values))
    take_back(here, model.updates, view.seen, coded, at, sent.counts, np.float32(model.longest))
    view.may_differ[:] = True
