"""The signals that ask a process to end, and what is kept of them when it is not to hear one."""

from __future__ import annotations

import signal


def ending() -> tuple[signal.Signals, ...]:
    """TERM, INT, and HUP of a terminal that closes, unless that is ignored: `nohup` asks for it so."""
    heard = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heard.append(signal.SIGHUP)
    return tuple(heard)
