"""The signals that ask a process to end: a node, which then stops in order, or a command, which then cleans up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGINT)  # a node; a node heeds them even where a shell has them ignored
RELOADING = signal.SIGUSR1  # not HUP, which ends a node with its terminal
ENDING = (  # a command: what people, terminals, timers and limits of a shell send
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGXCPU,
    signal.SIGALRM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def stopping() -> tuple[signal.Signals, ...]:
    """What stops a node: also HUP, of a terminal that closes, unless that is ignored: `nohup` asks for it so."""
    return STOPPING if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*STOPPING, signal.SIGHUP)


class Ended(BaseException):
    """The command was told to end; `code` is the exit code that a shell would have made of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def raised() -> Iterator[None]:
    """In the block, the first signal that ends a process is an exception there, so that it cleans up; no other is heard
    from then on. KeyboardInterrupt for Ctrl-C, Ended for others. A signal that is ignored, as by nohup, stays so.

    The handlers stay once a signal has come: Python prints a traceback for one that came before and is ignored now.
    """
    before = {number: signal.getsignal(number) for number in ENDING}
    heard = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    told = False

    def end(number: int, _: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise KeyboardInterrupt if number == signal.SIGINT else Ended(number)

    for number in heard:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in () if told else heard:
            signal.signal(number, before[number])
