"""What is drawn over itself, as a person sees it: on a screen of any size, of any text, and what is left afterwards."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stub_node import STATUS
from support.terminal import on_paper

from gossipw2v.cli.screen import Screen
from gossipw2v.status import report

ESCAPE = r"\x1b\[[0-9;?]*[a-zA-Z]"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 100 columns and 30 lines."""
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "100"), ("LINES", "30")):
        monkeypatch.setenv(name, value)
    return Terminal()


def test_a_report_fills_the_screen_and_the_last_is_what_is_seen(terminal: Terminal) -> None:
    with Screen(terminal, whole=True) as screen:
        screen.show(report.render(STATUS | {"job": "before"}))
        screen.show(report.render(STATUS))
        seen = on_paper(terminal.getvalue())
    assert seen[0] == report.render(STATUS).splitlines()[0]
    assert "  10.0.0.9:7411 does not answer" in seen
    assert not any("before" in line for line in seen)


def test_what_is_too_long_for_the_screen_is_cut_and_it_says_so(terminal: Terminal) -> None:
    with Screen(terminal, whole=True) as screen:
        screen.show(report.render(STATUS | {"members": STATUS["members"] * 20}))
        seen = on_paper(terminal.getvalue())
    assert seen[0].startswith("node 3fa2")
    assert len(seen) == 30
    assert re.fullmatch(r"and \d+ lines more, for which there is no room", seen[-1])
    assert "  10.0.0.9:7411 does not answer" in seen


def test_the_terminal_is_left_as_it_was_whatever_happens(terminal: Terminal) -> None:
    def break_off() -> None:
        with Screen(terminal, whole=True) as screen:
            screen.show("one")
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        break_off()
    written = terminal.getvalue()
    for on, off in (("?1049h", "?1049l"), ("?25l", "?25h")):  # the other screen, and no cursor
        assert written.rindex(f"\x1b[{off}") > written.rindex(f"\x1b[{on}")


def test_lines_are_drawn_over_and_what_is_above_stays(terminal: Terminal) -> None:
    with Screen(terminal) as screen:
        screen.show("one 1\ntwo 1")
        screen.above("a problem")
        screen.show("one 2\ntwo 2")
    print("behind", file=terminal)
    assert on_paper(terminal.getvalue()) == ["a problem", "one 2", "two 2", "behind"]


def test_a_line_wider_than_the_terminal_is_cut_wide_letters_counted(terminal: Terminal) -> None:
    with Screen(terminal) as screen:
        for _ in range(3):
            screen.show("日本" * 40)
    (line,) = on_paper(terminal.getvalue())
    assert line.endswith("…")


@pytest.mark.parametrize("term", ["dumb", None])
def test_nothing_is_drawn_where_nothing_can_be(term: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term or "xterm")
    stream = Terminal() if term else io.StringIO()
    with Screen(stream) as screen:
        screen.show("text")
        screen.above("text")
        assert not screen.drawn
    assert stream.getvalue() == ""


@given(st.text(max_size=60))
def test_no_text_moves_the_cursor_or_is_taken_for_markup(text: str) -> None:
    terminal = Terminal()
    with Screen(terminal) as screen:
        screen.above(f"<{text}[bold]>")
        screen.show(f"<{text}[/]>")
    assert not re.search(r"[^\x20-\x7e\x80-\U0010ffff\n]", re.sub(ESCAPE, "", terminal.getvalue()).replace("\r", ""))
    assert "[bold]>" in terminal.getvalue().replace("\n", "")
