"""How far the clocks of other machines are from this one's, by the Date of their HTTP answers.

Nothing in gossipw2v goes by the wall clock, certificates neither: it only makes logs of several machines hard to read.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException

from gossipw2v.cli.operate.findings import Finding, fine, note
from gossipw2v.config.address import Address
from gossipw2v.config.node import Config
from gossipw2v.status.humanize import duration

SECONDS = 2.0  # for an answer
MOST_SKEW = 5.0  # s that say nothing: the header has whole seconds, and the answer takes its time
MOST_HOSTS = 8  # that are asked
ADVICE = "have both set by NTP; training does not mind, but logs of both are hard to compare"
PROBE = "/healthz"  # which is answered to anybody


def compare_clocks(config: Config, hosts: list[str]) -> list[Finding]:
    """Ask hosts for the time at the port of `--http`, which is most likely theirs too."""
    port = Address.parse(config.http).port
    skews = {host: skew for host in hosts[:MOST_HOSTS] if (skew := clock_skew(host, port)) is not None}
    if not skews:
        return [note("clocks", "not compared: no peer answers over HTTP; nothing depends on them")] if hosts else []
    far = {host: skew for host, skew in skews.items() if abs(skew) > MOST_SKEW}
    found = [
        note(f"clock {host}", f"{duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} this machine's", ADVICE)
        for host, skew in far.items()
    ]
    return found or [fine("clocks", f"within {MOST_SKEW:.0f} s of {len(skews)} peers")]


def clock_skew(host: str, port: int) -> float | None:
    """Seconds that a host's clock is ahead of this one's, to about one; None if it does not tell."""
    connection = HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", PROBE, headers={"Host": "localhost"})
        told = connection.getresponse().headers.get("Date", "")
        return parsedate_to_datetime(told).timestamp() - time.time()
    except (OSError, HTTPException, ValueError, TypeError, OverflowError):
        return None
    finally:
        connection.close()
