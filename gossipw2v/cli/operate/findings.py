"""What the doctor finds: a verdict on one thing in one line, with what to do about it."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

OK, NOTE, WRONG = "ok", "note", "wrong"  # verdicts; a note is nothing wrong, or what cannot be told from here


INDENT = " " * 7  # of what goes on from the line above


class Finding(NamedTuple):
    """`check`: what was looked at; `verdict`: OK, NOTE or WRONG; `advice`: what to do, empty where nothing is."""

    check: str
    verdict: str
    text: str
    advice: str = ""

    def line(self) -> str:
        """One line for people, with nothing in it that moves a terminal's cursor: strangers wrote some of it."""
        advice = f"; {self.advice}" if self.advice else ""
        return _printable(f"{self.verdict:<5}  {self.check}: {self.text}{advice}")

    def paragraph(self, width: int) -> str:
        """As `line`, for a terminal of so many columns: broken between words, and what to do begins a line."""
        parts = [
            f"{self.verdict:<5}  {self.check}: {self.text}",
            *([f"{INDENT}-> {self.advice}"] if self.advice else []),
        ]
        form = textwrap.TextWrapper(width, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False)
        return "\n".join(form.fill(_printable(part)) for part in parts)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def fine(check: str, text: str) -> Finding:
    """All is well with `check`."""
    return Finding(check, OK, text)


def note(check: str, text: str, advice: str = "") -> Finding:
    """Nothing is wrong, but people may want to know."""
    return Finding(check, NOTE, text, advice)


def wrong(check: str, text: str, advice: str) -> Finding:
    """A node would not work as it should."""
    return Finding(check, WRONG, text, advice)
