"""What a person would see of what a program has written to a terminal."""

from __future__ import annotations

import pyte


def on_paper(written: str, columns: int = 100, lines: int = 30) -> list[str]:
    """The lines of a terminal of such a size, from the first to the last that is not empty."""
    screen = pyte.Screen(columns, lines)
    pyte.Stream(screen).feed(written.replace("\n", "\r\n"))  # as the terminal's own driver does
    shown = [line.rstrip() for line in screen.display]
    return shown[: max((number for number, line in enumerate(shown, 1) if line), default=0)]
