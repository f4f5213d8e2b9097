"""How far training is, for callbacks and for people."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from gossipw2v.api.vectors import WordVectors
from gossipw2v.node.session import Session

Callback = Callable[["Epoch"], object]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What a callback is told when this node has trained its text once more.

    `loss`: the SGNS loss of a pair on held-out text, as last measured, or None. `vectors` are the live ones: training
    goes on in them while they are looked at; copy what is to stay.
    """

    number: int  # 1 is the first
    epochs: int
    words_per_second: float
    loss: float | None
    vectors: WordVectors


def words_trained(session: Session) -> int:
    """Words of all epochs that this node has trained, those of former lives included."""
    return session.trainer.before + session.trainer.trained


def epochs_in(session: Session, words: int) -> int:
    """How many times this node's text has so many words."""
    return words // max(1, session.trainer.cursor.words)


class TrainingLine:
    """One line on standard error that is drawn over itself, on a terminal or in a notebook; else nothing."""

    def __init__(self, wanted: bool | None) -> None:
        self._drawn = _is_watched() if wanted is None else wanted
        self._width = 0

    def show(self, session: Session) -> None:
        """Draw how far the training is."""
        if not self._drawn:
            return
        words = session.trainer.cursor.words * session.trainer.recipe.epochs
        share = words_trained(session) / max(1, words)
        text = f"gossipw2v: {share:4.0%} of {words:,} words, {session.trainer.words_per_second:,.0f} a second"
        print(f"\r{text:{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(text)

    def end(self) -> None:
        """Leave the line; what is printed next stands below it."""
        if self._width:
            print(file=sys.stderr)


def _is_watched() -> bool:
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())
