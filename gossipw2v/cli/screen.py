"""Lines on a terminal that are drawn over themselves, or over all of it: what `status --watch`, `top` and `demo` show.

The only module that knows rich, which is imported when something is drawn. It knows how wide letters are and how large
the terminal is at the moment, and leaves it as it was: a whole screen goes, cursor and scrollback come back.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from gossipw2v.cli.streams import printable, redraws

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

BAD = r"(?m)^problems\n(?:  .*\n?)*"  # what is shown in red of a report
GOOD = "█+"


class Screen:
    """Text on `stream` for as long as a `with` lasts, on the whole terminal or below what was printed before.

    `drawn`: whether `stream` is a terminal that can be drawn on; where it is not, nothing is shown or printed.
    """

    def __init__(self, stream: TextIO, whole: bool = False) -> None:
        self.drawn = redraws(stream)
        self.stream, self._whole = stream, whole
        self._live: Live | None = None  # from the first text on

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, text: str) -> None:
        """Draw `text` in place of the text before; what does not fit the terminal is cut off, and it says so."""
        if not self.drawn:
            return
        from rich.text import Text  # noqa: PLC0415

        live = self._live = self._live or self._begun()
        shown = Text(printable(text), no_wrap=not self._whole, overflow="ellipsis")
        shown.highlight_regex(GOOD, "green")
        shown.highlight_regex(BAD, "red")
        live.update(self._cut(shown, live.console) if self._whole else shown, refresh=True)

    @staticmethod
    def _cut(text: Text, console: Console) -> Text:
        """As much as fits the terminal; its last line says how much does not."""
        from rich.text import Text  # noqa: PLC0415

        lines, room = list(text.wrap(console, console.width)), console.height
        if len(lines) > room:
            lines[room - 1 :] = [Text(f"and {len(lines) - room + 1} lines more, for which there is no room")]
        return Text("\n").join(lines)

    def above(self, text: str) -> None:
        """Print `text`, if there is any, so that it stays, above what is drawn over."""
        if self.drawn and text:
            live = self._live = self._live or self._begun()
            live.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def _begun(self) -> Live:
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live  # noqa: PLC0415

        console = Console(file=self.stream, force_terminal=True, legacy_windows=False)
        live = Live(
            console=console, screen=self._whole, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        live.start()
        return live
