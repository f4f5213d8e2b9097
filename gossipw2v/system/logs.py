"""Structured logs on stderr: lines for people on a terminal, JSON elsewhere, priorities for the journal.

structlog hands everything to the standard library's logging, which aiohttp, asyncio and zeroconf use too, so
there is one handler and one format. A line that cannot be written is dropped: it never stops its cause.
"""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from gossipw2v.system.wellformed import well_formed

Logger = structlog.stdlib.BoundLogger

# At debug these would drown our own lines.
CHATTY = ("aiohttp.access", "asyncio", "numba", "zeroconf")
# sd-daemon(3): the journal reads "<N>" at the start of a line as its priority.
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

_BEFORE: list[Processor] = [structlog.stdlib.add_logger_name, structlog.stdlib.add_log_level]

# Done on import, lest a logger that is used before `configure` print to stdout, where data goes.
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_BEFORE,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


def get_logger(name: str) -> Logger:
    """A logger: `log.info("what happened", key=value)`. `name` is the module's last name."""
    logger: Logger = structlog.stdlib.get_logger(name)
    return logger


def configure(level: str = "info", format: str = "auto", stream: TextIO | None = None) -> None:
    """Send logs of `level` and above to `stream` (stderr); `format` is auto, text or json. Repeatable."""
    stream = stream or sys.stderr
    handler = _Handler(stream)
    handler.setFormatter(_formatter(format, stream, os.environ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    logging.captureWarnings(True)


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the library's name)
        """Nowhere is left to say it: the reader of the pipe is gone, or stderr was closed."""


def _formatter(format: str, stream: TextIO, environ: Mapping[str, str]) -> logging.Formatter:
    terminal = _is_terminal(stream)
    text = format == "text" or (format == "auto" and terminal)
    journal = _is_journal(stream, environ)
    chain: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if not journal:  # the journal keeps its own, better time
        chain.append(structlog.processors.TimeStamper("%H:%M:%S" if text else "iso", utc=not text))
    chain += _text(terminal and _wants_colour(environ)) if text else _json()
    formatter = _Journal if journal else structlog.stdlib.ProcessorFormatter
    return formatter(processors=chain, foreign_pre_chain=_BEFORE)


def _text(colours: bool) -> list[Processor]:
    plain = structlog.dev.plain_traceback
    return [_well_formed, _printable, structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)]


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, _well_formed, _in_order, structlog.processors.JSONRenderer()]


class _Journal(structlog.stdlib.ProcessorFormatter):
    """Puts the priority before every line; the journal makes an entry of each."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{PRIORITIES.get(record.levelname.lower(), 6)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def _printable(_: Any, __: str, event: EventDict) -> EventDict:
    """Escape what would move a terminal's cursor: some values come from other machines."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = value.encode("unicode_escape").decode()
    return event


def _well_formed(_: Any, __: str, event: EventDict) -> EventDict:
    """Show names of files that are no UTF-8 as the page and JSON of `/status` do."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = well_formed(value)
        elif isinstance(value, list | tuple):
            event[key] = [well_formed(item) if isinstance(item, str) else item for item in value]
    return event


def _in_order(_: Any, __: str, event: EventDict) -> EventDict:
    first = {key: event[key] for key in ("timestamp", "level", "logger", "event") if key in event}
    return {**first, **event}


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # none at all, or closed
        return False


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """systemd.exec(5): JOURNAL_STREAM names a device and inode; a child may have it and write elsewhere."""
    try:
        status = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _wants_colour(environ: Mapping[str, str]) -> bool:
    """no-color.org: any value but the empty one says no."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
