"""`gossipw2v neighbors`: the words that a running node's model finds near others."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any

from gossipw2v.cli import streams
from gossipw2v.status import client
from gossipw2v.status.humanize import UNKNOWN, finite

MOST_NEIGHBORS = 1000  # as in `routes`
FAILURE = 1  # exit code where a word is not in the vocabulary

Token = Callable[[argparse.Namespace], bytes | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be typed behind `gossipw2v neighbors`, but for where the node is."""
    parser.description = "Show the words nearest to each WORD by cosine, as a running node's model is now."
    parser.add_argument("words", nargs="+", metavar="WORD", help="a word, as it is written in the text")
    parser.add_argument("--topn", type=_topn, default=10, metavar="N", help="how many (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="an object a line, for programs")


def run(args: argparse.Namespace, token: Token) -> int:
    """Ask for each word and print; `token` finds what to show the node. Exit code 1 if a word is unknown."""
    shown, code = token(args), 0
    for word in args.words:
        try:
            answer = client.query(args.url, "neighbors", {"word": word, "topn": args.topn}, shown)
        except client.AnswerError as error:
            streams.tell(f"gossipw2v: {error}")
            code = FAILURE
        else:
            print(json.dumps(answer) if args.json else _shown(answer), flush=True)
    return code


def _shown(answer: Mapping[str, Any]) -> str:
    """A title and a line for each word; nothing that moves a terminal's cursor gets through."""
    found = [row for row in answer["neighbors"] if isinstance(row, Mapping)]
    rows = [(_printable(row.get("word")), finite(row.get("similarity"))) for row in found]
    width = max((len(word) for word, _ in rows), default=0)
    lines = (f"  {word.ljust(width)}  {UNKNOWN if score is None else f'{score:.4f}'}" for word, score in rows)
    return "\n".join((f"near {_printable(answer.get('word'))}", *lines))


def _printable(text: object) -> str:
    return "".join(char if char.isprintable() else "?" for char in str(text)[:200])


def _topn(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_NEIGHBORS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_NEIGHBORS}")
    return int(text)
