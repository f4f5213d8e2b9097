"""`gossipw2v man`: the manual page, made of the parser, so that it cannot say anything else than `--help`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from gossipw2v import __version__
from gossipw2v.cli.operate.completion import commands

DESCRIPTION = "Print the manual page: `gossipw2v man > /usr/local/share/man/man1/gossipw2v.1`, then `man gossipw2v`."
EXIT_CODES = {
    "0": "done",
    "1": "failed",
    "2": "wrong usage, configuration, secret, text or checkpoint",
    "69": "no node answers",
    "74": "input or output failed",
    "128 + N": "ended by signal N",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be typed behind `gossipw2v man`."""
    parser.description = DESCRIPTION


def run(_: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print the page of what `parser` parses."""
    print("\n".join(page(parser)))
    return 0


def page(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The lines of the page, as roff with the macros of man(7)."""
    yield f'.TH GOSSIPW2V 1 "" "gossipw2v {__version__}"'
    yield from (".SH NAME", f"gossipw2v \\- {_plain(parser.description or '')}")
    yield from (".SH SYNOPSIS", ".B gossipw2v", "COMMAND [OPTION ...]")
    yield from (".SH DESCRIPTION", _plain(parser.epilog or ""), ".SH COMMANDS")
    for name, (each, said) in commands(parser).items():
        yield from _command(name, each, said)
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", f".B {code}", _plain(meaning))


def _command(name: str, parser: argparse.ArgumentParser, said: str) -> Iterator[str]:
    yield from (f'.SS "{name}: {_plain(said)}"', _plain(parser.description or said))
    for group in parser._action_groups:
        for action in group._group_actions:
            if action.help is not argparse.SUPPRESS:
                yield from (".TP", f".B {_plain(_typed(action))}", _plain((action.help or "") % vars(action)))


def _typed(action: argparse.Action) -> str:
    """How an option or an argument is typed: `-h, --help`, `--window WORDS`."""
    value = "" if action.nargs == 0 else _value(action)
    return f"{', '.join(action.option_strings)} {value}".strip()


def _value(action: argparse.Action) -> str:
    if action.metavar is None and action.choices:
        return "|".join(map(str, action.choices))
    named = str(action.metavar or action.dest.upper())
    return f"{named} [{named} ...]" if action.nargs == "+" else named


def _plain(text: str) -> str:
    """Text that roff takes for nothing else: one line, no request at its beginning, every hyphen a minus to copy."""
    line = re.sub(r"\s+", " ", text).strip().replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{line}" if line[:1] in (".", "'") else line
