"""`gossipw2v members` and `gossipw2v top`: who is there, and what goes over each link."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from gossipw2v.cli.screen import Screen
from gossipw2v.status import client, report
from gossipw2v.status.humanize import rows

Token = Callable[[argparse.Namespace], bytes | None]
Row = dict[str, Any]
COUNTERS = {"sent": "sent_bytes", "received": "received_bytes", "exchanges": "exchanges"}  # shown by what is counted
SHORTEST, LONGEST = 0.2, 3600.0  # s between two looks


def add_top_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be typed behind `gossipw2v top`."""
    parser.description = "Show what goes over each link of a running node, the busiest first, again and again."
    parser.add_argument(
        "--interval", type=_seconds, default=2.0, metavar="SECONDS", help="between two looks (default %(default)s)"
    )
    parser.add_argument("--rounds", type=_rounds, metavar="N", help="end after so many looks (default: at Ctrl-C)")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not SHORTEST <= value <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {SHORTEST} to {LONGEST:.0f}")
    return value


def _rounds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:10]) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def members(args: argparse.Namespace, token: Token) -> int:
    """Print the members that a node knows of, once. NoNodeError, AnswerError."""
    status = client.status(args.url, token(args))
    found = status.get("members") or []  # there are none as long as the node starts
    print(json.dumps(found) if args.json else report.members(status))
    return 0


def top(args: argparse.Namespace, token: Token) -> int:
    """Print the links by traffic, once in an interval, until the rounds are over. NoNodeError, AnswerError.

    On a terminal each is drawn over the one before, and the last stays.
    """
    shown, left, last = token(args), args.rounds, ""
    before, looked = client.status(args.url, shown), time.monotonic()
    with suppress(KeyboardInterrupt), Screen(sys.stdout, whole=True) as screen:  # Ctrl-C is the way to end it
        while left is None or left > 0:
            time.sleep(args.interval)
            now, then = client.status(args.url, shown), time.monotonic()
            links = traffic(before, now, then - looked)
            if screen.drawn and not args.json:
                screen.show(last := report.traffic(links))
            else:
                print(_told(links, then - looked, args.json), flush=True)
            before, looked, left = now, then, None if left is None else left - 1
    print(last, end="\n" if last else "", flush=True)
    return 0


def traffic(before: Mapping[str, Any], now: Mapping[str, Any], seconds: float) -> list[Row]:
    """Links of `now` with what went over each a second since `before`, the busiest first.

    A link that began since then has its counts from 0, one that began anew too. What is no number counts as 0.
    """
    earlier = {str(link.get("peer")): link for link in rows(before, "links")}
    found = []
    for link in rows(now, "links"):
        last = earlier.get(str(link.get("peer")), {})
        rates = {name: _rate(link.get(key), last.get(key), seconds) for name, key in COUNTERS.items()}
        found.append({**{key: link.get(key) for key in ("peer", "role", "pending_rows")}, **rates})
    return sorted(found, key=lambda row: -(row["sent"] + row["received"]))


def _rate(now: object, before: object, seconds: float) -> float:
    counted = now if isinstance(now, int | float) else 0
    start = before if isinstance(before, int | float) and before <= counted else 0
    return float(counted - start) / max(seconds, 1e-9)


def _told(links: list[Row], seconds: float, as_json: bool) -> str:
    return json.dumps({"seconds": round(seconds, 3), "links": links}) if as_json else report.traffic(links)
